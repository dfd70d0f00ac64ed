from __future__ import annotations

import asyncio
import hashlib
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mediaserver.contracts import MediaInfo, Metadata, VideoStream
from mediaserver.core.changes import Reader
from mediaserver.core.clock import SystemClock
from mediaserver.core.library.probe import ProbeFailed
from mediaserver.core.library.watcher import LibraryWatcher
from mediaserver.models import Location, LocationState
from tests import media

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from mediaserver.core.changes import ChangeLog
    from mediaserver.core.db import Database
    from mediaserver.core.library.service import LibraryService
    from mediaserver.core.library.settings import LibrarySettings
    from mediaserver.core.wakeups import Wakeups


def make_film() -> Path:
    return media.make("tiny.mp4", *media.pictures(1, "5", "32x32"), "-movflags", "+faststart")


@dataclass
class Films:
    """Tiny films that differ: one real film with a `free` box of its own at the end."""

    real: bytes

    def bytes(self, mark: object, padding: int = 16) -> bytes:
        note = hashlib.sha256(str(mark).encode("utf-8", "surrogateescape")).digest()[:16] + bytes(padding)
        return self.real + (len(note) + 8).to_bytes(4, "big") + b"free" + note

    def write(self, path: Path, mark: object = None, *, padding: int = 16) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(self.bytes(path if mark is None else mark, padding))
        return path


@dataclass
class CountingProber:
    """Knows our tiny films by their boxes and counts; mass tests need no thousand processes."""

    calls: list[Path] = field(default_factory=list)
    lengths: dict[str, float] = field(default_factory=dict)  # seconds, by file name

    async def __call__(self, path: Path) -> MediaInfo:
        self.calls.append(path)
        content = path.read_bytes()
        if b"ftyp" not in content[:12] or b"moov" not in content:
            raise ProbeFailed("There is no film in this file: it is damaged, or it is not a video.")
        video = VideoStream(0, "h264", 32, 32, "5/1", False, "1/1", 0, "yuv420p", "progressive", "")
        return MediaInfo("mov", self.lengths.get(path.name, 1.0), 0.0, len(content), video, (), ())


@dataclass
class House:
    """A library with everything around it, as the watch process has it."""

    folder: Path
    settings: LibrarySettings
    db: Database
    changes: ChangeLog
    wakeups: Wakeups
    prober: Any
    run_folder: Path
    service: LibraryService
    describe: Callable[[Path, MediaInfo], Awaitable[Metadata | None]]

    @asynccontextmanager
    async def watched(self, **settings: Any) -> AsyncIterator[LibraryWatcher]:
        chosen = replace(self.settings, **settings)
        watcher = LibraryWatcher(
            chosen,
            self.db,
            self.changes,
            prober=self.prober,
            describe=self.describe,
            wakeups=self.wakeups,
            clock=SystemClock(),
            run_folder=self.run_folder,
        )
        stop = asyncio.Event()
        running = asyncio.create_task(watcher.run(stop))
        try:
            yield watcher
        finally:
            stop.set()
            await running

    async def until(self, condition: Callable[[], Awaitable[Any]], seconds: float = 300) -> Any:
        async with asyncio.timeout(seconds):
            while not (result := await condition()):
                await asyncio.sleep(0.02)
            return result

    async def states(self) -> dict[str, str]:
        return {row.path: row.state.value for row in await Location.all()}

    async def settled(self, expected: dict[str, str], seconds: float = 300) -> None:
        """Until exactly these files are in these states."""
        try:
            await self.until(lambda: self._is(expected), seconds)
        except TimeoutError:
            rows = {row.path: (row.state.value, row.reason) for row in await Location.all()}
            raise AssertionError(f"{rows} is not {expected}") from None

    async def _is(self, expected: dict[str, str]) -> bool:
        return await self.states() == expected

    async def has(self, state: str, count: int) -> bool:
        return await Location.filter(state=state).count() == count

    async def kinds(self) -> list[str]:
        """The kinds of all facts that were recorded."""
        return [event.kind for _, event in await Reader(self.db, 0).read()]

    async def ready(self, count: int, seconds: float = 300) -> None:
        await self.until(lambda: self._ready(count), seconds)

    async def _ready(self, count: int) -> bool:
        return await Location.filter(state=LocationState.READY).count() == count == await Location.all().count()
