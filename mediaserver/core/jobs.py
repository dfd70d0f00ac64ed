"""Job records: the truth about what is to be done. The broker only carries ids, and may lose them."""

from __future__ import annotations

import json
import secrets
from typing import TYPE_CHECKING, Any

from mediaserver.contracts import JobView, Page
from mediaserver.core.job_messages import JobMessages
from mediaserver.core.processes import is_gone
from mediaserver.models import JobRecord, JobState

if TYPE_CHECKING:
    from collections.abc import Mapping

    from saq.queue.base import Queue

    from mediaserver.core.db import Database
    from mediaserver.core.registry import Contributions, JobKind

LEASE_SECONDS = 20.0  # renewed every 5 s by a timer of the worker
QUEUES = ("interactive", "background", "mail")
MOST_LOST = 20  # workers in a row; what ends each of them also ends all that they do beside it
LOST = f"{MOST_LOST} workers that took it up ended before it did."
CLOCK_SECONDS = 1.0  # by which a clock that is kept right may go back
SENT = 500  # of a queue at once; what comes after them is sent when those are done
BACKOFF_SECONDS = (2.0, 15.0, 60.0, 300.0, 900.0)


class JobRecords:
    """Implements `mediaserver.contracts.Jobs`."""

    def __init__(self, db: Database, queues: Mapping[str, Queue], contributions: Contributions) -> None:
        self._db = db
        self._contributions = contributions
        self.messages = JobMessages(queues)

    async def enqueue(
        self,
        kind: str,
        key: str,
        args: Mapping[str, Any],
        *,
        priority: int = 0,
        delay: float = 0.0,
        wanted_for: float | None = None,
        tx: Any = None,
    ) -> int:
        """Make a job due, once per `key`; one that is due keeps its place but may be raised, one that runs is left.

        With `wanted_for` the job is dropped unless it is asked for again within so many seconds.
        """
        if tx is None:
            async with self._db.transaction() as own:
                return await self.enqueue(
                    kind, key, args, priority=priority, delay=delay, wanted_for=wanted_for, tx=own
                )
        queue = self._contributions.jobs[kind].queue
        rows = await self._db.fetch(
            """
            INSERT INTO core_job (kind, key, queue, args, state, priority, attempt, due_at, asked_at, wanted_until,
                                  lease_until, fence, worker, progress, error, created_at, updated_at)
            VALUES (?, ?, ?, ?, 'due', ?, 1, {now} + ?, {now}, {now} + ?, 0, 0, '', 0, '',
                    CURRENT_TIMESTAMP, CURRENT_TIMESTAMP)
            ON CONFLICT (key) DO UPDATE SET
              args = excluded.args, state = 'due', attempt = 1, lost = 0, due_at = excluded.due_at,
              asked_at = excluded.asked_at, priority = excluded.priority,
              wanted_until = excluded.wanted_until, fence = core_job.fence + 1, progress = 0, error = '',
              created_at = excluded.created_at
            WHERE core_job.state IN ('done', 'failed', 'cancelled')
            RETURNING id, fence
            """,
            kind, key, queue, json.dumps(dict(args)), priority, delay, wanted_for,
        )  # fmt: skip
        if not rows:
            return await self._raise_place(key, priority, wanted_for)
        job_id, fence = int(rows[0]["id"]), int(rows[0]["fence"])
        if delay <= 0:
            self._db.after_commit(lambda: self.messages.send(queue, job_id, fence))
        return job_id

    async def _raise_place(self, key: str, priority: int, wanted_for: float | None) -> int:
        """Told again to the broker, which knows what it has: a worker may have passed it over as unwanted."""
        rows = await self._db.fetch(
            "UPDATE core_job SET priority = CASE WHEN priority > ? THEN priority ELSE ? END, "
            "wanted_until = coalesce({now} + ?, wanted_until) WHERE key = ? "
            "RETURNING id, queue, fence, state = 'due' AND due_at <= {now} AS is_due",
            priority, priority, wanted_for, key,
        )  # fmt: skip
        row = rows[0]
        if row["is_due"]:
            self._db.after_commit(lambda: self.messages.send(row["queue"], row["id"], row["fence"]))
        return int(row["id"])

    async def renew_wish(self, key: str, seconds: float) -> None:
        """Somebody still waits for it."""
        await self._db.fetch(
            "UPDATE core_job SET wanted_until = {now} + ? WHERE key = ? AND state = 'due'", seconds, key
        )

    async def claim(self, kind: JobKind, job_id: int, fence: int, worker: str) -> JobRecord | None:
        """Take a job; None where the message is stale. A shared job is taken by as many as come."""
        states = "('due', 'running')" if kind.shared else "('due')"
        sql = (
            "UPDATE core_job SET state = 'running', worker = ?, lease_until = {now} + ? "
            f"WHERE id = ? AND fence = ? AND state IN {states} RETURNING id"
        )
        return await self._claimed(await self._db.fetch(sql, worker, LEASE_SECONDS, job_id, fence))

    async def claim_newest(self, queue: str, worker: str, least: int) -> JobRecord | None:
        """Take the most urgent job of a queue that somebody still wants, newest first.

        `least` is the lowest priority that may be taken now; kinds of plugins that are off are left alone.
        """
        kinds = self._kinds(queue)
        if not kinds:
            return None
        skip = "" if self._db.is_sqlite else " FOR UPDATE SKIP LOCKED"
        sql = (
            "UPDATE core_job SET state = 'running', worker = ?, lease_until = {now} + ? "
            "WHERE id = (SELECT id FROM core_job WHERE queue = ? AND state = 'due' AND due_at <= {now} "
            f"AND kind IN ({', '.join('?' * len(kinds))}) "
            "AND priority >= ? AND (wanted_until IS NULL OR wanted_until > {now}) "
            f"ORDER BY priority DESC, due_at DESC, id DESC LIMIT 1{skip}) AND state = 'due' RETURNING id"
        )
        return await self._claimed(await self._db.fetch(sql, worker, LEASE_SECONDS, queue, *kinds, least))

    def _kinds(self, queue: str) -> list[str]:
        """Those of plugins that are on."""
        return [kind.name for kind in self._contributions.jobs.values() if kind.queue == queue]

    @staticmethod
    async def _claimed(rows: list[dict[str, Any]]) -> JobRecord | None:
        return await JobRecord.get(id=rows[0]["id"]) if rows else None

    async def renew(self, held: Mapping[int, int]) -> set[int]:
        """Renew the leases of `held` (id → fence); answers those that are lost."""
        lost = set()
        for job_id, fence in held.items():
            rows = await self._db.fetch(
                "UPDATE core_job SET lease_until = {now} + ? WHERE id = ? AND fence = ? AND state = 'running' "
                "RETURNING id",
                LEASE_SECONDS, job_id, fence,
            )  # fmt: skip
            if not rows:
                lost.add(job_id)
        return lost

    async def progress(self, job: JobRecord, share: float) -> None:
        """It goes on, whatever it waited for."""
        await self._db.fetch(
            "UPDATE core_job SET progress = ?, error = '' WHERE id = ? AND fence = ?",
            round(share, 4),
            job.id,
            job.fence,
        )

    async def finish(self, job: JobRecord, *, kept: bool) -> None:
        if not kept:
            await self._db.fetch("DELETE FROM core_job WHERE id = ? AND fence = ?", job.id, job.fence)
            return
        await self._db.fetch(
            "UPDATE core_job SET state = 'done', progress = 1, error = '', updated_at = CURRENT_TIMESTAMP "
            "WHERE id = ? AND fence = ?",
            job.id, job.fence,
        )  # fmt: skip

    async def fail(self, job: JobRecord, kind: JobKind, error: str, *, final: bool) -> None:
        """Note a failure; the job is due again after a while unless it is final or has used its attempts."""
        again = not final and job.attempt < kind.attempts
        wait = BACKOFF_SECONDS[min(max(job.attempt - 1, 0), len(BACKOFF_SECONDS) - 1)]
        await self._db.fetch(
            "UPDATE core_job SET state = ?, error = ?, attempt = attempt + ?, lost = 0, due_at = {now} + ?, "
            "asked_at = {now}, fence = fence + 1, updated_at = CURRENT_TIMESTAMP WHERE id = ? AND fence = ?",
            (JobState.DUE if again else JobState.FAILED).value, error, int(again), wait if again else 0.0,
            job.id, job.fence,
        )  # fmt: skip
        if again:
            self.messages.send_later(wait, job.queue, job.id, job.fence + 1)

    async def postpone(self, job: JobRecord, kind: JobKind, reason: str, seconds: float) -> None:
        """Due again later; this was no attempt. Of a shared job only this part waits, the others work on."""
        if kind.shared:
            await self._db.fetch(
                "UPDATE core_job SET error = ?, lost = 0 WHERE id = ? AND fence = ?", reason, job.id, job.fence
            )
            self.messages.send_later(seconds, job.queue, job.id, job.fence, secrets.token_hex(4))
            return
        await self._db.fetch(
            "UPDATE core_job SET state = 'due', error = ?, lost = 0, due_at = {now} + ?, asked_at = {now}, "
            "fence = fence + 1 WHERE id = ? AND fence = ?",
            reason, seconds, job.id, job.fence,
        )  # fmt: skip
        self.messages.send_later(seconds, job.queue, job.id, job.fence + 1)

    async def release(self, job: JobRecord, kind: JobKind) -> None:
        """Give a job back untried: its worker stops. Of a shared job only this part ends, the others work on."""
        if kind.shared:
            await self.survive(job)
            return
        await self._db.fetch(
            "UPDATE core_job SET state = 'due', lost = 0, "
            "fence = fence + 1, due_at = {now}, asked_at = {now}, lease_until = 0 "
            "WHERE id = ? AND fence = ? AND state = 'running'",
            job.id, job.fence,
        )  # fmt: skip

    async def survive(self, job: JobRecord) -> None:
        """A part of a shared job has ended and its worker has not."""
        await self._db.fetch("UPDATE core_job SET lost = 0 WHERE id = ? AND fence = ? AND lost > 0", job.id, job.fence)

    async def release_dead(self) -> None:
        """What workers of this machine held that are gone is due at once, without waiting for their leases."""
        for row in await self._db.fetch("SELECT DISTINCT worker FROM core_job WHERE state = 'running'"):
            if is_gone(row["worker"]):
                await self._db.fetch(
                    "UPDATE core_job SET lease_until = 0 WHERE worker = ? AND state = 'running'", row["worker"]
                )

    async def reconcile(self) -> int:
        """Make due what a dead worker held, drop what nobody wants, and send what is due. Answers how many."""
        await self._follow_clock()
        await self._db.fetch("DELETE FROM core_job WHERE state = 'due' AND wanted_until < {now} - 30")
        await self._db.fetch(
            "DELETE FROM core_job WHERE state IN ('failed', 'cancelled') AND wanted_until < {now} - 3600"
        )
        await self._take_back()
        return sum([await self._send_due(queue) for queue in QUEUES])

    async def _take_back(self) -> None:
        await self._db.fetch(
            "UPDATE core_job SET state = CASE WHEN lost + 1 < ? THEN 'due' ELSE 'failed' END, "
            "error = CASE WHEN lost + 1 < ? THEN error ELSE ? END, lost = lost + 1, "
            "fence = fence + 1, due_at = {now}, asked_at = {now} WHERE state = 'running' AND lease_until < {now}",
            MOST_LOST, MOST_LOST, LOST,
        )  # fmt: skip

    async def _send_due(self, queue: str) -> int:
        """Each queue by itself, or a mail waits for all films; what no plugin here can run stands in nobody's way."""
        kinds = self._kinds(queue)
        if not kinds:
            return 0
        rows = await self._db.fetch(
            "SELECT id, fence FROM core_job WHERE state = 'due' AND queue = ? AND due_at <= {now} "
            f"AND kind IN ({', '.join('?' * len(kinds))}) ORDER BY priority DESC, id LIMIT ?",
            queue, *kinds, SENT,
        )  # fmt: skip
        for row in rows:
            self.messages.send(queue, row["id"], row["fence"])
        return len(rows)

    async def _follow_clock(self) -> None:
        """What was due in a minute is so after the clock was set back by hours, and no lease is longer than others."""
        await self._db.fetch(
            "UPDATE core_job SET due_at = due_at - (asked_at - {now}), "
            "wanted_until = wanted_until - (asked_at - {now}), asked_at = {now} "
            "WHERE state = 'due' AND asked_at > {now} + ?",
            CLOCK_SECONDS,
        )
        await self._db.fetch(
            "UPDATE core_job SET lease_until = {now} + ? WHERE state = 'running' AND lease_until > {now} + ?",
            LEASE_SECONDS, LEASE_SECONDS + CLOCK_SECONDS,
        )  # fmt: skip

    def is_gone(self, worker: str) -> bool:
        return is_gone(worker)

    async def cancel(self, job_id: int) -> bool:
        rows = await self._db.fetch(
            "UPDATE core_job SET state = 'cancelled', error = 'Cancelled.', fence = fence + 1 "
            "WHERE id = ? AND state IN ('due', 'running') RETURNING id",
            job_id,
        )
        return bool(rows)

    async def retry(self, job_id: int) -> bool:
        rows = await self._db.fetch(
            "UPDATE core_job SET state = 'due', error = '', attempt = 1, lost = 0, due_at = {now}, asked_at = {now}, "
            "fence = fence + 1 WHERE id = ? AND state IN ('failed', 'cancelled') RETURNING queue, fence",
            job_id,
        )
        if rows:
            self.messages.send(rows[0]["queue"], job_id, rows[0]["fence"])
        return bool(rows)

    async def list(self, *, state: str | None = None, page: int = 1, limit: int = 20) -> Page[JobView]:
        chosen = JobRecord.filter(state=state) if state else JobRecord.all()
        records = await chosen.order_by("-id").offset((page - 1) * limit).limit(limit)
        views = tuple(
            JobView(job.id, job.kind, job.key, job.state.value, job.progress, job.attempt, job.worker, job.error)
            for job in records
        )
        return Page(views, page, limit, await chosen.count())
