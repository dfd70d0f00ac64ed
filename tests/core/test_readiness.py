from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mediaserver.core.library.mailbox import write_status

if TYPE_CHECKING:
    from collections.abc import Callable

    from mediaserver.testing import RunningApp

STATUS = {"roots": [{"folder": "/home/ada/films", "mode": "events", "reason": "/home/ada is full", "online": True}]}


async def told(app_with: Callable[..., RunningApp], guest: str) -> Any:
    app = await app_with(settings={"server": {"port": 0, "guest": guest}}).start()
    write_status(app.server.data / "run", STATUS)
    return (await app.get("/ready")).json()["library"]["roots"]


async def test_an_administrator_is_told_where_the_library_is(app_with: Callable[..., RunningApp]) -> None:
    assert await told(app_with, "admin") == STATUS["roots"]


async def test_nobody_else_learns_a_path_from_readiness(app_with: Callable[..., RunningApp]) -> None:
    assert await told(app_with, "none") == [{"mode": "events", "online": True}]
