"""The database's side of a scan: locations read in pages, written in bulk, never for long at once."""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from mediaserver.core.library import paths
from mediaserver.events import LocationChanged, VideoOffline, VideoOnline
from mediaserver.models import Location, LocationState, Video

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Sequence

    from mediaserver.contracts import Changes, Clock
    from mediaserver.core.db import Database
    from mediaserver.core.library.walk import Entry

__all__ = ["CANNOT_READ", "GONE_AT_ONCE", "HOLDING", "WAITING", "Known", "Records"]

T = TypeVar("T")
PAGE = 5000  # rows of one read
MOST_ROWS = 500  # of one transaction: others want to write, too
LONGEST = 0.02  # seconds of one transaction: whoever starts a film, or tells where it is, waits for it
TOLD = 100  # rows of a transaction that also writes a change per row
HOLDING = (LocationState.READY, LocationState.DUPLICATE)  # the states in which a location's video can be read
WAITING = (LocationState.SETTLING, LocationState.PROBING)
COLUMNS = "id, root, path, file_id, size, mtime_ns, state, reason, video_id"
CANNOT_READ = "This file cannot be read"  # how the sentence begins that a chmod makes wrong
LEAST_GONE = 3  # who deletes one film of two has lost no disk
GONE_AT_ONCE = "{gone} of {all} files of {root} are gone at once; is a disk not connected? Nothing is deleted."
AT_ONCE = GONE_AT_ONCE.rpartition("}")[2]  # how the sentence ends of a file that is gone with most others
SAME = "The same video as {path}; only one of them is played."
NEXT = "The copy is complete; it is looked at next."
NEW = "Waiting until the copy is complete."


@dataclass(frozen=True, slots=True)
class Known:
    """A location as the database has it."""

    id: int
    root: str
    path: str
    file_id: str
    size: int
    mtime_ns: int
    state: LocationState
    reason: str
    video_id: int | None

    @staticmethod
    def of(row: dict[str, Any]) -> Known:
        return Known(**{**row, "state": LocationState(row["state"])})

    @property
    def waits(self) -> bool:
        return self.state in WAITING

    @property
    def is_gone_at_once(self) -> bool:
        return self.state == LocationState.OFFLINE and self.reason.endswith(AT_ONCE)

    @property
    def denied(self) -> bool:
        return self.state == LocationState.REFUSED and self.reason.startswith(CANNOT_READ)


class Records:
    def __init__(self, db: Database, changes: Changes, clock: Clock) -> None:
        self._db = db
        self._changes = changes
        self._clock = clock
        self._rows = MOST_ROWS // 2

    # ---- reading

    async def known(self, root: str, folder: str = "", *, recursive: bool = True) -> dict[str, Known]:
        """Path to location, of a whole root, of what is below a folder, or only of what lies in it."""
        sql = f"SELECT {COLUMNS} FROM core_location WHERE root = ? AND id > ?"
        likes = []
        if folder:
            sql, likes = f"{sql} AND path LIKE ? ESCAPE '\\'", [f"{_like(folder)}/%"]
        if not recursive:
            sql, likes = f"{sql} AND path NOT LIKE ? ESCAPE '\\'", [*likes, f"{_like(folder)}/%/%" if folder else "%/%"]
        found: dict[str, Known] = {}
        last = 0
        while rows := await self._db.fetch(f"{sql} ORDER BY id LIMIT {PAGE}", root, last, *likes, reading=True):
            last = rows[-1]["id"]
            # LIKE knows no upper case on SQLite
            fit = (row for row in rows if not folder or row["path"].startswith(f"{folder}/"))
            found |= {row["path"]: Known.of(row) for row in fit}
            if len(rows) < PAGE:
                break
        return found

    async def roots(self) -> list[str]:
        """Of all locations, also those that are no longer in the settings."""
        rows = await self._db.fetch("SELECT DISTINCT root FROM core_location ORDER BY root", reading=True)
        return [row["root"] for row in rows]

    async def same_files(self, file_ids: Iterable[str]) -> list[Known]:
        return await self._where("file_id", [file_id for file_id in file_ids if file_id])

    async def current(self, ids: Iterable[int]) -> dict[int, Known]:
        return {row.id: row for row in await self._where("id", list(ids))}

    async def count(self, root: str) -> tuple[int, int]:
        """Locations of a root, and how many of them are not offline."""
        rows = await self._db.fetch(
            "SELECT count(*) AS n, coalesce(sum(CASE WHEN state <> 'offline' THEN 1 ELSE 0 END), 0) AS here "
            "FROM core_location WHERE root = ?",
            root,
            reading=True,
        )
        return int(rows[0]["n"]), int(rows[0]["here"])

    async def most_are_gone(self, root: str, guard: float) -> str:
        """The sentence for a folder that is there without most of its files (more than the share `guard`), else ""."""
        [row] = await self._db.fetch(
            "SELECT count(*) AS n, coalesce(sum(CASE WHEN state = 'offline' AND reason LIKE ? THEN 1 ELSE 0 END), 0) "
            "AS gone FROM core_location WHERE root = ?",
            f"%{AT_ONCE}",
            root,
            reading=True,
        )
        gone, total = int(row["gone"]), int(row["n"])
        told = GONE_AT_ONCE.format(gone=gone, all=total, root=paths.shown(paths.to_path(root)))
        return told if gone > guard * total and gone >= LEAST_GONE else ""

    async def _where(self, column: str, values: Sequence[Any]) -> list[Known]:
        found: list[Known] = []
        for start in range(0, len(values), MOST_ROWS):
            part = values[start : start + MOST_ROWS]
            marks = ", ".join("?" * len(part))
            sql = f"SELECT {COLUMNS} FROM core_location WHERE {column} IN ({marks})"
            found += [Known.of(row) for row in await self._db.fetch(sql, *part, reading=True)]
        return found

    # ---- writing

    async def add(self, root: str, entries: Sequence[Entry]) -> None:
        """Record files that were never seen. One that is there already is left alone."""
        few = len(entries) <= TOLD  # not those of a part: on a slow machine parts are small, and would become slower
        for part in self._parts(entries):
            async with self.turn() as tx:
                rows = [self._new(root, entry) for entry in part]
                await Location.bulk_create(rows, ignore_conflicts=True, using_db=tx)
                if few:
                    for row in await Location.filter(key__in=[row.key for row in rows]).using_db(tx):
                        await self._changes.record(LocationChanged(row.id, row.state.value), tx)

    def _new(self, root: str, entry: Entry) -> Location:
        return Location(
            key=paths.key(root, entry.path),
            root=root,
            path=entry.path,
            file_id=entry.file_id,
            size=entry.size,
            mtime_ns=entry.mtime_ns,
            state=LocationState.REFUSED if entry.refused else LocationState.SETTLING,
            reason=entry.refused or NEW,
            seen_at=self._clock.now(),
        )

    async def changed(self, known: Known, entry: Entry) -> None:
        """The file at this path has other content; which video it was is kept until the new one is known."""
        async with self.turn() as tx:
            state = LocationState.REFUSED if entry.refused else LocationState.SETTLING
            await (
                Location.filter(id=known.id)
                .using_db(tx)
                .update(
                    file_id=entry.file_id,
                    size=entry.size,
                    mtime_ns=entry.mtime_ns,
                    state=state,
                    reason=entry.refused or NEW,
                    seen_at=self._clock.now(),
                )
            )
            await self._changes.record(LocationChanged(known.id, state.value), tx)
            await self.settle_online(tx, [known.video_id])

    async def probing(self, keys: Sequence[str]) -> None:
        """These copies are complete; what is told of them one by one is only how it ends."""
        for part in self._parts(keys):
            async with self.turn() as tx:
                waiting = Location.filter(key__in=list(part), state=LocationState.SETTLING)
                await waiting.using_db(tx).update(state=LocationState.PROBING, reason=NEXT)

    async def waits(self, key: str, size: int, mtime_ns: int, reason: str) -> None:
        """A copy that goes on: how far it is, and what it waits for."""
        async with self._db.transaction() as tx:
            row = await Location.filter(key=key, state__in=WAITING).using_db(tx).first()
            if row is not None:
                await Location.filter(id=row.id).using_db(tx).update(size=size, mtime_ns=mtime_ns, reason=reason)
                if row.reason != reason:
                    await self._changes.record(LocationChanged(row.id, row.state.value), tx)

    async def renamed(self, tx: Any, known: Known, root: str, path: str) -> None:
        """The same file under another name: only the name changes. In the caller's turn."""
        state, reason = known.state, known.reason
        if state == LocationState.OFFLINE:
            state = LocationState.SETTLING if known.video_id is None else LocationState.DUPLICATE
            reason = NEW
        key, now = paths.key(root, path), self._clock.now()
        await Location.filter(key=key).exclude(id=known.id).using_db(tx).delete()
        await (
            Location.filter(id=known.id)
            .using_db(tx)
            .update(root=root, path=path, key=key, state=state, reason=reason, seen_at=now)
        )
        await self._changes.record(LocationChanged(known.id, state.value), tx)
        await self.settle_online(tx, [known.video_id])

    async def same_file_new_id(self, entries: Sequence[tuple[Known, Entry]]) -> None:
        """A disk got another device number: nothing else is different."""
        for part in self._parts(entries):
            async with self.turn() as tx:
                for known, entry in part:
                    await Location.filter(id=known.id).using_db(tx).update(file_id=entry.file_id)

    async def set_state(self, rows: Sequence[Known], state: LocationState, reason: str) -> None:
        """Whole parts of the library change at once: offline, back again, waiting for the prober."""
        for part in _chunks(rows, TOLD):
            async with self.turn() as tx:
                ids = [row.id for row in part]
                await (
                    Location.filter(id__in=ids)
                    .using_db(tx)
                    .update(state=state, reason=reason, seen_at=self._clock.now())
                )
                for row in part:
                    await self._changes.record(LocationChanged(row.id, state.value), tx)
                await self.settle_online(tx, [row.video_id for row in part])

    async def remove(self, rows: Sequence[Known]) -> None:
        """Files that are gone. Their videos, titles and history stay."""
        for part in _chunks(rows, TOLD):
            async with self.turn() as tx:
                await Location.filter(id__in=[row.id for row in part]).using_db(tx).delete()
                await self.settle_online(tx, [row.video_id for row in part])

    async def settle_online(self, tx: Any, video_ids: Iterable[int | None]) -> None:
        """Bring `Video.online` in line with its locations, of which one is played and the others name it."""
        ids = {video_id for video_id in video_ids if video_id is not None}
        if not ids:
            return
        held: dict[int, list[Location]] = {}
        for location in await Location.filter(video_id__in=ids, state__in=HOLDING).using_db(tx).order_by("id"):
            held.setdefault(int(location.video_id or 0), []).append(location)
        for locations in held.values():
            await self._name_the_first(tx, locations)
        for video in await Video.filter(id__in=ids).using_db(tx).only("id", "online"):
            online = video.id in held
            if online != video.online:
                await Video.filter(id=video.id).using_db(tx).update(online=online)
                await self._changes.record(VideoOnline(video.id) if online else VideoOffline(video.id), tx)

    async def _name_the_first(self, tx: Any, locations: list[Location]) -> None:
        first = next((each for each in locations if each.state == LocationState.READY), locations[0])
        same = SAME.format(path=paths.shown(paths.to_path(first.path)))
        for each in locations:
            state, reason = (LocationState.READY, "") if each is first else (LocationState.DUPLICATE, same)
            if (each.state, each.reason) == (state, reason):
                continue
            await Location.filter(id=each.id).using_db(tx).update(state=state, reason=reason)
            if each.state != state:
                await self._changes.record(LocationChanged(each.id, state.value), tx)

    # ---- pacing

    def _parts(self, rows: Sequence[T]) -> Iterable[Sequence[T]]:
        """Parts whose size follows how long the last one took."""
        start = 0
        while start < len(rows):
            size = self._rows
            yield rows[start : start + size]
            start += size

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[Any]:
        """A transaction, and after it a pause as long as it took, so that viewers' small writes get their turn.

        It is the outermost one: within another the pause would be one more thing they wait for.
        """
        async with self._db.transaction() as tx:
            began = time.monotonic()
            yield tx
        took = time.monotonic() - began
        if took > LONGEST:
            self._rows = max(20, self._rows // 2)
        elif took < LONGEST / 2:
            self._rows = min(MOST_ROWS, self._rows + 50)
        await asyncio.sleep(took)


def _chunks(rows: Sequence[Known], size: int) -> Iterable[Sequence[Known]]:
    return (rows[start : start + size] for start in range(0, len(rows), size))


def _like(text: str) -> str:
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
