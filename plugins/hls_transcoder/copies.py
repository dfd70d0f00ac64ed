"""A copy of the film as it is, beside the rungs: which films may be copied, and whether what came out can be played.

Its segments are cut at the film's own key frames. Everything is read from the transport stream itself.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import ffmpeg

from mediaserver.contracts import MediaInfo, Rung
from mediaserver.errors import MediaServerError

from .building import SOURCE, arguments
from .command import OFFSET_SECONDS, ONE_CLOCK
from .ladder import default_audio
from .playlists import AUDIO_RATE
from .verify import AUDIO_IDS, TICKS, VIDEO_IDS, WRAP, CellDamaged, StreamUnits

__all__ = [
    "COPIED",
    "Copy",
    "Part",
    "Unfit",
    "copy_arguments",
    "picture_parameters",
    "read_part",
    "require_fit",
    "variant_of",
]

COPIED = "original"  # its name in addresses and folders, beside those of rungs
CONTAINERS = ("mov", "matroska", "mpegts")  # those that tell when each picture is shown
PROFILES = {"High", "Main"}
MAIN, HIGH = 77, 100  # profile_idc
ROOM = Fraction(3, 2)  # of the top rung's greatest rate
SEGMENT_SECONDS = 4
KEY_SECONDS = 6
LATE_SECONDS = 0.5  # the first picture may come so much after the film's beginning
OFF_SECONDS = 1.0  # and the end so far from where it is planned
START_CODE = re.compile(b"\x00\x00\x01")
SLICES, WHOLE_SLICE, PARAMETERS = range(1, 6), 5, 7  # nal_unit_type of H.264
RATES = (96000, 88200, 64000, 48000, 44100, 32000)  # Hz; below, AAC mostly is HE-AAC's inner half
NOTE = "# variant: "
LOW_COMPLEXITY = 1  # profile field of ADTS


class Unfit(MediaServerError):
    """Why a film is not copied, as one sentence."""


def require_fit(info: MediaInfo, rungs: Sequence[Rung]) -> None:
    """Raises Unfit for a film that is not worth a try, as far as its probe tells."""
    video, heard = info.video, default_audio(info)
    most = ROOM * (rungs[-1].max_rate + AUDIO_RATE)
    reasons = {
        "its container does not tell the times of pictures": info.container.partition(",")[0] not in CONTAINERS,
        "its pictures are no H.264 in High or Main profile": video.codec != "h264" or video.profile not in PROFILES,
        "its colours are not 8 bit 4:2:0": video.pixel_format not in ("yuv420p", "yuvj420p"),
        "it is interlaced": video.field_order != "progressive",
        "its pixels are not square": Fraction(video.sample_aspect) != 1,
        "it is rotated": video.rotation != 0,
        "its end is missing": info.truncated,
        "its clock begins again within it": info.restarts,
        "its sound is no AAC": heard is not None and heard.codec != "aac",
        "it takes more than half as much again as the largest resolution": (_rate(info) or most + 1) > most,
    }
    for reason, so in reasons.items():
        if so:
            raise Unfit(reason)


def _rate(info: MediaInfo) -> float:
    return info.video.bit_rate or (info.size * 8 / info.duration if info.duration else 0)


def copy_arguments(info: MediaInfo, source: Path, *, flags: Mapping[str, str]) -> list[str]:
    """000.ts and on, each a csv line on stdout once it is closed. Times are those of the cells."""
    film, heard = ffmpeg.input(SOURCE, **flags), default_audio(info)
    streams = [film[str(info.video.index)], *([film[str(heard.index)]] if heard else [])]
    muxer = {
        "c": "copy",
        "f": "segment",
        "segment_format": "mpegts",
        "segment_format_options": "mpegts_flags=+initial_discontinuity",
        "segment_time": SEGMENT_SECONDS,
        "initial_offset": OFFSET_SECONDS,  # `output_ts_offset` would count for where it is cut
        "avoid_negative_ts": "disabled",
        "muxdelay": 0,
        "muxpreload": 0,
        "max_muxing_queue_size": 4096,
        "map_metadata": -1,
        "map_chapters": -1,
        "segment_list": "pipe:1",
        "segment_list_type": "csv",
    }
    return arguments(ffmpeg.output(*streams, "%03d.ts", **muxer), source, ONE_CLOCK)


@dataclass(frozen=True, slots=True)
class Part:
    """One segment. Times are in ticks of 90 kHz; `parameters` is the sequence parameter set its first picture has."""

    size: int  # bytes
    first: int
    last: int
    keys: tuple[int, ...]
    pictures: int
    parameters: bytes


def read_part(data: bytes, *, audio: bool) -> Part:
    """Raises Unfit for a segment that cannot be played by itself, or is none at all."""
    try:
        units = StreamUnits(data)
        pictures = units.of(VIDEO_IDS)
        times = [units.presented(at) for at in pictures]
    except CellDamaged as error:
        raise Unfit(f"it cannot be cut: {error}") from error
    if not pictures or not units.is_random_access(pictures[0]):
        raise Unfit("its segments do not begin with key frames")
    if any(_since(times[0], time) < 0 for time in times):
        raise Unfit("its groups of pictures are open: some pictures of one need those of the one before")
    keys = tuple(time for at, time in zip(pictures, times, strict=True) if units.is_random_access(at))
    if audio:
        _require_low_complexity(units)
    last = max(times, key=lambda time: _since(times[0], time))
    return Part(len(data), times[0], last, keys, len(times), picture_parameters(units.elementary(pictures[0])))


def _since(first: int, time: int) -> int:
    """Ticks from one to the other, which wrap after 26.5 hours."""
    return (time - first + WRAP // 2) % WRAP - WRAP // 2


def picture_parameters(picture: bytes) -> bytes:
    """Of a picture from which alone decoding can begin, whatever stands before it. Raises Unfit for another one."""
    starts = [match.end() for match in START_CODE.finditer(picture)]
    found = b""
    for begin, end in zip(starts, [*starts[1:], len(picture) + 3], strict=True):
        kind = picture[begin] & 0x1F if begin < len(picture) else 0
        if kind == PARAMETERS:
            found = picture[begin : end - 3].rstrip(b"\x00")
        if kind in SLICES:
            if kind != WHOLE_SLICE:
                raise Unfit("its key frames refer to pictures before them")
            break
    if len(found) < 4 or found[1] not in (MAIN, HIGH):  # noqa: PLR2004 - type, profile, constraints, level
        raise Unfit("its pictures are no H.264 in High or Main profile")
    return found


def _require_low_complexity(units: StreamUnits) -> None:
    heard = units.of(AUDIO_IDS)
    if not heard:
        raise Unfit("its sound has gaps")
    header = units.elementary(heard[0])[:4]
    rate = header[2] >> 2 & 0xF if len(header) == 4 else len(RATES)  # noqa: PLR2004
    if len(header) < 4 or header[0] != 0xFF or header[2] >> 6 != LOW_COMPLEXITY or rate >= len(RATES):  # noqa: PLR2004
        raise Unfit("its sound is no AAC-LC")


def variant_of(playlist: Path) -> str:
    """The attributes of EXT-X-STREAM-INF of a copy that is complete, else ""."""
    try:
        with playlist.open(encoding="utf-8") as lines:
            return next((line[len(NOTE) :].strip() for line in lines if line.startswith(NOTE)), "")
    except OSError:
        return ""


class Copy:
    """Of a film, segment by segment in order; each `add` raises Unfit for what players could stumble over."""

    def __init__(self, info: MediaInfo) -> None:
        self._info = info
        self._audio = default_audio(info) is not None
        self._parts: list[Part] = []
        self._key: int | None = None  # the latest

    def add(self, data: bytes) -> None:
        part = read_part(data, audio=self._audio)
        if not self._parts:
            if abs(_since(OFFSET_SECONDS * TICKS, part.first)) > LATE_SECONDS * TICKS:
                raise Unfit("its pictures do not begin where the film does")
        elif part.parameters != self._parts[0].parameters:
            raise Unfit("its pictures change their form in the middle")
        elif _since(self._parts[-1].last, part.first) <= 0:
            raise Unfit("its pictures go back in time")
        for key in (*part.keys, part.last):
            if self._key is not None and _since(self._key, key) > KEY_SECONDS * TICKS:
                raise Unfit(f"its key frames are more than {KEY_SECONDS} seconds apart")
            self._key = key if key in part.keys else self._key
        self._parts.append(part)

    def finish(self, rungs: Sequence[Rung]) -> None:
        """Raises Unfit where the whole is not the film, or too much of it."""
        if not self._parts:
            raise Unfit("nothing came out of it")
        total = float(sum(self.durations))
        if abs(total - self._info.duration) > OFF_SECONDS:
            raise Unfit(f"the copy is {total:.1f} s long, the film {self._info.duration:.1f} s")
        if self.rates[1] > ROOM * (rungs[-1].max_rate + AUDIO_RATE) * Fraction(11, 10):
            raise Unfit("it takes more than half as much again as the largest resolution")

    def playlist(self, key: str = "") -> str:
        """Its own borders. What the multivariant one needs to know stands in it as a comment: one file is both."""
        lines = [
            "#EXTM3U",
            "#EXT-X-VERSION:6",
            f"{NOTE}{self.attributes}",
            f"#EXT-X-TARGETDURATION:{math.ceil(max(self.durations))}",
            "#EXT-X-MEDIA-SEQUENCE:0",
            "#EXT-X-PLAYLIST-TYPE:VOD",
            "#EXT-X-INDEPENDENT-SEGMENTS",
        ]
        if key:
            lines.append(f'#EXT-X-KEY:METHOD=AES-128,URI="{key}"')
        for number, duration in enumerate(self.durations):
            lines += [f"#EXTINF:{float(duration):.6f},", f"{number:03d}.ts"]
        return "\n".join([*lines, "#EXT-X-ENDLIST", ""])

    @property
    def durations(self) -> list[Fraction]:
        """Of each segment, to the first picture of the next one; the last picture is shown as long as others."""
        ends = [part.first for part in self._parts[1:]]
        lasting = 1 / Fraction(self._info.video.frame_rate)
        spans = [Fraction(_since(part.first, end), TICKS) for part, end in zip(self._parts[:-1], ends, strict=True)]
        last = self._parts[-1]
        return [*spans, Fraction(_since(last.first, last.last), TICKS) + lasting]

    @property
    def rates(self) -> tuple[int, int]:
        """Bit/s of the worst segment that is at least half as long as the longest (RFC 8216, 4.3.4.2), and of all."""
        spans = list(zip(self._parts, self.durations, strict=True))
        half = max(self.durations) / 2
        peak = max(part.size * 8 / span for part, span in spans if span >= half)
        average = sum(part.size for part in self._parts) * 8 / sum(self.durations)
        return math.ceil(max(peak, average)), math.ceil(average)

    @property
    def attributes(self) -> str:
        """Of EXT-X-STREAM-INF."""
        peak, average = self.rates
        profile = self._parts[0].parameters[1:4].hex()
        codecs = f"avc1.{profile},mp4a.40.2" if self._audio else f"avc1.{profile}"
        video = self._info.video
        return ",".join(
            (
                f"BANDWIDTH={peak}",
                f"AVERAGE-BANDWIDTH={average}",
                f'CODECS="{codecs}"',
                f"RESOLUTION={video.width}x{video.height}",
                f"FRAME-RATE={float(Fraction(video.frame_rate)):.3f}",
            )
        )
