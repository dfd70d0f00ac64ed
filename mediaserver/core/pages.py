"""Core's own routes: health, readiness, and the news as server-sent events."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from sanic.response import html as answer_html
from sanic.response import json as answer_json

from mediaserver.core.actors import admin, public, signed_in
from mediaserver.core.news import Streams
from mediaserver.core.statuses import told

if TYPE_CHECKING:
    from sanic import HTTPResponse, Request

    from mediaserver.core.routes import RouteRegistry
    from mediaserver.core.server import Server

PATIENCE = 2  # seconds for the broker to answer


def register_core_routes(registry: RouteRegistry) -> None:
    server = registry.server
    streams = Streams(server)

    async def health(_request: Request) -> HTTPResponse:
        return answer_json({"status": "ok"})

    async def ready(request: Request) -> HTTPResponse:
        actor = request.ctx.actor
        state = await readiness(server, whole=actor is not None and actor.is_admin)
        return answer_json(state, status=200 if state["ready"] else 503)

    register_docs(registry)
    for path in ("/health", "/livez", "/healthz"):
        registry.get(path, guard=public, limit=None)(health)
    for path in ("/ready", "/readyz"):
        registry.get(path, guard=public, limit=None)(ready)

    @registry.get("/v1/events", guard=signed_in, limit=None, scope="catalog:read")
    async def events(request: Request) -> None:
        await streams.answer(request)


def register_docs(registry: RouteRegistry) -> None:
    """The contract of this very server, its plugins included."""
    server = registry.server
    section = server.settings.server
    guard = admin if section.docs == "admin" else public

    @registry.get("/docs/openapi.json", guard=guard, limit=None, scope="admin")
    async def openapi(_request: Request) -> HTTPResponse:
        from mediaserver.core.openapi import document

        return answer_json(document(server.routes, section.base_path))

    @registry.get("/docs", guard=guard, limit=None, scope="admin")
    async def docs(_request: Request) -> HTTPResponse:
        from mediaserver.core.openapi import document, page

        return answer_html(page(document(server.routes, section.base_path), section.base_path))


async def readiness(server: Server, *, whole: bool) -> dict[str, Any]:
    """What `/ready` tells: whether requests are served, and the watcher's last word; paths only as a `whole`."""
    try:
        reachable = await server.db.reachable()
    except Exception:  # noqa: BLE001 - whatever the database says, it is not reachable
        reachable = False
    workers = await _workers(server)
    library = await asyncio.to_thread(told, server.data / "run", "watch")
    return {
        "ready": server.ready and reachable and not server.follower.is_deaf,
        "database": "ok" if reachable else "unreachable",
        "changes": "unheard" if server.follower.is_deaf else "heard",  # what other processes revoke, say
        "jobs": "unreachable" if workers is None else "ok",  # requests are served without them
        "workers": workers or 0,  # 0: films play as far as they are made, nothing new is
        "plugins_left_out": sorted(server.hooks.faults),
        "library": library if whole else _without_paths(library),
    }


async def _workers(server: Server) -> int | None:
    """None where the queues cannot be reached, or do not answer soon."""
    try:
        async with asyncio.timeout(PATIENCE):
            return len((await server.queues["interactive"].info())["workers"])
    except Exception:  # noqa: BLE001 - whatever the broker says, it is not reachable
        return None


def _without_paths(library: dict[str, Any]) -> dict[str, Any]:
    """A folder's reason may name its path too."""
    roots = [
        {key: value for key, value in root.items() if key not in ("folder", "reason")}
        for root in library.get("roots", [])
    ]
    return {**library, "roots": roots} if library else {}
