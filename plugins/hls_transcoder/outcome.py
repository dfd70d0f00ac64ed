"""How an ffmpeg ended, where that says nothing about the film."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

from mediaserver.errors import JobPostponed

if TYPE_CHECKING:
    from pathlib import Path

    from mediaserver.contracts import Finished

__all__ = ["ENDED", "FULL", "KILLED", "MOVED", "found_no_room", "hindered"]

KILLED = {-signal.SIGKILL, -signal.SIGTERM}
ENDED = "ffmpeg was ended from outside, or the memory ran out."
MOVED = "Its file has just moved; it goes on where it is found again."
FULL = "The disk was full; it goes on when there is room."


def found_no_room(finished: Finished) -> bool:
    """Only ffmpeg can tell: there may be room again when somebody looks."""
    return "No space left on device" in finished.stderr


def hindered(finished: Finished, source: Path, again: float) -> None:
    """Raises JobPostponed, for `again` seconds, where the file has moved, ffmpeg was ended or the disk was full."""
    if not source.exists():
        raise JobPostponed(MOVED, again)
    if finished.returncode in KILLED and not finished.timed_out:
        raise JobPostponed(ENDED, again)
    if found_no_room(finished):
        raise JobPostponed(FULL, again)
