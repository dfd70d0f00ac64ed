"""Items made of the rows of titles, in few statements for any number of them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from mediaserver.contracts import Item, SeriesName
from mediaserver.models import Title, TitleKind

from .folders import top_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from mediaserver.contracts import Database, Pictures, TitleLimit

TITLES = """
SELECT t.id, t.kind, t.title, t.slug, t.year, t.published, t.created_at, t.season, t.episode,
       s.title AS series, s.slug AS series_slug
FROM core_title t LEFT JOIN core_title s ON s.id = t.parent_id
WHERE t.published AND t.kind IN ({kinds}) ORDER BY t.created_at DESC, t.id DESC
"""
FILES = """
SELECT l.title_id, v.id, v.duration, v.online, (
    SELECT p.path FROM core_location p WHERE p.video_id = v.id AND p.state = 'ready' ORDER BY p.id LIMIT 1
) AS path
FROM core_title_video l JOIN core_video v ON v.id = l.video_id
WHERE (l.role IN ('version', 'part') OR NOT EXISTS (
    SELECT 1 FROM core_title_video o WHERE o.title_id = l.title_id AND o.role IN ('version', 'part')
    UNION ALL SELECT 1 FROM catalog_external e WHERE e.title_id = l.title_id
)){which} ORDER BY l.position, l.id
"""
ELSEWHERE = "SELECT e.title_id, e.url, e.duration FROM catalog_external e{which}"
SERIES = """
SELECT t.parent_id, COUNT(*) AS episodes, COUNT(DISTINCT t.season) AS seasons, (
    SELECT l.video_id FROM core_title e JOIN core_title_video l ON l.title_id = e.id
    WHERE e.parent_id = t.parent_id
    ORDER BY coalesce(e.season, 0) = 0, e.season, e.episode, l.role = 'extra', l.position, l.id LIMIT 1
) AS video_id
FROM core_title t{which} GROUP BY t.parent_id
"""
AT_ONCE = 500  # arguments of a statement


@dataclass(slots=True)
class Told:
    """What a title is made of beside its own row: the first video, of a series the first episode's, or an address."""

    video_id: int | None = None
    duration: float = 0.0
    path: str = ""
    url: str = ""
    playable: bool = False
    seasons: int = 0
    episodes: int = 0


class Items:
    def __init__(self, db: Database, pictures: Callable[[], Pictures | None]) -> None:
        self._db = db
        self._pictures = pictures

    async def of(self, titles: list[Title]) -> list[Item]:
        """As they are, playable or not."""
        ids = [title.id for title in titles]
        told = await self._told(ids, external=True)
        told |= await self._series([title.id for title in titles if title.kind is TitleKind.SERIES])
        parents: dict[int | None, Title] = {each.id: each for each in await _series_of(titles)}
        rows = [_row(title, parents.get(title.parent_id)) for title in titles]
        return [self._item(row, told.get(row["id"], Told())) for row in rows]

    async def playable(self, limit: TitleLimit, *, external: bool) -> list[Item]:
        """Published films and episodes that can be played, newest first; statements take a fifth of what models do."""
        kinds = sorted({"movie", "episode"} & (limit.kinds if limit.kinds is not None else {"movie", "episode"}))
        if limit.max_maturity is not None or not kinds:  # no title has a rating yet
            return []
        rows = await self._db.fetch(TITLES.format(kinds=_marks(kinds)), *kinds, reading=True)
        told = await self._told(None, external=external)
        playing = [(row, told[row["id"]]) for row in rows if row["id"] in told and told[row["id"]].playable]
        for row, _ in playing:
            if row["kind"] == "episode":
                row["title"] = _of_series(row)
        return [self._item(row, each) for row, each in playing]

    async def _told(self, ids: list[int] | None, *, external: bool) -> dict[int, Told]:
        """Of these titles, or (None) of all that there are."""
        told: dict[int, Told] = {}
        for row in await self._rows(FILES, " AND l.title_id IN", ids):
            known = told.setdefault(row["title_id"], Told(row["id"], row["duration"], row["path"] or ""))
            known.playable = known.playable or bool(row["online"])
        without = None if ids is None else [each for each in ids if each not in told]
        for row in await self._rows(ELSEWHERE, " WHERE e.title_id IN", without) if external else ():
            told.setdefault(row["title_id"], Told(None, row["duration"], "", row["url"], playable=True))
        return told

    async def _rows(self, sql: str, which: str, ids: list[int] | None) -> list[dict[str, Any]]:
        """All of them where `ids` is None."""
        if ids is None:
            return await self._db.fetch(sql.format(which=""), reading=True)
        found: list[dict[str, Any]] = []
        for start in range(0, len(ids), AT_ONCE):
            part = ids[start : start + AT_ONCE]
            found += await self._db.fetch(sql.format(which=f"{which} ({_marks(part)})"), *part, reading=True)
        return found

    async def _series(self, ids: list[int]) -> dict[int, Told]:
        rows = await self._rows(SERIES, " WHERE t.parent_id IN", ids)
        return {
            row["parent_id"]: Told(row["video_id"], seasons=row["seasons"], episodes=row["episodes"]) for row in rows
        }

    def _item(self, row: dict[str, Any], told: Told) -> Item:
        pictures = self._pictures()
        film = row["kind"] == "movie"
        return Item(
            id=row["id"],
            slug=row["slug"],
            title=row["title"],
            type=row["kind"],
            genre=(),
            rating="",
            duration=told.duration,
            release_year=row["year"],
            thumbnail_url=pictures.address(told.video_id, "poster.jpg") if pictures and told.video_id else "",
            description="",
            cast=(),
            director="",
            language="",
            seasons=told.seasons,
            episodes=told.episodes,
            created_at=_moment(row["created_at"]),
            playable=told.playable,
            published=bool(row["published"]),
            folder=top_folder(told.path, row["title"], row["year"], film=film) if told.path else "",
            external_url=told.url,
            series=SeriesName(row["series_slug"], row["series"]) if row["series_slug"] else None,
            season=row["season"],
            episode=row["episode"],
        )


async def _series_of(titles: list[Title]) -> list[Title]:
    ids = {title.parent_id for title in titles if title.parent_id is not None}
    return await Title.filter(id__in=ids) if ids else []


def _row(title: Title, series: Title | None) -> dict[str, Any]:
    """As a statement answers it."""
    names = ("id", "title", "slug", "year", "published", "created_at", "season", "episode")
    told = {"kind": title.kind.value, "series": series and series.title, "series_slug": series and series.slug}
    return told | {name: getattr(title, name) for name in names}


def _of_series(row: dict[str, Any]) -> str:
    """`Series S01E02 Title`; one that has no title of its own is called by its number."""
    number = f"S{row['season'] or 0:02d}E{row['episode'] or 0:02d}"
    own = "" if row["title"] in (number, f"Episode {row['episode']}") else row["title"]
    return " ".join(part for part in (row["series"], number, own) if part)


def _moment(value: Any) -> datetime:
    """SQLite answers text, without a zone where that is UTC's."""
    found = value if isinstance(value, datetime) else datetime.fromisoformat(value)
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _marks(values: Collection[Any]) -> str:
    return ", ".join("?" * len(values))
