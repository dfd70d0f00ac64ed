"""A server with small plugins that show what a request meets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.core.plugin_workshop import Workshop

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from mediaserver.testing import RunningApp

    AppWith = Callable[..., RunningApp]

ECHO = """
from pydantic import BaseModel
from mediaserver import Plugin, body, hookimpl, json, public, query, signed_in
from mediaserver.contracts import Actor
from mediaserver.errors import Unauthorized

plugin = Plugin(api="1")

class Told(BaseModel):
    number: int = 0

@hookimpl
def register_routes(registry):
    @registry.post("/v1/echo", guard=public)
    async def echo(request):
        return json({"number": body(request, Told).number})

    @registry.get("/v1/echo", guard=public)
    async def asked(request):
        return json({"number": query(request, Told).number})

    @registry.get("/v1/broken", guard=public)
    async def broken(request):
        raise RuntimeError("the secret of the house")

    @registry.post("/v1/write", guard=signed_in)
    async def write(request):
        return json({})

    def words(request, error):
        return json({"detail": error.message}, error.status)

    @registry.get("/dialect/broken", guard=public)
    async def dialect(request):
        raise RuntimeError

    registry.errors("/dialect", words)
    registry.errors("/dialect/of/others", lambda request, error: json({"error": error.message}, error.status))
"""
IDENTIFIES = """
from mediaserver import Plugin, hookimpl
from mediaserver.contracts import Actor
from mediaserver.errors import Unauthorized
plugin = Plugin(api="1")
@hookimpl
def identify(request):
    if request.headers.get("authorization") == "Bearer garbage":
        raise Unauthorized
    role = request.headers.get("x-role")
    return Actor(1, "a@x", frozenset({role})) if role else None
"""
COUNTS = """
from mediaserver import Plugin, hookimpl, json
from mediaserver.errors import RateLimited
plugin = Plugin(api="1")
@hookimpl
def before_request(request):
    actor, route = request.ctx.actor, request.ctx.route
    request.ctx.seen = f"{route.method} {route.path} {route.limit} {actor and actor.email}"
    if "x-enough" in request.headers:
        raise RateLimited("Enough.")
@hookimpl
def after_response(request, response):
    response.headers["x-seen"] = getattr(request.ctx, "seen", "nothing")
    response.headers["x-route"] = str(request.ctx.route and request.ctx.route.plugin)
"""
SLOW = """
import asyncio
from contextlib import suppress
from mediaserver import Plugin, hookimpl, json, public

plugin = Plugin(api="1")

@hookimpl
def register_routes(registry):
    state = {"asked": False, "gone": False}

    @registry.get("/v1/slow", guard=public)
    async def slow(request):
        state["asked"] = True
        response = None
        try:
            while not request.transport.is_closing():
                with suppress(asyncio.CancelledError):  # it goes on for a while, as one does that reads a file
                    await asyncio.sleep(0.01)
            response = await request.respond(headers={"content-length": "9"})
            await response.send("123")
        finally:
            state["gone"] = True

    @registry.get("/v1/slow/asked", guard=public)
    async def asked(request):
        return json(state)
"""


@pytest.fixture
def house(app_with: AppWith, tmp_path: Path) -> Callable[..., RunningApp]:
    folder = tmp_path / "theirs"
    folder.mkdir()
    (folder / "echoing.py").write_text(ECHO)
    (folder / "identifying.py").write_text(IDENTIFIES)
    (folder / "slow.py").write_text(SLOW)
    (folder / "counting.py").write_text(COUNTS)

    def make(server: dict[str, Any] | None = None, **plugins: Any) -> RunningApp:
        settings = {"server": {"port": 0, **(server or {})}}
        return app_with(settings=settings, folders=(folder,), **(plugins or {"echoing": {}}))

    return make


@pytest.fixture
def workshop(tmp_path: Path, app_with: Callable[..., RunningApp]) -> Workshop:
    folder = tmp_path / "their plugins"
    folder.mkdir()
    return Workshop(folder, app_with)
