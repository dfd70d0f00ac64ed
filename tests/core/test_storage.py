"""Files become visible once and whole, whoever publishes them."""

from __future__ import annotations

import errno
import os
import threading
from typing import TYPE_CHECKING

import pytest

from mediaserver.core.processes import machine
from mediaserver.core.storage import MediaStorage
from mediaserver.errors import StartLater

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def storage(tmp_path: Path) -> MediaStorage:
    made = MediaStorage(tmp_path)
    made.prepare()
    return made


@pytest.fixture(params=["with links", "without links"])
def any_storage(storage: MediaStorage, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> MediaStorage:
    if request.param == "without links":

        def refuse(_source: Path, _target: Path) -> None:
            raise OSError(errno.EPERM, "Operation not permitted")

        monkeypatch.setattr(os, "link", refuse)
    return storage


def winners(storage: MediaStorage, final: Path) -> list[str]:
    """Names of the publishers, of eight at once, that believe they were first."""
    start, won = threading.Barrier(8), []

    def publish(name: str) -> None:
        tmp = storage.work / name
        tmp.write_text(name * 1000)
        start.wait()
        if storage.publish(tmp, final):
            won.append(name)

    threads = [threading.Thread(target=publish, args=(f"p{each}",)) for each in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return won


def test_of_many_publishers_of_one_cell_exactly_one_wins(any_storage: MediaStorage) -> None:
    for number in range(20):
        final = any_storage.segment(1, 1, "480p", number)
        won = winners(any_storage, final)
        assert len(won) == 1
        assert final.read_text() == won[0] * 1000
    assert list(any_storage.work.iterdir()) == []
    assert {path.suffix for path in final.parent.iterdir()} == {".ts"}


def test_a_reader_never_sees_a_part(any_storage: MediaStorage) -> None:
    seen: list[int] = []
    done = threading.Event()
    finals = [any_storage.segment(1, 1, "720p", number) for number in range(50)]

    def poll() -> None:
        while not done.is_set():
            seen.extend(len(final.read_bytes()) for final in finals if final.exists())

    poller = threading.Thread(target=poll)
    poller.start()
    for final in finals:
        tmp = any_storage.work / final.name
        tmp.write_bytes(b"x" * 100_000)
        assert any_storage.publish(tmp, final)
    done.set()
    poller.join()
    assert set(seen) <= {100_000}


def test_a_cell_that_stands_is_never_replaced(any_storage: MediaStorage) -> None:
    final = any_storage.segment(1, 1, "480p", 0)
    for content, wins in (("first", True), ("second", False)):
        tmp = any_storage.work / "tmp"
        tmp.write_text(content)
        assert any_storage.publish(tmp, final) is wins
        assert not tmp.exists()
    assert final.read_text() == "first"


def test_a_full_disk_is_not_taken_for_a_win(storage: MediaStorage, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_source: Path, _target: Path) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "link", full)
    tmp = storage.work / "tmp"
    tmp.write_text("x")
    with pytest.raises(OSError, match="No space"):
        storage.publish(tmp, storage.segment(1, 1, "480p", 0))


def test_a_text_is_replaced_whole(storage: MediaStorage) -> None:
    playlist = storage.playlist(1, 1, "480p")
    storage.write_text(playlist, "old")
    storage.write_text(playlist, "new ü")
    assert playlist.read_text(encoding="utf-8") == "new ü"
    assert [path.name for path in playlist.parent.iterdir()] == ["index.m3u8"]


async def test_a_workspace_is_gone_afterwards_whatever_happens(storage: MediaStorage) -> None:
    async def fail() -> None:
        async with storage.workspace() as folder:
            (folder / "part.ts").write_text("x")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        await fail()
    assert list(storage.work.iterdir()) == []


async def test_what_killed_processes_left_is_swept_and_nothing_else(storage: MediaStorage) -> None:
    dead = storage.work / f"{machine()}={2**22 + 1}=17=abc"
    dead.mkdir()
    async with storage.workspace() as mine:
        storage.sweep_workspaces()
        assert list(storage.work.iterdir()) == [mine]


@pytest.mark.parametrize(
    "owner", ["other-00c0ffee=17=99=abc", "4711-abc"], ids=["of another machine", "of a version before"]
)
def test_what_another_machine_left_is_swept_when_nobody_wrote_to_it_for_an_hour(
    storage: MediaStorage, owner: str
) -> None:
    left = storage.work / owner
    left.mkdir()
    (left / "part.ts").touch()
    os.utime(left, (0, 0))
    storage.sweep_workspaces()
    assert left.exists()
    os.utime(left / "part.ts", (0, 0))
    storage.sweep_workspaces()
    assert not left.exists()


def test_a_media_folder_that_is_not_mounted_is_not_made(tmp_path: Path) -> None:
    away = tmp_path / "mnt"
    with pytest.raises(StartLater, match="Mount or make it"):
        MediaStorage(tmp_path / "data", away).prepare()
    assert not away.exists()


async def test_a_workspace_is_where_links_reach_the_shared_media_folder(tmp_path: Path) -> None:
    shared = tmp_path / "mnt"
    shared.mkdir()
    made = MediaStorage(tmp_path / "data", shared)
    made.prepare()
    async with made.workspace() as folder:
        assert folder.is_relative_to(shared)
    assert made.segment(1, 1, "480p", 0).is_relative_to(shared)
    assert not (tmp_path / "data").exists()
