"""Signs of life of sessions, gathered and written once a second."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from mediaserver.contracts import SessionState

from .models import PlaybackSession

if TYPE_CHECKING:
    from mediaserver.contracts import Database

ROWS = 100  # of one statement
TRIES = 5  # to write one whose row another process writes just then, or whose row is gone
ROW = f"({', '.join(f'CAST(? AS {type_})' for type_ in ('INTEGER', *['DOUBLE PRECISION'] * 3, 'INTEGER'))})"
UPDATE = """
    WITH beat (number, at, position_told, duration_told, title_told) AS (VALUES {rows})
    UPDATE stream_limits_session AS session SET
        last_heartbeat = CASE WHEN beat.at > session.last_heartbeat THEN beat.at ELSE session.last_heartbeat END,
        position = coalesce(beat.position_told,
            CASE WHEN session.implicit AND beat.title_told <> session.title_id THEN 0 ELSE session.position END),
        duration = coalesce(beat.duration_told,
            CASE WHEN session.implicit AND beat.title_told <> session.title_id THEN 0 ELSE session.duration END),
        title_id = CASE WHEN session.implicit
            THEN coalesce((SELECT id FROM core_title WHERE id = beat.title_told), session.title_id)
            ELSE session.title_id END
    FROM beat WHERE session.id = beat.number AND session.state = ?
    RETURNING id, user_id, title_id, profile_id
"""


@dataclass(frozen=True, slots=True)
class Beat:
    """`at` in seconds since 1970, `position` and `duration` in seconds; None is not told."""

    at: float
    position: float | None = None
    duration: float | None = None
    title_id: int | None = None
    tries: int = 0

    def after(self, earlier: Beat) -> Beat:
        """What this one does not tell stays as the earlier one told it."""
        return Beat(
            max(self.at, earlier.at),
            earlier.position if self.position is None else self.position,
            earlier.duration if self.duration is None else self.duration,
            self.title_id or earlier.title_id,
            earlier.tries,
        )


class Heartbeats:
    def __init__(self, db: Database) -> None:
        self._db = db
        self._gathered: dict[int, Beat] = {}
        self._writing = asyncio.Lock()

    def note(self, session_id: int, beat: Beat) -> None:
        earlier = self._gathered.get(session_id)
        self._gathered[session_id] = beat.after(earlier) if earlier else beat

    def drop(self, session_id: int) -> None:
        self._gathered.pop(session_id, None)

    async def write(self) -> list[tuple[dict[str, Any], Beat]]:
        """The rows that were changed, each with its beat. What cannot be written now is for the next time.

        Whoever writes while another does waits for it: afterwards all is written that was noted before.
        """
        async with self._writing:
            return await self._write_gathered()

    async def _write_gathered(self) -> list[tuple[dict[str, Any], Beat]]:
        gathered, self._gathered = self._gathered, {}
        ids, written = sorted(gathered), []
        try:
            while ids:
                beats = {number: gathered[number] for number in ids[:ROWS]}
                written += await self._write(beats)
                del ids[:ROWS]
        finally:
            for number in ids:  # the database refuses them all: that is no try at one of them
                self._again(number, gathered[number])
        return written

    async def _write(self, beats: dict[int, Beat]) -> list[tuple[dict[str, Any], Beat]]:
        """On Postgres this waits for nobody's row, so it locks nobody out who waits for one of these."""
        async with self._db.transaction() as tx:
            rows = PlaybackSession.filter(id__in=list(beats)).select_for_update(skip_locked=True).using_db(tx)
            free = [int(str(number)) for number in await rows.values_list("id", flat=True)]
            told = [(number, beats[number]) for number in free]
            values = [
                value
                for number, beat in told
                for value in (number, beat.at, beat.position, beat.duration, beat.title_id)
            ]
            sql = UPDATE.format(rows=", ".join([ROW] * len(free)))
            changed = await self._db.fetch(sql, *values, SessionState.ACTIVE) if free else []
        for number in beats.keys() - set(free):
            if beats[number].tries < TRIES:
                self._again(number, replace(beats[number], tries=beats[number].tries + 1))
        return [(row, beats[row["id"]]) for row in changed]

    def _again(self, number: int, beat: Beat) -> None:
        later = self._gathered.get(number)
        self._gathered[number] = later.after(beat) if later else beat
