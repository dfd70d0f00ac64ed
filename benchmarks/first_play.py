"""From the moment a film is complete in library/ until its first 480p segment has come, on default settings.

    python benchmarks/first_play.py [--runs N] [FILE …]

Without a file: five minutes of noisy 1080p and 20 s of 3840x2160. Each run has an appliance of its own, which is idle
when the film comes: under a temporary name that is then changed, or by a copy that is then closed. The reference, after
each run and on the same machine, is one plain ffmpeg that makes only this segment.
"""

from __future__ import annotations

import argparse
import http.client
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

from benchmarks.figures import spread
from tests.e2e.appliance import Appliance, running
from tests.media import copied, make

DEFAULTS = {"plugins": {"hls_transcoder": {}, "catalog": {}, "admin": {}}}
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


def measure(source: Path, put: Callable[[Path, Path], None]) -> list[float]:
    """Seconds from the complete copy to each of STAGES."""
    with tempfile.TemporaryDirectory(prefix="bench-play-") as name, running(Path(name), DEFAULTS) as appliance:
        time.sleep(1)  # let the start settle
        put(source, appliance.library)
        began = time.perf_counter()
        title = listed(appliance, began)
        times = [time.perf_counter() - began]
        base = appliance.media(title)
        times.append(time.perf_counter() - began)
        cell(appliance, base)
        times.append(time.perf_counter() - began)
    return times


def listed(appliance: Appliance, began: float) -> str:
    while not (titles := appliance.titles()):
        if time.perf_counter() - began > GIVE_UP:
            raise SystemExit(f"The film was not listed within {GIVE_UP:g} s.\n{appliance.said()}")
        time.sleep(LOOK)
    return str(titles[0]["id"])


def cell(appliance: Appliance, base: str) -> None:
    """The first segment, whole; asked for again where the server says it needs longer, as players do."""
    where = urlsplit(f"{base}/480p/000.ts")
    connection = http.client.HTTPConnection("127.0.0.1", appliance.port, timeout=GIVE_UP)
    while True:
        connection.request("GET", where.path)
        answer = connection.getresponse()
        body = answer.read()  # raises IncompleteRead where bytes are missing
        if answer.status != http.client.SERVICE_UNAVAILABLE:
            break
    connection.close()
    if answer.status != http.client.OK or not body or len(body) % PACKET:
        raise SystemExit(f"{answer.status} with {len(body)} bytes\n{appliance.said()}")


def reference(source: Path) -> float:
    """One ffmpeg, nothing else: the same four seconds at the same settings."""
    with tempfile.TemporaryDirectory(prefix="bench-plain-") as folder:
        video = ["-map", "0:V:0", "-vf", "scale=-2:480", "-c:v", "libx264", "-preset", "veryfast", "-crf", "23"]
        audio = ["-map", "0:a:0?", "-c:a", "aac", "-b:a", "128k", "-ac", "2"]
        argv = ["ffmpeg", "-nostdin", "-v", "error", "-i", f"file:{source}", "-t", "4", *video, *audio, "000.ts"]
        began = time.perf_counter()
        subprocess.run(argv, cwd=folder, check=True, stdin=subprocess.DEVNULL)
        return time.perf_counter() - began


def report(source: Path, runs: int) -> None:
    print(f"{source.name}: {source.stat().st_size / 1e6:.0f} MB, {os.cpu_count()} cores, {runs} runs, min/median/max")
    for name, put in (("renamed", rename_in), ("copied", copy_in)):
        measured, plain = [], []
        for _ in range(runs):
            measured.append(measure(source, put))
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
        report(source.resolve(), told.runs)


if __name__ == "__main__":
    main()
