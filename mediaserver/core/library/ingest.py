"""One complete file becomes a video with a title, or a refusal in one sentence. May run twice; nothing is half done."""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mediaserver.contracts import MediaInfo, Metadata
from mediaserver.core.library import names, paths
from mediaserver.core.library.identity import Identity, LooksKnown, fingerprint
from mediaserver.core.library.names import Named
from mediaserver.core.library.records import CANNOT_READ, WAITING
from mediaserver.core.library.refusals import ProbeFailed
from mediaserver.core.library.titles import Titles, merged
from mediaserver.core.library.walk import file_time
from mediaserver.events import LocationChanged, SidecarsChanged, VideoProbed
from mediaserver.models import Location, LocationState, Video

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from mediaserver.contracts import Changes, Clock
    from mediaserver.core.db import Database
    from mediaserver.core.library.records import Records

__all__ = ["Describe", "Ingest", "NotComplete", "Prober"]

Prober = Callable[[Path], Awaitable[MediaInfo]]  # raises ProbeFailed
Describe = Callable[[Path, MediaInfo], Awaitable[Metadata | None]]
CUT_OFF = "This file ends before its header says; waiting for the rest of it."
AGAIN = "it is tried again with each scan; where it stays so its disk may be failing, and another copy helps"
STILL_COPIED = 10.0  # a file that ends before its header says may still grow for so many settle times


class NotComplete(Exception):
    """The file has changed meanwhile, or is cut off and young: wait for it again. The text, if any, is for people."""


class Ingest:
    def __init__(
        self,
        db: Database,
        changes: Changes,
        records: Records,
        *,
        clock: Clock,
        prober: Prober,
        describe: Describe,
        settle_seconds: float,
    ) -> None:
        self._db = db
        self._changes = changes
        self._records = records
        self._clock = clock
        self._prober = prober
        self._describe = describe
        self._patience = settle_seconds * STILL_COPIED
        self._identity = Identity()
        self._titles = Titles(changes)
        self._commit = asyncio.Lock()  # Postgres would let two films of one title each make it
        self._busy: dict[str, asyncio.Lock] = {}
        self._waiting: Counter[str] = Counter()

    async def ingest(self, key: str, *, thorough: bool = True) -> None:
        """Raises NotComplete where the file is not as it was recorded, LooksKnown where that is not `thorough`."""
        location = await Location.get_or_none(key=key)
        if location is None or location.state not in WAITING:
            return
        path = paths.absolute(location.root, location.path)
        try:
            real = await asyncio.to_thread(_unchanged, path, location)
            mark = await asyncio.to_thread(fingerprint, real)
            if not thorough and mark in self._busy:  # whoever has it may compare for hours
                raise LooksKnown
            async with self._one_at_a_time(mark):
                await self._recognise(location, real, mark, thorough=thorough)
        except ProbeFailed as error:
            await self.refuse(location, error.reason)
        except OSError as error:
            if isinstance(error, FileNotFoundError):
                raise NotComplete from error
            await self.refuse(location, f"{CANNOT_READ} ({error.strerror or error}); {AGAIN}.")

    async def refuse(self, location: Location, sentence: str) -> None:
        """Raises NotComplete where the file has changed since `location` was read."""
        async with self._db.transaction() as tx:
            await self._set(tx, location, LocationState.REFUSED, sentence, None)
            await self._records.settle_online(tx, [location.video_id])

    async def _recognise(self, location: Location, path: Path, mark: str, *, thorough: bool) -> None:
        video = await self._identity.video(path, mark, thorough=thorough)
        if video is not None:
            await asyncio.to_thread(_unchanged, path, location)
            await self._known_video(location, video)
            return
        info = await self._prober(path)
        found = await asyncio.to_thread(_unchanged_stat, path, location)
        if info.truncated and self._may_still_grow(found):
            raise NotComplete(CUT_OFF)
        said = names.from_path(location.path)
        told = await self._describe(path, info)
        await self._new_video(location, mark, info, replace(said, metadata=merged(said.metadata, told)))

    def _may_still_grow(self, found: os.stat_result) -> bool:
        """A time far ahead says nothing of its age and comes from elsewhere, one just ahead from a disk's own clock."""
        return abs(self._clock.now().timestamp() - found.st_mtime) < self._patience

    async def _known_video(self, location: Location, video: Video) -> None:
        async with self._commit, self._db.transaction() as tx:
            before = location.video_id
            await self._set(tx, location, LocationState.DUPLICATE, "", video)
            await self._records.settle_online(tx, [video.id, before])
            if before not in (None, video.id) and not await Location.filter(video_id=before).using_db(tx).exists():
                await self._titles.succeed(tx, before, video)  # else that title had no file, though its own is there
            if await self._titles.of(tx, video.id) is None:
                title = await self._titles.attach(tx, video, location.root, names.from_path(location.path))
                await self._changes.record(VideoProbed(video.id, title), tx)
            await self._changes.record(SidecarsChanged(video.id), tx)

    async def _new_video(self, location: Location, mark: str, info: MediaInfo, named: Named) -> None:
        """Video, title and location in one transaction: a kill at any moment leaves all or nothing."""
        async with self._commit, self._db.transaction() as tx:
            video = await Video.create(
                using_db=tx, fingerprint=mark, size=location.size, duration=info.duration, probe=info.as_dict()
            )
            before = location.video_id
            await self._set(tx, location, LocationState.READY, "", video)
            title = await self._titles.succeed(tx, before, video) if before is not None else None
            if title is None:
                title = await self._titles.attach(tx, video, location.root, named)
            await self._changes.record(VideoProbed(video.id, title), tx)
            await self._records.settle_online(tx, [before])

    async def _set(self, tx: Any, location: Location, state: LocationState, reason: str, video: Video | None) -> None:
        values: dict[str, Any] = {"state": state, "reason": reason, "seen_at": self._clock.now()}
        if video is not None:
            values["video_id"] = video.id
        same = Location.filter(id=location.id, key=location.key, size=location.size, mtime_ns=location.mtime_ns)
        if not await same.filter(state__in=WAITING).using_db(tx).update(**values):
            raise NotComplete  # what was found is of bytes that have been written over since, or of another name
        await self._changes.record(LocationChanged(location.id, state.value), tx)

    @asynccontextmanager
    async def _one_at_a_time(self, mark: str) -> AsyncIterator[None]:
        """Two copies that arrive together become one video."""
        lock = self._busy.setdefault(mark, asyncio.Lock())
        self._waiting[mark] += 1  # a lock that is let go is free for a moment, though somebody waits for it
        try:
            async with lock:
                yield
        finally:
            self._waiting[mark] -= 1
            if not self._waiting[mark]:
                del self._busy[mark], self._waiting[mark]


def _unchanged(path: Path, location: Location) -> Path:
    """The file itself, links resolved. Raises NotComplete where it is not the one that was recorded."""
    _unchanged_stat(path, location)
    return Path(os.path.realpath(path))


def _unchanged_stat(path: Path, location: Location) -> os.stat_result:
    found = path.stat()
    if (found.st_size, file_time(found)) != (location.size, location.mtime_ns):
        raise NotComplete
    return found
