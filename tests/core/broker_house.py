"""Brokers, queues and workers as the tests of both brokers use them."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from saq.job import Job, Status
from saq.worker import Worker

from mediaserver.core.broker import make_queue
from mediaserver.core.wakeups import Wakeups
from tests.patience import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from saq.queue.base import Queue

PROGRAM = """
import asyncio, sys
from pathlib import Path
from saq.worker import Worker
from mediaserver.core.broker import make_queue
from mediaserver.core.wakeups import Wakeups

async def run(ctx, *, record_id):
    print(record_id, flush=True)
    await asyncio.sleep(3600 if record_id < 0 else 0)

async def main(folder, redis):
    wakeups = Wakeups(folder / "run")
    await wakeups.open()
    queue = make_queue("background", redis=redis or None, path=folder / "jobs.sqlite3", wakeups=wakeups)
    await queue.connect()
    try:
        await Worker(queue, [("run", run)], dequeue_timeout=1, concurrency=1).start()
    finally:
        await queue.disconnect()
        await wakeups.close()

asyncio.run(main(Path(sys.argv[1]), sys.argv[2]))
"""


@dataclass
class Broker:
    folder: Path
    redis: str | None
    wakeups: Wakeups

    def queue(self, name: str = "background") -> Queue:
        return make_queue(name, redis=self.redis, path=self.folder / "jobs.sqlite3", wakeups=self.wakeups)


@dataclass
class Runs:
    """A job function that remembers what it ran; a negative id runs until it is cancelled."""

    seen: asyncio.Queue[int]
    ended: asyncio.Queue[int]

    async def run(self, _context: Any, *, record_id: int) -> int:
        self.seen.put_nowait(record_id)
        try:
            if record_id < 0:
                await asyncio.Event().wait()
        finally:
            self.ended.put_nowait(record_id)
        return record_id * 2


@asynccontextmanager
async def working(broker: Broker, **options: Any) -> AsyncIterator[Runs]:
    runs = Runs(asyncio.Queue(), asyncio.Queue())
    queue = broker.queue()
    await queue.connect()
    settings = {"dequeue_timeout": 1, "concurrency": 4, "timers": {"abort": 0.05, "schedule": 1}, **options}
    worker = Worker(queue, [("run", runs.run)], **settings)
    task = asyncio.create_task(worker.start())
    try:
        yield runs
    finally:
        await worker.stop()
        await task
        await queue.disconnect()


@contextmanager
def started(folder: Path, redis: str | None = None) -> Iterator[subprocess.Popen[str]]:
    """A worker process that prints every id it runs."""
    arguments = [sys.executable, "-c", PROGRAM, str(folder), redis or ""]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


async def line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return await asyncio.to_thread(process.stdout.readline)


async def enqueue(queue: Queue, record_id: int, fence: int = 0, **options: Any) -> Job | None:
    limits = {"retries": 1, "timeout": 0, "heartbeat": 0, **options}
    return await queue.enqueue("run", key=f"{record_id}:{fence}", record_id=record_id, **limits)


async def until_status(queue: Queue, key: str, status: Status) -> Job:
    async def reached() -> bool:
        job = await queue.job(key)
        return job is not None and job.status == status

    await until(reached, f"{key} is {status}")
    job = await queue.job(key)
    assert job is not None
    return job
