"""From the moment a film is complete in library/ until its first 480p segment has come, on default settings.

    python benchmarks/first_play.py [--runs N] [FILE …]

Without a file: five minutes of noisy 1080p and 20 s of 3840x2160. Each run has an appliance of its own, which is idle
when the film comes: under a temporary name that is then changed, or by a copy that is then closed. The reference, after
each run and on the same machine, is one plain ffmpeg that makes only this segment.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import httpx

from benchmarks.figures import spread
from tests.e2e.appliance import Appliance
from tests.media import copied, make

LIBRARY = {"folders": ["library"]}  # the rest as it comes: two seconds to settle where nothing better is known
STAGES = ("listed", "manifest", "segment")
LOOK = 0.01  # seconds between two looks at the list
GIVE_UP = 60.0
PACKET = 188


def rename_in(source: Path, library: Path) -> None:
    """As download programs and rsync do it."""
    part = library / f".{source.name}.part"
    shutil.copyfile(source, part)
    part.rename(library / source.name)


def copy_in(source: Path, library: Path) -> None:
    shutil.copyfile(source, library / source.name)


async def measure(source: Path, put: Callable[[Path, Path], None]) -> list[float]:
    """Seconds from the complete copy to each of STAGES."""
    with tempfile.TemporaryDirectory(prefix="bench-play-") as name:
        async with Appliance(Path(name, "home"), library=LIBRARY) as appliance:
            await asyncio.to_thread(put, source, appliance.library)
            began = time.perf_counter()
            title = await listed(appliance, began)
            times = [time.perf_counter() - began]
            base = await appliance.media(title)
            times.append(time.perf_counter() - began)
            await cell(appliance, f"{base}/480p/000.ts")
            times.append(time.perf_counter() - began)
    return times


async def listed(appliance: Appliance, began: float) -> str:
    while not (films := await appliance.films()):
        if time.perf_counter() - began > GIVE_UP:
            raise SystemExit(f"The film was not listed within {GIVE_UP:g} s.\n{appliance.log}")
        await asyncio.sleep(LOOK)
    return str(films[0]["id"])


async def cell(appliance: Appliance, url: str) -> None:
    """The first segment, whole; asked for again where the server says it needs longer, as players do."""
    while (answer := await appliance.client.get(url)).status_code == httpx.codes.SERVICE_UNAVAILABLE:
        await asyncio.sleep(LOOK)
    if answer.status_code != httpx.codes.OK or not answer.content or len(answer.content) % PACKET:
        raise SystemExit(f"{answer.status_code} with {len(answer.content)} bytes\n{appliance.log}")


def reference(source: Path) -> float:
    """One ffmpeg, nothing else: the same four seconds at the same settings."""
    with tempfile.TemporaryDirectory(prefix="bench-plain-") as folder:
        video = ["-map", "0:V:0", "-vf", "scale=-2:480", "-c:v", "libx264", "-preset", "veryfast", "-crf", "23"]
        audio = ["-map", "0:a:0?", "-c:a", "aac", "-b:a", "128k", "-ac", "2"]
        argv = ["ffmpeg", "-nostdin", "-v", "error", "-i", f"file:{source}", "-t", "4", *video, *audio, "000.ts"]
        began = time.perf_counter()
        subprocess.run(argv, cwd=folder, check=True, stdin=subprocess.DEVNULL)
        return time.perf_counter() - began


async def report(source: Path, runs: int) -> None:
    print(f"{source.name}: {source.stat().st_size / 1e6:.0f} MB, {os.cpu_count()} cores, {runs} runs, min/median/max")
    for name, put in (("renamed", rename_in), ("copied", copy_in)):
        measured, plain = [], []
        for _ in range(runs):
            measured.append(await measure(source, put))
            plain.append(reference(source))
        for stage, times in zip(STAGES, zip(*measured, strict=True), strict=True):
            print(f"  {name:8} complete -> {stage:9} {spread(times)}")
        print(f"  {name:8} plain ffmpeg, segment {spread(plain)}")


def long_film() -> Path:
    """Five minutes made of one clip, fifteen times."""
    noise = ("-f", "lavfi", "-i", "testsrc2=size=1920x1080:rate=25:duration=20,noise=alls=12:allf=t")
    encoded = ("-c:v", "libx264", "-preset", "ultrafast", "-b:v", "8M", "-maxrate", "8M", "-bufsize", "16M")
    clip = make("clip.mp4", *noise, "-f", "lavfi", "-i", "sine=d=20", *encoded, "-g", "50", "-c:a", "aac", "-shortest")
    return make("Five Minutes (2024).mp4", "-stream_loop", "14", "-i", clip, "-map", "0", "-c", "copy")


def large_film() -> Path:
    noise = ("-f", "lavfi", "-i", "testsrc2=size=3840x2160:rate=25:duration=20,noise=alls=6:allf=t")
    encoded = ("-c:v", "libx264", "-preset", "ultrafast", "-b:v", "25M", "-g", "50", "-c:a", "aac", "-shortest")
    return copied(make("uhd.mp4", *noise, "-f", "lavfi", "-i", "sine=d=20", *encoded), "Large (2024).mp4")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("files", nargs="*", type=Path)
    told = parser.parse_args()
    for source in told.files or (long_film(), large_film()):
        asyncio.run(report(source.resolve(), told.runs))


if __name__ == "__main__":
    main()
