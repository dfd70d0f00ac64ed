"""News from the file system, by watchdog: hints which folders to look at, and whether there are hints at all."""

from __future__ import annotations

import errno
import logging
import os
import sys
import threading
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from watchdog.events import (
    DirCreatedEvent,
    DirDeletedEvent,
    DirMovedEvent,
    FileClosedEvent,
    FileCreatedEvent,
    FileDeletedEvent,
    FileMovedEvent,
    FileSystemEvent,
    FileSystemEventHandler,
)
from watchdog.observers import Observer

if TYPE_CHECKING:
    from collections.abc import Callable

    from watchdog.observers.api import BaseObserver, ObservedWatch

__all__ = ["SILENT", "Observing", "event_path", "file_system", "kernel_watches"]

SILENT = (
    "nfs",
    "cifs",
    "smb",
    "9p",
    "ceph",
    "glusterfs",
    "afs",
    "fuse",
    "vboxsf",
    "prl_fs",
    "drvfs",
    "virtiofs",
    "davfs",
)
# Modes and times (attrib) come only together with every single write, which is too many: a scan finds those.
WANTED = [
    FileClosedEvent, FileCreatedEvent, FileMovedEvent, FileDeletedEvent,
    DirCreatedEvent, DirMovedEvent, DirDeletedEvent,
]  # fmt: skip


class Observing(FileSystemEventHandler):
    """One watchdog observer for all roots. `heard` and `trouble` are called from its threads."""

    def __init__(self, heard: Callable[[FileSystemEvent], None], trouble: Callable[[str], None]) -> None:
        self._heard = heard
        self._log = _Warnings(trouble)
        self._watches: dict[Path, ObservedWatch] = {}
        self._observer = _observer()

    def start(self) -> None:
        if self._observer is not None:
            logging.getLogger("watchdog").addHandler(self._log)
            # watchdog sees some new folders twice, warns with its whole table, and would die of it under -W error
            warnings.filterwarnings("ignore", "Callback with id", RuntimeWarning)
            self._observer.start()

    @property
    def alive(self) -> bool:
        """Its threads run; the one that reads from the kernel has no other door than the list of all threads."""
        names = {type(thread).__name__ for thread in threading.enumerate()}
        return self._observer is None or (
            self._observer.is_alive() and (sys.platform != "linux" or "InotifyFD" in names)
        )

    def stop(self) -> None:
        """Blocks until the threads are gone."""
        logging.getLogger("watchdog").removeHandler(self._log)
        if self._observer is not None and self._observer.is_alive():
            self._observer.stop()
            self._observer.join()

    def watch(self, root: Path) -> str:
        """Begin, or begin again. Answers "" or why there will be no events."""
        self.forget(root)
        if self._observer is None:
            return "no inotify instance is left (fs.inotify.max_user_instances)"
        try:
            watch = self._observer.schedule(self, str(root), recursive=True, event_filter=WANTED)
        except OSError as error:
            if error.errno == errno.ENOSPC:
                return "no inotify watches are left (fs.inotify.max_user_watches)"
            return error.strerror or str(error)
        self._watches[root] = watch
        return ""

    def forget(self, root: Path) -> None:
        watch = self._watches.pop(root, None)
        if watch is not None and self._observer is not None:
            self._observer.unschedule(watch)

    def on_any_event(self, event: FileSystemEvent) -> None:
        self._heard(event)


class _Warnings(logging.Handler):
    """An overflow of the kernel's queue is told only in watchdog's log."""

    def __init__(self, trouble: Callable[[str], None]) -> None:
        super().__init__(logging.WARNING)
        self._trouble = trouble

    def emit(self, record: logging.LogRecord) -> None:
        self._trouble(record.getMessage())


def _observer() -> BaseObserver | None:
    """Watchdog takes its inotify instance in the constructor; None where none is left."""
    try:
        return Observer()
    except OSError:
        return None


def file_system(path: Path, mounts: Path = Path("/proc/self/mounts")) -> str:
    """The type of the file system `path` lies on, "" where that is not known."""
    try:
        lines = mounts.read_text(errors="surrogateescape").splitlines()
    except OSError:
        return ""
    real, best, kind = os.path.realpath(path), "", ""
    for line in lines:
        _, where, found, *_ = line.split(" ")
        where = where.replace("\\040", " ").replace("\\011", "\t").replace("\\134", "\\")
        if len(where) >= len(best) and (real == where or real.startswith(f"{where.rstrip('/')}/")):
            best, kind = where, found
    return kind


def kernel_watches() -> int | None:
    """How many inotify watches this process has; None where the kernel does not tell."""
    try:
        return sum(text.count("\ninotify wd:") for text in map(_read, Path("/proc/self/fdinfo").iterdir()))
    except OSError:
        return None


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""


def event_path(raw: Any) -> Path:
    return Path(os.fsdecode(raw))
