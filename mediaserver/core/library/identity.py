"""Who a file is: a quick fingerprint finds candidates, only all bytes prove that two files are one video.

The fingerprint is the size and a BLAKE2 of the first and last 64 KiB and of eight samples of 16 KiB spread evenly
between them: 256 KiB are read of a file of any length.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
from typing import TYPE_CHECKING

from mediaserver.core.library import paths
from mediaserver.core.library.digest import full_hash
from mediaserver.core.library.records import HOLDING
from mediaserver.core.library.walk import file_id, file_time
from mediaserver.models import Location, Video

if TYPE_CHECKING:
    from pathlib import Path

    from mediaserver.core.library.records import Known

__all__ = ["Identity", "LooksKnown", "fingerprint", "still_there"]

ENDS = 65536  # bytes
SAMPLES = 8
SAMPLE = 16384  # bytes


def fingerprint(path: Path) -> str:
    """Blocks. Raises OSError."""
    digest = hashlib.blake2b(digest_size=24)
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        size = os.fstat(descriptor).st_size
        gap = max(0, size - 2 * ENDS) // (SAMPLES + 1)
        digest.update(os.pread(descriptor, ENDS, 0))
        if gap:
            for number in range(1, SAMPLES + 1):
                digest.update(os.pread(descriptor, SAMPLE, ENDS + number * gap))
        digest.update(os.pread(descriptor, ENDS, max(0, size - ENDS)))
    finally:
        os.close(descriptor)
    return f"{size:x}-{digest.hexdigest()}"


def still_there(known: Known) -> bool:
    """The location's file stands at its path, written exactly so (some file systems answer to any case)."""
    path = paths.absolute(known.root, known.path)
    try:
        found = os.stat(path)  # noqa: PTH116
        return file_id(found) == known.file_id and path.name in os.listdir(path.parent)  # noqa: PTH208
    except OSError:
        return False


class LooksKnown(Exception):
    """Only all bytes tell whether this is a video that is known, and reading them takes as long as they are many."""


class Identity:
    """Finds the video a file is, if it is known."""

    async def video(self, path: Path, mark: str, *, thorough: bool = True) -> Video | None:
        """The video with the content of `path`, whose fingerprint is `mark`. Raises LooksKnown unless `thorough`.

        Where another file of that video can be read, every byte of both is compared. Where none can (it was moved
        to another disk, or that disk is away), the stored hash decides; without one the fingerprint does.
        """
        own: str | None = None
        for video in await Video.filter(fingerprint=mark).order_by("id"):
            other = await self._readable(video, path)
            if (other is None and video.full_hash is None) or (
                other and await asyncio.to_thread(_same_file, other, path)
            ):
                return video
            if not thorough:
                raise LooksKnown
            own = own or await asyncio.to_thread(full_hash, path)
            if own == await self._full_hash(video, other):
                return video
        return None

    async def _readable(self, video: Video, path: Path) -> Path | None:
        for location in await Location.filter(video_id=video.id, state__in=HOLDING).order_by("id"):
            other = paths.absolute(location.root, location.path)
            if other != path and await asyncio.to_thread(_unchanged, other, location.size, location.mtime_ns):
                return other
        return None

    async def _full_hash(self, video: Video, other: Path | None) -> str | None:
        if video.full_hash is None and other is not None:
            found = await asyncio.to_thread(full_hash, other)
            if await Video.filter(full_hash=found).exclude(id=video.id).exists():
                return None  # two videos were taken for different ones; they stay so
            await Video.filter(id=video.id).update(full_hash=found)
            video.full_hash = found
        return video.full_hash


def _same_file(one: Path, other: Path) -> bool:
    try:
        return one.samefile(other)
    except OSError:
        return False


def _unchanged(path: Path, size: int, mtime_ns: int) -> bool:
    try:
        found = os.stat(path)  # noqa: PTH116
    except OSError:
        return False
    return (found.st_size, file_time(found)) == (size, mtime_ns)
