"""What the grid costs: CPU and wall seconds of whole encodes against their lower bound and against one ffmpeg per rung.

    python benchmarks/encode.py [FILE [SECONDS]]

Without a file it makes a noisy 1080p25 clip. The lower bound is one decode plus the encodes alone, measured on frames
that were decoded and scaled before; one ffmpeg per rung is what back ends do that encode one resolution after another.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from mediaserver.contracts import Limits, MediaInfo, Rung
from mediaserver.core.ffmpeg import FFmpegTools
from mediaserver.core.library.probe import probe
from plugins.hls_transcoder.command import Run
from plugins.hls_transcoder.ladder import ladder
from plugins.hls_transcoder.plan import Grid, plan
from plugins.hls_transcoder.runner import EncodeJob, encode
from tests.media import make, tools

CHUNK = 4
LIMITS = Limits(wall=3600, cpu=3600, file_size=64 << 30)


@dataclass
class Cost:
    cpu: float
    wall: float

    def __str__(self) -> str:
        return f"{self.cpu:8.2f} s CPU {self.wall:8.2f} s wall"


class Meter:
    """CPU seconds of the children that ended since it was started."""

    def __init__(self) -> None:
        import os

        self._times = os.times
        self._begin = self._times()
        self._wall = time.perf_counter()

    def read(self) -> Cost:
        now = self._times()
        cpu = now.children_user + now.children_system - self._begin.children_user - self._begin.children_system
        return Cost(cpu, time.perf_counter() - self._wall)


async def chunks(
    build: FFmpegTools, source: Path, info: MediaInfo, grid: Grid, rungs: tuple[Rung, ...], workers: int
) -> Cost:
    """The whole film in chunks, `workers` ffmpegs at once."""
    starts = iter(range(0, grid.segments, CHUNK))
    meter = Meter()

    async def work() -> None:
        for start in starts:
            count = min(CHUNK, grid.segments - start)
            await run(build, Run(info, grid, rungs, start, count), source)

    await asyncio.gather(*(work() for _ in range(workers)))
    return meter.read()


async def one_by_one(build: FFmpegTools, source: Path, info: MediaInfo, grid: Grid, rungs: tuple[Rung, ...]) -> Cost:
    meter = Meter()
    for rung in rungs:
        await run(build, Run(info, grid, (rung,), 0, grid.segments), source)
    return meter.read()


async def run(build: FFmpegTools, what: Run, source: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="bench-encode-") as folder:
        async for _ in encode(build, EncodeJob(what, source, Path(folder))):
            pass


async def lower_bound(build: FFmpegTools, source: Path, grid: Grid, rungs: tuple[Rung, ...]) -> Cost:
    """One decode, and each encode alone from raw frames (whose reading is measured and taken off)."""
    total = await ffmpeg(build, source, ["-i", f"file:{source}", "-map", "0:V:0", "-f", "null", "-"])
    for rung in rungs:
        total = added(total, await alone(build, source, grid, rung))
    return total


async def alone(build: FFmpegTools, source: Path, grid: Grid, rung: Rung) -> Cost:
    rate = f"{grid.fps.numerator}/{grid.fps.denominator}"
    with tempfile.TemporaryDirectory(prefix="bench-raw-") as name:
        raw = Path(name) / "frames.yuv"
        scaled = ["-i", f"file:{source}", "-map", "0:V:0", "-vf", f"fps={rate},scale={rung.width}:{rung.height}"]
        await ffmpeg(build, source, [*scaled, "-pix_fmt", "yuv420p", "-f", "rawvideo", raw.name], Path(name))
        read = [
            "-f",
            "rawvideo",
            "-pix_fmt",
            "yuv420p",
            "-s",
            f"{rung.width}x{rung.height}",
            "-r",
            rate,
            "-i",
            str(raw),
        ]
        reading = await ffmpeg(build, raw, [*read, "-f", "null", "-"])
        x264 = ["-c:v", "libx264", "-preset", "veryfast", "-crf", "23", "-threads:v", "1", "-g", str(grid.gop)]
        rates = ["-maxrate", str(rung.max_rate), "-bufsize", str(rung.buffer_size), "-profile:v", "high"]
        encoding = await ffmpeg(build, raw, [*read, *x264, *rates, "-f", "null", "-"])
    sound = ["-i", f"file:{source}", "-map", "0:a:0?", "-c:a", "aac", "-b:a", "128k", "-ac", "2", "-f", "null", "-"]
    audio = await ffmpeg(build, source, sound)
    return Cost(encoding.cpu - reading.cpu + audio.cpu, encoding.wall)


async def ffmpeg(build: FFmpegTools, source: Path, arguments: list[str], workspace: Path | None = None) -> Cost:
    began = time.perf_counter()
    told = ["-nostdin", "-v", "error", "-y", "-threads", "1", *arguments]
    tool = await build.start("ffmpeg", told, reads=[source], workspace=workspace, limits=LIMITS)
    finished = await tool.wait()
    if finished.returncode:
        raise SystemExit(finished.stderr)
    return Cost(finished.cpu_seconds, time.perf_counter() - began)


def added(one: Cost, other: Cost) -> Cost:
    return Cost(one.cpu + other.cpu, one.wall + other.wall)


async def main() -> None:
    build = tools()
    source = Path(sys.argv[1]).resolve() if len(sys.argv) > 1 else clip()
    info = await probe(build, source)
    grid, rungs = plan(info), ladder(info)
    print(f"{source.name}: {float(grid.duration):.1f} s, {len(rungs)} rungs, {grid.segments} segments, {build.build}")
    bound = await lower_bound(build, source, grid, rungs)
    print(f"lower bound (one decode + the encodes alone)   {bound}")
    single = await chunks(build, source, info, grid, rungs, 1)
    print(f"chunks, 1 worker                               {single}   {single.cpu / bound.cpu:.2f} x the lower bound")
    double = await chunks(build, source, info, grid, rungs, 2)
    print(f"chunks, 2 workers                              {double}   {single.wall / double.wall:.2f} x as fast as 1")
    apart = await one_by_one(build, source, info, grid, rungs)
    print(f"one ffmpeg per rung                            {apart}   {apart.cpu / single.cpu:.2f} x the chunks")


def clip() -> Path:
    noise = ("-f", "lavfi", "-i", "testsrc2=size=1920x1080:rate=25:duration=32,noise=alls=12:allf=t")
    encoded = ("-c:v", "libx264", "-preset", "veryfast", "-b:v", "12M", "-c:a", "aac", "-shortest")
    return make("noisy.mp4", *noise, "-f", "lavfi", "-i", "sine=d=32", *encoded)


if __name__ == "__main__":
    asyncio.run(main())
