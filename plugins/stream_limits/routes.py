"""`/v1/streaming`: start, progress, stop, and who is playing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mediaserver import HTTPResponse, Request, absolute, body, json, row_id, signed_in, timestamp
from mediaserver.contracts import Catalog, Devices, Playback, SessionState
from mediaserver.errors import NotFound

from . import bodies
from .clients import described

if TYPE_CHECKING:
    from mediaserver import RouteRegistry
    from mediaserver.contracts import Actor, Device, Manifest

HEARTBEATS = 8  # within the time after which a session without one expires
NOT_OF_TITLE = "This playback session plays another title."


def register(registry: RouteRegistry) -> None:
    _playing(registry, registry.services.get(Playback))
    _sessions(registry, registry.services.get(Playback))


def _playing(registry: RouteRegistry, playback: Playback) -> None:
    heartbeat_seconds = max(1, registry.config.session_timeout_seconds // HEARTBEATS)

    @registry.post(
        "/v1/streaming/<ref:str>/start",
        guard=signed_in, limit="streaming", scope="streaming",
        body=bodies.Start, answer=bodies.StartedSession, status=201, errors=(409,),
    )  # fmt: skip
    async def start(request: Request, ref: str) -> HTTPResponse:
        actor, told = request.ctx.actor, body(request, bodies.Start)
        title_id = await _title(registry, ref)
        device = await _device(registry, request, told)
        started = await playback.start(actor, title_id, device, steal=told.steal)
        address = absolute(request, _address(started.manifest, told.quality))
        key = started.manifest.drm_license_url
        license_url = absolute(request, key) if key else None
        return json(bodies.started_session(started, address, license_url, heartbeat_seconds), status=201)

    @registry.put(
        "/v1/streaming/<ref:str>/progress",
        guard=signed_in, limit="streaming", scope="streaming",
        body=bodies.ProgressTold, answer=bodies.Beaten, errors=(409,),
    )  # fmt: skip
    async def progress(request: Request, ref: str) -> HTTPResponse:
        actor, told = request.ctx.actor, body(request, bodies.ProgressTold)
        await _require_title(registry, actor, told.session_id, ref)
        session = await playback.beat(actor, told.session_id, told.position, told.duration)
        return json(
            {
                "session_id": str(session.id),
                "position": session.position,
                "last_heartbeat": timestamp(session.last_heartbeat),
            }
        )

    @registry.post(
        "/v1/streaming/<ref:str>/stop",
        guard=signed_in, limit="streaming", scope="streaming", body=bodies.Stop, answer=bodies.Said,
    )  # fmt: skip
    async def stop(request: Request, ref: str) -> HTTPResponse:
        actor, told = request.ctx.actor, body(request, bodies.Stop)
        await _require_title(registry, actor, told.session_id, ref)
        await playback.stop(actor, told.session_id, told.position)
        return json({"message": "Stopped."})


def _sessions(registry: RouteRegistry, playback: Playback) -> None:
    @registry.get(
        "/v1/streaming/sessions", guard=signed_in, limit="streaming", scope="streaming", answer=bodies.PlayingList
    )
    async def sessions(request: Request) -> HTTPResponse:
        actor = request.ctx.actor
        active = await playback.active(None if actor.is_admin else actor)
        return json({"sessions": [bodies.playing(session) for session in active]})

    @registry.delete(
        "/v1/streaming/sessions/<number:str>", guard=signed_in, limit="streaming", scope="streaming", status=204
    )
    async def end(request: Request, number: str) -> HTTPResponse:
        actor, session_id = request.ctx.actor, row_id(number)
        if not actor.is_admin:
            await playback.get(actor, session_id)
        await playback.end(session_id, SessionState.ENDED)
        return HTTPResponse(status=204)


async def _title(registry: RouteRegistry, ref: str) -> int:
    catalog = registry.services.find(Catalog)
    return await catalog.resolve(ref) if catalog else row_id(ref)


async def _device(registry: RouteRegistry, request: Request, told: bodies.Start) -> Device | None:
    """None: the login is the device. One that is not known yet is described by what it says of itself."""
    if told.device_id is None:
        return None
    devices = registry.services.get(Devices)
    known = await devices.find(request.ctx.actor.user_id or 0, told.device_id)
    wanted = described(request, told.device_id, told.device_type, known)
    device, _ = await devices.upsert(request.ctx.actor, wanted)
    return device


def _address(manifest: Manifest, quality: str) -> str:
    """Of one resolution where the film has it, else of all."""
    if quality in manifest.rungs:
        return manifest.path.replace("/master.m3u8", f"/{quality}/index.m3u8")
    return manifest.path


async def _require_title(registry: RouteRegistry, actor: Actor, session_id: int, ref: str) -> None:
    """Raises NotFound for a session of somebody else, or of another title."""
    session = await registry.services.get(Playback).get(actor, session_id)
    if str(session.title_id) != ref and session.title_id != await _title(registry, ref) and not session.implicit:
        raise NotFound(NOT_OF_TITLE)
