"""Titles as items: resolved, listed and shown, within what the asker may see."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from mediaserver import Registry, row_id, title_limit
from mediaserver.contracts import BrowseQuery, Catalog, Item, Page, Pictures
from mediaserver.errors import NotFound
from mediaserver.models import Title, TitleKind, TitleVideo, Video

from .memory import Memory

if TYPE_CHECKING:
    from collections.abc import Callable

    from mediaserver import Server
    from mediaserver.contracts import Actor

LONGEST_SLUG = 200  # characters, as in mediaserver.models
ORDERS = {
    "title": ("title", "id"),
    "-created": ("-created_at", "-id"),
    "release_year": ("year", "title", "id"),
    "-release_year": ("-year", "title", "id"),
}


class TitleCatalog:
    """Implements `mediaserver.contracts.Catalog`."""

    def __init__(self, server: Server, pictures: Callable[[], Pictures | None]) -> None:
        self._server = server
        self._pictures = pictures
        self.lists = Memory()

    async def resolve(self, ref: str) -> int:
        with suppress(NotFound):
            number = row_id(ref)
            if await Title.filter(id=number).exists():
                return number
        title = await Title.get_or_none(slug=ref) if len(ref) <= LONGEST_SLUG and ref.isprintable() else None
        if title is None:
            raise NotFound("There is no such title.")
        return int(title.id)

    async def item(self, title_id: int, actor: Actor) -> Item:
        title = await (await self._visible(actor)).get_or_none(id=title_id)
        if title is None:
            raise NotFound("There is no such title.")
        return (await self._items([title]))[0]

    async def browse(self, query: BrowseQuery, actor: Actor) -> Page[Item]:
        """Films and series; episodes are listed inside their series."""
        kinds = [TitleKind(query.type)] if query.type else [TitleKind.MOVIE, TitleKind.SERIES]
        chosen = (await self._visible(actor)).filter(kind__in=kinds)
        titles = await chosen.order_by(*ORDERS[query.sort]).offset((query.page - 1) * query.limit).limit(query.limit)
        return Page(tuple(await self._items(titles)), query.page, query.limit, await chosen.count())

    async def episodes(self, title_id: int, actor: Actor) -> list[Item]:
        chosen = (await self._visible(actor)).filter(parent_id=title_id)
        return await self._items(await chosen.order_by("season", "episode", "id"))

    async def _visible(self, actor: Actor) -> Any:
        titles = Title.all() if actor.is_admin else Title.filter(published=True)
        limit = await title_limit(self._server, actor)
        if limit.max_maturity is not None:  # no title has a rating yet, and who has a ceiling sees nothing unrated
            return titles.filter(id__in=[])
        return titles if limit.kinds is None else titles.filter(kind__in=list(limit.kinds))

    async def _items(self, titles: list[Title]) -> list[Item]:
        """Three queries for any number of titles."""
        ids = [title.id for title in titles]
        links = await TitleVideo.filter(title_id__in=ids, role__in=("version", "part")).order_by("position", "id")
        videos = {video.id: video for video in await Video.filter(id__in=[link.video_id for link in links])}
        parents = [title.id for title in titles if title.kind is TitleKind.SERIES]
        children = await Title.filter(parent_id__in=parents).values("parent_id", "season") if parents else []
        by_title: dict[int, list[Video]] = {}
        for link in links:
            by_title.setdefault(link.title_id, []).append(videos[link.video_id])
        seasons: dict[int, list[int | None]] = {}
        for child in children:
            seasons.setdefault(child["parent_id"], []).append(child["season"])
        return [self._item(title, by_title.get(title.id, []), seasons.get(title.id, [])) for title in titles]

    def _item(self, title: Title, videos: list[Video], seasons: list[int | None]) -> Item:
        pictures = self._pictures()
        first = videos[0] if videos else None
        return Item(
            id=title.id,
            slug=title.slug,
            title=title.title,
            type=title.kind.value,
            genre=(),
            rating="",
            duration=first.duration if first else 0.0,
            release_year=title.year,
            thumbnail_url=pictures.address(first.id, "poster.jpg") if pictures and first else "",
            description="",
            cast=(),
            director="",
            language="",
            seasons=len(set(seasons)),
            episodes=len(seasons),
            created_at=title.created_at,
            playable=any(video.online for video in videos),
        )


def register(registry: Registry) -> None:
    services = registry.services
    registry.provide(Catalog, TitleCatalog(registry.server, lambda: services.find(Pictures)))
