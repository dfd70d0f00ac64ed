"""Counts that several serve processes share, and what happens while Redis is away."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from structlog.testing import capture_logs

from tests.hands import Hands
from tests.redis_server import RedisServer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from mediaserver.testing import RunningApp

ROUTE = """
from mediaserver import Plugin, hookimpl, json, public
plugin = Plugin(api="1")
@hookimpl
def register_routes(registry):
    @registry.post("/v1/auth/login", guard=public, limit="auth")
    async def login(request):
        return json({})
"""


@pytest.fixture
def redis() -> Iterator[RedisServer]:
    with RedisServer() as server:
        yield server


@pytest.fixture
def served(redis: RedisServer, app_with: Callable[..., RunningApp], tmp_path: Path) -> Callable[..., RunningApp]:
    folder = tmp_path / "theirs"
    folder.mkdir()
    (folder / "signing.py").write_text(ROUTE)

    def make(clock: Any = None) -> RunningApp:
        settings = {"server": {"port": 0}, "redis": redis.url}
        return app_with(settings=settings, folders=(folder,), clock=clock, signing={}, rate_limits={"auth": "3/minute"})

    return make


async def left(app: RunningApp) -> tuple[int, int]:
    answer = await app.post("/v1/auth/login")
    return answer.status_code, int(answer.headers["x-ratelimit-remaining"])


async def test_two_processes_count_together(served: Callable[..., RunningApp]) -> None:
    one, other = served(), served()
    assert [await left(one), await left(other), await left(one), await left(other), await left(one)] == [
        (200, 2),
        (200, 1),
        (200, 0),
        (429, 0),
        (429, 0),
    ]
    refused = await other.post("/v1/auth/login")
    assert 0 < int(refused.headers["retry-after"]) <= 60
    ends = int(refused.headers["x-ratelimit-reset"])
    assert abs(ends - int((await one.post("/v1/auth/login")).headers["x-ratelimit-reset"])) <= 1


async def test_while_redis_is_away_each_process_counts_for_itself_and_says_so_once(
    served: Callable[..., RunningApp], redis: RedisServer
) -> None:
    hands = Hands(datetime.now(UTC))  # as Redis has it
    app = served(hands)
    assert [await left(app), await left(app)] == [(200, 2), (200, 1)]
    with capture_logs() as logged:
        redis.stop()
        assert [await left(app) for _ in range(4)] == [(200, 2), (200, 1), (200, 0), (429, 0)]
        redis.start()
        assert await left(app) == (429, 0)
        hands.turn(11)
        assert await left(app) == (200, 2)
    said = [entry["event"] for entry in logged]
    assert sum("Redis is away" in event for event in said) == 1
    assert sum("Redis is back" in event for event in said) == 1
