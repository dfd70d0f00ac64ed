"""News: told in the transaction of the fact, once to each reader, and by server-sent events."""

from __future__ import annotations

import asyncio
import contextvars
import json
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from mediaserver.contracts import Changes, Database
from mediaserver.core import changes
from mediaserver.core.changes import Reader
from mediaserver.core.worker import CURSOR_LEASE_SECONDS, JobRunner, NewsReader
from mediaserver.events import Event, LocationChanged, TitleAdded, UserDeleted, VideoPlayable
from mediaserver.models import Change

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine
    from pathlib import Path

    from mediaserver.testing import RunningApp

    AppWith = Callable[..., RunningApp]

LISTENER = """
from mediaserver import Plugin, hookimpl
plugin = Plugin(api="1")
heard, hinted = [], []
@hookimpl
async def on_event(event):
    heard.append(event)
    if len(heard) == 1:
        raise RuntimeError("not now")
@hookimpl
def on_change(event):
    hinted.append(event)
"""


@pytest.mark.databases
async def test_a_fact_that_is_rolled_back_was_never_told(app_with: AppWith) -> None:
    server = (await app_with().start()).server
    changes, database = server.services.get(Changes), server.services.get(Database)
    before = await Change.all().count()

    async def fail() -> None:
        async with database.transaction() as tx:
            await changes.record(TitleAdded(1), tx)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        await fail()
    assert await Change.all().count() == before


@pytest.mark.databases
async def test_a_stream_tells_every_change_once_and_in_order(app_with: AppWith) -> None:
    server = (await app_with().start()).server
    stream: Any = server.changes.stream(await server.changes.last())
    for number in range(3):
        await server.changes.record(TitleAdded(number))
    async with asyncio.timeout(120):
        told = [await anext(stream) for _ in range(3)]
        waiting = asyncio.ensure_future(anext(stream))
        await server.changes.record(UserDeleted(9))
        last = await waiting
    assert [event for _, event in told] == [TitleAdded(0), TitleAdded(1), TitleAdded(2)]
    assert last[1] == UserDeleted(9)
    assert [seq for seq, _ in (*told, last)] == sorted(seq for seq, _ in (*told, last))
    await stream.aclose()


@pytest.mark.slow
@pytest.mark.parametrize("database_url", ["postgres"], indirect=True)
async def test_a_fact_that_is_committed_after_a_later_one_is_told_all_the_same(app_with: AppWith) -> None:
    server = (await app_with().start()).server
    reader = Reader(server.db, await server.changes.last())

    def elsewhere(doing: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        return asyncio.create_task(doing, context=contextvars.Context())  # outside the transaction

    async with server.db.transaction() as tx:
        await server.changes.record(TitleAdded(1), tx)
        await elsewhere(server.changes.record(TitleAdded(2)))
        assert [event for _, event in await elsewhere(reader.read())] == [TitleAdded(2)]
    assert [event for _, event in await reader.read()] == [TitleAdded(1)]
    assert await reader.read() == []


@pytest.mark.databases
async def test_what_plugins_were_not_told_is_kept_until_it_takes_too_much_room(
    app_with: AppWith, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A worker that was away for a long time learns of each account that was deleted meanwhile."""
    monkeypatch.setattr(changes, "KEEP_ROWS", 2)
    monkeypatch.setattr(changes, "KEEP_UNTOLD", 6)
    server = (await app_with().start()).server
    worker, teller = JobRunner(server, 0), NewsReader(server)

    async def kept_after(count: int) -> list[Event | None]:
        for _ in range(count):
            await server.changes.record(UserDeleted(len(recorded) + 1))
            recorded.append(UserDeleted(len(recorded) + 1))
        await worker._reconcile()
        return [Event.load(row.kind, row.payload) for row in await Change.all().order_by("seq")]

    recorded: list[Event | None] = []
    assert await kept_after(5) == recorded
    await teller._tell()
    assert await kept_after(0) == recorded[-3:]
    assert "forgotten" not in capsys.readouterr().out
    assert await kept_after(9) == recorded[-7:]
    assert "2 changes were forgotten that no plugin was told of" in capsys.readouterr().out


MANY = 34_000  # more than a statement on Postgres takes arguments
RECORD = """
    INSERT INTO core_change (kind, payload, at)
    WITH RECURSIVE film (id) AS (SELECT 1 UNION ALL SELECT id + 1 FROM film WHERE id < ?)
    SELECT 'title_added', '{"title_id": 1}', {now} FROM film
"""


@pytest.mark.databases
async def test_a_backlog_of_many_thousand_changes_is_read_once_and_what_follows_it_too(app_with: AppWith) -> None:
    """Within seconds, as a large scan makes them: all of them are as recent as what is read again."""
    server = (await app_with().start()).server
    reader = Reader(server.db, await server.changes.last())
    await server.db.fetch(RECORD, MANY)
    read: list[int] = []
    while some := await reader.read():
        read += [seq for seq, _ in some]
    assert len(read) == len(set(read)) == MANY
    await server.changes.record(TitleAdded(2))
    assert [event for _, event in await reader.read()] == [TitleAdded(2)]


@pytest.mark.slow
@pytest.mark.parametrize("database_url", ["postgres"], indirect=True)
async def test_plugins_hear_what_was_committed_after_a_later_fact_or_while_its_teller_died(
    app_with: AppWith, tmp_path: Path
) -> None:
    (tmp_path / "listening.py").write_text(LISTENER)
    server = (await app_with(folders=(tmp_path,), listening={}).start()).server
    heard = server.hooks.loaded["listening"].found.module.heard

    def elsewhere(doing: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        return asyncio.create_task(doing, context=contextvars.Context())  # outside the transaction

    async def until_heard(event: TitleAdded) -> None:
        async with asyncio.timeout(120):
            while event not in heard:
                await asyncio.sleep(0.01)

    teller = elsewhere(NewsReader(server).run())
    async with server.db.transaction() as tx:
        await server.changes.record(TitleAdded(1), tx)
        await elsewhere(server.changes.record(TitleAdded(2)))
        await elsewhere(until_heard(TitleAdded(2)))
    await until_heard(TitleAdded(1))

    async with server.db.transaction() as tx:
        await server.changes.record(TitleAdded(3), tx)
        await elsewhere(server.changes.record(TitleAdded(4)))
        await elsewhere(until_heard(TitleAdded(4)))
        teller.cancel()
        await asyncio.gather(teller, return_exceptions=True)
    killed = "UPDATE core_cursor SET owner = ?, lease_until = 0 WHERE name = ?"
    await server.db.fetch(killed, "elsewhere:1:1", NewsReader.NAME)
    await server.db.fetch("UPDATE core_change SET at = at - 60")  # its lease had to run out first
    assert TitleAdded(3) not in heard
    teller = elsewhere(NewsReader(server).run())
    await until_heard(TitleAdded(3))
    teller.cancel()
    await asyncio.gather(teller, return_exceptions=True)


@pytest.mark.databases
async def test_news_of_a_plugin_that_is_off_or_has_changed_are_passed_over(app_with: AppWith) -> None:
    server = (await app_with().start()).server
    reader = Reader(server.db, await server.changes.last())
    for kind, payload in (("of_nobody", {}), ("title_added", {}), ("title_added", {"title_id": 1, "new_field": 2})):
        await Change.create(kind=kind, payload=payload, at=0.0)
    assert [event for _, event in await reader.read()] == [TitleAdded(1)]


@pytest.mark.databases
async def test_plugins_hear_every_fact_once_and_a_failing_listener_stops_nothing(
    app_with: AppWith, tmp_path: Path
) -> None:
    (tmp_path / "listening.py").write_text(LISTENER)
    server = (await app_with(folders=(tmp_path,), listening={}).start()).server
    module = server.hooks.loaded["listening"].found.module
    for teller in range(2):  # the second worker takes over where the first one ended
        for number in range(3):
            await server.changes.record(TitleAdded(10 * teller + number))
        reading = asyncio.create_task(NewsReader(server).run())
        async with asyncio.timeout(120):
            while len(module.heard) < 3 * teller + 3 or len(module.hinted) < 3 * teller + 3:
                await asyncio.sleep(0.01)
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
        await server.db.fetch("UPDATE core_cursor SET owner = 'elsewhere:1:1' WHERE owner <> ''")  # no trace of a kill
    assert module.heard == module.hinted == [TitleAdded(number) for number in (0, 1, 2, 10, 11, 12)]


SLOW_LISTENER = """
from mediaserver import Plugin, hookimpl
plugin = Plugin(api="1")
heard, meanwhile = [], []
@hookimpl
async def on_event(event):
    heard.append(event)
    if meanwhile:
        await meanwhile.pop(0)()
"""


class TwoMachines:
    """A worker on each, both on one database, whose clock goes on while a listener of `facts` does its work."""

    def __init__(self, running: RunningApp) -> None:
        self._db = running.server.db
        self.listener: Any = running.server.hooks.loaded["slow"].found.module
        self.first, self.second = NewsReader(running.server), NewsReader(running.server)
        self.first._owner, self.second._owner = "one:1:1", "two:2:2"
        self.facts = [TitleAdded(number) for number in range(4)]

    async def tell(self, *seconds: float) -> list[Any]:
        """What listeners have heard once the first worker is through; the second looks after so many seconds each."""
        self.listener.meanwhile.extend(partial(self._second_looks, after) for after in seconds)
        await self.first._tell()
        heard: list[Any] = self.listener.heard
        return heard

    async def _second_looks(self, seconds: float) -> None:
        self._db.now_sql = f"({self._db.now_sql} + {seconds})"
        await self.second._tell()


@pytest.fixture
async def machines(app_with: AppWith, tmp_path: Path) -> TwoMachines:
    (tmp_path / "slow.py").write_text(SLOW_LISTENER)
    running = await app_with(folders=(tmp_path,), slow={}).start()
    machines = TwoMachines(running)
    for fact in machines.facts:
        await running.server.changes.record(fact)
    return machines


@pytest.mark.databases
async def test_one_machine_tells_on_however_long_all_its_listeners_take_together(machines: TwoMachines) -> None:
    heard = await machines.tell(*[CURSOR_LEASE_SECONDS * 2 / 3] * 4)
    assert heard == machines.facts


@pytest.mark.databases
async def test_a_machine_that_was_taken_over_tells_no_further(machines: TwoMachines) -> None:
    heard = await machines.tell(CURSOR_LEASE_SECONDS + 1)
    assert heard == [machines.facts[0], *machines.facts]


# ---- server-sent events ----------------------------------------------------------------------------------------


@asynccontextmanager
async def listening(running: RunningApp, **headers: str) -> AsyncIterator[AsyncIterator[dict[str, Any]]]:
    """Messages as {"id", "event", "data"}, once the server is telling."""
    health = await running.get("/health")
    address = str(health.request.url.copy_with(path="/v1/events"))
    async with httpx.AsyncClient(timeout=120) as client, client.stream("GET", address, headers=headers) as response:
        assert response.headers["content-type"].startswith("text/event-stream")
        lines = response.aiter_lines()
        assert await anext(lines) == "retry: 2000"

        async def messages() -> AsyncIterator[dict[str, Any]]:
            told: dict[str, Any] = {}
            async for line in lines:
                name, _, value = line.partition(": ")
                if name in {"id", "event", "data"}:
                    told[name] = json.loads(value) if name == "data" else value
                elif told:
                    yield told
                    told = {}

        yield messages()


async def test_pages_are_told_by_topic_as_it_happens(app_with: AppWith) -> None:
    running = await app_with().start()
    async with listening(running) as messages:
        await running.server.changes.record(UserDeleted(1))
        await running.server.changes.record(LocationChanged(3, "ready"))
        await running.server.changes.record(VideoPlayable(4))
        first, second = await anext(messages), await anext(messages)
    assert first["event"] == "library"
    assert first["data"] == {"kind": "location_changed", "location_id": 3, "state": "ready"}
    assert (second["event"], second["data"]) == ("progress", {"kind": "video_playable", "video_id": 4})


async def test_a_page_that_was_away_continues_where_it_left(app_with: AppWith) -> None:
    running = await app_with().start()
    seq = await running.server.changes.record(TitleAdded(1))
    await running.server.changes.record(TitleAdded(2))
    async with listening(running, **{"Last-Event-ID": str(seq)}) as messages:
        assert (await anext(messages))["data"]["title_id"] == 2


@pytest.mark.parametrize("wrong", ["x", "-1", "1.5", "9" * 19, "9" * 30, "²"])
async def test_an_id_that_is_none_is_refused(app_with: AppWith, wrong: str) -> None:
    answer = await app_with().get("/v1/events", headers=[(b"last-event-id", wrong.encode())])
    assert answer.status_code == 400


async def test_a_page_that_leaves_is_forgotten(app_with: AppWith) -> None:
    running = await app_with().start()
    async with listening(running) as messages:
        await running.server.changes.record(TitleAdded(1))
        await anext(messages)
        heard = len(running.server.wakeups._subscriptions)
    async with asyncio.timeout(120):
        while len(running.server.wakeups._subscriptions) >= heard:
            await running.server.changes.record(TitleAdded(1))
            await asyncio.sleep(0.02)
