"""The list of what can be played, and its playlists and segments, which count as one stream per login."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from mediaserver import HTTPResponse, Request, absolute, json, neutral, public, row_id, signed_in, timestamp
from mediaserver.contracts import Catalog, Playback, Streaming
from mediaserver.errors import NotFound

from . import bodies

if TYPE_CHECKING:
    from mediaserver import RouteRegistry
    from mediaserver.contracts import Item

PLACES = ("register", "login", "token/refresh", "logout", "password_reset", "video")
SEGMENT = re.compile(r"([0-9]{3,6})(?:\.ts)?")
KEPT = "private, no-cache"  # with its ETag: the address of a segment says nothing of its plan
OTHERWISE = "Videos"  # the category of what stands alone in the library


def register(registry: RouteRegistry) -> None:
    prefix, videos, playing = registry.config.prefix, VideoList(registry), Playing(registry)
    registry.get(prefix, guard=public, answer=bodies.Index)(videos.index)
    registry.get(f"{prefix}/video", guard=signed_in, scope="catalog:read", answer=bodies.Videos)(videos.all)
    for path, handler in (
        ("master.m3u8", playing.master),
        ("<rung:480p|720p|1080p>/index.m3u8", playing.playlist),
        ("<rung:480p|720p|1080p>/<name:str>", playing.segment),
        ("key", playing.beside),
        ("audio/<track:int>/<name:str>", playing.beside),
        ("subtitles/<key:str>/<name:str>", playing.beside),
        ("original/<name:str>", playing.beside),
    ):
        registry.get(f"{prefix}/video/<ref:str>/{path}", guard=signed_in, limit=None, scope="streaming")(handler)


class VideoList:
    def __init__(self, registry: RouteRegistry) -> None:
        self._catalog = registry.services.get(Catalog)
        self._prefix = registry.config.prefix

    async def index(self, request: Request) -> HTTPResponse:
        """Where everything is."""
        return json({path: absolute(request, f"{self._prefix}/{path}/") for path in PLACES})

    async def all(self, request: Request) -> HTTPResponse:
        """Every film and episode that can be played."""
        return json([_shown(request, item) for item in await self._catalog.playable(request.ctx.actor)])


def _shown(request: Request, item: Item) -> dict[str, Any]:
    return {
        "id": item.id,
        "created_at": timestamp(item.created_at),
        "title": neutral(item.title),
        "description": neutral(item.description),
        "thumbnail_url": absolute(request, item.thumbnail_url),
        "category": neutral(next(iter(item.genre), item.folder) or OTHERWISE),
    }


class Playing:
    def __init__(self, registry: RouteRegistry) -> None:
        self._catalog = registry.services.get(Catalog)
        self._streaming = registry.services.get(Streaming)
        self._playback = registry.services.find(Playback)

    async def master(self, request: Request, ref: str) -> None:
        await self._send(request, ref, "", "master.m3u8")

    async def playlist(self, request: Request, ref: str, rung: str) -> None:
        await self._send(request, ref, rung, "index.m3u8")

    async def segment(self, request: Request, ref: str, rung: str, name: str) -> None:
        number = SEGMENT.fullmatch(name)
        if number is None:
            raise NotFound("There is no such segment.")
        await self._send(request, ref, rung, f"{number[1]}.ts")

    async def beside(self, request: Request, ref: str, **_: str | int) -> None:
        """What playlists name beside their segments: further sound, subtitles, and the key of encrypted segments."""
        await self._send(request, ref, "", request.path.partition(f"/video/{ref}/")[2].rstrip("/"))

    async def _send(self, request: Request, ref: str, rung: str, name: str) -> None:
        actor = request.ctx.actor
        item = await self._catalog.item(row_id(ref), actor)
        if item.type == "series" or item.external_url:  # neither stands in the list
            raise NotFound("There is no such video.")
        session_id = await self._playback.implicit(actor, item.id) if self._playback else None
        grant = await self._streaming.grant(actor, item.id, session_id)
        path = f"{_made(rung, grant.rungs)}/{name}" if rung else name
        await self._streaming.send(request, grant, path, cache=KEPT)


def _made(wanted: str, rungs: tuple[str, ...]) -> str:
    """What a film has instead, where it is too small: front ends ask every film for all three resolutions."""
    smaller = [rung for rung in rungs if _height(rung) <= _height(wanted)]
    return max(smaller, key=_height) if smaller else min(rungs, key=_height)


def _height(rung: str) -> int:
    return int(rung.removesuffix("p"))
