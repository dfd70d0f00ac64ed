"""`/api/playback`: sessions that clients start, keep alive and stop themselves."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from mediaserver import HTTPResponse, Request, absolute, body, json, neutral, signed_in, timestamp
from mediaserver.contracts import Catalog, Devices, Playback
from mediaserver.errors import NotFound

from . import bodies
from .devices import shown as device_shown
from .devices import user_of
from .movies import named
from .movies import shown as movie_shown

if TYPE_CHECKING:
    from mediaserver import RouteRegistry
    from mediaserver.contracts import Item, Session

COUNTED: dict[str, Any] = {"guard": signed_in, "limit": "streaming", "scope": "streaming"}


def register(registry: RouteRegistry, prefix: str) -> None:
    _starting(registry, f"{prefix}/api/playback")
    _running(registry, f"{prefix}/api/playback")
    _listing(registry, prefix)


def _starting(registry: RouteRegistry, path: str) -> None:
    catalog, devices = registry.services.get(Catalog), registry.services.get(Devices)
    playback = registry.services.get(Playback)

    @registry.post(f"{path}/start", body=bodies.Start, answer=bodies.Started, status=201, errors=(409,), **COUNTED)
    async def start(request: Request) -> HTTPResponse:
        told, actor = body(request, bodies.Start), request.ctx.actor
        item = await named(catalog, actor, told.movie_id)
        device = await devices.find(user_of(request), told.device_id)
        if device is None:
            raise NotFound("There is no such device; tell of it at api/device first.")
        started = await playback.start(actor, item.id, device, steal=told.steal)
        session, cdn = started.session, absolute(request, started.manifest.path)
        return json(
            {"watch_session_id": session.id, "movie_title": neutral(session.title), "movie_cdn": cdn}, status=201
        )


def _running(registry: RouteRegistry, path: str) -> None:
    playback = registry.services.get(Playback)

    @registry.post(f"{path}/heartbeat", body=bodies.Touch, answer=bodies.Touched, **COUNTED)
    async def heartbeat(request: Request) -> HTTPResponse:
        session = await playback.beat(request.ctx.actor, body(request, bodies.Touch).watch_session_id)
        return json({"message": "Session touched", "last_heartbeat": timestamp(session.last_heartbeat)})

    @registry.post(f"{path}/stop", body=bodies.Touch, answer=bodies.Said, **COUNTED)
    async def stop(request: Request) -> HTTPResponse:
        """Stopping what has stopped is no error."""
        await playback.stop(request.ctx.actor, body(request, bodies.Touch).watch_session_id)
        return json({"message": "Session terminated."})


def _listing(registry: RouteRegistry, prefix: str) -> None:
    catalog, playback = registry.services.get(Catalog), registry.services.get(Playback)

    @registry.get(f"{prefix}/api/playback/active", answer=bodies.SessionList, **COUNTED)
    async def active(request: Request) -> HTTPResponse:
        found = []
        for session in await playback.active(request.ctx.actor):
            with suppress(NotFound):  # hidden since it began: it gets no media any more
                item = await catalog.item(session.title_id, request.ctx.actor)
                found.append(_shown(request, prefix, session, item))
        return json(found)


def _shown(request: Request, prefix: str, session: Session, item: Item) -> dict[str, Any]:
    return {
        "id": session.id,
        "movie": movie_shown(request, prefix, item),
        "device": device_shown(session.device),
        "started_at": timestamp(session.started_at),
        "last_heartbeat": timestamp(session.last_heartbeat),
        "status": session.state.value,
    }
