"""A SAQ broker in one SQLite file, for one machine. What it holds are ids; the truth about a job is its JobRecord."""

from __future__ import annotations

import asyncio
import json
import time
from typing import TYPE_CHECKING, Any

from saq.job import Job, Status
from saq.queue.base import Queue
from saq.utils import now

from mediaserver.core.broker_file import BrokerFile
from mediaserver.core.sweeping import end_stuck, is_orphan

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable
    from pathlib import Path

    from saq.types import CountKind, QueueInfo, WorkerInfo

    from mediaserver.core.wakeups import Subscription, Wakeups

DUE = (
    "select key from jobs where queue = ? and status = 'queued' and scheduled <= ? order by priority, scheduled limit 1"
)
TAKE = f"""
update jobs set status = 'active', job = json_set(job, '$.status', 'active', '$.started', ?, '$.touched', ?)
where key = ({DUE}) returning job
"""
ENQUEUE = """
insert into jobs (key, queue, job, status, priority, scheduled) values (?, ?, ?, 'queued', ?, ?)
on conflict (key) do update set queue = excluded.queue, job = excluded.job, status = excluded.status,
  priority = excluded.priority, scheduled = excluded.scheduled, expire_at = null
  where jobs.status in ('aborted', 'complete', 'failed')
returning 1
"""
LOCK = """
insert into locks values (?, ?) on conflict (name) do update set until = excluded.until
where until < ? or until > excluded.until
returning 1
"""
SENT_BEFORE = """
update jobs set scheduled = ? where queue = ? and status = 'queued' and scheduled > ?
  and coalesce(json_extract(job, '$.scheduled'), 0) = 0
"""  # the clock was set back since: a job that is to run at once is not due in an hour
COUNTS = {
    "queued": "status = 'queued' and scheduled <= ?",
    "active": "status = 'active' and 0 < ?",
    "incomplete": "status in ('new', 'queued', 'active') and 0 < ?",
}
BATCH = 500


class SqliteQueue(Queue):
    """Whoever enqueues wakes whoever dequeues, by way of the topic `queue:<name>`.

    The net under it: who dequeues looks first, and of all who wait one looks every `look_seconds`.
    """

    def __init__(self, path: Path, name: str, wakeups: Wakeups, *, look_seconds: float = 1.0) -> None:
        super().__init__(name=name, dump=None, load=None)
        self._file = BrokerFile(path, name)
        self._wakeups = wakeups
        self._look_seconds = look_seconds
        self._topic = f"queue:{name}"
        self._waiting: set[Subscription] = set()
        self._looked = float("-inf")

    async def connect(self) -> None:
        """Raises StartError, and what is told of BrokerFile.open."""
        if not self._file.is_open:
            await self._file.open()
            await super().connect()

    async def disconnect(self) -> None:
        for subscription in tuple(self._waiting):
            subscription.announce()
        await self._file.close()

    async def job(self, job_key: str) -> Job | None:
        return (await self.jobs([job_key]))[0]

    async def jobs(self, job_keys: Iterable[str]) -> list[Job | None]:
        keys = list(job_keys)
        found: dict[str, Job | None] = {}
        for first in range(0, len(keys), BATCH):
            some = keys[first : first + BATCH]
            sql = f"select key, job, status from jobs where queue = ? and key in ({_marks(some)})"
            for key, job, status in await self._file.rows(sql, self.name, *some):
                found[key] = self.deserialize(job, status)
        return [found.get(key) for key in keys]

    async def iter_jobs(self, statuses: list[Status] | None = None, batch_size: int = 100) -> AsyncIterator[Job]:
        wanted = [status.value for status in statuses or Status]
        sql = f"""select key, job, status from jobs where queue = ? and key > ? and status in ({_marks(wanted)})
                  order by key limit ?"""
        last = ""
        while rows := await self._file.rows(sql, self.name, last, *wanted, batch_size):
            for key, payload, status in rows:
                last = key
                if job := self.deserialize(payload, status):
                    yield job

    async def count(self, kind: CountKind) -> int:
        if kind not in COUNTS:
            raise ValueError(f"Jobs are counted as {', '.join(COUNTS)}, not as {kind}.")
        sql = f"select count(*) from jobs where queue = ? and {COUNTS[kind]}"
        return int((await self._file.rows(sql, self.name, time.time()))[0][0])

    async def info(self, jobs: bool = False, offset: int = 0, limit: int = 10) -> QueueInfo:
        rows = await self._file.rows(
            "select id, info from workers where queue = ? and expire_at >= ?", self.name, time.time()
        )
        queued, active = await self.count("queued"), await self.count("active")
        return {
            "workers": {worker: json.loads(info) for worker, info in rows},
            "name": self.name,
            "queued": queued,
            "active": active,
            "scheduled": await self.count("incomplete") - queued - active,
            "jobs": await self._first_jobs(offset, limit) if jobs else [],
        }

    async def dequeue(self, timeout: float = 0.0, poll_interval: float = 0.0) -> Job | None:  # noqa: ASYNC109
        """The next job that is due; None after `timeout` seconds (0: waits for ever) and after `disconnect`."""
        end = time.monotonic() + timeout if timeout else float("inf")
        pause = poll_interval or self._look_seconds
        is_called = True
        with self._wakeups.subscribe(self._topic) as news:
            self._waiting.add(news)
            try:
                while self._file.is_open:
                    if is_called or time.monotonic() >= self._looked + pause:
                        self._looked = time.monotonic()
                        if job := await self._take_unless_cancelled():
                            self._call_another(news)
                            return job
                    if time.monotonic() >= end:
                        return None
                    is_called = await news.wait(max(0.0, min(self._looked + pause, end) - time.monotonic()))
                return None
            finally:
                self._waiting.discard(news)

    def _call_another(self, news: Subscription) -> None:
        """Where one job was due there may be more."""
        another = next((each for each in self._waiting if each is not news), None)
        if another is not None:
            another.announce()

    async def abort(self, job: Job, error: str, ttl: float = 5) -> None:  # noqa: ARG002  (the mark is in the row)
        """A job that waits is ended here, one that runs is marked for its worker; what has ended stays as it is."""
        job.error = error
        mark = "update jobs set status = 'aborting', job = ? where key = ? and status = 'active' returning 1"
        if await self._file.rows(mark, self.serialize(job), job.key):
            job.status = Status.ABORTING
            return
        claim = "update jobs set status = 'aborting' where key = ? and status in ('new', 'queued') returning 1"
        if await self._file.rows(claim, job.key):
            await self.finish(job, Status.ABORTED, error=error)

    async def sweep(self, lock: int = 60, abort: float = 5.0) -> list[str]:
        """Delete what has expired, end what is stuck, forget what a worker that is gone left behind."""
        current = time.time()
        if not await self._file.rows_if_writable(LOCK, f"sweep:{self.name}", current + lock * 0.9, current):
            return []
        await self._file.rows("delete from jobs where queue = ? and expire_at <= ?", self.name, current)
        await self._file.rows("delete from workers where expire_at < ?", current)
        await self._file.rows(SENT_BEFORE, current, self.name, current)
        workers = {worker for (worker,) in await self._file.rows("select id from workers where queue = ?", self.name)}
        swept = []
        async for job in self.iter_jobs([Status.ACTIVE, Status.ABORTING]):
            if job.stuck:
                await end_stuck(self, job, abort)
            elif is_orphan(job, workers):
                await self._file.rows("delete from jobs where key = ?", job.key)
            else:
                continue
            swept.append(job.key)
        return swept

    async def write_worker_info(self, worker_id: str, info: WorkerInfo, ttl: int) -> None:
        sql = "insert or replace into workers values (?, ?, ?, ?)"
        await self._file.rows_if_writable(sql, worker_id, self.name, json.dumps(info), time.time() + ttl)

    async def _enqueue(self, job: Job) -> Job | None:
        due = job.scheduled or time.time()
        if not await self._file.rows(ENQUEUE, job.key, self.name, self.serialize(job), job.priority, due):
            return None
        self._wakeups.notify(self._topic)
        return job

    async def _update(self, job: Job, status: Status | None = None, **kwargs: Any) -> None:  # noqa: ARG002
        """Without a status only the payload changes; a mark to abort outlives the worker's word that it runs."""
        if status is None:
            await self._file.rows_if_writable("update jobs set job = ? where key = ?", self.serialize(job), job.key)
            return
        job.status = status
        sql = """update jobs set job = ?1, status = iif(status = 'aborting' and ?2 = 'active', status, ?2)
                 where key = ?3"""
        await self._file.rows_if_writable(sql, self.serialize(job), status.value, job.key)

    async def _retry(self, job: Job, error: str | None) -> None:  # noqa: ARG002  (the error stands in the job)
        sql = "update jobs set job = ?, status = 'queued', scheduled = ?, expire_at = null where key = ?"
        await self._file.rows(sql, self.serialize(job), time.time() + job.next_retry_delay(), job.key)
        self._wakeups.notify(self._topic)

    async def _finish(self, job: Job, status: Status, **_: Any) -> None:
        if job.ttl < 0:
            await self._file.rows_if_writable("delete from jobs where key = ?", job.key)
            return
        expire_at = time.time() + job.ttl if job.ttl else None
        sql = "update jobs set job = ?, status = ?, expire_at = ? where key = ?"
        await self._file.rows_if_writable(sql, self.serialize(job), status.value, expire_at, job.key)

    async def _first_jobs(self, offset: int, limit: int) -> list[dict[str, Any]]:
        sql = """select job, status from jobs where queue = ? and status in ('queued', 'active')
                 order by status, priority, scheduled limit ? offset ?"""
        jobs = [self.deserialize(*row) for row in await self._file.rows(sql, self.name, limit, offset)]
        return [job.to_dict() for job in jobs if job]

    async def _take_unless_cancelled(self) -> Job | None:
        """A worker that is stopped in the middle of taking gives the job back: nobody else would run it."""
        taking = asyncio.ensure_future(self._take())
        try:
            return await asyncio.shield(taking)
        except asyncio.CancelledError:
            if job := await taking:
                await self._file.rows("update jobs set status = 'queued' where key = ?", job.key)
                self._wakeups.notify(self._topic)
            raise

    async def _take(self) -> Job | None:
        current, started = time.time(), now()
        taken = (started, started, self.name, current)
        rows = await self._file.rows_if_any(DUE, (self.name, current), TAKE, *taken)
        return self.deserialize(rows[0][0]) if rows else None


def _marks(values: list[str]) -> str:
    return ", ".join("?" * len(values))
