"""What a film is made of, as contracts hand it around: chapters, subtitles, files of other people."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Chapter:
    """Seconds from the film's own beginning; `title` is "" where it has none."""

    start: float
    end: float
    title: str


@dataclass(frozen=True, slots=True)
class Subtitle:
    """A text that can be shown, or (`available` false) one that cannot, with the reason as one sentence.

    `key` names it in addresses: `subtitles/<key>/index.m3u8` and `subtitles/<key>/text.vtt` under the media token.
    `label` is for people and unlike that of every other one, `language` a tag of RFC 5646 or "" where unsaid, `sdh`
    says that it is written for people who do not hear, `source` is embedded or sidecar.
    """

    key: str
    label: str
    language: str
    default: bool
    forced: bool
    sdh: bool
    source: str
    available: bool = True
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Tracks:
    """What a title is made of, as far as it is known now."""

    subtitles: tuple[Subtitle, ...] = ()
    chapters: tuple[Chapter, ...] = ()
    sprites: bool = False  # `sprites.vtt` is there: pictures to seek by
    made: Mapping[str, tuple[int, int]] = field(default_factory=dict)  # per resolution: segments made, of how many


class SidecarKind(StrEnum):
    SUBTITLE = "subtitle"
    POSTER = "poster"


@dataclass(frozen=True, slots=True)
class SidecarFile:
    """A file beside a video that belongs to it. `path` was a regular file when this was told; open it without links.

    `reason` is a sentence where it is not to be opened, else "". What follows `format` (the ending, lower case) is what
    the name of a subtitle says, as in docs/plugins.md; `language` is a tag of RFC 5646 or "".
    """

    path: Path
    kind: SidecarKind
    size: int  # bytes
    mtime_ns: int
    reason: str
    format: str
    language: str = ""
    title: str = ""
    default: bool = False
    forced: bool = False
    sdh: bool = False
