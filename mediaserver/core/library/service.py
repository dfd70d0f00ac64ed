"""What other parts ask of the library, from any process: where a video is, and why a file is as it is."""

from __future__ import annotations

import asyncio
import contextlib
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING

from mediaserver.contracts import LibraryFile, Page, Reason
from mediaserver.core.db import is_full
from mediaserver.core.library import beside, paths
from mediaserver.core.library.digest import full_hash
from mediaserver.core.library.ignore import NO_RULES, Rules, unwanted_file, unwanted_folder
from mediaserver.core.library.mailbox import TOPIC, ScanRequests
from mediaserver.core.library.sidecar_names import sidecar_kind
from mediaserver.core.library.walk import file_id, file_time
from mediaserver.errors import InsufficientStorage, Unavailable
from mediaserver.models import Location, LocationState, TitleVideo, Video

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mediaserver.contracts import SidecarFile
    from mediaserver.core.db import Database
    from mediaserver.core.library.settings import LibrarySettings
    from mediaserver.core.wakeups import Wakeups

__all__ = ["LibraryService"]

SENTENCES = {
    LocationState.SETTLING: "Waiting until the copy is complete.",
    LocationState.PROBING: "The copy is complete; it is looked at next.",
    LocationState.READY: "It is in the library.",
    LocationState.REFUSED: "It was refused.",
    LocationState.OFFLINE: "Its disk is not connected.",
    LocationState.DUPLICATE: "The same video is in the library already.",
}
CUT_SHORT = (
    "It is in the library, but this copy ends before its header says: the rest is missing or damaged; copy it again."
)
DAMAGED = "It is in the library, but it is damaged, and shown black or without sound where it is; copy it again."
IGNORED = "ignored"
UNKNOWN = "unknown"
OUTSIDE = "outside"


class LibraryService:
    """Implements `mediaserver.contracts.Library`."""

    def __init__(self, settings: LibrarySettings, db: Database, wakeups: Wakeups, run_folder: Path) -> None:
        self._settings = settings
        self._db = db
        self._wakeups = wakeups
        self._requests = ScanRequests(run_folder)

    async def scan(self, path: Path | None = None) -> None:
        asked = paths.to_text(_whole(path)) if path else ""
        try:
            await asyncio.to_thread(self._requests.ask, asked)
        except OSError as error:
            refusal = InsufficientStorage if is_full(error) else Unavailable
            raise refusal(f"The watcher cannot be asked ({error.strerror}).") from error
        self._wakeups.notify(TOPIC)

    async def why(self, path: Path) -> Reason:
        whole = _whole(path)
        root, inside = self._place(whole)
        if root is None:
            folders = ", ".join(paths.shown(folder) for folder in self._settings.roots)
            return Reason(paths.shown(whole), OUTSIDE, f"This path is not in the library ({folders}).")
        location = await Location.get_or_none(key=paths.key(paths.to_text(root), inside))
        if location is not None:
            return (await self._told([location]))[0]
        sidecar = await beside.why_sidecar(paths.to_text(root), inside)
        if sidecar is not None:
            return sidecar
        state, sentence = await asyncio.to_thread(_unrecorded, root, inside, whole)
        return Reason(paths.shown(whole), state, sentence)

    async def locations(self, *, page: int = 1, limit: int = 20) -> Page[Reason]:
        total = await Location.all().count()
        rows = await Location.all().order_by("-id").offset((page - 1) * limit).limit(limit)
        return Page(await self._told(rows), page, limit, total)

    async def source(self, video_id: int) -> Path | None:
        found = await self.file(video_id)
        return found.path if found else None

    async def file(self, video_id: int) -> LibraryFile | None:
        states = (LocationState.READY, LocationState.DUPLICATE)
        rows = await Location.filter(video_id=video_id, state__in=states).order_by("id")
        rows.sort(key=lambda row: row.state is not LocationState.READY)
        for row in rows:
            path = paths.absolute(row.root, row.path)
            found = None if self._settings.why_left(row.root) else await asyncio.to_thread(_recorded, path, row)
            if found is not None:
                return found
        return None

    async def damaged(self, video_id: int, ends: float | None = None) -> None:
        video = await Video.get_or_none(id=video_id)
        if video is None:
            return
        await self._know_by_all_bytes(video)
        async with self._db.transaction() as tx:  # two workers may find it at once
            now = await Video.filter(id=video_id).using_db(tx).select_for_update().get()
            now.probe |= {"damaged": True}
            if ends is not None and ends < now.duration:
                now.duration = ends
                now.probe |= {"duration": ends, "truncated": True}
            await now.save(update_fields=["duration", "probe"], using_db=tx)

    async def _know_by_all_bytes(self, video: Video) -> None:
        """Its fingerprint is of samples: a better copy of the same length may differ only between them."""
        source = await self.source(video.id) if video.full_hash is None else None
        if source is None:
            return
        with contextlib.suppress(OSError):  # it has just gone: who comes in its place is looked at anew
            found = await asyncio.to_thread(full_hash, source)
            if not await Video.filter(full_hash=found).exists():
                await Video.filter(id=video.id).update(full_hash=found)

    async def beside(self, video_id: int) -> tuple[SidecarFile, ...]:
        return await beside.beside(video_id, self._settings)

    def _place(self, path: Path) -> tuple[Path | None, str]:
        """The innermost library folder of a path, and the path inside it."""
        for root in sorted(self._settings.roots, key=lambda root: -len(root.parts)):
            inside = paths.inside(root, path)
            if inside is not None:
                return root, inside
        return None, ""

    async def _told(self, rows: Sequence[Location]) -> tuple[Reason, ...]:
        ids = [row.video_id for row in rows if row.video_id is not None]
        links = await TitleVideo.filter(video_id__in=ids).order_by("-id") if ids else []
        titles: dict[int | None, int] = {link.video_id: link.title_id for link in links}
        videos = await Video.filter(id__in=ids).only("id", "probe") if ids else []
        faults: dict[int | None, str] = {video.id: _fault(video) for video in videos}
        return tuple(self._reason(row, titles.get(row.video_id), faults.get(row.video_id, "")) for row in rows)

    def _reason(self, location: Location, title_id: int | None, fault: str) -> Reason:
        path = paths.shown(paths.absolute(location.root, location.path))
        left = self._settings.why_left(location.root)
        state = LocationState.OFFLINE if left else location.state
        said = fault if state is LocationState.READY else ""
        return Reason(path, state.value, left or said or location.reason or SENTENCES[state], title_id)


def _whole(path: Path) -> Path:
    """Absolute; no link is resolved."""
    return Path(os.path.abspath(path))  # noqa: PTH100


def _fault(video: Video) -> str:
    """What is wrong with a film that plays all the same."""
    if video.probe.get("truncated"):
        return CUT_SHORT
    return DAMAGED if video.probe.get("damaged") else ""


def _unrecorded(root: Path, inside: str, path: Path) -> tuple[str, str]:
    """Why the database knows nothing of a path in the library."""
    if not inside:
        if paths.is_folder(path):
            return "folder", "This is a library folder."
        return "offline", "This library folder is missing."
    ignored = _ignored(root, inside, path)
    if ignored:
        return IGNORED, ignored
    try:
        found = path.stat()
    except FileNotFoundError:
        return UNKNOWN, "There is no such file in the library."
    except OSError as error:
        return UNKNOWN, f"It cannot be looked at ({error.strerror})."
    if stat.S_ISDIR(found.st_mode):
        return "folder", "This is a folder of the library; ask about a file in it."
    return UNKNOWN, "It has not been found yet; it appears after the next scan (mediaserver scan)."


def _ignored(root: Path, inside: str, path: Path) -> str | None:
    rules: Rules = NO_RULES.enter(root, "")
    *folders, name = inside.split("/")
    current, below = os.fspath(root), ""
    for folder in folders:
        below = f"{below}/{folder}" if below else folder
        sentence = unwanted_folder(folder) or rules.refusal(below, folder=True)
        if sentence:
            return sentence
        current = os.path.join(current, paths.to_path(folder))  # noqa: PTH118
        rules = rules.enter(current, below)
    is_folder = paths.is_folder(path)
    unwanted = unwanted_folder(name) if is_folder else None if sidecar_kind(name) else unwanted_file(name)
    return unwanted or rules.refusal(inside, folder=is_folder)


def _recorded(path: Path, row: Location) -> LibraryFile | None:
    """The recorded file, links resolved, since a sandbox is given no links; None where it cannot be read.

    A mere `touch` leaves it the same, another file of the same length is not. What is reached by a link may lie
    anywhere, so there only the very same inode counts.
    """
    real = os.path.realpath(path)
    try:
        descriptor = os.open(real, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        found = os.fstat(descriptor)
        same = file_id(found) == row.file_id or (file_time(found) == row.mtime_ns and _is_in_place(descriptor, row))
    finally:
        os.close(descriptor)
    if not same or found.st_size != row.size or not stat.S_ISREG(found.st_mode):
        return None
    return LibraryFile(Path(real), path.name, file_id(found))


def _is_in_place(descriptor: int, row: Location) -> bool:
    """Whether what is open lies below its library folder without a link: asked of the kernel, since paths change."""
    root = os.path.realpath(paths.to_path(row.root))
    try:
        return os.readlink(f"/proc/self/fd/{descriptor}") == os.path.join(root, paths.to_path(row.path))  # noqa: PTH115, PTH118
    except OSError:
        return False
