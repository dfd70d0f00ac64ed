"""Counts that several serve processes share, and what happens while Redis is away."""

from __future__ import annotations

import shutil
import socket
import subprocess
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from structlog.testing import capture_logs

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


class Redis:
    """A Redis of one's own that can be ended and started again."""

    def __init__(self, folder: Path) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._folder = folder
        self._process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        options = ["--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--dir", str(self._folder)]
        self._process = subprocess.Popen(["redis-server", *options], stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        assert any("eady to accept connections" in line for line in self._process.stdout)

    def stop(self) -> None:
        if self._process:
            self._process.kill()
            self._process.communicate()


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[Redis]:
    if shutil.which("redis-server") is None:
        pytest.skip("redis-server is not installed")
    server = Redis(tmp_path)
    server.start()
    yield server
    server.stop()


class Hands:
    def __init__(self) -> None:
        self.ahead = timedelta()

    def now(self) -> datetime:
        return datetime.now(UTC) + self.ahead


@pytest.fixture
def served(redis: Redis, app_with: Callable[..., RunningApp], tmp_path: Path) -> Callable[..., RunningApp]:
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
    served: Callable[..., RunningApp], redis: Redis
) -> None:
    hands = Hands()
    app = served(hands)
    assert [await left(app), await left(app)] == [(200, 2), (200, 1)]
    with capture_logs() as logged:
        redis.stop()
        assert [await left(app) for _ in range(4)] == [(200, 2), (200, 1), (200, 0), (429, 0)]
        redis.start()
        assert await left(app) == (429, 0)
        hands.ahead = timedelta(seconds=11)
        assert await left(app) == (200, 2)
    said = [entry["event"] for entry in logged]
    assert sum("Redis is away" in event for event in said) == 1
    assert sum("Redis is back" in event for event in said) == 1
