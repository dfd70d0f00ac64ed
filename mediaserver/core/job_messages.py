"""What wakes a worker: the id and fence of a job that is due. What is lost of it the reconciler sends again."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import structlog

if TYPE_CHECKING:
    from collections.abc import Mapping

    from saq.queue.base import Queue

log = structlog.get_logger()


class JobMessages:
    def __init__(self, queues: Mapping[str, Queue]) -> None:
        self._queues = queues
        self._sending: set[asyncio.Task[None]] = set()
        self._closed = False

    def send(self, queue: str, job_id: int, fence: int, part: str = "") -> None:
        if self._closed:  # a connection that was opened now would be left open
            return
        task = asyncio.ensure_future(self._send(queue, job_id, fence, part))
        self._sending.add(task)
        task.add_done_callback(self._sending.discard)

    def send_later(self, seconds: float, queue: str, job_id: int, fence: int, part: str = "") -> None:
        asyncio.get_running_loop().call_later(seconds, self.send, queue, job_id, fence, part)

    async def drain(self) -> None:
        """Wait for what is being sent."""
        while self._sending:
            await asyncio.gather(*self._sending, return_exceptions=True)

    async def close(self) -> None:
        """Send nothing any more: what becomes due from now on is sent by the reconciler of whoever lives."""
        self._closed = True
        await self.drain()

    async def _send(self, queue: str, job_id: int, fence: int, part: str) -> None:
        key = f"{job_id}:{fence}:{part}" if part else f"{job_id}:{fence}"
        try:
            await self._queues[queue].enqueue(
                "run", key=key, record_id=job_id, fence=fence, retries=1, timeout=0, heartbeat=0, ttl=-1
            )
        except Exception as error:  # noqa: BLE001 - a broker that is away must not undo what is committed
            log.warning("the broker is away; the job is sent again later", job=job_id, error=str(error))
