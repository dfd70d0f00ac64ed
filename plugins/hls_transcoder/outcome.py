"""How an ffmpeg ended, where that says nothing about the film."""

from __future__ import annotations

import asyncio
import re
import signal
from typing import TYPE_CHECKING

from mediaserver.errors import JobPostponed

if TYPE_CHECKING:
    from pathlib import Path

    from mediaserver.contracts import Finished

__all__ = [
    "ENDED",
    "FULL",
    "KILLED",
    "MOVED",
    "disk_trouble",
    "found_no_room",
    "is_gone",
    "postpone_if_full",
    "postpone_if_hindered",
]

KILLED = {-signal.SIGKILL, -signal.SIGTERM}
ENDED = "ffmpeg was ended from outside, or the memory ran out."
MOVED = "Its file has just moved; it goes on where it is found again."
NO_ROOM = re.compile(r": No space left on device(?:, aborting)?\.?$", re.MULTILINE)  # and not the name of a file
# ffmpeg takes these for the end of the film, and ends well. Where no file may be opened at all it is another matter.
DISK_TROUBLE = ("Input/output error", "Stale file handle", "Transport endpoint is not connected")
FULL = "The disk was full; it goes on when there is room."


def found_no_room(finished: Finished) -> bool:
    """Only ffmpeg can tell: there may be room again when somebody looks."""
    return NO_ROOM.search(finished.stderr) is not None


def disk_trouble(finished: Finished) -> str | None:
    """The sentence for a film that could not be read to its end."""
    trouble = next((sign for sign in DISK_TROUBLE if sign in finished.stderr), None)
    return f"The disk of this film cannot be read just now ({trouble})." if trouble else None


def is_gone(path: Path) -> bool:
    """Not where a disk that fails cannot say (EIO, ESTALE), which `Path.exists` raises. Blocks."""
    try:
        path.stat()
    except OSError as error:
        return isinstance(error, FileNotFoundError | NotADirectoryError)
    return False


async def postpone_if_hindered(finished: Finished, source: Path, again: float) -> None:
    """Raises JobPostponed, for `again` seconds, where the file has moved, ffmpeg was ended or the disk was full."""
    if await asyncio.to_thread(is_gone, source):
        raise JobPostponed(MOVED, again)
    if finished.returncode in KILLED and not finished.timed_out:
        raise JobPostponed(ENDED, again)
    postpone_if_full(finished, again)


def postpone_if_full(finished: Finished, again: float) -> None:
    """For what is one of several to choose from: where ffmpeg was ended the next one is tried. Raises JobPostponed."""
    if found_no_room(finished):
        raise JobPostponed(FULL, again)
