"""What a file is, as a probe finds it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from mediaserver.contracts.tracks import Chapter


@dataclass(frozen=True, slots=True)
class VideoStream:
    """The picture. `frame_rate` is the source's as "num/den"; `width`, `height` are coded pixels before rotation."""

    index: int
    codec: str
    width: int
    height: int
    frame_rate: str
    variable_rate: bool
    sample_aspect: str  # "num/den", "1/1" for square pixels
    rotation: int  # degrees, 0 90 180 270
    pixel_format: str
    field_order: str  # "progressive" or the fields' order
    transfer: str  # color_transfer, "" where unsaid
    profile: str = ""
    bit_rate: int | None = None  # bit/s


@dataclass(frozen=True, slots=True)
class AudioTrack:
    index: int
    codec: str
    channels: int
    sample_rate: int  # Hz
    language: str  # ISO 639-2 as tagged, "" where unsaid
    title: str
    default: bool
    start: float = 0.0  # seconds after MediaInfo.start_time, as the headers say
    end: float | None = None  # the same, None where unsaid


@dataclass(frozen=True, slots=True)
class SubtitleTrack:
    index: int
    codec: str
    language: str
    title: str
    default: bool
    forced: bool
    sdh: bool = False  # written for people who do not hear


@dataclass(frozen=True, slots=True)
class MediaInfo:
    """What probing found. Times are seconds; `duration` is counted from packets where headers lie."""

    container: str
    duration: float
    start_time: float
    size: int  # bytes
    video: VideoStream
    audio: tuple[AudioTrack, ...]
    subtitles: tuple[SubtitleTrack, ...]
    truncated: bool = False  # packets end before the header says
    restarts: bool = False  # its clock begins again somewhere: there is no seeking in it
    tags: Mapping[str, str] = field(default_factory=dict)
    chapters: tuple[Chapter, ...] = ()
    cover: int | None = None  # the stream that is a picture of the film's poster
    damaged: bool = False  # whoever tried to show it found places that cannot be shown (Library.damaged)

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    @staticmethod
    def from_dict(raw: Mapping[str, Any]) -> MediaInfo:
        return MediaInfo(
            **{
                **raw,
                "video": VideoStream(**raw["video"]),
                "audio": tuple(AudioTrack(**track) for track in raw["audio"]),
                "subtitles": tuple(SubtitleTrack(**track) for track in raw["subtitles"]),
                "chapters": tuple(Chapter(**chapter) for chapter in raw.get("chapters", ())),
            }
        )
