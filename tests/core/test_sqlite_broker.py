"""The broker of SQLite: what its file, its wake-ups and its waiting slots owe."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
import time
from contextlib import ExitStack, closing
from typing import TYPE_CHECKING

import pytest
from saq.job import Status

from mediaserver.core.broker_sqlite import SqliteQueue
from mediaserver.core.wakeups import Wakeups
from mediaserver.errors import StartError
from tests.core.broker_house import enqueue, started
from tests.patience import until

if TYPE_CHECKING:
    from pathlib import Path


pytestmark = [pytest.mark.slow, pytest.mark.sqlite]


async def test_a_job_starts_by_the_wake_up_and_not_by_looking(tmp_path: Path) -> None:
    here, there = Wakeups(tmp_path / "run"), Wakeups(tmp_path / "run")
    await here.open()
    await there.open()
    sender = SqliteQueue(tmp_path / "jobs.sqlite3", "interactive", here)
    receiver = SqliteQueue(tmp_path / "jobs.sqlite3", "interactive", there, look_seconds=3600)
    await sender.connect()
    await receiver.connect()
    taking = asyncio.create_task(receiver.dequeue())
    await asyncio.sleep(0.1)
    await enqueue(sender, 3)
    async with asyncio.timeout(120):
        job = await taking
    assert job is not None
    assert job.key == "3:0"
    for part in (sender, receiver):
        await part.disconnect()
    for wakeups in (here, there):
        await wakeups.close()


async def test_all_who_wait_take_what_is_due_once_one_has_looked(tmp_path: Path) -> None:
    sender = SqliteQueue(tmp_path / "jobs.sqlite3", "mail", Wakeups())  # its news reach nobody
    receiver = SqliteQueue(tmp_path / "jobs.sqlite3", "mail", Wakeups(), look_seconds=3600)
    await sender.connect()
    await receiver.connect()
    waiting = [asyncio.create_task(receiver.dequeue()) for _ in range(3)]
    await asyncio.sleep(0.1)
    for number in range(4):
        await enqueue(sender, number)
    async with asyncio.timeout(120):
        taken = [await receiver.dequeue(), *(await asyncio.gather(*waiting))]  # who begins to wait looks first
    assert sorted(job.key for job in taken if job) == ["0:0", "1:0", "2:0", "3:0"]
    await sender.disconnect()
    await receiver.disconnect()


async def test_disconnecting_ends_whoever_waits(tmp_path: Path) -> None:
    queue = SqliteQueue(tmp_path / "jobs.sqlite3", "mail", Wakeups(), look_seconds=3600)
    await queue.connect()
    taking = asyncio.create_task(queue.dequeue())
    await asyncio.sleep(0.05)
    await queue.disconnect()
    async with asyncio.timeout(120):
        assert await taking is None


async def test_an_opening_that_is_stopped_leaves_nothing_open(tmp_path: Path) -> None:
    file = tmp_path / "jobs.sqlite3"
    queue = SqliteQueue(file, "mail", Wakeups())

    async def opens() -> bool:
        return named("queue-mail")

    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("begin exclusive")
        opening = asyncio.create_task(queue.connect())
        await until(opens, "a thread of its own")
        opening.cancel()
    with pytest.raises(asyncio.CancelledError):
        await opening
    assert not named("queue-mail")
    await queue.connect()  # as if nothing had been
    await queue.disconnect()


def named(thread: str) -> bool:
    return any(each.name.startswith(thread) for each in threading.enumerate())


async def test_a_queue_in_a_folder_that_is_none_is_told(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file where the folder should be")
    queue = SqliteQueue(tmp_path / "taken" / "jobs.sqlite3", "mail", Wakeups())
    with pytest.raises(StartError, match="cannot be used"):
        await queue.connect()
    assert not named("queue-mail")


async def test_a_cancelled_dequeue_loses_no_job(tmp_path: Path) -> None:
    queue = SqliteQueue(tmp_path / "jobs.sqlite3", "mail", Wakeups())
    await queue.connect()
    for number in range(20):
        await enqueue(queue, number)
        taking = asyncio.create_task(queue.dequeue())
        await asyncio.sleep(0)
        taking.cancel()
        await asyncio.gather(taking, return_exceptions=True)
    assert await queue.count("queued") == 20
    await queue.disconnect()


async def test_a_mark_to_abort_outlives_the_start_of_the_job(tmp_path: Path) -> None:
    queue = SqliteQueue(tmp_path / "jobs.sqlite3", "mail", Wakeups())
    await queue.connect()
    await enqueue(queue, 1)
    job = await queue.dequeue(timeout=120)
    assert job is not None
    await queue.abort(job, "no")
    await job.update(status=Status.ACTIVE)
    stored = await queue.job("1:0")
    assert stored is not None
    assert stored.status == Status.ABORTING
    await queue.disconnect()


async def test_a_clock_that_is_set_back_keeps_no_job_for_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    queue = SqliteQueue(tmp_path / "jobs.sqlite3", "mail", Wakeups())
    await queue.connect()
    await queue.sweep()
    await enqueue(queue, 1)
    before = time.time
    monkeypatch.setattr(time, "time", lambda: before() - 7200)
    assert await queue.count("queued") == 0
    await queue.sweep()
    assert await queue.count("queued") == 1
    await queue.disconnect()


async def test_many_processes_may_make_the_file_at_once(tmp_path: Path) -> None:
    wakeups = Wakeups(tmp_path / "run")
    await wakeups.open()
    queue = SqliteQueue(tmp_path / "jobs.sqlite3", "background", wakeups)
    with ExitStack() as stack:
        workers = [stack.enter_context(started(tmp_path)) for _ in range(5)]
        await queue.connect()

        async def all_there() -> bool:
            return len((await queue.info())["workers"]) == 5

        await until(all_there, "five workers")
        for worker in workers:
            worker.terminate()
        assert [await asyncio.to_thread(worker.wait, 120) for worker in workers] == [0] * 5
    await queue.disconnect()
    await wakeups.close()
