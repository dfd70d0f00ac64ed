"""Counts that all serve processes share, in Redis by the library `limits`; while Redis is away each has its own."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

from limits.aio.storage import RedisStorage
from redis.asyncio import ConnectionPool
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from mediaserver import log

if TYPE_CHECKING:
    from .memory import MemoryCounts

PATIENCE = 1.0  # seconds a request waits for Redis at most
AGAIN = 10  # seconds until one that was away is asked again


class SharedCounts:
    def __init__(self, url: str, own: MemoryCounts) -> None:
        once = Retry(NoBackoff(), 1)  # a connection that Redis closed while it was idle is no failure
        self._pool: Any = ConnectionPool.from_url(url, retry=once)
        options: dict[str, Any] = {"connection_pool": self._pool}
        self._storage = RedisStorage(
            "async+redis://", implementation="redispy", key_prefix="mediaserver-limits", **options
        )
        self._own = own
        self._is_away = False
        self._ask_at = 0

    async def add(self, group: str, subject: str, now: int, seconds: int) -> tuple[int, int]:
        if not self._is_away or now >= self._ask_at:
            self._ask_at = now + AGAIN  # one request finds out, the others do not wait with it
            try:
                async with asyncio.timeout(PATIENCE):
                    count, left = await self._of_redis(f"{group}/{subject}", seconds)
            except (RedisError, OSError, TimeoutError) as error:
                self._note(away=True, why=str(error) or type(error).__name__)
            else:
                self._note(away=False)
                return count, now + left
        return await self._own.add(group, subject, now, seconds)

    async def _of_redis(self, key: str, seconds: int) -> tuple[int, int]:
        count = await self._storage.incr(key, seconds)
        if count == 1:
            return count, seconds
        return count, max(0, round(await self._storage.get_expiry(key) - time.time()))

    def _note(self, *, away: bool, why: str = "") -> None:
        if away and not self._is_away:
            log.warning("Redis is away: each serve process counts requests for itself", error=why)
        if self._is_away and not away:
            log.info("Redis is back: requests are counted together again")
        self._is_away = away

    async def close(self) -> None:
        await self._pool.aclose()
