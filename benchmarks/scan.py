"""How long a first scan and a restart take, and what memory: `python benchmarks/scan.py [10000 100000]`."""

from __future__ import annotations

import asyncio
import os
import resource
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from mediaserver.core.changes import ChangeLog
from mediaserver.core.clock import SystemClock
from mediaserver.core.db import Database
from mediaserver.core.library.records import Records
from mediaserver.core.library.refusals import ProbeFailed
from mediaserver.core.library.scanner import Scanner
from mediaserver.core.library.settings import LibrarySettings
from mediaserver.core.library.watcher import LibraryWatcher
from mediaserver.core.migrator import Upgrade
from mediaserver.core.wakeups import Wakeups
from mediaserver.models import Location, LocationState

if TYPE_CHECKING:
    from mediaserver.contracts import MediaInfo, Metadata

MODELS = {"core": "mediaserver.models"}


def make(folder: Path, count: int) -> None:
    """Old tiny files, 50 in a folder."""
    for number in range(count):
        if number % 50 == 0:
            (folder / f"{number // 5000}" / f"Film {number // 50}").mkdir(parents=True)
        file = folder / f"{number // 5000}" / f"Film {number // 50}" / f"Film {number}.mp4"
        file.write_bytes(b"%d" % number)
        os.utime(file, (1.6e9, 1.6e9 + number))


async def nobody(_path: Path, _info: MediaInfo | None = None) -> Metadata | None:
    return None


async def refuse(_path: Path) -> MediaInfo:
    raise ProbeFailed("No film.")


async def nothing() -> None:
    return


async def scan_once(db: Database, settings: LibrarySettings) -> tuple[float, int]:
    changes = ChangeLog(db, Wakeups())
    records = Records(db, changes, SystemClock())
    waiting: list[str] = []
    scanner = Scanner(settings, db, changes, records, pending=lambda file: waiting.append(file.key), between=nothing)
    began = time.monotonic()
    await scanner.scan(settings.roots[0])
    return time.monotonic() - began, len(waiting)


async def watch_until_done(db: Database, settings: LibrarySettings, run: Path, count: int) -> float:
    watcher = LibraryWatcher(
        settings, db, ChangeLog(db, Wakeups()), prober=refuse, describe=nobody, wakeups=Wakeups(), clock=SystemClock(),
        run_folder=run,
    )  # fmt: skip
    stop = asyncio.Event()
    began = time.monotonic()
    task = asyncio.create_task(watcher.run(stop))
    while await Location.filter(state=LocationState.REFUSED).count() < count and not task.done():
        await asyncio.sleep(0.5)
    stop.set()
    await task
    return time.monotonic() - began


async def bench(count: int) -> None:
    with tempfile.TemporaryDirectory() as home:
        folder, data = Path(home, "library"), Path(home, "data")
        folder.mkdir()
        data.mkdir()
        await asyncio.to_thread(make, folder, count)
        await Upgrade("sqlite", data / "db.sqlite3", MODELS, lambda _: None).run()
        db = Database("sqlite", data / "db.sqlite3", MODELS)
        await db.open()
        try:
            settings = LibrarySettings((folder,), data / "uploads")
            settings.upload_folder.mkdir()
            first, _ = await scan_once(db, settings)
            again, waiting = await scan_once(db, settings)
            print(f"{count} files: first scan {first:.1f} s, again {again:.1f} s ({waiting} wait), {rss()} MB")
            if count <= 10_000:
                taken = await watch_until_done(db, settings, data / "run", count)
                print(f"{count} files: settled, marked and refused by an instant prober in {taken:.1f} s, {rss()} MB")
                still, _ = await scan_once(db, settings)
                print(f"{count} files: restart with nothing changed {still:.1f} s")
        finally:
            await db.close()


def rss() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


if __name__ == "__main__":
    for size in map(int, sys.argv[1:] or ["10000", "100000"]):
        asyncio.run(bench(size))
