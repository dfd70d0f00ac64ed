"""`/v1/content`: lists and single titles."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, Field

from mediaserver import HTTPResponse, Request, absolute, json, json_bytes, query, signed_in, timestamp, title_limit
from mediaserver.contracts import BrowseQuery, Catalog, Item, Streaming, Tracks
from mediaserver.errors import NotFound

if TYPE_CHECKING:
    from mediaserver import RouteRegistry


class Browse(BaseModel):
    type: Literal["movie", "series"] | None = None
    sort: Literal["title", "-created", "release_year", "-release_year"] = "-created"
    page: Annotated[int, Field(ge=1, le=1_000_000)] = 1
    limit: Annotated[int, Field(ge=1, le=100)] = 20


class SeriesOfEpisode(BaseModel):
    slug: str
    title: str


class ContentItem(BaseModel):
    """A title in lists and alone."""

    id: str
    slug: str
    title: str
    type: str
    genre: list[str]
    rating: str
    duration: float
    release_year: int | None
    thumbnail_url: str
    description: str
    cast: list[str]
    director: str
    language: str
    seasons: int
    episodes: int
    created_at: str
    playable: bool
    series: SeriesOfEpisode | None  # of episodes, as the two that follow
    season: int | None
    episode: int | None
    published: bool = True  # only administrators are told


class Pagination(BaseModel):
    page: int
    limit: int
    total: int
    has_next: bool


class ContentPage(BaseModel):
    content: list[ContentItem]
    pagination: Pagination


def shown(request: Request, item: Item) -> dict[str, Any]:
    told: dict[str, Any] = {"published": item.published} if request.ctx.actor.is_admin else {}
    return told | {
        "id": str(item.id),
        "slug": item.slug,
        "title": item.title,
        "type": item.type,
        "genre": list(item.genre),
        "rating": item.rating,
        "duration": item.duration,
        "release_year": item.release_year,
        "thumbnail_url": absolute(request, item.thumbnail_url),
        "description": item.description,
        "cast": list(item.cast),
        "director": item.director,
        "language": item.language,
        "seasons": item.seasons,
        "episodes": item.episodes,
        "created_at": timestamp(item.created_at),
        "playable": item.playable,
        "series": {"slug": item.series.slug, "title": item.series.title} if item.series else None,
        "season": item.season,
        "episode": item.episode,
    }


def register(registry: RouteRegistry) -> None:
    catalog: Any = registry.services.get(Catalog)

    @registry.get("/v1/content/browse", guard=signed_in, scope="catalog:read", query=Browse, answer=ContentPage)
    async def browse(request: Request) -> HTTPResponse:
        actor = request.ctx.actor

        limit = await title_limit(request.app.ctx.server, actor)

        async def answer() -> bytes:
            wanted = query(request, Browse)
            asked = BrowseQuery(wanted.type, wanted.sort, wanted.page, wanted.limit)
            page = await catalog.page(asked, actor, limit)
            pagination = {"page": page.page, "limit": page.limit, "total": page.total, "has_next": page.has_next}
            content = [shown(request, item) for item in page.items]
            return json({"content": content, "pagination": pagination}).body or b""

        question = (request.query_string, actor.is_admin, limit, absolute(request, "/"))
        return json_bytes(await catalog.lists.get(question, answer))

    @registry.get("/v1/content/<ref:str>", guard=signed_in, scope="catalog:read")
    async def content(request: Request, ref: str) -> HTTPResponse:
        actor = request.ctx.actor
        item = await catalog.named(ref, actor)
        episodes = await catalog.episodes(item.id, actor) if item.type == "series" else []
        told = [shown(request, each) for each in episodes]
        return json(shown(request, item) | {"episodes_list": told} | await _tracks(registry, item.id))


async def _tracks(registry: RouteRegistry, title_id: int) -> dict[str, Any]:
    """`mediaserver.contracts.Tracks` in the words of the API."""
    streaming = registry.services.find(Streaming)
    try:
        found = await streaming.tracks(title_id) if streaming is not None else Tracks()
    except NotFound:
        found = Tracks()
    subtitles = [
        {name: value for name, value in asdict(each).items() if name != "key"} | {"reason": each.reason or None}
        for each in found.subtitles
    ]
    chapters = [asdict(each) for each in found.chapters]
    renditions = [{"name": name, "made": made, "total": total} for name, (made, total) in found.made.items()]
    return {"renditions": renditions, "subtitles": subtitles, "chapters": chapters, "sprites": found.sprites}
