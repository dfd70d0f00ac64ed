"""Many files at once, in all the ways people and programs bring them: all found, none twice, none early."""

from __future__ import annotations

import asyncio
import os
import random
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from mediaserver.core.statuses import told
from mediaserver.models import Location, Title, TitleVideo, Video

if TYPE_CHECKING:
    from tests.core.library.library_house import Films, House

pytestmark = pytest.mark.slow


def tree(folder: Path, films: Films, count: int, mark: str) -> None:
    for number in range(count):
        films.write(folder / f"{number % 7}" / f"{number % 31}" / f"{mark} {number}.mp4", f"{mark}{number}")


async def test_two_thousand_files_brought_in_every_way_are_found_once(
    house: House, films: Films, tmp_path: Path
) -> None:
    async with house.watched():
        await asyncio.to_thread(tree, house.folder / "written", films, 500, "written")
        await asyncio.to_thread(tree, tmp_path / "copied", films, 400, "copied")
        await asyncio.to_thread(tree, tmp_path / "moved", films, 400, "moved")
        await asyncio.to_thread(tree, tmp_path / "linked", films, 300, "linked")
        await asyncio.to_thread(tree, tmp_path / "synced", films, 400, "synced")
        await asyncio.to_thread(shutil.copytree, tmp_path / "copied", house.folder / "copied")
        (tmp_path / "moved").rename(house.folder / "moved")
        await asyncio.to_thread(shutil.copytree, tmp_path / "linked", house.folder / "linked", copy_function=os.link)
        await asyncio.to_thread(sync, tmp_path / "synced", house.folder / "synced")
        await house.ready(2000)
        (house.folder / "copied").rename(house.folder / "renamed")
        await house.until(lambda: lies_in("renamed/", 400))
        await house.ready(2000)
    assert await Video.all().count() == await TitleVideo.all().count() == 2000
    assert await Title.all().count() == 2000
    assert len(house.prober.calls) == 2000


def sync(source: Path, target: Path) -> None:
    """As rsync does: a hidden name with a random ending, then the final one."""
    for file in source.rglob("*.mp4"):
        final = target / file.relative_to(source)
        final.parent.mkdir(parents=True, exist_ok=True)
        hidden = final.with_name(f".{final.name}.{random.randrange(10**6):06d}")
        shutil.copyfile(file, hidden)
        hidden.rename(final)


async def lies_in(folder: str, count: int) -> bool:
    return await Location.filter(path__startswith=folder).count() == count


CHILD = """
import asyncio, sys
from pathlib import Path
sys.path[:0] = [sys.argv[2]]
from tests.core.library.library_house import CountingProber
from mediaserver.core.changes import ChangeLog
from mediaserver.core.clock import SystemClock
from mediaserver.core.db import Database
from mediaserver.core.library.settings import LibrarySettings
from mediaserver.core.library.watcher import LibraryWatcher
from mediaserver.core.wakeups import Wakeups

async def main():
    home = Path(sys.argv[1])
    db = Database(sys.argv[3], home / "data" / "db.sqlite3", {"core": "mediaserver.models"})
    await db.open()
    wakeups = Wakeups()
    settings = LibrarySettings((home / "library",), home / "data" / "uploads", settle_seconds=0.3)
    async def describe(path, info): return None
    watcher = LibraryWatcher(settings, db, ChangeLog(db, wakeups), prober=CountingProber(), describe=describe,
                             wakeups=wakeups, clock=SystemClock(), run_folder=home / "data" / "run")
    print("running", flush=True)
    await watcher.run(asyncio.Event())

asyncio.run(main())
"""


async def test_a_watcher_killed_at_any_moment_loses_nothing(house: House, films: Films, tmp_path: Path) -> None:
    command = [sys.executable, "-c", CHILD, str(tmp_path), str(Path(__file__).parent), house.db.url]
    dice = random.Random(7)
    for round_number in range(10):
        child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        assert child.stdout is not None
        await asyncio.to_thread(child.stdout.readline)
        await asyncio.to_thread(tree, house.folder / str(round_number), films, 30, f"round {round_number}")
        await asyncio.sleep(dice.uniform(0, 1.2))
        child.send_signal(signal.SIGKILL)
        await asyncio.to_thread(child.communicate)
    async with house.watched():
        await house.ready(300)
    assert await Video.all().count() == await Title.all().count() == await TitleVideo.all().count() == 300


async def test_events_the_kernel_dropped_are_made_up_for(house: House, films: Films, tmp_path: Path) -> None:
    """A stopped watcher cannot empty the kernel's queue: what comes after it is full is told by nobody."""
    room = int(Path("/proc/sys/fs/inotify/max_queued_events").read_text())
    if room > 20_000:
        pytest.skip("the kernel's queue is too long to fill here")
    (house.folder / "late").mkdir()
    command = [sys.executable, "-c", CHILD, str(tmp_path), str(Path(__file__).parent), house.db.url]
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        await house.until(lambda: scanned(house))
        child.send_signal(signal.SIGSTOP)
        await asyncio.to_thread(litter, house.folder / "litter", room)
        await asyncio.to_thread(litter, house.folder, room)
        for number in range(40):
            films.write(house.folder / "late" / f"{number}.mp4")
        child.send_signal(signal.SIGCONT)
        await house.ready(40)
    finally:
        child.kill()
        await asyncio.to_thread(child.communicate)
    assert await Video.all().count() == 40


async def scanned(house: House) -> bool:
    roots = told(house.run_folder, "watch").get("roots", [])
    return bool(roots) and all(root["last_scan"] for root in roots)


def litter(folder: Path, count: int) -> None:
    folder.mkdir(exist_ok=True)
    for number in range(count):
        (folder / f"{number}.txt").touch()
