"""What the watcher has to look at: folders that hints made dirty, and roots to scan as a whole."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path
from typing import TYPE_CHECKING

import structlog
from watchdog.events import DirMovedEvent, FileClosedEvent, FileMovedEvent, FileSystemEvent

from mediaserver.core.library import paths
from mediaserver.core.library.ignore import IGNORE_FILE, is_candidate
from mediaserver.core.library.observing import event_path
from mediaserver.core.library.roots import Roots, WatchedRoot

if TYPE_CHECKING:
    from collections.abc import Callable

    from mediaserver.contracts import Clock
    from mediaserver.core.library.settings import LibrarySettings

__all__ = ["Agenda"]

DEBOUNCE = 0.1  # seconds
AGAIN = 1.0  # seconds until a folder that came as a whole is looked at once more
MANY = 100  # dirty folders of one root that are looked at one by one
log = structlog.get_logger("library")


class Agenda:
    """Nothing in it is lost by a kill: the first scan after a start finds it again."""

    def __init__(
        self, settings: LibrarySettings, clock: Clock, closed: Callable[[str], None], drop: Callable[[Path], None]
    ) -> None:
        """`closed` is told the key of a file whose writer has closed it, `drop` a request that was carried out."""
        self.roots = Roots(settings, clock, self._heard, self._trouble)
        self._clock = clock
        self._closed = closed
        self._drop = drop
        self._dirty: dict[tuple[Path, str], bool] = {}  # (root, folder): with all that is below
        self._scans: dict[Path, list[Path]] = {}  # root to scan: the requests that asked for it
        self._in_hand: set[Path] = set()  # requests that wait for a scan or for the end of one
        self._news = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None

    def open(self) -> None:
        """Listen, and begin with a scan of every root."""
        self._loop = asyncio.get_running_loop()
        self.roots.start()
        self._scans = {root.path: [] for root in self.roots}
        self._news.set()

    # ---- hints (the first three are called from watchdog's threads)

    def _heard(self, event: FileSystemEvent) -> None:
        self._call(self._mark, event)

    def _trouble(self, sentence: str) -> None:
        self._call(self._lost_events, sentence)

    def _call(self, function: Callable[..., None], *args: object) -> None:
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):  # the loop has just ended
                self._loop.call_soon_threadsafe(function, *args)

    def _mark(self, event: FileSystemEvent) -> None:
        for raw in filter(None, (event.src_path, event.dest_path)):
            path = event_path(raw)
            root = self.roots.of(path)
            inside = paths.inside(root.path, path) if root else None
            if root is None or not inside:
                continue
            root.last_event = self._clock.now()
            came_whole = isinstance(event, FileMovedEvent) and raw == event.dest_path
            if (came_whole or isinstance(event, FileClosedEvent)) and is_candidate(path.name):
                self._closed(paths.key(paths.to_text(root.path), inside))
            self._dirty_folder(root, inside, event)

    def _dirty_folder(self, root: WatchedRoot, inside: str, event: FileSystemEvent) -> None:
        parent, _, name = inside.rpartition("/")
        self.add_folder(root.path, parent, recursive=name == IGNORE_FILE)
        if event.is_directory and (isinstance(event, DirMovedEvent) or event.event_type != "modified"):
            self.add_folder(root.path, inside, recursive=True)
            if event.event_type in {"created", "moved"}:
                self.add_folder_later(AGAIN, root.path, inside, recursive=True)

    def _lost_events(self, sentence: str) -> None:
        log.warning("library events were lost, everything is looked at", reason=sentence)
        for root in self.roots:
            if root.hears:
                self.add_scan(root.path)

    # ---- what is to be done

    def add_folder(self, root: Path, folder: str, *, recursive: bool) -> None:
        self._dirty[(root, folder)] = recursive or self._dirty.get((root, folder), False)
        self._news.set()

    def add_folder_later(self, seconds: float, root: Path, folder: str, *, recursive: bool) -> None:
        asyncio.get_running_loop().call_later(seconds, lambda: self.add_folder(root, folder, recursive=recursive))

    def add_folder_of(self, path: Path) -> None:
        """The folder in which a file lies."""
        root = self.roots.of(path)
        inside = paths.inside(root.path, path) if root else None
        if root is not None and inside:
            self.add_folder(root.path, inside.rpartition("/")[0], recursive=False)

    def add_scan(self, root: Path, *requests: Path) -> None:
        self._scans.setdefault(root, []).extend(requests)
        self._in_hand.update(requests)
        self._news.set()

    def add_scan_later(self, seconds: float, root: Path) -> None:
        asyncio.get_running_loop().call_later(seconds, self.add_scan, root)

    def waits_for_scan(self, root: Path) -> bool:
        return root in self._scans

    def take_request(self, request: Path, asked: str) -> None:
        """A request for a folder or file looks there only; the scan of a root answers for all of it."""
        if request in self._in_hand:
            return
        path = Path(paths.to_path(asked)) if asked else None
        root = self.roots.of(path) if path else None
        inside = paths.inside(root.path, path) if root and path else None
        if root is not None and path is not None and inside:
            folder = inside if paths.is_folder(path) else inside.rpartition("/")[0]
            self.add_folder(root.path, folder, recursive=True)
            self._drop(request)
            return
        for each in [root] if root else list(self.roots):
            self.add_scan(each.path, request)

    def carried_out(self, requests: list[Path]) -> None:
        for request in requests:
            if not any(request in others for others in self._scans.values()):
                self._in_hand.discard(request)
                self._drop(request)

    # ---- doing it

    async def wait(self) -> None:
        """Until there is something to do; hints that come together are taken together."""
        await self._news.wait()
        self._news.clear()
        if not self._scans:
            await asyncio.sleep(DEBOUNCE)

    def next_scan(self) -> tuple[Path, list[Path]] | None:
        """A root, and the requests that asked for its scan."""
        if not self._scans:
            return None
        root = next(iter(self._scans))
        return root, self._scans.pop(root)

    def next_folders(self) -> list[tuple[Path, str, bool]]:
        """(root, folder, with all that is below); roots with many dirty folders are scanned instead."""
        dirty, self._dirty = self._dirty, {}
        chosen = []
        for root in {root for root, _ in dirty}:
            folders = {folder: deep for (of, folder), deep in dirty.items() if of == root}
            if len(folders) > MANY:
                self.add_scan(root)
            else:
                chosen += [(root, folder, deep) for folder, deep in _outermost(folders)]
        return chosen


def _outermost(folders: dict[str, bool]) -> list[tuple[str, bool]]:
    """Without those that lie in one that is looked at with all below it."""
    deep = [folder for folder, recursive in folders.items() if recursive]
    covered = {
        folder
        for folder in folders
        if any(folder != outer and (not outer or folder.startswith(f"{outer}/")) for outer in deep)
    }
    return sorted((folder, recursive) for folder, recursive in folders.items() if folder not in covered)
