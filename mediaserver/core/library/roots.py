"""The library's folders: how each is watched, when it wants a scan, and what is told about it."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mediaserver.core.library.observing import SILENT, Observing, file_system, kernel_watches
from mediaserver.core.library.paths import shown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime
    from pathlib import Path

    from watchdog.events import FileSystemEvent

    from mediaserver.contracts import Clock
    from mediaserver.core.library.scanner import Scanned
    from mediaserver.core.library.settings import LibrarySettings

__all__ = ["Roots", "WatchedRoot"]

POLL = 10.0  # seconds between two looks where there are no events
LIMIT = "fs.inotify.max_user_watches"
SHARE = 10.0  # polling takes at most a tenth of the time


@dataclass(slots=True)
class WatchedRoot:
    path: Path
    rescan: float  # seconds
    mode: str = "off"  # events | polling | off
    reason: str = ""
    place: tuple[int, int] | None = None  # device and inode: they change when a disk comes or goes
    scan_at: float = 0.0  # monotonic
    online: bool = True
    emptied: str = ""  # the sentence where most of its files are gone at once
    files: int = 0
    last_scan: datetime | None = None
    last_event: datetime | None = None

    @property
    def hears(self) -> bool:
        return self.mode == "events"

    def wants_scan(self, now: float) -> bool:
        """Blocks for one look at the folder: it is time, or another disk is mounted there."""
        return now >= self.scan_at or self.where() != self.place

    def where(self) -> tuple[int, int] | None:
        try:
            found = os.stat(self.path)  # noqa: PTH116
        except OSError:
            return None
        return found.st_dev, found.st_ino

    def scanned(self, result: Scanned, at: datetime, now: float) -> None:
        self.online, self.files, self.last_scan = result.online, result.files, at
        self.emptied = result.emptied
        often = max(POLL, SHARE * result.seconds)
        self.scan_at = now + (min(often, self.rescan) if self.mode == "polling" else self.rescan)

    def status(self) -> dict[str, Any]:
        return {
            "folder": shown(self.path),
            "mode": self.mode,
            "reason": self.emptied or self.reason,
            "online": self.online and not self.emptied,
            "files": self.files,
            "last_scan": self.last_scan.isoformat() if self.last_scan else None,
            "last_event": self.last_event.isoformat(timespec="seconds") if self.last_event else None,
        }


class Roots:
    def __init__(
        self,
        settings: LibrarySettings,
        clock: Clock,
        heard: Callable[[FileSystemEvent], None],
        trouble: Callable[[str], None],
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._roots = {path: WatchedRoot(path, settings.rescan_minutes * 60) for path in settings.roots}
        self._listeners = (heard, trouble)
        self._observing = Observing(heard, trouble) if settings.watch in {"auto", "events"} else None
        for root in self._roots.values():
            root.scan_at = time.monotonic() + root.rescan  # the first scan is asked for at the start

    def __iter__(self) -> Iterator[WatchedRoot]:
        return iter(self._roots.values())

    def __getitem__(self, path: Path) -> WatchedRoot:
        return self._roots[path]

    def of(self, path: Path) -> WatchedRoot | None:
        """The innermost root a path lies in."""
        found = [root for root in self._roots.values() if path == root.path or root.path in path.parents]
        return max(found, key=lambda root: len(root.path.parts), default=None)

    def start(self) -> None:
        if self._observing is not None:
            self._observing.start()

    def stop(self) -> None:
        """Blocks until watchdog's threads are gone."""
        if self._observing is not None:
            self._observing.stop()

    def attend(self, root: WatchedRoot) -> None:
        """Choose how to watch before a scan, so that nothing happens between the two. Blocks."""
        place = root.where()
        if place is not None and place == root.place and root.mode != "off":
            return
        root.place = place
        root.mode, root.reason = self._mode(root)

    def unheard(self, folders: Callable[[Path], int]) -> list[WatchedRoot]:
        """Roots that must be scanned again, since watchdog passed over some of their folders. Blocks.

        It does so in silence where no inotify watch is left: then polling takes over.
        """
        if not self._falls_short(folders):
            return []
        hearing = [root for root in self if root.hears]
        for root in hearing:
            root.mode, root.reason = self._mode(root)
        if self._falls_short(folders):
            for root in hearing:
                root.mode, root.reason = "polling", f"{LIMIT} is smaller than the number of folders"
        return hearing

    def revive(self) -> None:
        """Begin anew where a thread of watchdog has died; every root then asks for a scan. Blocks."""
        if self._observing is None or self._observing.alive:
            return
        self._observing.stop()
        self._observing = Observing(*self._listeners)
        self._observing.start()
        for root in self:
            root.place = None

    def _falls_short(self, folders: Callable[[Path], int]) -> bool:
        watches = kernel_watches()
        return watches is not None and watches < sum(folders(root.path) for root in self if root.hears)

    def _mode(self, root: WatchedRoot) -> tuple[str, str]:
        if root.place is None:
            if self._observing is not None:
                self._observing.forget(root.path)
            return "off", "the folder is missing"
        if self._observing is None:
            return self._settings.watch, "as set by library.watch"
        kind = file_system(root.path)
        if self._settings.watch == "auto" and kind.startswith(SILENT):
            return "polling", f"a file system of type {kind} tells nothing of changes made elsewhere"
        problem = self._observing.watch(root.path)
        return ("polling", problem) if problem else ("events", "")
