"""Titles for videos: found by their name and folder or made, so that versions, parts and episodes come together."""

from __future__ import annotations

import dataclasses
import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mediaserver.core.library.names import Named, slugify
from mediaserver.events import TitleAdded, TitleChanged
from mediaserver.models import Location, Title, TitleKind, TitleVideo, Video

if TYPE_CHECKING:
    from mediaserver.contracts import Changes, Metadata

__all__ = ["Titles", "merged"]


def merged(said: Metadata, told: Metadata | None) -> Metadata:
    """What a plugin knows beats what the name says; None means no opinion."""
    if told is None:
        return said
    return dataclasses.replace(said, **{name: value for name, value in _fields(told).items() if value is not None})


def _fields(metadata: Metadata) -> dict[str, Any]:
    return {field.name: getattr(metadata, field.name) for field in dataclasses.fields(metadata)}


@dataclass(frozen=True, slots=True)
class Place:
    root: str
    folder: str

    @property
    def mark(self) -> str:
        return hashlib.sha256(f"{self.root}\0{self.folder}".encode()).hexdigest()[:8]


class Titles:
    """All methods run inside the caller's transaction."""

    def __init__(self, changes: Changes) -> None:
        self._changes = changes

    async def attach(self, tx: Any, video: Video, root: str, named: Named) -> int:
        """Link the video to the title its metadata names, made where there is none. Answers the title's id."""
        metadata = named.metadata
        if metadata.kind == "episode" and metadata.season is not None and metadata.episode is not None:
            title = await self._episode(tx, metadata)
        else:
            title = await self._movie(tx, named, Place(root, named.folder), video)
        await self._link(
            tx,
            title,
            video,
            role=metadata.role or "version",
            label=metadata.label or "",
            position=metadata.position or 0,
        )
        return title.id

    async def succeed(self, tx: Any, old_video: int, video: Video) -> int | None:
        """Other content at the same path is a new version of the same title; answers that title.

        Progress and history hang on the title and stay. The old content keeps its link only while another file
        still holds it.
        """
        link = await TitleVideo.filter(video_id=old_video).using_db(tx).order_by("id").first()
        if link is None:
            return None
        title = await Title.filter(id=link.title_id).using_db(tx).get()
        await self._link(tx, title, video, role=link.role, label=link.label, position=link.position)
        if not await Location.filter(video_id=old_video).using_db(tx).exists():
            await TitleVideo.filter(video_id=old_video).using_db(tx).delete()
        return link.title_id

    async def of(self, tx: Any, video_id: int) -> int | None:
        link = await TitleVideo.filter(video_id=video_id).using_db(tx).order_by("id").first()
        return link.title_id if link else None

    async def rename(self, tx: Any, video_id: int, old: Named, new: Named) -> None:
        """A renamed file renames its title, where that still has the name the file gave it and no other file."""
        before, after = old.metadata, new.metadata
        if (before.title, before.year) == (after.title, after.year) or before.kind != after.kind:
            return
        links = await TitleVideo.filter(video_id=video_id).using_db(tx)
        for link in links:
            title = await Title.filter(id=link.title_id).using_db(tx).get()
            alone = await TitleVideo.filter(title_id=title.id).using_db(tx).count() == 1
            given = title.title in (before.title, old.stem) and title.year == before.year
            if alone and link.role == "version" and given and after.title:
                await Title.filter(id=title.id).using_db(tx).update(title=after.title, year=after.year)
                await self._changes.record(TitleChanged(title.id), tx)

    async def _link(self, tx: Any, title: Title, video: Video, *, role: str, label: str, position: int) -> None:
        _, made = await TitleVideo.get_or_create(
            {"role": role, "label": label[:200], "position": position},
            using_db=tx,
            title_id=title.id,
            video_id=video.id,
        )
        others = made and await TitleVideo.filter(title_id=title.id).using_db(tx).count() > 1
        if others:
            await self._changes.record(TitleChanged(title.id), tx)

    async def _movie(self, tx: Any, named: Named, place: Place, video: Video) -> Title:
        """The film of that name in that folder. A film of the same name elsewhere, or of another length, is another."""
        name, year = named.metadata.title or "Untitled", named.metadata.year
        for called in (name, named.stem):
            base = slugify(f"{called} {year or ''}")
            for slug in (base, f"{base}-{place.mark}"):
                title = await Title.filter(slug=slug).using_db(tx).first()
                if title is None:
                    return await self._make(tx, kind=TitleKind.MOVIE, title=called, year=year, slug=slug)
                same = title.kind == TitleKind.MOVIE and _same(title, called, year)
                if not same or not await self._lives_in(tx, title, place):
                    continue
                if await self._is_of_its_length(tx, title, named.metadata, video):
                    return title
                break
        return await self._make(tx, kind=TitleKind.MOVIE, title=named.stem, year=year, slug=f"{base}-{place.mark}")

    async def _is_of_its_length(self, tx: Any, title: Title, metadata: Metadata, video: Video) -> bool:
        """Whether an unlabelled version is one: `Film 480p` of 30 s and `Film 1080p` of 62 s only share their name."""
        if metadata.role not in (None, "version") or metadata.label:
            return True
        known = TitleVideo.filter(title_id=title.id, role="version", label="").using_db(tx)
        there = Location.filter(video_id__in=await known.values_list("video_id", flat=True)).using_db(tx)
        lengths = await Video.filter(id__in=await there.values_list("video_id", flat=True)).using_db(tx)
        return not lengths or any(_alike(other.duration, video.duration) for other in lengths)

    async def _lives_in(self, tx: Any, title: Title, place: Place) -> bool:
        """True as well where no file is left: then this one takes its place."""
        videos = await TitleVideo.filter(title_id=title.id).using_db(tx).values_list("video_id", flat=True)
        locations = await Location.filter(video_id__in=videos).using_db(tx) if videos else []
        folders = {(location.root, location.path.rpartition("/")[0]) for location in locations}
        return not folders or any(
            root == place.root and (folder == place.folder or folder.rpartition("/")[0] == place.folder)
            for root, folder in folders
        )

    async def _episode(self, tx: Any, metadata: Metadata) -> Title:
        name = metadata.series or "Unknown series"
        series = await self._series(tx, name, metadata.year)
        number = f"s{metadata.season or 0:02d}e{metadata.episode or 0:02d}"
        slug = f"{series.slug}-{number}"
        title = await Title.filter(slug=slug).using_db(tx).first()
        if title is not None and title.parent_id == series.id:
            return title
        return await self._make(
            tx, kind=TitleKind.EPISODE, title=metadata.title or number.upper(), slug=slug, parent_id=series.id,
            season=metadata.season, episode=metadata.episode,
        )  # fmt: skip

    async def _series(self, tx: Any, name: str, year: int | None) -> Title:
        base = slugify(f"{name} {year or ''}")
        for slug in (base, f"{base}-series"):
            title = await Title.filter(slug=slug).using_db(tx).first()
            if title is None:
                return await self._make(tx, kind=TitleKind.SERIES, title=name, year=year, slug=slug)
            if title.kind == TitleKind.SERIES:
                return title
        return await self._make(tx, kind=TitleKind.SERIES, title=name, year=year, slug=f"{base}-series")

    async def _make(self, tx: Any, *, slug: str, **values: Any) -> Title:
        free, number = slug, 2
        while await Title.filter(slug=free).using_db(tx).exists():
            free, number = f"{slug}-{number}", number + 1
        title = await Title.create(using_db=tx, slug=free, **values)
        await self._changes.record(TitleAdded(title.id), tx)
        return title


def _alike(one: float, other: float) -> bool:
    """Seconds. Cuts for television run 4 % faster, and logos come and go."""
    return abs(one - other) <= max(2.0, 0.05 * max(one, other))


def _same(title: Title, name: str, year: int | None) -> bool:
    return title.title.casefold() == name.casefold() and title.year == year
