"""Slots are given and given back here and nowhere else, each time in one transaction."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tortoise.exceptions import IntegrityError

from mediaserver.contracts import SessionState
from mediaserver.errors import MediaServerError, NotFound, SessionOver, Unavailable
from mediaserver.events import PlaybackStarted, PlaybackStopped

from .models import KnownDevice, PlaybackSession

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from mediaserver.contracts import Changes, Clock, Database, Transaction

NEVER = float(2**53)  # seconds since 1970; no heartbeat is as late
OPEN = (SessionState.IDLE, SessionState.ACTIVE, SessionState.EXPIRED)
HELD = """
    SELECT session.id, session.login_id, session.last_heartbeat, slot.number, slot.holder
    FROM stream_limits_slot slot JOIN stream_limits_session session ON session.id = slot.session_id
    WHERE slot.user_id = ? ORDER BY session.last_heartbeat, session.id
"""
OVER = {
    SessionState.STOLEN: "Somebody of this account watches elsewhere instead; start playing again.",
    SessionState.STOPPED: "This session was stopped; start playing again.",
    SessionState.ENDED: "This session has ended; start playing again.",
}
GONE = "The title or the device was removed just now."


class Full(MediaServerError):
    """Every slot of the account, `limit` of them, is held by these sessions."""

    def __init__(self, limit: int, session_ids: list[int]) -> None:
        super().__init__("Every slot is held.")
        self.limit = limit
        self.session_ids = session_ids


@dataclass(frozen=True, slots=True)
class Wish:
    """A session that somebody wants. Its `holder`, a device or a login, takes its own slot over."""

    user_id: int
    login_id: str | None
    holder: str
    title_id: int
    device_id: int | None = None
    profile_id: int | None = None
    implicit: bool = False


@dataclass(frozen=True, slots=True)
class Held:
    """A slot and the session that holds it."""

    id: int
    login_id: str | None
    last_heartbeat: float
    number: int
    holder: str


def session_over(state: SessionState) -> SessionOver:
    return SessionOver(OVER[state], state=state)


def _started(session_id: int, wish: Wish) -> PlaybackStarted:
    return PlaybackStarted(session_id, wish.user_id, wish.title_id, wish.profile_id)


class Slots:
    def __init__(self, db: Database, changes: Changes, clock: Clock, timeout: float) -> None:
        self._db = db
        self._changes = changes
        self._clock = clock
        self._timeout = timeout

    def now(self) -> float:
        return self._clock.now().timestamp()

    def stale(self) -> float:
        """A session whose last heartbeat is not after this has expired."""
        return self.now() - self._timeout

    async def start(self, wish: Wish, limit: int | None, *, steal: bool) -> tuple[int, int]:
        """The session's number and how many the account has now. Raises Full.

        A login's implicit session becomes the one that is started, so that what was fetched for it plays on.
        """
        async with self.turn(wish.user_id) as (tx, held):
            implicit = await self._implicit(wish, tx)
            others = [each for each in held if each.holder != wish.holder and each.id != implicit]
            for own in held:
                if own.holder == wish.holder and own.id != implicit:
                    await self._give_back(own.id, SessionState.ENDED, tx)
            await self._end_expired_of_holder(wish, implicit, tx)
            if all(each.id != implicit for each in held):
                await self._make_room(others, limit, steal=steal, tx=tx)
            session_id = await self._write(wish, implicit, SessionState.ACTIVE, tx)
            if wish.device_id is not None:
                await KnownDevice.filter(id=wish.device_id).using_db(tx).update(last_seen=self.now())
            if not await self._keep(session_id, wish):
                await self._take(session_id, wish, others)
            await self._changes.record(_started(session_id, wish), tx)
            return session_id, len(others) + 1

    async def implicit(self, wish: Wish) -> int:
        """The session that the login has, else its implicit one, which takes its slot when it is revived."""
        async with self.turn(wish.user_id) as (tx, held):
            playing = [each.id for each in held if each.login_id == wish.login_id]
            if playing:
                return playing[-1]
            return await self._implicit(wish, tx) or await self._write(wish, None, SessionState.IDLE, tx)

    async def revive(self, session: PlaybackSession, limit: int | None) -> None:
        """Give an idle or expired session its slot.

        Raises Full, or SessionOver for one that is over for good, or whose holder plays another one meanwhile.
        """
        wish = Wish(session.user_id, session.login_id, session.holder, session.title_id, profile_id=session.profile_id)
        async with self.turn(session.user_id) as (tx, held):
            if any(each.id == session.id for each in held):
                return
            if any(each.holder == session.holder for each in held):
                raise session_over(SessionState.ENDED)
            changed = await self._db.fetch(
                "UPDATE stream_limits_session SET state = ?, last_heartbeat = ? "
                "WHERE id = ? AND state IN (?, ?) RETURNING id",
                SessionState.ACTIVE, self.now(), session.id, SessionState.IDLE, SessionState.EXPIRED,
            )  # fmt: skip
            if not changed:
                await session.refresh_from_db(using_db=tx)
                raise session_over(session.state if session.state in OVER else SessionState.ENDED)
            await self._make_room(held, limit, steal=False, tx=tx)
            await self._take(session.id, wish, held)
            await self._changes.record(_started(session.id, wish), tx)

    async def give_back(self, session_id: int, state: SessionState, position: float | None = None) -> bool:
        """False for a session that was over already, or for an expiry that a heartbeat forestalled."""
        async with self._db.transaction() as tx:
            return await self._give_back(session_id, state, tx, position)

    # ---- inside a transaction --------------------------------------------------------------------------------

    @asynccontextmanager
    async def turn(self, user_id: int) -> AsyncIterator[tuple[Transaction, list[Held]]]:
        """The account's slots, for as long as nobody else may give one out; what has expired holds none any more.

        Raises NotFound for a session of a title or a device that is removed meanwhile.
        """
        try:
            async with self._turn(user_id) as turn:
                yield turn
        except IntegrityError as error:
            raise NotFound(GONE) from error

    @asynccontextmanager
    async def _turn(self, user_id: int) -> AsyncIterator[tuple[Transaction, list[Held]]]:
        async with self._db.transaction() as tx:
            await self._db.fetch(
                "INSERT INTO stream_limits_turn (user_id, count) VALUES (?, 1) "
                "ON CONFLICT (user_id) DO UPDATE SET count = stream_limits_turn.count + 1 RETURNING count",
                user_id,
            )
            held = [Held(**row) for row in await self._db.fetch(HELD, user_id)]
            stale = self.stale()
            gone = {
                each.id
                for each in held
                if each.last_heartbeat <= stale and await self._give_back(each.id, SessionState.EXPIRED, tx)
            }
            yield tx, [each for each in held if each.id not in gone]

    async def _implicit(self, wish: Wish, tx: Transaction) -> int | None:
        """The login's implicit session that is not over; there is one at most. Guests share no login."""
        if not wish.user_id:
            return None
        row = (
            await PlaybackSession.filter(
                user_id=wish.user_id, login_id=wish.login_id, implicit=True, state__in=[str(state) for state in OPEN]
            )
            .using_db(tx)
            .order_by("-id")
            .first()
        )
        return row.id if row else None

    async def _end_expired_of_holder(self, wish: Wish, implicit: int | None, tx: Transaction) -> None:
        """What a device played before it started anew does not come back."""
        await (
            PlaybackSession.filter(user_id=wish.user_id, holder=wish.holder, state=SessionState.EXPIRED)
            .exclude(id=implicit or 0)
            .using_db(tx)
            .update(state=SessionState.ENDED)
        )

    async def _make_room(self, held: list[Held], limit: int | None, *, steal: bool, tx: Transaction) -> None:
        """`held` is sorted by heartbeat; what is stolen leaves it. Raises Full."""
        while limit is not None and len(held) >= limit:
            if not steal or not held:
                raise Full(limit, [each.id for each in held])
            await self._give_back(held.pop(0).id, SessionState.STOLEN, tx)

    async def _write(self, wish: Wish, known: int | None, state: SessionState, tx: Transaction) -> int:
        now = self.now()
        values: dict[str, Any] = {
            "holder": wish.holder,
            "title_id": wish.title_id,
            "device_id": wish.device_id,
            "profile_id": wish.profile_id,
            "implicit": wish.implicit,
            "state": state,
            "started_at": now,
            "last_heartbeat": now,
            "position": 0.0,
            "duration": 0.0,
        }
        if known is None:
            made = await PlaybackSession.create(using_db=tx, user_id=wish.user_id, login_id=wish.login_id, **values)
            return int(made.id)
        await PlaybackSession.filter(id=known).using_db(tx).update(**values)
        return known

    async def _keep(self, session_id: int, wish: Wish) -> bool:
        """Its slot is the device's from now on, where it has one."""
        return bool(
            await self._db.fetch(
                "UPDATE stream_limits_slot SET holder = ? WHERE session_id = ? RETURNING number",
                wish.holder,
                session_id,
            )
        )

    async def _take(self, session_id: int, wish: Wish, held: list[Held]) -> None:
        """The lowest number that is free. The keys of the table decide, whatever was counted."""
        taken = {each.number for each in held}
        number = next(number for number in range(1, len(held) + 2) if number not in taken)
        rows = await self._db.fetch(
            "INSERT INTO stream_limits_slot (session_id, user_id, number, holder) VALUES (?, ?, ?, ?) "
            "ON CONFLICT DO NOTHING RETURNING number",
            session_id, wish.user_id, number, wish.holder,
        )  # fmt: skip
        if not rows:
            raise Unavailable("This account starts too many streams at the same moment; try again.")

    async def _give_back(
        self, session_id: int, state: SessionState, tx: Transaction, position: float | None = None
    ) -> bool:
        """The session's row is written before its slot, here and in `revive`: that orders the two on Postgres."""
        expiring = state is SessionState.EXPIRED
        before = (SessionState.ACTIVE,) if expiring else OPEN
        rows = await self._db.fetch(
            "UPDATE stream_limits_session SET state = ?, position = coalesce(CAST(? AS DOUBLE PRECISION), position) "
            f"WHERE id = ? AND state IN ({', '.join('?' * len(before))}) AND last_heartbeat <= ? "
            "RETURNING user_id, title_id, profile_id, position",
            state, position, session_id, *before, self.stale() if expiring else NEVER,
        )  # fmt: skip
        if not rows:
            return False
        if await self._db.fetch("DELETE FROM stream_limits_slot WHERE session_id = ? RETURNING number", session_id):
            row = rows[0]
            stopped = PlaybackStopped(
                session_id, row["user_id"], row["title_id"], row["profile_id"], str(state), row["position"]
            )
            await self._changes.record(stopped, tx)
        return True
