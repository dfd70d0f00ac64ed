"""Jobs: once per key, never lost, in the order people wait for them."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from mediaserver.core import jobs as records
from mediaserver.core import worker
from mediaserver.models import JobRecord, JobState
from tests.core.job_house import House, open_house

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

pytestmark = pytest.mark.databases
ROOT = Path(__file__).parents[2]


@pytest.fixture
async def house(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, database_url: str, redis_url: str | None
) -> AsyncIterator[House]:
    async with open_house(tmp_path, monkeypatch, database_url, redis_url) as house:
        yield house


async def test_a_wall_clock_that_jumps_by_hours_ends_no_lease_and_starts_no_job_twice(house: House) -> None:
    async with house.working():
        job_id = await house.enqueue("slow", "a", wait=True)
        await house.until_ran(1)
        fence = (await house.row(job_id)).fence
        for hours in (5, -10, 24 * 365):
            house.clock.turn(hours * 3600)
            await house.renewed(job_id, 3)
            assert (await house.row(job_id)).fence == fence
        house.module.gate.set()
        job = await house.until_state(job_id, "done")
    assert (job.attempt, house.module.ran) == (1, [("a", 1)])


async def test_a_database_clock_that_is_set_back_by_hours_delays_nothing_by_hours(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A computer that keeps local time says UTC in summer, until it reaches the network."""
    monkeypatch.setattr(records, "LEASE_SECONDS", 0.5)
    due, later, held = [await house.enqueue("slow", key, delay=delay) for key, delay in (("a", 0), ("b", 1), ("c", 0))]
    far = {"state": "running", "worker": "elsewhere:1:1", "lease_until": (await house.row(held)).due_at + 0.5}
    await JobRecord.filter(id=held).update(**far)
    house.server.db.now_sql = f"({house.server.db.now_sql} - 7200)"
    house.module.gate.set()
    async with house.working():
        for job_id in (due, later, held):
            await house.until_state(job_id, "done")
    assert sorted(house.module.ran) == [("a", 1), ("b", 1), ("c", 1)]


async def test_a_job_runs_once_and_is_done(house: House) -> None:
    async with house.working():
        job = await house.until_state(await house.enqueue("slow", "a"), "done")
    assert (job.attempt, job.progress, job.error) == (1, 1.0, "")
    assert house.module.ran == [("a", 1)]


async def test_a_key_is_one_job_however_often_it_is_asked_for(house: House) -> None:
    ids = {await house.enqueue("slow", "a") for _ in range(5)}
    ids |= set(await asyncio.gather(*(house.enqueue("slow", "a") for _ in range(5))))
    assert len(ids) == 1
    async with house.working():
        await house.until_state(ids.pop(), "done")
    assert len(house.module.ran) == 1


async def test_a_job_that_is_done_may_be_asked_for_again(house: House) -> None:
    async with house.working():
        first = await house.enqueue("slow", "a")
        await house.until_state(first, "done")
        assert await house.enqueue("slow", "a") == first
        await house.until_ran(2)


async def test_a_job_that_keeps_no_row_leaves_none(house: House) -> None:
    async with house.working():
        await house.enqueue("quick", "a")
        await house.until_ran(1)

        async def gone() -> bool:
            return not await JobRecord.all().exists()

        await house.until(gone)


async def test_a_stale_message_is_dropped(house: House) -> None:
    job_id = await house.enqueue("slow", "a", delay=3600)
    kind = house.server.contributions.jobs["slow"]
    row = await house.row(job_id)
    assert await house.server.jobs.claim(kind, job_id, row.fence + 1, "somebody") is None
    claimed = await house.server.jobs.claim(kind, job_id, row.fence, "somebody")
    assert claimed is not None
    assert await house.server.jobs.claim(kind, job_id, row.fence, "another") is None


async def test_a_worker_that_was_given_up_cannot_write_any_more(house: House) -> None:
    job_id = await house.enqueue("slow", "a", delay=3600)
    row = await house.row(job_id)
    claimed = await house.server.jobs.claim(house.server.contributions.jobs["slow"], job_id, row.fence, "elsewhere:1:1")
    assert claimed is not None
    await house.server.db.fetch("UPDATE core_job SET lease_until = 0")
    await house.server.jobs.reconcile()
    await house.server.jobs.finish(claimed, kept=True)
    await house.server.jobs.progress(claimed, 0.9)
    assert (await house.row(job_id)).state.value == "due"
    assert await house.server.jobs.renew({job_id: claimed.fence}) == {job_id}


async def test_a_delayed_job_waits_for_its_time(house: House) -> None:
    async with house.working():
        begun = time.monotonic()
        late = await house.enqueue("slow", "late", delay=0.4)
        await house.until_state(late, "done")
    assert time.monotonic() - begun >= 0.4


async def test_what_somebody_waits_for_comes_first_and_the_newest_before_the_older(house: House) -> None:
    for key, priority in (("ahead", 0), ("old", 1), ("new", 1), ("urgent", 2)):
        await house.enqueue("quick", key, priority=priority)
    async with house.working(slots=1):
        ran = await house.until_ran(4)
    assert {name for name, _ in ran} == {"urgent", "new", "old", "ahead"}
    assert ran[-1][0] == "ahead"
    claimed = []
    for key in ("older", "newer"):
        await house.enqueue("quick", key, priority=1)
    while row := await house.server.jobs.claim_newest("interactive", "me", 0):
        claimed.append(row.key)
    rest = [key for key in claimed if key != "ahead"]  # which a worker may have given back as it stopped
    assert rest == ["newer", "older"]


async def test_nobody_takes_up_what_nobody_wants_any_more(house: House) -> None:
    await house.enqueue("quick", "unwanted", priority=1, wanted_for=0.0)
    await house.enqueue("quick", "wanted", priority=1, wanted_for=60.0)
    async with house.working():
        ran = await house.until_ran(1)

        async def drained() -> bool:
            return await JobRecord.all().count() == 1

        await house.until(drained)
    assert [name for name, _ in ran] == ["wanted"]


async def test_a_wish_that_comes_back_is_heard_at_once(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "RECONCILE_SECONDS", 3600)
    async with house.working():
        await house.enqueue("quick", "seek", priority=1, wanted_for=0.0)
        await house.enqueue("quick", "other", priority=1)
        await house.until_ran(1)

        async def message_is_gone() -> bool:
            return await house.server.queues["interactive"].count("incomplete") == 0

        await house.until(message_is_gone)
        await house.enqueue("quick", "seek", priority=1, wanted_for=60.0)
        await house.until_ran(2)


async def test_a_running_job_that_is_cancelled_stops(house: House) -> None:
    async with house.working():
        job_id = await house.enqueue("slow", "a", wait=True)
        await house.until_ran(1)
        assert await house.jobs.cancel(job_id)

        async def let_go() -> bool:
            return await house.server.queues["background"].count("active") == 0

        await house.until(let_go)
        job = await house.row(job_id)
    assert (job.state.value, job.error) == ("cancelled", "Cancelled.")
    assert not await house.jobs.cancel(job_id)


async def test_a_job_of_a_plugin_that_is_off_holds_up_nobody(house: House) -> None:
    await house.enqueue("quick", "orphan", priority=9)
    await house.server.db.fetch("UPDATE core_job SET kind = 'of.nobody'")
    await house.enqueue("quick", "ours", priority=1)
    async with house.working():
        assert await house.until_ran(1) == [("ours", 1)]
    assert (await JobRecord.get(key="orphan")).state == JobState.DUE


async def test_a_broker_that_forgot_everything_costs_no_job(house: House) -> None:
    ids = [await house.enqueue("slow", f"job {number}") for number in range(5)]
    await house.server.jobs.messages.drain()
    for job in [job async for job in house.server.queues["background"].iter_jobs()]:
        await job.abort("forgotten")
    async with house.working():
        for job_id in ids:
            await house.until_state(job_id, "done")
    assert len(house.module.ran) == 5


async def test_a_lost_message_is_sent_again_however_many_jobs_other_queues_and_plugins_have(house: House) -> None:
    """SAFETY: a mail never waits for a film, nor a viewer for what is encoded ahead."""
    due: dict[str, Any] = {"args": {}, "state": JobState.DUE, "due_at": 0.0}
    crowds = (("slow", "background", 1), ("of.nobody", "interactive", 9))
    await JobRecord.bulk_create(
        JobRecord(kind=kind, key=f"{kind} {number}", queue=queue, priority=priority, **due)
        for kind, queue, priority in crowds
        for number in range(records.SENT + 100)
    )
    lost = await JobRecord.create(kind="quick", key="lost", queue="interactive", **due)
    await house.server.jobs.reconcile()
    await house.server.jobs.messages.drain()
    queue = house.server.queues["interactive"]
    assert [job.kwargs["record_id"] async for job in queue.iter_jobs() if job.kwargs] == [lost.id]


@pytest.fixture
def workers(house: House) -> Iterator[Callable[[], subprocess.Popen[bytes]]]:
    started: list[subprocess.Popen[bytes]] = []

    def start() -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "mediaserver", "--config", str(house.config), "worker"]
        env = {**os.environ, "PYTHONPATH": str(ROOT)}
        started.append(subprocess.Popen(command, env=env, stdin=subprocess.DEVNULL))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.wait()


@pytest.mark.slow
async def test_after_kill_9_the_job_runs_again(
    house: House, workers: Callable[[], subprocess.Popen[bytes]], tmp_path: Path
) -> None:
    log = tmp_path / "ran"
    job_id = await house.enqueue("slow", "hangs once", log=str(log))
    first = workers()

    async def taken() -> bool:
        return log.exists() and str(first.pid) in log.read_text()

    await house.until(taken)
    first.send_signal(signal.SIGKILL)
    first.wait()
    second = workers()
    job = await house.until_state(job_id, "done")
    assert job.attempt == 1
    assert log.read_text().split() == [str(first.pid), str(second.pid)]


@pytest.mark.slow
@pytest.mark.sqlite
async def test_a_broker_file_that_is_deleted_costs_no_job(
    house: House, workers: Callable[[], subprocess.Popen[bytes]], tmp_path: Path
) -> None:
    job_id = await house.enqueue("slow", "a")
    await house.server.jobs.messages.drain()
    for file in house.server.data.glob("broker.sqlite3*"):
        file.unlink()
    workers()
    await house.until_state(job_id, "done")
