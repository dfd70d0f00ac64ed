"""What a broker does with jobs that no worker brings to an end."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from saq.job import TERMINAL_STATUSES, Job, Status
from saq.utils import now

if TYPE_CHECKING:
    from collections.abc import Collection

    from saq.queue.base import Queue

logger = logging.getLogger(__name__)

ORPHAN_SECONDS = 30  # a worker reports every 10 s; who only slept finds its record claimed, or claims it first


def is_orphan(job: Job, workers: Collection[str]) -> bool:
    """Its worker is gone. The JobRecord is enqueued again under its next fence, so the job can be forgotten."""
    last_seen = max(job.queued, job.started, job.touched)
    return job.worker_id not in workers and now() - last_seen > ORPHAN_SECONDS * 1000


async def end_stuck(queue: Queue, job: Job, seconds: float) -> None:
    """End a job that is past its timeout or heartbeat; a worker that lives gets `seconds` to stop it first."""
    error = queue.swept_error_message
    await queue.abort(job, error)
    try:
        await job.refresh(seconds)
    except (TimeoutError, RuntimeError):
        logger.info("no worker stopped job %s", job.key)
    if job.status in TERMINAL_STATUSES:
        return
    if job.retryable:
        await queue.retry(job, error=error)
    else:
        await queue.finish(job, Status.ABORTED, error=error)
