"""Manifest, media and pictures."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mediaserver import HTTPResponse, Request, absolute, json, public, send_file, signed_in
from mediaserver.contracts import Catalog, MediaGrants, Storage, Streaming
from mediaserver.errors import NotFound

if TYPE_CHECKING:
    from mediaserver import RouteRegistry

IMMUTABLE = "private, max-age=604800, immutable"
PICTURES = {"poster.jpg": "image/jpeg"}


def register(registry: RouteRegistry) -> None:
    streaming = registry.services.get(Streaming)
    grants = registry.services.get(MediaGrants)
    storage = registry.services.get(Storage)
    by_nginx = registry.server.settings.server.sendfile == "x-accel"

    @registry.get("/v1/streaming/<ref:str>/manifest", guard=signed_in, limit="streaming", scope="streaming")
    async def manifest(request: Request, ref: str) -> HTTPResponse:
        catalog = registry.services.find(Catalog)
        title_id = await catalog.resolve(ref) if catalog else _number(ref)
        if catalog:
            await catalog.item(title_id, request.ctx.actor)  # what somebody may not see they do not play
        made = await streaming.manifest(request.ctx.actor, title_id)
        return json(
            {
                "content_id": str(made.content_id),
                "manifest_url": absolute(request, made.path),
                "drm_license_url": made.drm_license_url,
                "subtitles": list(made.subtitles),
                "audio_tracks": list(made.audio_tracks),
            }
        )

    async def media(request: Request, token: str, name: str) -> None:
        """No login: the token is the credential, bound to one title and expiring."""
        found = await streaming.file(grants.verify(token), name)
        if found.path is None:
            raise NotFound("There is nothing here.")
        cache = IMMUTABLE if found.immutable else "no-cache"
        accel = storage.internal_uri(found.path) if by_nginx else None
        await send_file(request, found.path, content_type=found.content_type, cache_control=cache, accel=accel)

    @registry.get("/v1/media/<token:str>/master.m3u8", guard=public, limit=None)
    async def master(request: Request, token: str) -> None:
        await media(request, token, "master.m3u8")

    @registry.get("/v1/media/<token:str>/<rung:480p|720p|1080p>/<name:str>", guard=public, limit=None)
    async def rung_file(request: Request, token: str, rung: str, name: str) -> None:
        await media(request, token, f"{rung}/{name}")

    @registry.get("/v1/pictures/<key:str>/<name:str>", guard=public, limit=None)
    async def picture(request: Request, key: str, name: str) -> None:
        """No login: img tags cannot send one, and the key cannot be guessed."""
        if name not in PICTURES:
            raise NotFound("There is nothing here.")
        path = storage.picture(grants.unseal("pictures", key), name)
        await send_file(request, path, content_type=PICTURES[name], cache_control="private, max-age=3600")


def _number(ref: str) -> int:
    if not ref.isdigit() or len(ref) > 18:  # noqa: PLR2004 (digits of a 64-bit number)
        raise NotFound("There is no such title.")
    return int(ref)
