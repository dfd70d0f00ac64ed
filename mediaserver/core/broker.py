"""Which broker carries the ids of jobs: SQLite on one machine, Redis for many."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from saq.queue.base import Queue

    from mediaserver.core.wakeups import Wakeups


def make_queue(name: str, *, redis: str | None, path: Path, wakeups: Wakeups) -> Queue:
    """`redis` is a URL (redis://, rediss:// or unix://) or None; then the queue lives in the SQLite file `path`."""
    if redis is None:
        from mediaserver.core.broker_sqlite import SqliteQueue

        return SqliteQueue(path, name, wakeups)
    from redis.asyncio import Redis

    from mediaserver.core.broker_redis import IdQueue

    return IdQueue(Redis.from_url(redis, health_check_interval=30), name=name)
