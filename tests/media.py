"""Small media for tests, made by ffmpeg once and kept in .cache/media under a hash of how they were made."""

from __future__ import annotations

import fcntl
import hashlib
import os
import subprocess
import tempfile
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from mediaserver.core.ffmpeg import FFmpegTools, Tools, find_tools
from mediaserver.core.sandbox import Sandbox

if TYPE_CHECKING:
    from collections.abc import Iterator

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
    if not made.exists():
        with _publishing(made) as path:
            argv = ["ffmpeg", "-v", "error", "-nostdin", "-y", *told, f"file:{path}"]
            subprocess.run(argv, check=True, stdin=subprocess.DEVNULL)
    return made


def kept(name: str, data: bytes) -> Path:
    """A file that holds these bytes, at one place for all runs: other media are kept by how they were made of it."""
    key = hashlib.sha256(name.encode() + b"\0" + data).hexdigest()[:20]
    path = CACHE / key / name
    if not path.exists():
        with _publishing(path) as part:
            part.write_bytes(data)
    return path


@contextmanager
def _publishing(made: Path) -> Iterator[Path]:
    """Where to write it; it appears whole, and whoever is first wins: a sandbox under way names this very inode."""
    made.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=CACHE, prefix="tmp-") as workspace:
        yield Path(workspace, made.name)
        with suppress(FileExistsError):
            os.link(Path(workspace, made.name), made)


@contextmanager
def alone(what: str) -> Iterator[None]:
    """One process of all that test on this checkout at a time."""
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / f"{what}.lock").open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


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
    data = source.read_bytes()
    return kept(f"cut-{share}-{source.name}", data[: int(len(data) * share)])
