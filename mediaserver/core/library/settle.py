"""When a copy is complete: unchanged for a while, readable to its tail, and held open for writing by nobody."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import heapq
import os
import signal
import stat
import time
from collections import OrderedDict
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING

from mediaserver.core.library.walk import file_id, file_time

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from pathlib import Path

__all__ = ["Look", "Pending", "Settler", "Verdict", "look"]

QUICK = 0.3  # seconds after close-write or a move with no writer
HELD = 0.5  # seconds until a file that is still being written is looked at again
REMEMBERED = 60.0  # seconds for which a close counts that came before its file was found
BATCH = 200  # files looked at in one go
EMPTY = "This file is still empty; it is looked at again and again."
HELD_OPEN = "Another program is still writing this file."
GROWING = "Waiting until the copy is complete."


class Verdict(Enum):
    STILL = "still"
    HELD = "held"
    EMPTY = "empty"
    GONE = "gone"
    UNREADABLE = "unreadable"


@dataclass(frozen=True, slots=True)
class Look:
    """What one look at a file found. `known_free` says that certainly no process writes it."""

    verdict: Verdict
    size: int = 0
    mtime_ns: int = 0
    file_id: str = ""
    known_free: bool = False
    problem: str = ""


@dataclass(slots=True)
class Pending:
    """A file that waits. `since` when it is unchanged, `closed` when a writer was seen to finish: monotonic seconds."""

    key: str
    path: Path
    size: int
    mtime_ns: int
    since: float = field(default_factory=time.monotonic)
    closed: float | None = None
    told: str = ""
    order: int = field(default=0)


def look(path: Path) -> Look:
    """Blocks only as long as the disk does: never on a FIFO, never on another program's lease."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return Look(Verdict.GONE)
    except OSError as error:
        return Look(Verdict.UNREADABLE, problem=error.strerror or "unknown error")
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            return Look(Verdict.GONE)
        free = _no_writer(descriptor)
        if found.st_size:
            os.pread(descriptor, 1, found.st_size - 1)
        verdict = Verdict.HELD if free is False else Verdict.STILL if found.st_size else Verdict.EMPTY
        return Look(verdict, found.st_size, file_time(found), file_id(found), known_free=bool(free))
    except OSError as error:
        return Look(Verdict.UNREADABLE, problem=error.strerror or "unknown error")
    finally:
        os.close(descriptor)


def _no_writer(descriptor: int) -> bool | None:
    """A read lease is given only where nobody has the file open for writing. None: this cannot be known here.

    A writer that comes in this moment makes the kernel signal us: SIGURG, which does nothing, instead of SIGIO.
    """
    if not hasattr(fcntl, "F_SETLEASE"):
        return None
    try:
        fcntl.fcntl(descriptor, fcntl.F_SETSIG, signal.SIGURG)
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_RDLCK)
    except BlockingIOError:
        return False
    except OSError:
        return None
    with contextlib.suppress(OSError):
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    return True


class Settler:
    """One timer for any number of files: a heap of when each is to be looked at next."""

    def __init__(
        self,
        seconds: float,
        settled: Callable[[Sequence[tuple[Pending, Look]]], Awaitable[None]],
        tell: Callable[[Pending, str], Awaitable[None]],
    ) -> None:
        self._seconds = seconds
        self._settled = settled
        self._tell = tell
        self._pending: dict[str, Pending] = {}
        self._heap: list[tuple[float, int, str]] = []
        self._closed: OrderedDict[str, float] = OrderedDict()  # the oldest first
        self._wake = asyncio.Event()
        self._count = 0

    def __len__(self) -> int:
        return len(self._pending)

    def add(self, pending: Pending) -> None:
        """Wait for this file; one that waits already is looked at anew only if it has changed."""
        known = self._pending.get(pending.key)
        if known is not None and (known.size, known.mtime_ns) == (pending.size, pending.mtime_ns):
            return
        pending.closed = self._closed.pop(pending.key, known.closed if known else None)
        self._pending[pending.key] = pending
        self._schedule(pending, self._wait(pending))

    def closed(self, key: str) -> None:
        """A writer has just closed the file, or it was moved here whole."""
        now = time.monotonic()
        pending = self._pending.get(key)
        if pending is None:
            self._forget_old(now)
            self._closed[key] = now
            self._closed.move_to_end(key)
        else:
            pending.closed = now
            self._schedule(pending, now + QUICK)

    async def run(self) -> None:
        while True:
            due = self._take()
            if due:
                await self._look(due)
                continue
            self._wake.clear()
            wait = self._heap[0][0] - time.monotonic() if self._heap else None
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait):
                    await self._wake.wait()

    def _wait(self, pending: Pending) -> float:
        """When to look: soon after a close, or where the file is old and it can be seen that nobody writes it."""
        now = time.monotonic()
        if pending.closed is not None:
            return max(now, pending.closed + QUICK)
        return now + (min(QUICK, self._seconds) if self._is_old(pending) else self._seconds)

    def _schedule(self, pending: Pending, due: float) -> None:
        self._count += 1
        pending.order = self._count
        heapq.heappush(self._heap, (due, self._count, pending.key))
        self._wake.set()

    def _take(self) -> list[Pending]:
        now = time.monotonic()
        due: list[Pending] = []
        while self._heap and self._heap[0][0] <= now and len(due) < BATCH:
            _, order, key = heapq.heappop(self._heap)
            pending = self._pending.get(key)
            if pending is not None and pending.order == order:  # else it was put off or is done
                due.append(pending)
        return due

    async def _look(self, due: list[Pending]) -> None:
        looks = await asyncio.to_thread(lambda: [look(pending.path) for pending in due])
        done: list[tuple[Pending, Look]] = []
        for pending, seen in zip(due, looks, strict=True):
            if self._pending.get(pending.key) is not pending:
                continue
            if self._is_done(pending, seen):
                del self._pending[pending.key]
                done.append((pending, seen))
            else:
                await self._put_off(pending, seen)
        if done:
            await self._settled(done)

    def _is_done(self, pending: Pending, seen: Look) -> bool:
        if seen.verdict in {Verdict.GONE, Verdict.UNREADABLE}:
            return True
        if seen.verdict is not Verdict.STILL or (seen.size, seen.mtime_ns) != (pending.size, pending.mtime_ns):
            return False
        waited = time.monotonic() - pending.since
        return pending.closed is not None or waited >= self._seconds or (seen.known_free and self._is_old(pending))

    def _is_old(self, pending: Pending) -> bool:
        return time.time() - pending.mtime_ns / 1e9 > self._seconds

    async def _put_off(self, pending: Pending, seen: Look) -> None:
        now = time.monotonic()
        changed = (seen.size, seen.mtime_ns) != (pending.size, pending.mtime_ns)
        pending.size, pending.mtime_ns = seen.size, seen.mtime_ns
        if changed or seen.verdict is not Verdict.STILL:
            pending.since, pending.closed = now, None
        sentence = {Verdict.HELD: HELD_OPEN, Verdict.EMPTY: EMPTY}.get(seen.verdict, GROWING)
        self._schedule(pending, now + HELD if seen.verdict is Verdict.HELD else pending.since + self._seconds)
        if sentence != pending.told or changed:
            pending.told = sentence
            await self._tell(pending, sentence)

    def _forget_old(self, now: float) -> None:
        while self._closed and next(iter(self._closed.values())) < now - REMEMBERED:
            self._closed.popitem(last=False)
