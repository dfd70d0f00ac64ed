"""What the name of a file beside a video says: which one it belongs to, and of a subtitle its language and flags."""

from __future__ import annotations

from dataclasses import dataclass

from mediaserver.contracts import SidecarKind
from mediaserver.core.languages import is_common, language_tag

__all__ = ["SubtitleName", "belongs_to", "sidecar_kind", "subtitle_name"]

TEXT = frozenset({"srt", "vtt", "ass", "ssa"})
IMAGE = frozenset({"sub", "sup"})  # `.idx` is only the index of its `.sub`
PICTURES = frozenset({"jpg", "jpeg", "png", "webp"})
OF_FOLDER = frozenset({"poster", "folder", "cover", "default", "movie"})
OF_FILM = ("-poster", "-thumb")
DEFAULT, FORCED, SDH = frozenset({"default"}), frozenset({"forced", "foreign"}), frozenset({"sdh", "cc"})
HINDI_OR_SDH = "hi"
LONGEST = 200  # characters of a title


@dataclass(frozen=True, slots=True)
class SubtitleName:
    language: str = ""  # RFC 5646
    title: str = ""
    default: bool = False
    forced: bool = False
    sdh: bool = False


def sidecar_kind(name: str) -> SidecarKind | None:
    """The quick question of a scan."""
    stem, dot, ending = name.rpartition(".")
    ending = ending.lower()
    if not dot or not stem or name.startswith("."):
        return None
    if ending in TEXT or ending in IMAGE:
        return SidecarKind.SUBTITLE
    if ending in PICTURES and (stem.lower() in OF_FOLDER or stem.lower().endswith(OF_FILM)):
        return SidecarKind.POSTER
    return None


def belongs_to(name: str, stems: list[str]) -> str | None:
    """Which of the videos of its folder (their names without ending) a sidecar belongs to; the longest name wins.

    A poster of the folder belongs to none of them alone.
    """
    own = name.rpartition(".")[0].casefold()
    if sidecar_kind(name) is SidecarKind.POSTER:
        own = own.removesuffix(OF_FILM[0]).removesuffix(OF_FILM[1])
        return next((stem for stem in stems if stem.casefold() == own), None)
    fitting = [stem for stem in stems if own == stem.casefold() or own.startswith(f"{stem.casefold()}.")]
    return max(fitting, key=len, default=None)


def subtitle_name(name: str, stem: str) -> SubtitleName:
    """What stands between the video's own name `stem` and the ending, in any order: `Film.Commentary.en.forced.srt`."""
    parts = [part for part in name.rpartition(".")[0][len(stem) :].split(".") if part]
    words = [part.lower() for part in parts]
    language = _language(words)
    flags = DEFAULT | FORCED | SDH | ({HINDI_OR_SDH} if language is not None else set())
    title = [part for at, part in enumerate(parts) if at != language and words[at] not in flags]
    said = [word for at, word in enumerate(words) if at != language]
    return SubtitleName(
        language=language_tag(parts[language]) if language is not None else "",
        title=_clean(" ".join(title)),
        default=any(word in DEFAULT for word in said),
        forced=any(word in FORCED for word in said),
        sdh=any(word in SDH or word == HINDI_OR_SDH for word in said),
    )


def _language(words: list[str]) -> int | None:
    """Where it stands: of several words that may be one the commonest, and of these the last; `hi` only where alone."""
    known = [at for at, word in enumerate(words) if word not in DEFAULT | FORCED | SDH and language_tag(word)]
    plain = [at for at in known if words[at] != HINDI_OR_SDH]
    common = [at for at in plain if is_common(words[at])]
    chosen = common or plain or known[:1]
    return chosen[-1] if chosen else None


def _clean(text: str) -> str:
    return "".join(char for char in text if char.isprintable() and not "\uf780" <= char <= "\uf7ff").strip()[:LONGEST]
