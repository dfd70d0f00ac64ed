"""The rungs of a film: short side, square pixels, even sizes, never larger than the source."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import islice
from typing import NamedTuple

from mediaserver.contracts import AudioTrack, MediaInfo, Rung

__all__ = [
    "Output",
    "Sound",
    "codecs",
    "default_audio",
    "further_audio",
    "ladder",
    "level",
    "picture_size",
    "resolution",
    "rung_for",
]


@dataclass(frozen=True, slots=True)
class Sound:
    """A track beside the one that is muxed into the pictures; its cells stand on the same grid.

    `index` is that of the stream in the source.
    """

    name: str
    index: int


Output = Rung | Sound  # what cells are made of


class _Step(NamedTuple):
    name: str
    short_side: int
    max_rate: int  # bit/s
    buffer_size: int  # bit


MOST_SOUNDS = 15  # each is encoded with every chunk
STEPS = (
    _Step("480p", 480, 1_400_000, 2_800_000),
    _Step("720p", 720, 2_800_000, 5_600_000),
    _Step("1080p", 1080, 5_000_000, 10_000_000),
)
# ITU-T H.264 table A-1: level_idc, macroblocks per second, macroblocks per frame, and bit/s of the High profile
LEVELS = (
    (10, 1_485, 99, 80_000),
    (11, 3_000, 396, 240_000),
    (12, 6_000, 396, 480_000),
    (13, 11_880, 396, 960_000),
    (20, 11_880, 396, 2_500_000),
    (21, 19_800, 792, 5_000_000),
    (22, 20_250, 1_620, 5_000_000),
    (30, 40_500, 1_620, 12_500_000),
    (31, 108_000, 3_600, 17_500_000),
    (32, 216_000, 5_120, 25_000_000),
    (40, 245_760, 8_192, 25_000_000),
    (42, 522_240, 8_704, 62_500_000),
    (50, 589_824, 22_080, 168_750_000),
    (51, 983_040, 36_864, 300_000_000),
    (52, 2_073_600, 36_864, 300_000_000),
)


def picture_size(info: MediaInfo) -> tuple[Fraction, Fraction]:
    """Width and height as shown: pixels squared, then rotated."""
    width = info.video.width * Fraction(info.video.sample_aspect)
    height = Fraction(info.video.height)
    return (height, width) if info.video.rotation % 180 else (width, height)


def ladder(info: MediaInfo, resolutions: Sequence[str] = ("480p", "720p", "1080p")) -> tuple[Rung, ...]:
    """Lowest first, each with another size. A source below the lowest rung is that rung, in its own size."""
    width, height = picture_size(info)
    rungs: list[Rung] = []
    for step in STEPS:
        if step.name not in resolutions:
            continue
        scale = min(Fraction(1), step.short_side / min(width, height))
        size = _even(width * scale), _even(height * scale)
        if not rungs or size != (rungs[-1].width, rungs[-1].height):
            rungs.append(Rung(step.name, *size, step.max_rate, step.buffer_size))
    return tuple(rungs)


def default_audio(info: MediaInfo) -> AudioTrack | None:
    """The track that is muxed into the pictures."""
    return next((track for track in info.audio if track.default), info.audio[0] if info.audio else None)


def further_audio(info: MediaInfo) -> tuple[Sound, ...]:
    """The tracks that can be chosen instead."""
    muxed = default_audio(info)
    others = (track for track in info.audio if track != muxed)
    return tuple(Sound(f"audio-{track.index}", track.index) for track in islice(others, MOST_SOUNDS))


def _even(side: Fraction) -> int:
    return max(2, round(side / 2) * 2)


def rung_for(rungs: Sequence[Rung], name: str) -> Rung:
    """The rung of that name, or the best there is: a small film answers 1080p with its own size."""
    return next((rung for rung in rungs if rung.name == name), rungs[-1])


def level(rung: Rung, fps: Fraction) -> int:
    """The lowest H.264 level_idc that allows this size, rate and bit rate (31 is level 3.1)."""
    blocks = -(-rung.width // 16) * -(-rung.height // 16)
    fits = (
        idc for idc, per_second, per_frame, rate in LEVELS if _fits(rung, blocks, fps, (per_second, per_frame, rate))
    )
    return next(fits, LEVELS[-1][0])


def _fits(rung: Rung, blocks: int, fps: Fraction, limits: tuple[int, int, int]) -> bool:
    per_second, per_frame, rate = limits
    longest = max(-(-rung.width // 16), -(-rung.height // 16))
    return blocks * fps <= per_second and blocks <= per_frame and rung.max_rate <= rate and longest**2 <= 8 * per_frame


def codecs(rung: Rung, fps: Fraction, *, audio: bool) -> str:
    """High profile without constraint flags, and AAC-LC: what the encoder is told to make."""
    video = f"avc1.6400{level(rung, fps):02x}"
    return f"{video},mp4a.40.2" if audio else video


def resolution(rung: Rung) -> str:
    return f"{rung.width}x{rung.height}"
