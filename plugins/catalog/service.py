"""Titles as items: resolved, listed and shown, within what the asker may see."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from tortoise.expressions import Q

from mediaserver import Registry, row_id, title_limit
from mediaserver.contracts import BrowseQuery, Catalog, Changes, Database, Item, Page, Pictures
from mediaserver.errors import NotFound
from mediaserver.events import (
    EncodingProgressed,
    LibraryScanned,
    LocationChanged,
    PlaybackProgressed,
    PlaybackStarted,
    PlaybackStopped,
)
from mediaserver.models import Title, TitleKind

from . import elsewhere
from .items import Items
from .memory import Memory

if TYPE_CHECKING:
    from mediaserver import Server
    from mediaserver.contracts import Actor, ExternalTitle, TitleLimit
    from mediaserver.events import Event

LONGEST_SLUG = 200  # characters, as in mediaserver.models
MOST_LISTS = 1000  # of one process, 8 KB each
MOST_PLAYABLE = 8  # 1 KB per title and list; there are as many as there are limits on what may be seen
SAYS_NOTHING = (EncodingProgressed, LibraryScanned, PlaybackStarted, PlaybackProgressed, PlaybackStopped)
ORDERS = {
    "title": ("title", "id"),
    "-created": ("-created_at", "-id"),
    "release_year": ("year", "title", "id"),
    "-release_year": ("-year", "title", "id"),
}


class TitleCatalog:
    """Implements `mediaserver.contracts.Catalog`."""

    def __init__(self, server: Server, db: Database, changes: Changes, items: Items) -> None:
        self._server = server
        self._db = db
        self._changes = changes
        self._items = items
        self.lists: Memory[bytes] = Memory(MOST_LISTS)
        self._playable: Memory[list[Item]] = Memory(MOST_PLAYABLE)

    def heard(self, event: Event) -> None:
        """Pages of titles show nothing of files, of encoding or of who watches; the folders of files do of files."""
        if not isinstance(event, SAYS_NOTHING):
            self._playable.forget()
            if not isinstance(event, LocationChanged):
                self.lists.forget()

    async def resolve(self, ref: str) -> int:
        return int(_known(await _first(Title.all(), ref)).id)

    async def item(self, title_id: int, actor: Actor) -> Item:
        return await self._shown(await (await self._visible_to(actor)).get_or_none(id=title_id))

    async def named(self, ref: str, actor: Actor) -> Item:
        return await self._shown(await _first(await self._visible_to(actor), ref))

    async def _shown(self, title: Title | None) -> Item:
        return (await self._items.of([_known(title)]))[0]

    async def browse(self, query: BrowseQuery, actor: Actor) -> Page[Item]:
        """Films and series; episodes are listed inside their series."""
        return await self.page(query, actor, await title_limit(self._server, actor))

    async def page(self, query: BrowseQuery, actor: Actor, limit: TitleLimit) -> Page[Item]:
        """The same for who has asked already what the actor may see, and keeps the answer under it."""
        kinds = [TitleKind(query.type)] if query.type else [TitleKind.MOVIE, TitleKind.SERIES]
        chosen = _visible(actor, limit).filter(kind__in=kinds)
        titles = await chosen.order_by(*ORDERS[query.sort]).offset((query.page - 1) * query.limit).limit(query.limit)
        return Page(tuple(await self._items.of(titles)), query.page, query.limit, await chosen.count())

    async def episodes(self, title_id: int, actor: Actor) -> list[Item]:
        chosen = (await self._visible_to(actor)).filter(parent_id=title_id)
        return await self._items.of(await chosen.order_by("season", "episode", "id"))

    async def playable(self, actor: Actor, *, external: bool = False) -> list[Item]:
        limit = await title_limit(self._server, actor)

        async def answer() -> list[Item]:
            return await self._items.playable(limit, external=external)

        return list(await self._playable.get((limit, external), answer))

    async def add_external(self, external: ExternalTitle) -> Item:
        title = await elsewhere.add(self._db, self._changes, external)
        self.lists.forget()  # the news is heard within a second; who added it sees it at once
        self._playable.forget()
        return (await self._items.of([title]))[0]

    async def external_url(self, title_id: int) -> str:
        return await elsewhere.url_of(title_id)

    async def _visible_to(self, actor: Actor) -> Any:
        return _visible(actor, await title_limit(self._server, actor))


def _visible(actor: Actor, limit: TitleLimit) -> Any:
    titles = Title.all() if actor.is_admin else Title.filter(published=True)
    if limit.max_maturity is not None:  # no title has a rating yet, and who has a ceiling sees nothing unrated
        return titles.filter(id__in=[])
    return titles if limit.kinds is None else titles.filter(kind__in=list(limit.kinds))


async def _first(titles: Any, ref: str) -> Title | None:
    """The one of this id, else of this slug."""
    names, number = [Q(slug=ref)] if len(ref) <= LONGEST_SLUG and ref.isprintable() else [], None
    with suppress(NotFound):
        number = row_id(ref)
        names.append(Q(id=number))
    found: list[Title] = await titles.filter(Q(*names, join_type=Q.OR)) if names else []
    return min(found, key=lambda title: title.id != number, default=None)


def _known(title: Title | None) -> Title:
    if title is None:
        raise NotFound("There is no such title.")
    return title


def register(registry: Registry) -> None:
    services = registry.services
    db = services.get(Database)
    items = Items(db, lambda: services.find(Pictures))
    registry.provide(Catalog, TitleCatalog(registry.server, db, services.get(Changes), items))
