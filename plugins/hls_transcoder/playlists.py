"""The playlists, written when the grid is known: a media playlist for each rung and the multivariant one."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mediaserver.contracts import Rung

from .ladder import codecs, resolution
from .plan import Grid

__all__ = ["Rates", "estimated_rates", "media_playlist", "multivariant_playlist"]

AUDIO_RATE = 128_000  # bit/s
TS_OVERHEAD = 1.10  # 16 % over the payload at 480p, 6.6 % at 1080p
TYPICAL = 0.6  # of the maximum: where CRF 23 usually lands


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


def media_playlist(grid: Grid, name: str = "{number:03d}.ts") -> str:
    """VOD and complete from the start; `name` is the form of the segments' relative addresses."""
    lines = [
        "#EXTM3U",
        "#EXT-X-VERSION:6",
        f"#EXT-X-TARGETDURATION:{_target(grid)}",
        "#EXT-X-MEDIA-SEQUENCE:0",
        "#EXT-X-PLAYLIST-TYPE:VOD",
        "#EXT-X-INDEPENDENT-SEGMENTS",
    ]
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
) -> str:
    """Lowest rung first: players begin with it and climb. `measured` are the rates of rungs that are complete."""
    lines = ["#EXTM3U", "#EXT-X-VERSION:6", "#EXT-X-INDEPENDENT-SEGMENTS"]
    for rung in rungs:
        rates = (measured or {}).get(rung.name) or estimated_rates(rung)
        attributes = (
            f"BANDWIDTH={rates.peak}",
            f"AVERAGE-BANDWIDTH={rates.average}",
            f'CODECS="{codecs(rung, grid.fps, audio=audio)}"',
            f"RESOLUTION={resolution(rung)}",
            f"FRAME-RATE={float(grid.fps):.3f}",
        )
        lines += ["#EXT-X-STREAM-INF:" + ",".join(attributes), address.format(rung=rung.name)]
    return "\n".join([*lines, ""])
