from __future__ import annotations

import asyncio
import os
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from mediaserver.core.clock import SystemClock
from mediaserver.core.library import paths
from mediaserver.core.library.agenda import Agenda
from mediaserver.core.library.settings import LibrarySettings
from mediaserver.core.library.settle import Look, Pending, Settler, Verdict, look
from tests.patience import PATIENCE

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from pathlib import Path


def pending(path: Path) -> Pending:
    found = path.stat()
    return Pending(path.name, path, found.st_size, found.st_mtime_ns)


@asynccontextmanager
async def settler(done: list[str], told: list[str], seconds: float) -> AsyncIterator[Settler]:
    async def settled(files: Sequence[tuple[Pending, Look]]) -> None:
        done.extend(file.key for file, _ in files)

    async def tell(_file: Pending, sentence: str) -> None:
        told.append(sentence)

    settler = Settler(seconds, settled, tell)
    running = asyncio.create_task(settler.run())
    try:
        yield settler
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def until(condition: object) -> None:
    async with asyncio.timeout(PATIENCE):
        while not condition():  # type: ignore[operator]
            await asyncio.sleep(0.01)


def test_an_open_writer_is_seen(tmp_path: Path) -> None:
    file = tmp_path / "film.mp4"
    with file.open("wb") as writer:
        writer.write(b"half")
        writer.flush()
        assert look(file).verdict is Verdict.HELD
    assert look(file).known_free
    assert look(file).verdict is Verdict.STILL


def test_what_cannot_be_a_copy_is_told_apart(tmp_path: Path) -> None:
    (tmp_path / "empty.mp4").touch()
    os.mkfifo(tmp_path / "pipe.mp4")
    assert look(tmp_path / "empty.mp4").verdict is Verdict.EMPTY
    assert look(tmp_path / "pipe.mp4").verdict is Verdict.GONE
    assert look(tmp_path / "missing.mp4").verdict is Verdict.GONE


async def test_a_closed_file_need_not_wait_the_whole_time(tmp_path: Path) -> None:
    file = tmp_path / "film.mp4"
    file.write_bytes(b"whole")
    done: list[str] = []
    async with settler(done, [], seconds=3600) as watching:
        watching.closed("film.mp4")
        watching.add(pending(file))
        await until(lambda: done == ["film.mp4"])


async def test_a_growing_file_waits_until_it_is_still(tmp_path: Path) -> None:
    file = tmp_path / "film.mp4"
    file.write_bytes(b"one")
    done: list[str] = []
    told: list[str] = []
    async with settler(done, told, seconds=0.3) as watching:
        first = pending(file)
        file.write_bytes(b"one and two")
        watching.add(first)
        await until(lambda: done)
    assert told == ["Waiting until the copy is complete."]
    assert first.size == len(b"one and two")


async def test_thousands_wait_on_one_timer(tmp_path: Path) -> None:
    files = [tmp_path / f"{number}.mp4" for number in range(3000)]
    for file in files:
        file.write_bytes(b"x")
        os.utime(file, (1e9, 1e9))
    done: list[str] = []
    async with settler(done, [], seconds=2) as watching:
        before = len(asyncio.all_tasks())
        for file in files:
            watching.add(pending(file))
        await until(lambda: len(done) == len(files))
        assert len(asyncio.all_tasks()) == before
    assert sorted(done) == sorted(file.name for file in files)


@pytest.mark.parametrize("times", [1, 2])
async def test_the_same_file_waits_once(tmp_path: Path, times: int) -> None:
    file = tmp_path / "film.mp4"
    file.write_bytes(b"x")
    done: list[str] = []
    async with settler(done, [], seconds=0.1) as watching:
        for _ in range(times):
            watching.add(pending(file))
        assert len(watching) == 1
        await until(lambda: done)
    assert done == ["film.mp4"]


async def test_tens_of_thousands_of_closes_take_no_time(tmp_path: Path) -> None:
    """When each one looked through those before it, so many took a quarter of a minute."""
    done: list[str] = []
    (file := tmp_path / "film.mp4").write_bytes(b"whole")
    async with settler(done, [], seconds=3600) as watching:
        began = time.process_time()
        for number in range(20_000):
            watching.closed(f"{number}")
        watching.closed("film.mp4")
        assert time.process_time() - began < 2
        watching.add(pending(file))
        await until(lambda: done == ["film.mp4"])


async def test_only_the_close_of_what_may_be_a_film_is_told(tmp_path: Path) -> None:
    closed: list[str] = []
    settings = LibrarySettings((tmp_path,), tmp_path)
    agenda = Agenda(settings, SystemClock(), closed.append, lambda _: None)
    agenda.open()
    try:
        for root in agenda.roots:
            agenda.roots.attend(root)
        for name in ("notes.txt", ".Film.mp4", "Film.mp4.part", "Film.srt", "Film.mp4"):
            (tmp_path / name).write_bytes(b"whole")
        (tmp_path / "Film.mp4.part").rename(tmp_path / "Moved.mp4")
        keys = [paths.key(str(tmp_path), name) for name in ("Film.mp4", "Moved.mp4")]
        await until(lambda: keys[-1] in closed)
        assert closed == keys
    finally:
        agenda.roots.stop()
