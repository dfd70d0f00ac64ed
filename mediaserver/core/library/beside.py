"""What stands beside a video, asked of the database and held against the disk."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import TYPE_CHECKING

from mediaserver.contracts import Reason, SidecarFile, SidecarKind
from mediaserver.core.languages import language_name
from mediaserver.core.library import paths
from mediaserver.core.library.records import HOLDING
from mediaserver.core.library.sidecar_names import SubtitleName, belongs_to, subtitle_name
from mediaserver.core.library.sidecars import place_of
from mediaserver.core.library.walk import file_id, file_time
from mediaserver.models import Location, Sidecar

if TYPE_CHECKING:
    from mediaserver.core.library.settings import LibrarySettings

__all__ = ["beside", "why_sidecar"]

SIDECAR = "sidecar"
ALONE = {
    SidecarKind.SUBTITLE: "No film stands beside it whose name it begins with: "
    "beside Film.mkv it is called Film.en.srt.",
    SidecarKind.POSTER: "It belongs to no film: beside Film.mkv it is called Film-poster.jpg, "
    "or poster.jpg where the film has a folder of its own.",
}


async def beside(video_id: int, settings: LibrarySettings) -> tuple[SidecarFile, ...]:
    """Those of every folder the video lies in, in the order of their names."""
    found: dict[str, SidecarFile] = {}
    for location in await Location.filter(video_id=video_id, state__in=HOLDING).order_by("id"):
        if settings.why_left(location.root):
            continue
        folder, _, name = location.path.rpartition("/")
        films = [location.key, place_of(location.root, folder)]
        for row in await Sidecar.filter(film__in=films).order_by("path"):
            path = await asyncio.to_thread(_still_there, row)
            if path is not None:
                found.setdefault(row.key, _told(row, path, name.rpartition(".")[0]))
    return tuple(found.values())


def _told(row: Sidecar, path: Path, stem: str) -> SidecarFile:
    name = _name(row)
    said = subtitle_name(name, stem) if row.kind is SidecarKind.SUBTITLE else SubtitleName()
    ending = name.rpartition(".")[2].lower()
    return SidecarFile(
        path, row.kind, row.size, row.mtime_ns, row.reason, ending, said.language, said.title, said.default,
        said.forced, said.sdh,
    )  # fmt: skip


def _still_there(row: Sidecar) -> Path | None:
    """The file a scan has judged, links resolved; None where another one took its place: the next scan judges that."""
    path = paths.absolute(row.root, row.path)
    if row.reason:
        return path
    try:
        real = Path(os.path.realpath(path))
        found = real.stat()
    except OSError:
        return None
    same = (file_id(found), found.st_size, file_time(found)) == (row.file_id, row.size, row.mtime_ns)
    return real if same else None


async def why_sidecar(root: str, inside: str) -> Reason | None:
    """None for a path that is no sidecar, or not found yet."""
    row = await Sidecar.get_or_none(key=paths.key(root, inside))
    if row is None:
        return None
    path = paths.shown(paths.absolute(row.root, row.path))
    if row.reason:
        return Reason(path, SIDECAR, row.reason)
    if row.film == row.place:
        return Reason(path, SIDECAR, "It is the poster of the film in this folder.")
    film = await Location.get_or_none(key=row.film)
    if film is None:  # there was none, or it has another name now
        return Reason(path, SIDECAR, ALONE[row.kind])
    return Reason(path, SIDECAR, _belonging(row, film))


def _belonging(row: Sidecar, film: Location) -> str:
    name, film_name = _name(row), film.path.rpartition("/")[2]
    if row.kind is SidecarKind.POSTER:
        return f"It is the poster of {paths.shown(film_name)}."
    stem = belongs_to(name, [film_name.rpartition(".")[0]]) or ""
    said = subtitle_name(name, stem)
    flags = [word for word, so in (("forced", said.forced), ("SDH", said.sdh), ("default", said.default)) if so]
    told = [language_name(said.language) if said.language else "in no language its name tells", *flags]
    return f"It is a subtitle of {paths.shown(film_name)} ({', '.join(told)})."


def _name(row: Sidecar) -> str:
    return row.path.rpartition("/")[2]
