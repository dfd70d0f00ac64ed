"""The worker role: three SAQ workers that run job records, the timers of an installation, and the news for plugins."""

from __future__ import annotations

import asyncio
import secrets
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

import structlog
from saq import Worker
from tortoise.exceptions import OperationalError

from mediaserver.core.changes import TOPIC, Reader
from mediaserver.core.db import is_disk_away, is_full
from mediaserver.core.jobs import QUEUES
from mediaserver.core.processes import own_name
from mediaserver.errors import DatabaseAway, JobFailed, JobHindered, JobPostponed
from mediaserver.models import JobRecord

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine

    from mediaserver.core.registry import JobKind, Timer
    from mediaserver.core.server import Server
    from mediaserver.core.wakeups import Subscription
    from mediaserver.events import Event

log = structlog.get_logger()
RENEW_SECONDS = 5.0
RECONCILE_SECONDS = 5.0
SWEEP_SECONDS = 600.0
CURSOR_LEASE_SECONDS = 15.0
LOOK_SECONDS = 1.0  # what a lost wake-up costs
DEQUEUE_SECONDS = 30.0  # a slot begins anew then; how often it looks is its queue's affair, and a stop cancels it
STOP_SECONDS = 5
FULL = "The disk is full; it goes on when there is room."
AWAY = "A disk of this server cannot be used now; it goes on when it can."
FAILED = (
    "Something went wrong here ({}); the log tells more."  # what was said may hold paths, and viewers are told this
)
DISK_SECONDS = 20.0  # SAFETY: resumes by itself within 60
LISTENER_SECONDS = 30.0  # a listener that hangs is left behind


class RunningJob:
    """What a handler is given: the record's id and arguments, and ways to tell how far it is."""

    def __init__(self, server: Server, record: JobRecord) -> None:
        self._server = server
        self._record = record
        self.id = record.id
        self.args: dict[str, Any] = record.args
        self.attempt = record.attempt
        self.worker = record.worker
        self.finished = not server.contributions.jobs[record.kind].shared

    async def progress(self, share: float) -> None:
        """`share` of 0 to 1."""
        await self._server.jobs.progress(self._record, share)

    def invite(self) -> None:
        """Ask another worker, or this one when it is through, to take part in a shared job."""
        self._server.jobs.messages.send(self._queue, self.id, self._record.fence, secrets.token_hex(4))

    def finish(self) -> None:
        """Nothing is left to do of a shared job."""
        self.finished = True

    @property
    def _queue(self) -> str:
        return self._record.queue


class JobRunner:
    """Runs what the brokers bring, until told to stop."""

    def __init__(self, server: Server, slots: int) -> None:
        self._server = server
        self.name = own_name()
        self._held: dict[int, int] = {}
        self._tasks: dict[int, set[asyncio.Task[Any]]] = {}
        self._ended: WeakSet[asyncio.Task[Any]] = WeakSet()
        self._interactive = 0
        self._slots = {"interactive": max(2, slots) + 1 if slots else 0, "background": slots, "mail": 2}

    async def run(self, stop: asyncio.Event) -> None:
        await self._server.jobs.release_dead()
        workers = [self._worker(name) for name in QUEUES if self._slots[name]]
        loops = [
            every(RENEW_SECONDS, "renewing leases", self._renew),
            every(RECONCILE_SECONDS, "reconciling jobs", self._reconcile),
            every(SWEEP_SECONDS, "sweeping workspaces", self._sweep),
            NewsReader(self._server).run(),
            *self._timers(),
        ]
        tasks = [asyncio.create_task(work) for work in (*(worker.start() for worker in workers), *loops)]
        stopped = asyncio.create_task(stop.wait())
        try:
            done, _ = await asyncio.wait([*tasks, stopped], return_when=asyncio.FIRST_COMPLETED)
            for task in done - {stopped}:
                task.result()
        finally:
            for worker in workers:
                await worker.stop()
            for task in (*tasks, stopped):
                task.cancel()
            await asyncio.gather(*tasks, stopped, return_exceptions=True)

    def _worker(self, queue: str) -> Worker[Any]:
        async def run(_context: Any, *, record_id: int, fence: int) -> None:
            try:
                await self._take(queue, record_id, fence)
            except (OperationalError, DatabaseAway) as error:  # or a full disk; what is due is sent again
                log.warning("the database refuses; the job waits", job=record_id, reason=str(error))

        worker: Worker[Any] = Worker(
            self._server.queues[queue],
            [("run", run)],
            concurrency=self._slots[queue],
            dequeue_timeout=1 if self._server.settings.redis else DEQUEUE_SECONDS,
            shutdown_grace_period_s=0,
            cancellation_hard_deadline_s=STOP_SECONDS,
            timers={"schedule": 1, "worker_info": 10, "sweep": 20, "abort": 3600},
        )
        worker.SIGNALS = []  # the role has its own handlers
        return worker

    async def _take(self, queue: str, record_id: int, fence: int) -> None:
        """A message of the interactive queue says only that there is something to do; the others name their job."""
        if queue == "interactive":
            await self._take_newest(queue)
            return
        known = await JobRecord.get_or_none(id=record_id)
        kind = self._server.contributions.jobs.get(known.kind) if known else None
        record = await self._server.jobs.claim(kind, record_id, fence, self.name) if kind else None
        if record is not None and kind is not None:
            await self._run(record, kind)

    async def _take_newest(self, queue: str) -> None:
        """One slot is kept for what somebody waits for (priority above 0), not for what is fetched ahead."""
        self._interactive += 1
        try:
            while True:
                least = 1 if self._interactive >= self._slots[queue] else 0
                record = await self._server.jobs.claim_newest(queue, self.name, least)
                if record is None:
                    return
                await self._run(record, self._server.contributions.jobs[record.kind])
        finally:
            self._interactive -= 1

    async def _run(self, record: JobRecord, kind: JobKind) -> None:
        job = RunningJob(self._server, record)
        current = asyncio.current_task()
        self._held[record.id] = record.fence
        mine = self._tasks.setdefault(record.id, set())
        if current:
            mine.add(current)
        try:
            await self._attempt(job, record, kind)
        except asyncio.CancelledError:
            if current is not None and current in self._ended:
                current.uncancel()
                return  # for the broker it is done
            await self._server.jobs.release(record, kind)
            raise
        finally:
            mine.discard(current) if current else None
            if not mine:
                self._held.pop(record.id, None)
                self._tasks.pop(record.id, None)

    async def _attempt(self, job: RunningJob, record: JobRecord, kind: JobKind) -> None:
        try:
            await kind.handler(job)
        except JobPostponed as error:
            await self._server.jobs.postpone(record, kind, str(error), error.seconds)
        except JobFailed as error:
            await self._server.jobs.fail(record, kind, str(error), final=True)
        except JobHindered as error:
            log.warning(f"a job is tried again later: {error}", job=record.id, kind=record.kind, attempt=record.attempt)
            await self._server.jobs.fail(record, kind, str(error), final=False)
        except DatabaseAway:  # nothing can be noted: its lease ends by itself, and then it is due again
            raise
        except Exception as error:
            if is_full(error) or is_disk_away(error):
                await self._wait_for_disk(record, kind, error)
                return
            log.exception("a job failed", job=record.id, kind=record.kind, plugin=kind.plugin)
            await self._server.jobs.fail(record, kind, FAILED.format(type(error).__name__), final=False)
        else:
            if job.finished:
                await self._server.jobs.finish(record, kept=kind.kept)
            else:
                await self._server.jobs.survive(record)

    async def _wait_for_disk(self, record: JobRecord, kind: JobKind, error: Exception) -> None:
        """Whatever a handler wrote to: neither it nor its film is to blame. Said once, for a disk is full for hours."""
        said = FULL if is_full(error) else AWAY
        await self._server.jobs.postpone(record, kind, said, DISK_SECONDS)
        if record.error != said:
            log.warning(f"a job waits: {said}", job=record.id, kind=record.kind, reason=str(error))

    async def _renew(self) -> None:
        for lost in await self._server.jobs.renew(dict(self._held)):
            for task in self._tasks.get(lost, ()):
                log.info("a job was taken away or ended elsewhere", job=lost)
                self._ended.add(task)
                task.cancel()

    async def _sweep(self) -> None:
        await asyncio.to_thread(self._server.storage.sweep_workspaces)

    async def _reconcile(self) -> None:
        if await self._server.leases.take("reconciler", self.name, RECONCILE_SECONDS * 3):
            await self._server.jobs.release_dead()
            await self._server.jobs.reconcile()
            await self._server.changes.prune(await self._server.leases.position(NewsReader.NAME))

    def _timers(self) -> list[Coroutine[Any, Any, None]]:
        return [
            every(timer.seconds, f"the timer {timer.name}", self._when_ours(timer))
            for timer in self._server.contributions.timers.values()
        ]

    def _when_ours(self, timer: Timer) -> Callable[[], Awaitable[None]]:
        """A timer runs in one worker of the installation."""

        async def run() -> None:
            if await self._server.leases.take(f"timer {timer.name}", self.name, timer.seconds * 3):
                await timer.run()

        return run


async def every(
    seconds: float, what: str, work: Callable[[], Awaitable[None]], news: Subscription | None = None
) -> None:
    """Do it for ever, sooner on `news`; a database that is away or a full disk costs two lines in all."""
    fails = False
    while True:
        try:
            await work()
        except Exception as error:  # noqa: BLE001 - an edge: nobody stands above this loop
            if not fails:
                log.warning(f"{what} failed and is tried every {seconds:g} s: {type(error).__name__}: {error}")
            fails = True
        else:
            if fails:
                log.info(f"{what} works again")
            fails = False
        await (news.wait(seconds) if news else asyncio.sleep(seconds))


class NewsReader:
    """Tells plugins every fact once per installation, at least once: the cursor moves after the listeners were told."""

    NAME = "events"

    def __init__(self, server: Server) -> None:
        self._server = server
        self._owner = own_name()
        self._reader: Reader | None = None
        self._untold: deque[tuple[int, Event]] = deque()
        self._after_another = False
        self._is_reading = False

    async def run(self) -> None:
        try:
            with self._server.wakeups.subscribe(TOPIC) as news:
                await every(LOOK_SECONDS, "telling plugins the news", self._tell, news)
        finally:
            if not self._is_reading:  # else the next one reads a little again, as after a kill
                with suppress(DatabaseAway, OperationalError):
                    await self._server.leases.leave(self.NAME, self._owner)

    async def _tell(self) -> None:
        """Most looks find nothing: on SQLite, where nothing comes late, that is one question and takes no lease."""
        if self._server.db.is_sqlite and not await self._is_behind():
            return
        if self._reader is None:
            self._after_another |= await self._server.leases.owner(self.NAME) not in ("", self._owner)
        if await self._server.leases.take(self.NAME, self._owner, CURSOR_LEASE_SECONDS):
            await self._read()
        else:
            self._leave_to_another()

    async def _is_behind(self) -> bool:
        sql = "SELECT 1 FROM core_change WHERE seq > coalesce((SELECT seq FROM core_cursor WHERE name = ?), 0) LIMIT 1"
        return bool(await self._server.db.fetch(sql, self.NAME, reading=True))

    async def _read(self) -> None:
        """Each fact that is told renews the lease: a thousand with slow listeners take longer than it lasts."""
        self._is_reading = True
        position = await self._server.leases.position(self.NAME)
        reader = self._current(position)
        self._untold.extend(await reader.read())
        while self._untold:
            number, event = self._untold[0]
            await self._server.hooks.notify("on_event", seconds=LISTENER_SECONDS, server=self._server, event=event)
            if not await self._move(number):
                self._leave_to_another()
                return
            self._untold.popleft()
        if reader.seq > position:
            await self._move(reader.seq)
        self._is_reading = False

    async def _move(self, seq: int) -> bool:
        return await self._server.leases.move(self.NAME, self._owner, seq, CURSOR_LEASE_SECONDS)

    def _leave_to_another(self) -> None:
        """Who has the lease now tells on from the cursor; what was read here and not told would be told twice."""
        self._reader = None
        self._untold.clear()
        self._is_reading = False

    def _current(self, position: int) -> Reader:
        """One that begins where another process ended reads also what that one, killed, may not have told any more."""
        if self._reader is None or self._reader.seq < position:
            self._reader = Reader(self._server.db, position, late=self._after_another or self._reader is not None)
            self._untold.clear()
        return self._reader
