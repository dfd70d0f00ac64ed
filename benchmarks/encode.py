"""What the grid costs: CPU seconds of its chunks against their lower bound, and one film over several workers.

    python benchmarks/encode.py [ROW ...] [--file FILE] [--rounds N] [--chunks N]

Rows: 1080p25, 1080p60, 2160p30, hdr (HEVC, 10 bit, PQ) and workers; all of them where none is named. Sources are
noisy clips of 32 s; FILE takes the place of the one of 1080p25 and workers. Each figure is taken chunk by chunk (16 s),
what is compared one right after the other and N times, because the speed of a shared machine drifts; ratios are medians
of the ratios of each chunk.

- bound: one decode, for each rung a plain ffmpeg that scales (and maps HDR) and encodes, less its own decode, and the
  sound encoded once. This is how ENCODING.md reaches "within 6 %": 1.34 / (1.56 - 2 x 0.15).
- apart: one job of ours per rung, as back ends do that encode one resolution after another.
- workers: 2 and 4 chunks of one film at once against as many times one alone, taken before and after; and as many plain
  ffmpegs of the largest rung, which is all that the machine can give; wall seconds.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import cycle, islice
from pathlib import Path

from mediaserver.contracts import Limits, MediaInfo, Rung
from mediaserver.core.ffmpeg import FFmpegTools
from mediaserver.core.library.probe import probe
from plugins.hls_transcoder.command import HDR_TRANSFERS, Run
from plugins.hls_transcoder.ladder import ladder
from plugins.hls_transcoder.plan import Grid, plan
from plugins.hls_transcoder.runner import EncodeJob, encode
from tests.media import make, tools

CHUNK = 4  # segments, as hls_transcoder.chunk_segments
WORKERS = (2, 4)
FIRST = "1080p25"
LIMITS = Limits(wall=3600, cpu=3600, file_size=64 << 30)

X264 = ("-c:v", "libx264", "-preset", "veryfast", "-crf", "23", "-profile:v", "high", "-threads:v", "1")
SOUND = ("-c:a", "aac", "-b:a", "128k", "-ac", "2", "-ar", "48000")
TONEMAP = "zscale=t=linear:npl=100,format=gbrpf32le,zscale=p=bt709,tonemap=hable:desat=0,zscale=t=bt709:m=bt709:r=tv"
FAST = ("-c:v", "libx264", "-preset", "veryfast", "-pix_fmt", "yuv420p")
PQ = ("-color_primaries", "bt2020", "-color_trc", "smpte2084", "-colorspace", "bt2020nc", "-pix_fmt", "yuv420p10le")
SOURCES: dict[str, tuple[str, ...]] = {  # size, rate, how it is encoded
    FIRST: ("1920x1080", "25", *FAST, "-b:v", "12M"),
    "1080p60": ("1920x1080", "60", *FAST, "-b:v", "20M"),
    "2160p30": ("3840x2160", "30", *FAST, "-preset", "ultrafast", "-b:v", "40M"),
    "hdr": ("1920x1080", "25", "-c:v", "libx265", "-preset", "ultrafast", "-x265-params", "log-level=none", *PQ),
}
Work = Callable[[], Awaitable[float]]


@dataclass
class Film:
    build: FFmpegTools
    source: Path
    info: MediaInfo
    grid: Grid
    rungs: tuple[Rung, ...]

    @property
    def starts(self) -> list[int]:
        return list(range(0, self.grid.segments - CHUNK + 1, CHUNK))

    @property
    def said(self) -> str:
        return f"{self.source.name}, {float(self.grid.duration):.0f} s, {len(self.rungs)} rungs, {self.build.build}"

    async def chunk(self, first: int, rungs: tuple[Rung, ...] | None = None) -> float:
        """CPU seconds of the grid's own job, verification and all."""
        count = min(CHUNK, self.grid.segments - first)
        before = children()
        with tempfile.TemporaryDirectory(prefix="bench-encode-") as folder:
            what = Run(self.info, self.grid, rungs or self.rungs, first, count)
            async for _ in encode(self.build, EncodeJob(what, self.source, Path(folder))):
                pass
        return children() - before

    async def decode(self, first: int) -> float:
        return await self._plain(first, ["-map", "0:V:0", "-f", "null", "-"])

    async def sound(self, first: int) -> float:
        if not self.info.audio:
            return 0.0
        return await self._plain(first, ["-map", "0:a:0", *SOUND, "-f", "mpegts", "out.ts"])

    async def rung(self, first: int, rung: Rung) -> float:
        """A plain ffmpeg for the pictures of one rung of one chunk, as short as it can be said."""
        rate = f"{self.grid.fps.numerator}/{self.grid.fps.denominator}"
        filters = [f"fps={rate},scale={rung.width}:{rung.height}:flags=bicubic"]
        filters += [TONEMAP] if self.info.video.transfer in HDR_TRANSFERS and self.build.has_zscale else []
        video = ["-vf", ",".join([*filters, "format=yuv420p"]), *X264]
        video += ["-maxrate", str(rung.max_rate), "-bufsize", str(rung.buffer_size), "-g", str(self.grid.gop)]
        return await self._plain(first, ["-map", "0:V:0", *video, "-f", "mpegts", "out.ts"])

    async def _plain(self, first: int, output: list[str]) -> float:
        begin, end = self.grid.bounds(first)[0], self.grid.bounds(min(first + CHUNK, self.grid.segments) - 1)[1]
        span = ["-ss", f"{float(self.grid.time(begin)):.6f}", "-t", f"{float((end - begin) / self.grid.fps):.6f}"]
        said = ["-nostdin", "-v", "error", "-y", "-threads", "1", *span, "-i", f"file:{self.source}", *output]
        with tempfile.TemporaryDirectory(prefix="bench-plain-") as folder:
            tool = await self.build.start("ffmpeg", said, reads=[self.source], workspace=Path(folder), limits=LIMITS)
            finished = await tool.wait()
        if finished.returncode:
            raise SystemExit(finished.stderr)
        return finished.cpu_seconds


def children() -> float:
    """CPU seconds of all children that ended so far."""
    times = os.times()
    return times.children_user + times.children_system


@dataclass
class Sums:
    """A figure per chunk under each name."""

    figures: dict[str, list[float]] = field(default_factory=dict)

    def add(self, name: str, value: float) -> None:
        self.figures.setdefault(name, []).append(value)

    def total(self, name: str) -> float:
        return sum(self.figures[name])

    def ratio(self, one: str, other: str) -> str:
        ratios = [a / b for a, b in zip(self.figures[one], self.figures[other], strict=True)]
        return f"{statistics.median(ratios):.2f} (each: {', '.join(f'{ratio:.2f}' for ratio in ratios)})"


async def cpu_of(film: Film, sums: Sums, first: int) -> None:
    chunk, decode, sound = await film.chunk(first), await film.decode(first), await film.sound(first)
    rungs = [await film.rung(first, rung) for rung in film.rungs]
    again = await film.chunk(first)
    sums.add("chunks", (chunk + again) / 2)  # before and after, so that a drift does not count for one side
    sums.add("decode", decode)
    sums.add("bound", sum(rungs) - (len(rungs) - 1) * decode + sound)


async def apart(film: Film, sums: Sums, first: int) -> None:
    sums.add("together", await film.chunk(first))
    sums.add("apart", sum([await film.chunk(first, (rung,)) for rung in film.rungs]))


async def wall(works: Sequence[Work], workers: int) -> float:
    """Seconds in which so many at a time do them all, each the next one when it is through."""
    waiting = list(reversed(works))

    async def work() -> None:
        while waiting:
            await waiting.pop()()

    began = time.perf_counter()
    await asyncio.gather(*(work() for _ in range(workers)))
    return time.perf_counter() - began


async def source_of(row: str, told: argparse.Namespace) -> Film:
    build = tools()
    source = (
        told.file.resolve() if told.file and row in (FIRST, "workers") else clip(FIRST if row == "workers" else row)
    )
    info = await probe(build, source)
    film = Film(build, source, info, plan(info), ladder(info))
    if not film.starts:
        raise SystemExit(f"{source.name} is too short: a chunk is {CHUNK} segments, 16 s.")
    return film


async def costs(row: str, told: argparse.Namespace) -> None:
    film, sums = await source_of(row, told), Sums()
    for first in film.starts[: told.chunks] * told.rounds:
        await cpu_of(film, sums, first)
        if row == FIRST:
            await apart(film, sums, first)
    print(f"{row:8} {film.said}; load {os.getloadavg()[0]:.1f}")
    said = f"  chunks {sums.total('chunks'):.1f} s CPU; bound {sums.total('bound'):.1f} s"
    print(f"{said}, {sums.total('decode'):.1f} s of it the decode")
    print(f"  chunks / bound   {sums.ratio('chunks', 'bound')}")
    if row == FIRST:
        print(f"  apart / chunks   {sums.ratio('apart', 'together')}")


async def at_once(film: Film, sums: Sums, name: str, kind: Callable[[int], Awaitable[float]]) -> None:
    """Wall seconds of so many chunks by as many workers, between the first and the last chunk of the film alone."""
    before = await wall([partial(kind, film.starts[0])], 1)
    for workers in WORKERS:
        works = [partial(kind, first) for first in islice(cycle(film.starts), workers)]
        sums.add(f"{name} {workers}", await wall(works, workers))
    after = await wall([partial(kind, film.starts[-1])], 1)
    for workers in WORKERS:
        sums.add(f"{name} in turn {workers}", workers * (before + after) / 2)


async def over_workers(told: argparse.Namespace) -> None:
    film, sums = await source_of("workers", told), Sums()
    kinds: dict[str, Callable[[int], Awaitable[float]]] = {
        "ours": film.chunk,
        "plain": lambda first: film.rung(first, film.rungs[-1]),
    }
    for _ in range(told.rounds):
        for name, kind in kinds.items():
            await at_once(film, sums, name, kind)
    print(f"workers  {film.said}; {os.cpu_count()} cores; load {os.getloadavg()[0]:.1f}")
    for workers in WORKERS:
        for name in kinds:
            said = f"{sums.total(f'{name} {workers}') / told.rounds:6.1f} s"
            ratio = sums.ratio(f"{name} in turn {workers}", f"{name} {workers}")
            print(f"  {name:5} {workers} chunks at once: {said}, as fast as in turn: {ratio}")


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    rows = [*SOURCES, "workers", []]  # argparse looks for [] among the choices where none is named
    parser.add_argument("rows", nargs="*", choices=rows, help="which, else all")
    parser.add_argument("--file", type=Path)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--chunks", type=int, help="of each source, else all; not of workers")
    told = parser.parse_args()
    for row in told.rows or [*SOURCES, "workers"]:
        await (over_workers(told) if row == "workers" else costs(row, told))


def clip(row: str) -> Path:
    size, rate, *encoded = SOURCES[row]
    noise = ("-f", "lavfi", "-i", f"testsrc2=size={size}:rate={rate}:duration=32,noise=alls=12:allf=t")
    sound = ("-f", "lavfi", "-i", "sine=d=32", "-c:a", "aac", "-shortest")
    return make(f"noisy-{row}.mkv", *noise, *sound, *encoded)


if __name__ == "__main__":
    asyncio.run(main())
