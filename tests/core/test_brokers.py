"""One contract for both brokers: whatever holds for SQLite holds for Redis."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

import pytest
from saq.job import Status
from saq.worker import Worker

from mediaserver.core.wakeups import Wakeups
from tests.core.broker_house import Broker, Runs, enqueue, line, started, until_status, working
from tests.patience import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from saq.queue.base import Queue

pytestmark = pytest.mark.slow


@pytest.fixture(params=["sqlite", "redis"])
async def broker(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Broker]:
    redis = request.getfixturevalue("redis_server").url if request.param == "redis" else None
    wakeups = Wakeups(tmp_path / "run")
    await wakeups.open()
    broker = Broker(tmp_path, redis, wakeups)
    yield broker
    if redis:
        queue: Any = broker.queue()
        await queue.redis.flushdb()
        await queue.disconnect()
    await wakeups.close()


@pytest.fixture
async def queue(broker: Broker) -> AsyncIterator[Queue]:
    queue = broker.queue()
    await queue.connect()
    yield queue
    await queue.disconnect()


async def test_a_job_runs_and_its_result_is_kept(broker: Broker, queue: Queue) -> None:
    async with working(broker):
        await enqueue(queue, 21)
        job = await until_status(queue, "21:0", Status.COMPLETE)
        assert job.result == 42


async def test_a_key_is_taken_once_while_it_waits_or_runs(broker: Broker, queue: Queue) -> None:
    assert await enqueue(queue, -1)
    assert await enqueue(queue, -1) is None
    async with working(broker) as runs:
        assert await runs.seen.get() == -1
        assert await enqueue(queue, -1) is None
        assert await enqueue(queue, -1, fence=1)
        assert await runs.seen.get() == -1


async def test_a_key_is_free_again_when_its_job_has_ended(broker: Broker, queue: Queue) -> None:
    async with working(broker) as runs:
        for _ in range(2):
            assert await enqueue(queue, 5)
            await runs.seen.get()
            await until_status(queue, "5:0", Status.COMPLETE)


async def test_a_scheduled_job_waits_for_its_time(broker: Broker, queue: Queue) -> None:
    due = int(time.time()) + 2
    await enqueue(queue, 1, scheduled=due)
    assert await queue.count("incomplete") == 1
    async with working(broker) as runs:
        await enqueue(queue, 2)
        while await runs.seen.get() != 1:
            pass
        assert time.time() >= due


async def test_a_waiting_job_that_is_aborted_never_runs(broker: Broker, queue: Queue) -> None:
    job = await enqueue(queue, 1)
    assert job is not None
    await job.abort("changed my mind")
    await enqueue(queue, 2)
    async with working(broker) as runs:
        assert await runs.seen.get() == 2
        assert runs.seen.empty()
    job = await until_status(queue, "1:0", Status.ABORTED)
    assert job.error == "changed my mind"


async def test_a_running_job_that_is_aborted_is_cancelled(broker: Broker, queue: Queue) -> None:
    async with working(broker) as runs:
        await enqueue(queue, -1)
        await runs.seen.get()
        job = await until_status(queue, "-1:0", Status.ACTIVE)
        await job.abort("the film is gone")
        assert await runs.ended.get() == -1
        await until_status(queue, "-1:0", Status.ABORTED)


async def test_sweeping_ends_a_job_whose_heart_stands_still(queue: Queue) -> None:
    await enqueue(queue, 1, heartbeat=1)
    job = await queue.dequeue(timeout=120)
    assert job is not None
    await job.update(status=Status.ACTIVE, attempts=1)
    await asyncio.sleep(2.1)  # heartbeats are counted in whole seconds
    assert len(await queue.sweep(lock=1, abort=0.01)) == 1
    await until_status(queue, "1:0", Status.ABORTED)
    assert await queue.count("active") == 0


async def test_sweeping_leaves_a_job_without_limits_alone(queue: Queue) -> None:
    await enqueue(queue, 1)
    job = await queue.dequeue(timeout=120)
    assert job is not None
    await job.update(status=Status.ACTIVE)
    assert await queue.sweep(lock=1, abort=0.01) == []
    assert await queue.count("active") == 1


async def test_dequeue_gives_up_after_its_timeout(queue: Queue) -> None:
    assert await queue.dequeue(timeout=0.05) is None


async def test_an_idle_worker_stops_by_itself(broker: Broker) -> None:
    queue = broker.queue()
    await queue.connect()
    worker = Worker(queue, [("run", Runs(asyncio.Queue(), asyncio.Queue()).run)], dequeue_timeout=1)
    task = asyncio.create_task(worker.start())
    await asyncio.sleep(0.1)
    worker.event.set()
    async with asyncio.timeout(120):
        await task
        await queue.disconnect()


async def test_many_ids_all_run_once(broker: Broker, queue: Queue) -> None:
    async with working(broker) as runs:
        for number in range(1, 301):
            await enqueue(queue, number)
        seen = [await runs.seen.get() for _ in range(300)]
    assert sorted(seen) == list(range(1, 301))


async def test_two_workers_share_and_run_every_id_once(broker: Broker, queue: Queue) -> None:
    async with working(broker) as first, working(broker) as second:
        for number in range(1, 101):
            await enqueue(queue, number)

        async def all_done() -> bool:
            return await queue.count("incomplete") == 0

        await until(all_done, "all have run")
        seen = [runs.seen.get_nowait() for runs in (first, second) for _ in range(runs.seen.qsize())]
    assert sorted(seen) == list(range(1, 101))


async def test_queues_of_one_broker_do_not_mix(broker: Broker, queue: Queue) -> None:
    mail = broker.queue("mail")
    await mail.connect()
    await enqueue(mail, 1)
    assert await queue.dequeue(timeout=0.05) is None
    assert (await queue.info())["queued"] == 0
    assert (await mail.info())["queued"] == 1
    assert await mail.dequeue(timeout=120)
    await mail.disconnect()


async def test_info_lists_the_workers(broker: Broker, queue: Queue) -> None:
    async with working(broker):

        async def one_worker() -> bool:
            return len((await queue.info())["workers"]) == 1

        await until(one_worker, "one worker")


async def test_jobs_are_listed_by_status(queue: Queue) -> None:
    await enqueue(queue, 1)
    await enqueue(queue, 2)
    keys = {job.key async for job in queue.iter_jobs([Status.QUEUED])}
    assert keys == {"1:0", "2:0"}
    assert [job async for job in queue.iter_jobs([Status.FAILED])] == []
    assert [job and job.key for job in await queue.jobs(["2:0", "9:9"])] == ["2:0", None]


async def test_after_kill_9_the_record_runs_at_once_under_its_next_fence(broker: Broker, queue: Queue) -> None:
    with started(broker.folder, broker.redis) as first:
        await enqueue(queue, -7)
        assert await line(first) == "-7\n"
        first.kill()
    with started(broker.folder, broker.redis) as second:
        await enqueue(queue, -7, fence=1)
        assert await line(second) == "-7\n"
        second.terminate()
        assert await asyncio.to_thread(second.wait, 120) == 0


async def test_what_a_dead_worker_left_is_forgotten(queue: Queue, monkeypatch: pytest.MonkeyPatch) -> None:
    await enqueue(queue, 1)
    assert await queue.dequeue(timeout=120)
    monkeypatch.setattr("mediaserver.core.sweeping.ORPHAN_SECONDS", -1)
    assert await queue.sweep(lock=1) == ["1:0"]
    assert await queue.count("incomplete") == 0
    assert await queue.count("active") == 0
    assert await enqueue(queue, 1)


async def test_sweeping_leaves_a_job_alone_that_was_taken_a_moment_ago(queue: Queue) -> None:
    await enqueue(queue, 1)
    assert await queue.dequeue(timeout=120)
    assert await queue.sweep(lock=1) == []
    assert await queue.count("active") == 1
