"""Texts of strangers, read as SubRip or WebVTT and written as WebVTT that is harmless wherever it is shown."""

from __future__ import annotations

import codecs
import html
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from mediaserver.errors import MediaServerError

from .command import OFFSET_SECONDS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["Cue", "NotText", "clock", "decoded", "read", "written"]

LARGEST = 10_000_000  # bytes of what is served
MOST = 50_000  # cues
LONGEST = 2_000  # characters of a cue
LAST = 24 * 3600.0  # seconds
TICKS = 90_000  # of MPEG-TS, in a second
HEADER = f"WEBVTT\nX-TIMESTAMP-MAP=MPEGTS:{OFFSET_SECONDS * TICKS},LOCAL:00:00:00.000\n"
TIME = r"(?:(\d{1,3}):)?(\d{1,2}):(\d{1,2})[.,](\d{1,3})"
TIMING = re.compile(rf"\s*{TIME}\s*-->\s*{TIME}(.*)")
SETTING = re.compile(r"(?:line|position|size|align|vertical):[a-z0-9.,%-]{1,30}")
TAG = re.compile(r"(</?[A-Za-z][^<>\n]{0,200}>|<[\d:.]{5,20}>)")
PLAIN = re.compile(r"<(/?)(b|i|u|c|ruby|rt)((?:\.[\w-]{1,40}){0,8})\s*>", re.IGNORECASE)
NAMED = re.compile(r"<(v|lang)((?:\.[\w-]{1,40}){0,8})\s+([^<>]{1,100})>|<(/)(v|lang)\s*>", re.IGNORECASE)
REFERENCE = re.compile(r"&(?:#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z]\w{1,30});")
OVERRIDE = re.compile(r"\{\\[^{}\n]{0,500}\}")  # of ASS; players read them in SubRip, too
AT_TOP = re.compile(r"\{[^{}\n]{0,100}\\an[789]")
DRAWING = re.compile(r"m(?:\s+(?:-?\d+(?:\.\d+)?|[mnlbspc]))+\s*")
BREAKS = re.compile(r"\r\n|\r|\n")
LEGACY = {
    **dict.fromkeys(("bg", "mk", "ru", "sr", "uk", "be"), "cp1251"),
    **dict.fromkeys(("bs", "cs", "hr", "hu", "pl", "ro", "sk", "sl", "sq"), "cp1250"),
    "el": "cp1253", "tr": "cp1254", "he": "cp1255", "ar": "cp1256", "fa": "cp1256", "vi": "cp1258", "th": "cp874",
    "lt": "cp1257", "lv": "cp1257", "et": "cp1257", "ja": "cp932", "ko": "cp949", "zh": "gb18030",
    "zh-Hant": "cp950", "zh-TW": "cp950", "zh-HK": "cp950",
}  # fmt: skip


class NotText(MediaServerError):
    """No subtitle can be made of this; the message is one sentence."""


@dataclass(frozen=True, slots=True)
class Cue:
    """Seconds of the film, and a text with known tags alone."""

    start: float
    end: float
    settings: str
    text: str


def decoded(data: bytes, language: str = "") -> str:
    """UTF-8, or UTF-16 where it says so, else what Windows writes in that language."""
    for mark, name in (
        (codecs.BOM_UTF8, "utf-8-sig"),
        (codecs.BOM_UTF16_LE, "utf-16"),
        (codecs.BOM_UTF16_BE, "utf-16"),
    ):
        if data.startswith(mark):
            return data.decode(name, "replace")
    legacy = LEGACY.get(language) or LEGACY.get(language.partition("-")[0], "cp1252")
    for name in ("utf-8", legacy):
        try:
            return data.decode(name)
        except UnicodeDecodeError:
            continue
    return data.decode("cp1252", "replace")


def read(text: str) -> list[Cue]:
    """The cues in order. Raises NotText where there are none, or too many."""
    found = sorted(_cues(BREAKS.split(text)), key=lambda cue: (cue.start, cue.end))
    if not found:
        raise NotText("There is no text with times in it.")
    if len(found) > MOST:
        raise NotText(f"It has more than {MOST} texts.")
    return found


def written(cues: Sequence[Cue]) -> str:
    """Raises NotText where it is larger than what is served."""
    blocks = [
        f"{clock(cue.start)} --> {clock(cue.end)}{cue.settings and f' {cue.settings}'}\n{cue.text}\n" for cue in cues
    ]
    made = "\n".join([HEADER, *blocks])
    if len(made.encode()) > LARGEST:
        raise NotText(f"Its text is larger than {LARGEST // 1_000_000} MB.")
    return made


def _cues(lines: Sequence[str]) -> Iterator[Cue]:
    at = 0
    while at < len(lines):
        timing = TIMING.fullmatch(lines[at]) if "-->" in lines[at] else None
        at += 1
        if timing is None:
            continue
        begin = at
        while at < len(lines) and lines[at].strip():
            at += 1
        cue = _cue(timing, "\n".join(lines[begin:at])[:LONGEST])
        if cue is not None:
            yield cue


def _cue(timing: re.Match[str], raw: str) -> Cue | None:
    start, end = _seconds(timing.groups()[:4]), _seconds(timing.groups()[4:8])
    text = _harmless(OVERRIDE.sub("", raw))
    if not 0 <= start < end <= LAST or not text or DRAWING.fullmatch(text):
        return None
    settings = " ".join(part for part in timing[9].split()[:8] if SETTING.fullmatch(part))
    cue = Cue(start, end, settings, text)
    return replace(cue, settings="line:5%") if not settings and AT_TOP.search(raw) else cue


def _seconds(parts: Sequence[str | None]) -> float:
    hours, minutes, seconds, fraction = (part or "0" for part in parts)
    return int(hours) * 3600 + int(minutes) * 60 + int(seconds) + int(fraction.ljust(3, "0")) / 1000


def clock(seconds: float) -> str:
    """A time as cues have it."""
    whole = round(seconds * 1000)
    return f"{whole // 3_600_000:02d}:{whole // 60_000 % 60:02d}:{whole // 1000 % 60:02d}.{whole % 1000:03d}"


def _harmless(raw: str) -> str:
    """Known tags in pairs, other ones gone, everything else escaped; some clients put it into innerHTML."""
    made: list[str] = []
    open_tags: list[str] = []
    for number, part in enumerate(TAG.split(raw)):
        made.append(_tag(part, open_tags) if number % 2 else _escaped(part))
    made += [f"</{name}>" for name in reversed(open_tags)]
    lines = (line.strip() for line in "".join(made).split("\n"))
    return "\n".join(line for line in lines if line)


def _tag(tag: str, open_tags: list[str]) -> str:
    plain, named = PLAIN.fullmatch(tag), NAMED.fullmatch(tag)
    name = (plain[2] if plain else (named[1] or named[5]) if named else "").lower()
    if not name:
        return ""
    if tag.startswith("</"):
        if open_tags[-1:] != [name]:
            return ""
        open_tags.pop()
        return f"</{name}>"
    classes = (plain[3] if plain else named[2] if named else "") or ""
    said = re.sub(r"[^\w .,'-]", "", named[3]).replace("'", "\N{RIGHT SINGLE QUOTATION MARK}").strip() if named else ""
    if named and not said:
        return ""
    open_tags.append(name)
    return f"<{name}{classes}{said and f' {said}'}>"


def _escaped(text: str) -> str:
    plain = REFERENCE.sub(lambda found: html.unescape(found[0]), text)
    shown = "".join(
        char for char in plain if char == "\n" or (char.isprintable() or char in "\u200e\u200f\u00ad\u00a0\u3000")
    )
    return shown.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
