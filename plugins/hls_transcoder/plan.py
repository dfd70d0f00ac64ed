"""The grid: which frames make which segment. It is known as soon as the file is probed."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from mediaserver.contracts import MediaInfo

from .encoders import SOFTWARE_DELAY

__all__ = ["Grid", "grid_rate", "plan"]

STANDARD_RATES = (
    Fraction(24000, 1001),
    Fraction(24),
    Fraction(25),
    Fraction(30000, 1001),
    Fraction(30),
    Fraction(48000, 1001),
    Fraction(48),
    Fraction(50),
    Fraction(60000, 1001),
    Fraction(60),
)
NEAR = Fraction(1, 50)  # a rate this close to a standard one is that one
HIGHEST, SLOWEST, SLIDES = 61, 5, Fraction(10)  # frames per second; below SLOWEST it is a slide show
ROUNDING = Fraction(1, 100)  # of a frame: durations are rounded to microseconds or worse
SHORT_TAIL = Fraction(1, 3)  # of a segment: what is shorter joins the one before


@dataclass(frozen=True, slots=True)
class Grid:
    """`segments` pieces of `gop` frames each; the last one holds the rest, up to 4/3 of a piece."""

    fps: Fraction
    gop: int
    frames: int
    segments: int
    delay: int = SOFTWARE_DELAY  # frames by which the first DTS stands before its PTS

    def bounds(self, number: int) -> tuple[int, int]:
        """First frame of the segment, and the first one after it."""
        if not 0 <= number < self.segments:
            raise IndexError(f"segment {number} is outside of 0..{self.segments - 1}")
        end = self.frames if number == self.segments - 1 else (number + 1) * self.gop
        return number * self.gop, end

    def length(self, number: int) -> int:
        """Frames in the segment."""
        first, end = self.bounds(number)
        return end - first

    def time(self, frame: int) -> Fraction:
        """Seconds from the start of the film."""
        return frame / self.fps

    @property
    def durations(self) -> tuple[Fraction, ...]:
        return tuple(self.time(self.length(number)) for number in range(self.segments))

    @property
    def duration(self) -> Fraction:
        return self.time(self.frames)

    def to_dict(self) -> dict[str, Any]:
        rate = f"{self.fps.numerator}/{self.fps.denominator}"
        return {"fps": rate, "gop": self.gop, "frames": self.frames, "segments": self.segments, "delay": self.delay}

    @staticmethod
    def from_dict(raw: Mapping[str, Any]) -> Grid:
        delay = int(raw.get("delay", SOFTWARE_DELAY))
        return Grid(Fraction(raw["fps"]), int(raw["gop"]), int(raw["frames"]), int(raw["segments"]), delay)


def plan(info: MediaInfo, segment_seconds: float = 4) -> Grid:
    """Round(seconds · fps) frames a segment: 4.000 s at whole rates, 4.004 s at x/1001."""
    fps = grid_rate(Fraction(info.video.frame_rate))
    gop = max(1, round(fps * Fraction(segment_seconds)))
    frames = max(1, math.ceil(Fraction(info.duration) * fps - ROUNDING))
    segments = -(-frames // gop)
    if segments > 1 and frames - (segments - 1) * gop < SHORT_TAIL * gop:
        segments -= 1
    return Grid(fps, gop, frames, segments)


def grid_rate(source: Fraction) -> Fraction:
    """The constant rate of the grid: halved to at most 60, put on the standard one it is meant to be."""
    rate = source
    while rate > HIGHEST:
        rate /= 2
    nearest = min(STANDARD_RATES, key=lambda standard: abs(standard - rate))
    if abs(nearest - rate) <= NEAR * rate:
        return nearest
    return SLIDES if rate < SLOWEST else rate.limit_denominator(1001)
