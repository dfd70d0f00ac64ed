"""SAQ's Redis broker with a sweep that fits a queue of ids."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from redis.exceptions import RedisError
from saq.queue.redis import RedisQueue

from mediaserver.core.sweeping import end_stuck, is_orphan

if TYPE_CHECKING:
    from saq.job import Job


class IdQueue(RedisQueue):
    """SAQ's own sweep also ends a job that a worker took a moment ago and has not marked as active yet.

    It runs at every start of a worker: our contract tests lost a job to it.
    """

    async def sweep(self, lock: int = 60, abort: float = 5.0) -> list[str]:
        redis: Any = self.redis
        if not await redis.set(self._sweep, 1, ex=max(1, lock), nx=True):
            return []
        workers = set((await self.info())["workers"])
        swept = []
        for raw_id in await redis.lrange(self._active, 0, -1):
            job = await self._get_job_by_id(raw_id)
            if job is not None and job.stuck:
                await end_stuck(self, job, abort)
            elif job is None or is_orphan(job, workers):
                await self._forget(raw_id, job)
            else:
                continue
            swept.append(self.job_key_from_id(raw_id.decode()))
        return swept

    async def disconnect(self) -> None:
        """SAQ's own says farewell to Redis first, which may be away by now, or silent."""
        try:
            with suppress(RedisError):
                await super().disconnect()
        finally:
            await self.redis.aclose(close_connection_pool=True)

    async def _forget(self, raw_id: bytes, job: Job | None) -> None:
        redis: Any = self.redis
        async with redis.pipeline(transaction=True) as pipe:
            pipe.lrem(self._active, 0, raw_id).zrem(self._incomplete, raw_id)
            if job is not None:
                pipe.delete(raw_id)
            await pipe.execute()
