"""Core's own routes: health, readiness, and the news as server-sent events."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

from sanic.response import html as answer_html
from sanic.response import json as answer_json

from mediaserver.core import http
from mediaserver.core.actors import admin, public, signed_in
from mediaserver.core.changes import Reader
from mediaserver.core.watchstatus import watch_status
from mediaserver.errors import InvalidRequest

if TYPE_CHECKING:
    from sanic import HTTPResponse, Request

    from mediaserver.core.routes import RouteRegistry
    from mediaserver.core.server import Server
    from mediaserver.events import Event

TOPICS = {
    "location_changed": "library",
    "library_scanned": "library",
    "title_added": "library",
    "title_changed": "library",
    "video_probed": "library",
    "picture_made": "library",
    "video_offline": "library",
    "video_online": "library",
    "encoding_progressed": "progress",
    "video_playable": "progress",
    "video_ready": "progress",
    "video_failed": "progress",
    "plugin_quarantined": "doctor",
}
PING_SECONDS = 15.0  # proxies and phones drop silent connections
LOOK_SECONDS = 1.0  # what a lost wake-up costs at most
LAST_EVENT_ID = 20  # digits of a 64-bit number


def register_core_routes(registry: RouteRegistry) -> None:
    server = registry.server

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
        await send_events(server, request)


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
        workers = len((await server.queues["interactive"].info())["workers"])
    except Exception:  # noqa: BLE001 - whatever the database or the broker says, it is not reachable
        reachable, workers = False, 0
    library = await asyncio.to_thread(watch_status, server.data)
    return {
        "ready": server.ready and reachable and not server.follower.is_deaf,
        "database": "ok" if reachable else "unreachable",
        "changes": "unheard" if server.follower.is_deaf else "heard",  # what other processes revoke, say
        "workers": workers,  # 0: films play as far as they are made, nothing new is
        "plugins_left_out": sorted(server.hooks.faults),
        "library": library if whole else _without_paths(library),
    }


def _without_paths(library: dict[str, Any]) -> dict[str, Any]:
    """A folder's reason may name its path too."""
    roots = [
        {key: value for key, value in root.items() if key not in ("folder", "reason")}
        for root in library.get("roots", [])
    ]
    return {**library, "roots": roots} if library else {}


async def send_events(server: Server, request: Request) -> None:
    """Server-sent events from `Last-Event-ID` (or now) on, until the client leaves."""
    last = request.headers.getone("last-event-id", "")
    if last and not (last.isascii() and last.isdecimal() and len(last) < LAST_EVENT_ID):
        raise InvalidRequest("Last-Event-ID should be the id of an event.")
    seq = int(last) if last else await server.changes.last()
    headers = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no", **http.SECURITY_HEADERS}
    response = await request.respond(content_type="text/event-stream", headers=headers)
    if response is None or request.method == "HEAD":
        return
    await response.send("retry: 2000\n\n")
    reader = Reader(server.db, seq)
    silent = 0.0
    with server.wakeups.subscribe("changes") as news:
        while True:
            changes = await reader.read()
            for number, event in changes:
                if text := _message(number, event):
                    await response.send(text)
            silent = 0.0 if changes else silent + LOOK_SECONDS
            if silent >= PING_SECONDS:
                await response.send(": still here\n\n")
                silent = 0.0
            await news.wait(LOOK_SECONDS)


def _message(seq: int, event: Event) -> str | None:
    topic = TOPICS.get(event.kind)
    if topic is None:
        return None
    return f"id: {seq}\nevent: {topic}\ndata: {json.dumps({'kind': event.kind, **event.payload()})}\n\n"
