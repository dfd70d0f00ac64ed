"""The playlists, written when the grid is known: a media playlist for each rung and the multivariant one."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from mediaserver.contracts import Rung

from .ladder import codecs, resolution
from .plan import Grid

__all__ = ["Rates", "Rendition", "distinct", "estimated_rates", "media_playlist", "multivariant_playlist"]

AUDIO_RATE = 128_000  # bit/s
TS_OVERHEAD = 1.10  # 16 % over the payload at 480p, 6.6 % at 1080p
GROUPS = {"AUDIO": "audio", "SUBTITLES": "subtitles"}
TYPICAL = 0.6  # of the maximum: where CRF 23 usually lands


@dataclass(frozen=True, slots=True)
class Rendition:
    """A track beside the pictures: one line EXT-X-MEDIA (RFC 8216, 4.3.4.1).

    `kind` is AUDIO or SUBTITLES, `language` a tag of RFC 5646 or "" where unsaid, `address` relative to the
    multivariant playlist, "" for sound that is in the variants; `channels` 0 where unsaid.
    """

    kind: Literal["AUDIO", "SUBTITLES"]
    name: str
    language: str = ""
    address: str = ""
    default: bool = False
    forced: bool = False
    characteristics: str = ""
    channels: int = 0

    @property
    def line(self) -> str:
        attributes = [f"TYPE={self.kind}", f'GROUP-ID="{GROUPS[self.kind]}"', f'NAME="{_quoted(self.name)}"']
        if self.language:
            attributes.append(f'LANGUAGE="{_quoted(self.language)}"')
        attributes += [f"DEFAULT={_yes(self.default)}", f"AUTOSELECT={_yes(self.default or bool(self.language))}"]
        if self.kind == "SUBTITLES":
            attributes.append(f"FORCED={_yes(self.forced)}")
        if self.characteristics:
            attributes.append(f'CHARACTERISTICS="{_quoted(self.characteristics)}"')
        if self.channels:
            attributes.append(f'CHANNELS="{self.channels}"')
        if self.address:
            attributes.append(f'URI="{self.address}"')
        return "#EXT-X-MEDIA:" + ",".join(attributes)


def _yes(value: bool) -> str:
    return "YES" if value else "NO"


def _quoted(text: str) -> str:
    """A quoted string holds neither quotes nor line ends (RFC 8216, 4.2)."""
    return "".join("'" if char == '"' else char for char in text if char.isprintable())


def distinct(names: Sequence[str]) -> list[str]:
    """With a number behind each that would be written as one before it (RFC 8216, 4.3.4.1.1)."""
    made: list[str] = []
    written: set[str] = set()
    for name in names:
        tries = (name, *(f"{name} {number}" for number in range(2, len(names) + 2)))
        made.append(next(each for each in tries if _quoted(each).casefold() not in written))
        written.add(_quoted(made[-1]).casefold())
    return made


@dataclass(frozen=True, slots=True)
class Rates:
    """Bit/s of the whole stream: of its worst segment, and of all."""

    peak: int
    average: int


def estimated_rates(rung: Rung) -> Rates:
    """Before a cell is made."""
    peak = (rung.max_rate + AUDIO_RATE) * TS_OVERHEAD
    average = (rung.max_rate * TYPICAL + AUDIO_RATE) * TS_OVERHEAD
    return Rates(math.ceil(peak), math.ceil(average))


def media_playlist(grid: Grid, name: str = "{number:03d}.ts", *, key: str = "") -> str:
    """VOD and complete from the start; `name` is the form of the segments' relative addresses, `key` the key's."""
    lines = [
        "#EXTM3U",
        "#EXT-X-VERSION:6",
        f"#EXT-X-TARGETDURATION:{_target(grid)}",
        "#EXT-X-MEDIA-SEQUENCE:0",
        "#EXT-X-PLAYLIST-TYPE:VOD",
        "#EXT-X-INDEPENDENT-SEGMENTS",
    ]
    if key:
        lines.append(f'#EXT-X-KEY:METHOD=AES-128,URI="{key}"')
    for number, duration in enumerate(grid.durations):
        lines += [f"#EXTINF:{float(duration):.6f},", name.format(number=number)]
    return "\n".join([*lines, "#EXT-X-ENDLIST", ""])


def _target(grid: Grid) -> int:
    """Each segment's length, rounded, is at most this (RFC 8216, 4.3.3.1)."""
    return max(1, math.ceil(max(grid.durations)))


def multivariant_playlist(
    grid: Grid,
    rungs: Sequence[Rung],
    *,
    audio: bool,
    address: str = "{rung}/index.m3u8",
    measured: Mapping[str, Rates] | None = None,
    renditions: Sequence[Rendition] = (),
    copied: str = "",
) -> str:
    """Lowest rung first: players begin with it and climb. `measured` are the rates of rungs that are complete.

    `copied` are the attributes of the film as it is, without those that name groups.
    """
    lines = ["#EXTM3U", "#EXT-X-VERSION:6", "#EXT-X-INDEPENDENT-SEGMENTS"]
    lines += [rendition.line for rendition in renditions]
    kinds = {rendition.kind for rendition in renditions}
    groups = [f'{kind}="{group}"' for kind, group in GROUPS.items() if kind in kinds]
    for rung in rungs:
        rates = (measured or {}).get(rung.name) or estimated_rates(rung)
        attributes = (
            f"BANDWIDTH={rates.peak}",
            f"AVERAGE-BANDWIDTH={rates.average}",
            f'CODECS="{codecs(rung, grid.fps, audio=audio)}"',
            f"RESOLUTION={resolution(rung)}",
            f"FRAME-RATE={float(grid.fps):.3f}",
            *groups,
        )
        lines += ["#EXT-X-STREAM-INF:" + ",".join(attributes), address.format(rung=rung.name)]
    if copied:
        lines += ["#EXT-X-STREAM-INF:" + ",".join([copied, *groups]), address.format(rung="original")]
    return "\n".join([*lines, ""])
