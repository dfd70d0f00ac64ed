"""What one process at a time does in a data folder; the kernel frees the lock of whoever dies."""

from __future__ import annotations

import asyncio
import fcntl
import os
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from mediaserver.core.db import is_full
from mediaserver.errors import StartError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path


@asynccontextmanager
async def locked(file: Path, look_seconds: float, waits: Callable[[], object] = lambda: None) -> AsyncIterator[None]:
    """Until it is ours, which may be never; `waits` is called once where another has it. Raises StartError."""
    try:
        descriptor = os.open(file, os.O_CREAT | os.O_RDWR, 0o600)
    except OSError as error:
        if is_full(error):
            raise
        raise StartError(f"{file} cannot be used ({error.strerror}); the data directory must be writable.") from error
    try:
        if not _ours(descriptor, file):
            waits()
            while not _ours(descriptor, file):  # asked again and again: who waits in a thread cannot be cancelled
                await asyncio.sleep(look_seconds)
        yield
    finally:
        os.close(descriptor)


def _ours(descriptor: int, file: Path) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        raise StartError(
            f"{file} cannot be locked ({error.strerror}); the data directory must be on a file system with locks, "
            "a disk of this machine for one."
        ) from error
    return True
