from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mediaserver.core.statuses import tell
from tests.redis_server import RedisServer

if TYPE_CHECKING:
    from collections.abc import Callable

    from mediaserver.testing import RunningApp

    AppWith = Callable[..., RunningApp]

ROOT = Path(__file__).parents[2]
STATUS = {"roots": [{"folder": "/home/ada/films", "mode": "events", "reason": "/home/ada is full", "online": True}]}


async def told(app_with: AppWith, guest: str) -> Any:
    app = await app_with(settings={"server": {"port": 0, "guest": guest}}).start()
    tell(app.server.data / "run", "watch", STATUS)
    return (await app.get("/ready")).json()["library"]["roots"]


async def test_an_administrator_is_told_where_the_library_is(app_with: AppWith) -> None:
    assert await told(app_with, "admin") == STATUS["roots"]


async def test_what_a_watcher_said_that_has_ended_since_is_not_told(app_with: AppWith) -> None:
    """It may have been killed, and then nobody cleared its file away."""
    app = await app_with().start()
    run = app.server.data / "run"
    telling = "import sys, pathlib; from mediaserver.core.statuses import tell; "
    telling += f"tell(pathlib.Path(sys.argv[1]), 'watch', {STATUS})"
    watcher = await asyncio.create_subprocess_exec(sys.executable, "-c", telling, run, cwd=ROOT)
    assert await watcher.wait() == 0
    assert (run / "watch.json").is_file()
    assert (await app.get("/ready")).json()["library"] == {}


async def test_nobody_else_learns_a_path_from_readiness(app_with: AppWith) -> None:
    assert await told(app_with, "none") == [{"mode": "events", "online": True}]


async def test_requests_are_served_while_redis_is_away_and_the_server_stops_in_order(app_with: AppWith) -> None:
    """Behind a proxy that asks for readiness, all servers were left out for a Redis that no request needs."""
    with RedisServer() as redis:
        app = await app_with(settings={"redis": redis.url}).start()
        assert (await app.get("/ready")).json()["jobs"] == "ok"
        redis.stop()
        answer = await app.get("/ready")
        assert answer.status_code == 200
        assert (answer.json()["database"], answer.json()["jobs"]) == ("ok", "unreachable")
        await app.stop()
