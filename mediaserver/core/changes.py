"""The change log: facts written in their own transaction, and the wake-up that follows the commit."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import structlog

from mediaserver.events import ChangesMissed, Event
from mediaserver.models import Change

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from mediaserver.core.db import Database
    from mediaserver.core.wakeups import Wakeups

log = structlog.get_logger()
TOPIC = "changes"
POLL_SECONDS = 1.0  # a lost wake-up costs no more than this
BATCH = 500
BATCHES = 20  # at a time: who is a million behind neither holds them all nor reads for longer than a lease lasts
KEEP_ROWS = 100_000
KEEP_UNTOLD = 1_000_000  # 100 MB
NEWER = "SELECT 1 FROM core_change WHERE seq > ? LIMIT 1"  # costs a fifth of what Tortoise's way to ask does
OVERLAP_SECONDS = 10.0  # Postgres commits sequence numbers out of order: the last ten seconds are read again
# One array, for a statement takes 32,767 arguments; EXCEPT, for `<> ALL` may compare with each of them.
LATE = """
    SELECT seq FROM core_change WHERE seq <= ? AND at > ?
    EXCEPT SELECT unnest(CAST(? AS bigint[])) ORDER BY seq LIMIT ?
"""


class ChangeLog:
    """Implements `mediaserver.contracts.Changes`."""

    def __init__(self, db: Database, wakeups: Wakeups) -> None:
        self._db = db
        self._wakeups = wakeups

    async def record(self, event: Event, tx: Any = None) -> int:
        if isinstance(event, ChangesMissed):
            raise TypeError("ChangesMissed is told by each process to itself and never recorded.")
        if tx is None:
            async with self._db.transaction() as own:
                return await self.record(event, own)
        rows = await self._db.fetch(
            "INSERT INTO core_change (kind, payload, at) VALUES (?, ?, {now}) RETURNING seq",
            event.kind,
            json.dumps(event.payload()),
        )
        self._db.after_commit(self._announce)
        return int(rows[0]["seq"])

    def _announce(self) -> None:
        self._wakeups.notify(TOPIC)

    async def last(self) -> int:
        rows = await self._db.fetch("SELECT coalesce(max(seq), 0) AS seq FROM core_change", reading=True)
        return int(rows[0]["seq"])

    async def prune(self, told: int) -> None:
        """Forget what no reader is behind any more; plugins were told of all up to `told`.

        What they were not told waits for them until it takes too much room. Its age says nothing: only workers prune,
        and one that was away for weeks would do so before it has told what happened meanwhile.
        """
        last = await self.last()
        until = max(min(told, last - KEEP_ROWS), last - KEEP_UNTOLD)
        rows = await self._db.fetch("DELETE FROM core_change WHERE seq < ? RETURNING seq", until)
        if untold := sum(row["seq"] > told for row in rows):
            log.warning(f"{untold} changes were forgotten that no plugin was told of, for so many came after them")

    async def stream(self, after: int) -> AsyncIterator[tuple[int, Event]]:
        """Every change that follows `after`, for ever, each once, as soon as it is committed."""
        reader = Reader(self._db, after)
        subscription = self._wakeups.subscribe(TOPIC)
        try:
            while True:
                for change in await reader.read():
                    yield change
                await subscription.wait(POLL_SECONDS)
        finally:
            subscription.close()


class Reader:
    """Reads on from a sequence number, each change once, those included that were committed late.

    With `late` also what another reader, which is gone, may have missed so: some of it will have been told before.
    """

    def __init__(self, db: Database, after: int, *, late: bool = False) -> None:
        self._db = db
        self.seq = after
        self._recent: dict[int, float] = {}
        self._late = late
        self._unread: list[tuple[int, Event]] = []

    async def read(self) -> list[tuple[int, Event]]:
        """What is new, or where that is very much its beginning; what a call that failed half-way read has the next."""
        for _ in range(BATCHES):
            rows = await self._rows()
            for change in rows:
                self._recent[change.seq] = change.at
                self.seq = max(self.seq, change.seq)
                event = Event.load(change.kind, change.payload)
                if event is not None:
                    self._unread.append((change.seq, event))
            self._forget()
            if len(rows) < BATCH:
                break
        fresh, self._unread = self._unread, []
        return fresh

    async def _rows(self) -> list[Change]:
        if self._db.is_sqlite:
            if not await self._db.fetch(NEWER, self.seq, reading=True):  # every process asks once a second
                return []
            return await Change.filter(seq__gt=self.seq).order_by("seq").limit(BATCH)
        if missed := await self._missed():
            return await Change.filter(seq__in=missed).order_by("seq")
        return await Change.filter(seq__gt=self.seq).order_by("seq").limit(BATCH)

    async def _missed(self) -> list[int]:
        """What was committed behind this reader's back."""
        if not self._recent and not self._late:
            return []
        rows = await self._db.fetch(LATE, self.seq, await self._unsettled(), list(self._recent), BATCH)
        return [row["seq"] for row in rows]

    async def _unsettled(self) -> float:
        """What was recorded since then, by the database's clock, may be committed only now."""
        if self._recent or not self._late:
            return max(self._recent.values(), default=0.0) - OVERLAP_SECONDS
        [row] = await self._db.fetch("SELECT coalesce(max(at), 0) AS told FROM core_change WHERE seq <= ?", self.seq)
        return float(row["told"]) - OVERLAP_SECONDS

    def _forget(self) -> None:
        """What is not read again need not be known: at each batch, or a long backlog is known whole."""
        newest = max(self._recent.values(), default=0.0)
        self._recent = {seq: at for seq, at in self._recent.items() if at > newest - OVERLAP_SECONDS}
