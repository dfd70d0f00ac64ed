"""Which sessions live: one query per process and second, whatever the number of players."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mediaserver.contracts import SessionState
from mediaserver.errors import Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from mediaserver.contracts import Database, Session

    from .slots import Slots

LOOK_SECONDS = 1.0
BLIND_SECONDS = 3.0  # without an answer of the database, after which nothing is delivered
MOST_OVER = 10_000  # sessions whose end is remembered
LIVING = """
    SELECT session.id, session.user_id, session.login_id, session.title_id, session.profile_id, session.implicit,
        session.last_heartbeat
    FROM stream_limits_slot slot JOIN stream_limits_session session ON session.id = slot.session_id
    WHERE session.last_heartbeat > ? ORDER BY session.last_heartbeat
"""


@dataclass(slots=True)
class Living:
    """A session that holds a slot; `last_heartbeat` as this process knows it."""

    id: int
    user_id: int
    login_id: str | None
    title_id: int
    profile_id: int | None
    implicit: bool
    last_heartbeat: float
    told: Session | None = None  # as it was told last, so that a heartbeat costs no query


class Liveness:
    def __init__(self, db: Database, slots: Slots) -> None:
        self._db = db
        self._slots = slots
        self._living: dict[int, Living] = {}
        self._by_login: dict[tuple[int, str | None], int] = {}  # the session of each that was heard of last
        self._over: OrderedDict[int, SessionState] = OrderedDict()
        self._cuts: dict[int, set[Callable[[], None]]] = {}
        self._looked = float("-inf")
        self._looking: asyncio.Task[None] | None = None
        self._news: set[int] = set()  # sessions that began or ended while the database was asked

    @property
    def looked(self) -> float:
        """When the database was asked last, by the clock of the event loop."""
        return self._looked

    @property
    def delivers(self) -> bool:
        return bool(self._cuts)

    def find(self, session_id: int) -> Living | None:
        """One that lives as far as this process knows, which is no more than a second late."""
        living = self._living.get(session_id)
        if living is None or living.last_heartbeat <= self._slots.stale():
            return None
        return living

    def of_login(self, user_id: int, login_id: str | None) -> Living | None:
        """The one of a login that began last, or was heard of last."""
        session_id = self._by_login.get((user_id, login_id))
        return None if session_id is None else self.find(session_id)

    def over(self, session_id: int) -> SessionState | None:
        """How a session ended for good, where this process has heard of it."""
        return self._over.get(session_id)

    def begin(self, living: Living) -> None:
        self._news.add(living.id)
        self._living[living.id] = living
        self._by_login[living.user_id, living.login_id] = living.id

    def end(self, session_id: int, state: SessionState) -> None:
        """What is being delivered to it stops here."""
        self._news.add(session_id)
        self._living.pop(session_id, None)
        if state is not SessionState.EXPIRED:
            self._over[session_id] = state
            if len(self._over) > MOST_OVER:
                self._over.popitem(last=False)
        self._cut(session_id)

    @contextmanager
    def delivering(self, session_id: int, cut: Callable[[], None]) -> Iterator[None]:
        cuts = self._cuts.setdefault(session_id, set())
        cuts.add(cut)
        try:
            yield
        finally:
            cuts.discard(cut)
            if not cuts and self._cuts.get(session_id) is cuts:
                del self._cuts[session_id]

    async def look(self) -> None:
        """Ask the database, at most once a second, however many wait for it."""
        loop = asyncio.get_running_loop()
        if self._looking is None and loop.time() - self._looked >= LOOK_SECONDS:
            self._looking = asyncio.create_task(self._look())
        if self._looking is not None:
            await asyncio.shield(self._looking)

    def forget(self) -> None:
        """The next look asks the database, however long ago the last one was."""
        self._looked = float("-inf")

    def cut_everything(self) -> None:
        for session_id in list(self._cuts):
            self._cut(session_id)

    async def _look(self) -> None:
        self._news = set()
        try:
            async with asyncio.timeout(BLIND_SECONDS):
                rows = await self._db.fetch(LIVING, self._slots.stale(), reading=True)
            self._looked = asyncio.get_running_loop().time()
        except Exception as error:
            raise Unavailable("Who may play cannot be read right now; try again.") from error
        finally:
            self._looking = None
        before, news = self._living, self._news
        read = [_merged(Living(**row), before.get(row["id"])) for row in rows if row["id"] not in news]
        read += [living for number, living in before.items() if number in news]
        self._living = {living.id: living for living in read}
        self._by_login = {(living.user_id, living.login_id): living.id for living in read}
        for session_id in self._cuts.keys() - self._living.keys():
            self._cut(session_id)

    def _cut(self, session_id: int) -> None:
        for cut in tuple(self._cuts.get(session_id, ())):
            cut()


def _merged(read: Living, known: Living | None) -> Living:
    """What is not written yet counts (a heartbeat, another title), unless the session was started anew elsewhere."""
    if known is None or known.implicit != read.implicit:
        return read
    known.last_heartbeat = max(read.last_heartbeat, known.last_heartbeat)
    return known
