"""Files beside videos, as a scan finds them: recorded with the video each belongs to, and told when that changes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from mediaserver.contracts import SidecarKind
from mediaserver.core.library import names, paths
from mediaserver.core.library.sidecar_names import belongs_to, sidecar_kind
from mediaserver.events import SidecarsChanged
from mediaserver.models import Location, Sidecar

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from mediaserver.contracts import Changes
    from mediaserver.core.db import Database
    from mediaserver.core.library.walk import Entry, Listing

__all__ = ["SidecarScan", "place_of"]

AT_ONCE = 500  # arguments of a statement
LARGEST = {SidecarKind.SUBTITLE: 10_000_000, SidecarKind.POSTER: 40_000_000}  # bytes
COLUMNS = "id, key, path, place, film, kind, file_id, size, mtime_ns, reason"
COMPARED = ("film", "file_id", "size", "mtime_ns", "reason")


def place_of(root: str, folder: str) -> str:
    return paths.key(root, folder)


@dataclass(slots=True)
class _News:
    """What differs from the database; `films` are the keys of locations or places whose sidecars are other ones now."""

    add: list[Sidecar] = field(default_factory=list)
    change: list[tuple[int, dict[str, Any]]] = field(default_factory=list)
    films: set[str] = field(default_factory=set)


class SidecarScan:
    """A look at (a part of) a root. Rows of what is gone go last: an unmounted disk must not look like an empty one."""

    def __init__(self, db: Database, changes: Changes, root: str) -> None:
        self._db = db
        self._changes = changes
        self._root = root
        self._places: set[str] = set()
        self._films_of: dict[str, list[str]] = {}  # place: locations in it, where posters of the folder are
        self._gone: list[dict[str, Any]] = []

    async def take(self, listings: Sequence[Listing]) -> None:
        """After the videos of these folders were recorded, so that a renamed one is found under its new name."""
        read = {place_of(self._root, listing.folder): listing for listing in listings if not listing.unread}
        self._places |= set(read)
        known = await self._rows("place", list(read))
        news = _News()
        for place, listing in read.items():
            if listing.sidecars or place in known:
                self._compare(place, listing, {row["path"]: row for row in known.get(place, [])}, news)
        await self._write(news)

    def _compare(self, place: str, listing: Listing, known: dict[str, dict[str, Any]], news: _News) -> None:
        for made in self._found(place, listing):
            row = known.pop(made.path, None)
            if row is None:
                news.add.append(made)
                news.films.add(made.film)
            elif any(row[name] != getattr(made, name) for name in COMPARED):
                news.change.append((row["id"], {name: getattr(made, name) for name in COMPARED}))
                news.films |= {made.film, row["film"]}
        self._gone += known.values()

    def _found(self, place: str, listing: Listing) -> list[Sidecar]:
        films = {_stem(entry.path): paths.key(self._root, entry.path) for entry in listing.entries}
        one_film = bool(listing.folder) and _is_one_film(entry.path for entry in listing.entries)
        if one_film:
            self._films_of[place] = list(films.values())
        made = []
        for entry in listing.sidecars:
            kind, name = sidecar_kind(_name(entry.path)), _name(entry.path)
            if kind is None:
                continue
            stem = belongs_to(name, list(films))
            film = films[stem] if stem is not None else place if kind is SidecarKind.POSTER and one_film else ""
            made.append(self._row(place, entry, kind, film))
        return made

    def _row(self, place: str, entry: Entry, kind: SidecarKind, film: str) -> Sidecar:
        return Sidecar(
            key=paths.key(self._root, entry.path),
            root=self._root,
            path=entry.path,
            place=place,
            film=film,
            kind=kind,
            file_id=entry.file_id,
            size=entry.size,
            mtime_ns=entry.mtime_ns,
            reason=entry.refused or _unfit(kind, entry.size),
        )

    async def end(
        self, folder: str, unread: Sequence[str], away: Iterable[str], renamed: set[int], *, recursive: bool
    ) -> None:
        """Forget what is gone, also with whole folders, but for folders `away`; tell of videos that were `renamed`."""
        if recursive:
            self._gone += await self._unlisted(folder, unread)
        kept = {place_of(self._root, each) for each in away}
        gone = [row for row in self._gone if row["place"] not in kept]
        for start in range(0, len(gone), AT_ONCE):
            part = gone[start : start + AT_ONCE]
            async with self._db.transaction() as tx:
                await Sidecar.filter(id__in=[row["id"] for row in part]).using_db(tx).delete()
                await self._tell(_News(films={row["film"] for row in part}), tx)
        if renamed:
            async with self._db.transaction() as tx:
                await self._tell(_News(), tx, renamed)

    async def _unlisted(self, folder: str, unread: Sequence[str]) -> list[dict[str, Any]]:
        rows = await self._db.fetch(f"SELECT {COLUMNS} FROM core_sidecar WHERE root = ?", self._root, reading=True)
        hidden = tuple(f"{each}/" for each in unread)
        return [
            row
            for row in rows
            if row["place"] not in self._places
            and (not folder or row["path"].startswith(f"{folder}/"))
            and "" not in unread
            and not row["path"].startswith(hidden)
        ]

    async def _rows(self, column: str, values: list[str]) -> dict[str, list[dict[str, Any]]]:
        found: dict[str, list[dict[str, Any]]] = {}
        for start in range(0, len(values), AT_ONCE):
            part = values[start : start + AT_ONCE]
            marks = ", ".join("?" * len(part))
            sql = f"SELECT {COLUMNS} FROM core_sidecar WHERE {column} IN ({marks})"
            for row in await self._db.fetch(sql, *part, reading=True):
                found.setdefault(row[column], []).append(row)
        return found

    async def _write(self, news: _News) -> None:
        if not news.add and not news.change:
            return
        async with self._db.transaction() as tx:
            if news.add:
                await Sidecar.bulk_create(news.add, ignore_conflicts=True, using_db=tx)
            for number, values in news.change:
                await Sidecar.filter(id=number).using_db(tx).update(**values)
            await self._tell(news, tx)

    async def _tell(self, news: _News, tx: Any, moved: Iterable[int] = ()) -> None:
        """A video that is not known yet hears nothing: who takes it in asks for what stands beside it."""
        keys = {key for film in news.films if film for key in self._films_of.get(film, [film])}
        videos = set(moved)
        for start in range(0, len(keys), AT_ONCE):
            part = sorted(keys)[start : start + AT_ONCE]
            rows = Location.filter(key__in=part, video_id__not_isnull=True).using_db(tx)
            videos |= {int(str(number)) for number in await rows.values_list("video_id", flat=True)}
        for video_id in sorted(videos):
            await self._changes.record(SidecarsChanged(video_id), tx)


def _unfit(kind: SidecarKind, size: int) -> str:
    if size == 0:
        return "It is empty."
    if size > LARGEST[kind]:
        return f"It has {size / 1e6:,.0f} MB; more than {LARGEST[kind] / 1e6:.0f} are refused."
    return ""


def _is_one_film(videos: Iterable[str]) -> bool:
    """Whether a folder holds one film, in whatever versions and parts, and its extras."""
    said = [names.from_path(path).metadata for path in videos]
    return len({(each.title, each.year, each.episode) for each in said if each.role != "extra"}) == 1


def _name(path: str) -> str:
    return path.rpartition("/")[2]


def _stem(path: str) -> str:
    return _name(path).rpartition(".")[0]
