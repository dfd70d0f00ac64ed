"""What the grid costs: CPU and wall seconds of its chunks against their lower bound and against one ffmpeg per rung.

    python benchmarks/encode.py [FILE]

Without a file it makes a noisy 1080p25 clip. Every figure is taken chunk by chunk (16 s), what is compared one right
after the other, because the speed of a shared machine drifts; the ratio of each chunk is printed by its median.

- lower bound: one decode, and for each rung a plain ffmpeg that scales and encodes, less its own decode. This is how
  ENCODING.md reaches "within 6 %": 1.34 / (1.56 - 2 x 0.15).
- one ffmpeg per rung: what back ends do that encode one resolution after another.
- two side by side: the chunks in pairs, and the same pairs of plain ffmpegs, which is all that the machine can give.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

from mediaserver.contracts import Limits, MediaInfo, Rung
from mediaserver.core.ffmpeg import FFmpegTools
from mediaserver.core.library.probe import probe
from plugins.hls_transcoder.command import Run
from plugins.hls_transcoder.ladder import ladder
from plugins.hls_transcoder.plan import Grid, plan
from plugins.hls_transcoder.runner import EncodeJob, encode
from tests.media import make, tools

CHUNK = 4  # segments, as hls_transcoder.chunk_segments
LIMITS = Limits(wall=3600, cpu=3600, file_size=64 << 30)


@dataclass
class Film:
    build: FFmpegTools
    source: Path
    info: MediaInfo
    grid: Grid
    rungs: tuple[Rung, ...]

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

    async def rung(self, first: int, rung: Rung) -> float:
        """A plain ffmpeg for one rung of one chunk, as short as it can be said."""
        rate = f"{self.grid.fps.numerator}/{self.grid.fps.denominator}"
        video = ["-vf", f"fps={rate},scale={rung.width}:{rung.height}:flags=bicubic,format=yuv420p"]
        video += ["-c:v", "libx264", "-preset", "veryfast", "-crf", "23", "-profile:v", "high", "-threads:v", "1"]
        video += ["-maxrate", str(rung.max_rate), "-bufsize", str(rung.buffer_size), "-g", str(self.grid.gop)]
        sound = ["-c:a", "aac", "-b:a", "128k", "-ac", "2", "-ar", "48000"]
        return await self._plain(first, ["-map", "0:V:0", "-map", "0:a:0?", *video, *sound, "-f", "mpegts", "out.ts"])

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
    import os

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
        return f"{statistics.median(ratios):.2f} (each chunk: {', '.join(f'{ratio:.2f}' for ratio in ratios)})"


async def wall(*works: Callable[[], Awaitable[float]]) -> float:
    began = time.perf_counter()
    await asyncio.gather(*(work() for work in works))
    return time.perf_counter() - began


async def cpu_of(film: Film, sums: Sums, first: int) -> None:
    sums.add("chunks", await film.chunk(first))
    decode = await film.decode(first)
    rungs = [await film.rung(first, rung) for rung in film.rungs]
    sums.add("decode", decode)
    sums.add("bound", sum(rungs) - (len(rungs) - 1) * decode)
    sums.add("again", await film.chunk(first))
    sums.add("apart", sum([await film.chunk(first, (rung,)) for rung in film.rungs]))


async def wall_of_two(film: Film, sums: Sums, first: int, second: int) -> None:
    """The same two jobs one after the other and side by side, ours and plain ones of the largest rung."""
    largest = film.rungs[-1]
    ours = [lambda: film.chunk(first), lambda: film.chunk(second)]
    plain = [lambda: film.rung(first, largest), lambda: film.rung(second, largest)]
    for name, works in (("ours", ours), ("plain", plain)):
        sums.add(f"{name} in turn", await wall(works[0]) + await wall(works[1]))
        sums.add(f"{name} side by side", await wall(*works))


async def main() -> None:
    build = tools()
    source = Path(sys.argv[1]).resolve() if len(sys.argv) > 1 else clip()
    info = await probe(build, source)
    film = Film(build, source, info, plan(info), ladder(info))
    grid, sums = film.grid, Sums()
    print(
        f"{source.name}: {float(grid.duration):.1f} s, {len(film.rungs)} rungs, {grid.segments} segments, {build.build}"
    )
    starts = list(range(0, grid.segments - CHUNK + 1, CHUNK))
    for first in starts:
        await cpu_of(film, sums, first)
    for first, second in zip(starts[::2], starts[1::2], strict=False):
        await wall_of_two(film, sums, first, second)
    report(sums)


def report(sums: Sums) -> None:
    print(f"chunks, CPU                    {sums.total('chunks'):7.1f} s; a second time {sums.total('again'):.1f} s")
    print(f"lower bound, CPU               {sums.total('bound'):7.1f} s, {sums.total('decode'):.1f} s of it the decode")
    print(f"  chunks / lower bound         {sums.ratio('chunks', 'bound')}")
    print(f"one job per rung, CPU          {sums.total('apart'):7.1f} s")
    print(f"  one job per rung / chunks    {sums.ratio('apart', 'again')}")
    for name in ("ours", "plain"):
        turn, beside = f"{name} in turn", f"{name} side by side"
        print(f"2 workers, {name:5}               {sums.total(turn):7.1f} s in turn, {sums.total(beside):.1f} s beside")
        print(f"  as fast as 1                 {sums.ratio(turn, beside)}")


def clip() -> Path:
    noise = ("-f", "lavfi", "-i", "testsrc2=size=1920x1080:rate=25:duration=32,noise=alls=12:allf=t")
    encoded = ("-c:v", "libx264", "-preset", "veryfast", "-b:v", "12M", "-c:a", "aac", "-shortest")
    return make("noisy.mp4", *noise, "-f", "lavfi", "-i", "sine=d=32", *encoded)


if __name__ == "__main__":
    asyncio.run(main())
