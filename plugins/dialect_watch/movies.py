"""`/api/movie`: one flat list of what plays, what administrators add to it, and the media of our own films."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from mediaserver import HTTPResponse, Request, absolute, admin, body, json, neutral, signed_in, timestamp
from mediaserver.contracts import Catalog, ExternalTitle, Playback, Streaming
from mediaserver.errors import Conflict, InvalidRequest, NotFound

from . import bodies

if TYPE_CHECKING:
    from mediaserver import RouteRegistry
    from mediaserver.contracts import Actor, Item

NAMES = {"slug": "movie_id", "url": "cdn_path"}  # ours and theirs
TAKEN = "A movie with this movie_id exists already."
RUNG = "<rung:480p|720p|1080p>"


def register(registry: RouteRegistry, prefix: str) -> None:
    catalog = registry.services.get(Catalog)
    _list(registry, prefix, catalog)
    _media(registry, prefix, catalog)


def _list(registry: RouteRegistry, prefix: str, catalog: Catalog) -> None:
    path = f"{prefix}/api/movie"

    @registry.get(path, guard=signed_in, scope="catalog:read", answer=bodies.MovieList)
    async def movies(request: Request) -> HTTPResponse:
        items = await catalog.playable(request.ctx.actor, external=True)
        return json([shown(request, prefix, item) for item in items])

    @registry.post(
        path, guard=admin, scope="library:write", body=bodies.MovieTold, answer=bodies.MovieShown, status=201
    )
    async def add(request: Request) -> HTTPResponse:
        told = body(request, bodies.MovieTold)
        external = ExternalTitle(told.movie_id, told.title, told.cdn_path, told.duration * 60, told.is_active)
        try:
            item = await catalog.add_external(external)
        except Conflict as error:
            raise InvalidRequest(TAKEN, fields=[{"field": "movie_id", "problem": TAKEN}]) from error
        except InvalidRequest as error:
            raise InvalidRequest(error.message, fields=[_renamed(fault) for fault in error.extra["fields"]]) from error
        return json(shown(request, prefix, item), status=201)


def _media(registry: RouteRegistry, prefix: str, catalog: Catalog) -> None:
    playback, streaming = registry.services.get(Playback), registry.services.get(Streaming)
    path = f"{prefix}/api/movie/<movie_id:str>"

    async def send(request: Request, movie_id: str, name: str) -> None:
        """Whoever asks here has started no session: their login has one."""
        actor = request.ctx.actor
        item = await named(catalog, actor, movie_id)
        if item.external_url:
            raise NotFound("This movie plays from elsewhere; its cdn_path says where.")
        session_id = await playback.implicit(actor, item.id)
        grant = await streaming.grant(actor, item.id, session_id)
        await streaming.send(request, grant, name, cache="private, no-cache")

    @registry.get(f"{path}/master.m3u8", guard=signed_in, limit=None, scope="streaming")
    async def playlist(request: Request, movie_id: str) -> None:
        await send(request, movie_id, "master.m3u8")

    @registry.get(f"{path}/{RUNG}/<name:str>", guard=signed_in, limit=None, scope="streaming")
    async def rung_file(request: Request, movie_id: str, rung: str, name: str) -> None:
        await send(request, movie_id, f"{rung}/{name}")

    async def beside(request: Request, movie_id: str, **_: str | int) -> None:
        """What playlists name beside their segments: further sound, subtitles, a key, the film as it is."""
        await send(request, movie_id, request.path.partition("/api/movie/")[2].partition("/")[2].rstrip("/"))

    for form in ("key", "audio/<track:int>/<name:str>", "subtitles/<key:str>/<name:str>", "original/<name:str>"):
        registry.get(f"{path}/{form}", guard=signed_in, limit=None, scope="streaming")(beside)


async def named(catalog: Catalog, actor: Actor, movie_id: str) -> Item:
    """What can be played by this slug. Raises NotFound."""
    found: Item | None = None
    with suppress(NotFound):
        found = await catalog.named(movie_id, actor)
    if movie_id.isdecimal() and (found is None or found.slug != movie_id):  # the number of another title
        found = next((item for item in await catalog.playable(actor, external=True) if item.slug == movie_id), None)
    if found is None or not found.published or found.type == "series":
        raise NotFound("There is no such movie.")
    return found


def shown(request: Request, prefix: str, item: Item) -> dict[str, Any]:
    return {
        "id": item.id,
        "movie_id": item.slug,
        "title": neutral(item.title),
        "duration": max(1, round(item.duration / 60)),
        "cdn_path": absolute(request, item.external_url or f"{prefix}/api/movie/{item.slug}/master.m3u8"),
        "is_active": item.published,
        "created_at": timestamp(item.created_at),
    }


def _renamed(fault: dict[str, str]) -> dict[str, str]:
    return {**fault, "field": NAMES.get(fault["field"], fault["field"])}
