"""Small media for tests, made by ffmpeg once and kept in .cache/media under a hash of how they were made."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
from contextlib import suppress
from functools import cache
from pathlib import Path

from mediaserver.core.ffmpeg import FFmpegTools, Tools, find_tools
from mediaserver.core.sandbox import Sandbox

CACHE = Path(__file__).resolve().parent.parent / ".cache" / "media"
X264 = ("-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p")
CHIRP = "aevalsrc=0.3*sin(2*PI*(200+60*t)*t)|0.3*sin(2*PI*(300+40*t)*t):s=48000:d={seconds}"


@cache
def found() -> Tools:
    """Asking a build what it can do takes four runs of it."""
    return find_tools()


def tools(*, landlock: bool = True) -> FFmpegTools:
    return FFmpegTools(found(), Sandbox.detect() if landlock else Sandbox(0))


def make(name: str, *arguments: str | Path) -> Path:
    """The file ffmpeg makes of these arguments; `name` is its name, whose ending chooses the container."""
    told = [str(argument) for argument in arguments]
    key = hashlib.sha256("\0".join([name, *told]).encode()).hexdigest()[:20]
    made = CACHE / key / name
    if made.exists():
        return made
    CACHE.mkdir(parents=True, exist_ok=True)
    workspace = Path(tempfile.mkdtemp(dir=CACHE, prefix="tmp-"))
    try:
        argv = ["ffmpeg", "-v", "error", "-nostdin", "-y", *told, f"file:{workspace / name}"]
        subprocess.run(argv, check=True, stdin=subprocess.DEVNULL)
        made.parent.mkdir(exist_ok=True)
        with suppress(FileExistsError):  # whoever is first wins: the sandbox of a test under way names this very inode
            os.link(workspace / name, made)
    finally:
        shutil.rmtree(workspace, ignore_errors=True)
    return made


def pictures(seconds: float, rate: str = "25", size: str = "160x90") -> tuple[str, ...]:
    return ("-f", "lavfi", "-i", f"testsrc2=size={size}:rate={rate}:duration={seconds}")


def sound(seconds: float) -> tuple[str, ...]:
    """Two sweeps, so that a sample out of place is heard."""
    return ("-f", "lavfi", "-i", CHIRP.format(seconds=seconds))


def film(
    name: str = "film.mp4",
    *,
    seconds: float = 4,
    rate: str = "25",
    size: str = "160x90",
    gop: int = 250,
    audio: bool = True,
    options: tuple[str, ...] = (),
) -> Path:
    """H.264 and AAC, as most films are."""
    heard = (*sound(seconds), "-c:a", "aac", "-b:a", "192k") if audio else ()
    return make(name, *pictures(seconds, rate, size), *heard, *X264, "-g", str(gop), *options)


def copied(source: Path, name: str, *options: str) -> Path:
    """The same packets in another container or with other tags."""
    return make(name, "-i", source, "-map", "0", "-c", "copy", *options)


def truncated(source: Path, share: float) -> Path:
    """The first part of a file, as an interrupted copy leaves it."""
    cut = source.with_name(f"cut-{share}-{source.name}")
    if not cut.exists():
        data = source.read_bytes()
        part = cut.with_suffix(f".{os.getpid()}.part")
        part.write_bytes(data[: int(len(data) * share)])
        with suppress(FileExistsError):
            os.link(part, cut)
        part.unlink()
    return cut
