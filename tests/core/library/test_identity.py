"""One video by its content: renamed, copied, replaced, gone and back, it is the same."""

from __future__ import annotations

import asyncio
import os
import shutil
import threading
from typing import TYPE_CHECKING, Any, cast

import pytest

from mediaserver.core.clock import SystemClock
from mediaserver.core.files import send_file
from mediaserver.core.library.records import Records
from mediaserver.core.library.scanner import Scanner
from mediaserver.errors import NotFound
from mediaserver.models import Location, Title, TitleVideo, Video

if TYPE_CHECKING:
    from pathlib import Path

    from tests.core.library.library_house import Films, House

pytestmark = pytest.mark.slow


@pytest.mark.databases
async def test_a_renamed_file_is_the_same_video_and_is_not_probed_again(house: House, films: Films) -> None:
    async with house.watched():
        film = films.write(house.folder / "flim.mp4")
        await house.settled({"flim.mp4": "ready"})
        before = await Location.get()
        film.rename(house.folder / "Film (2020).mp4")
        await house.settled({"Film (2020).mp4": "ready"})
        after = await Location.get()
    assert (after.id, after.video_id) == (before.id, before.video_id)
    assert len(house.prober.calls) == 1
    assert [(title.title, title.year) for title in await Title.all()] == [("Film", 2020)]


async def test_a_file_renamed_while_nobody_watched_is_the_same_video(house: House, films: Films) -> None:
    film = films.write(house.folder / "one.mp4")
    async with house.watched():
        await house.settled({"one.mp4": "ready"})
    (house.folder / "deep").mkdir()
    film.rename(house.folder / "deep" / "two.mp4")
    async with house.watched():
        await house.settled({"deep/two.mp4": "ready"})
    assert await Video.all().count() == 1
    assert len(house.prober.calls) == 1


async def test_a_change_of_case_is_a_rename(house: House, films: Films) -> None:
    async with house.watched():
        film = films.write(house.folder / "Film.mp4")
        await house.settled({"Film.mp4": "ready"})
        film.rename(house.folder / "film.MP4")
        await house.settled({"film.MP4": "ready"})
    assert await Video.all().count() == 1
    assert len(house.prober.calls) == 1


async def test_a_folder_that_is_renamed_keeps_its_videos(house: House, films: Films) -> None:
    async with house.watched():
        for number in range(3):
            films.write(house.folder / "old" / "in" / f"{number}.mp4")
        await house.ready(3)
        (house.folder / "old").rename(house.folder / "new")
        await house.settled({f"new/in/{number}.mp4": "ready" for number in range(3)})
    assert await Video.all().count() == 3
    assert len(house.prober.calls) == 3


async def test_a_second_copy_is_a_second_location(house: House, films: Films) -> None:
    async with house.watched():
        film = films.write(house.folder / "film.mp4")
        await house.settled({"film.mp4": "ready"})
        shutil.copyfile(film, house.folder / "copy.mp4")
        await house.settled({"film.mp4": "ready", "copy.mp4": "duplicate"})
        reason = await house.service.why(house.folder / "copy.mp4")
        assert reason.sentence == "The same video as film.mp4; only one of them is played."
        assert reason.title_id is not None
        film.unlink()
        await house.settled({"copy.mp4": "ready"})
    video = await Video.get()
    assert video.online
    assert video.full_hash
    assert await house.service.source(video.id) == house.folder / "copy.mp4"


async def test_other_films_are_taken_in_while_large_ones_are_compared(
    house: House, films: Films, monkeypatch: pytest.MonkeyPatch
) -> None:
    read_on, seek = threading.Event(), os.lseek

    def slowly(descriptor: int, at: int, how: int) -> int:
        if how == os.SEEK_DATA:
            read_on.wait()
        return seek(descriptor, at, how)

    monkeypatch.setattr(os, "lseek", slowly)
    large = films.bytes("large", padding=1_000_000)
    try:
        async with house.watched():
            for number in range(5):
                (house.folder / f"large {number}.mp4").write_bytes(large)
            await house.until(lambda: house.has("ready", 1))
            films.write(house.folder / "other.mp4")
            await house.until(lambda: house.has("ready", 2))
            assert await Location.filter(reason__startswith="It looks like a video that is known").exists()
            read_on.set()
            await house.until(lambda: house.has("duplicate", 4))
    finally:
        read_on.set()
    assert await Video.all().count() == 2


@pytest.mark.databases
async def test_copies_that_arrive_together_are_one_video(house: House, films: Films) -> None:
    async with house.watched():
        for number in range(6):
            films.write(house.folder / f"{number}.mp4", "the same")
        await house.until(lambda: _all_done(6))
    assert await Video.all().count() == 1
    assert await Location.filter(state="ready").count() == 1
    assert await Location.filter(state="duplicate").count() == 5


async def _all_done(count: int) -> bool:
    return await Location.filter(state__in=["ready", "duplicate"]).count() == count


async def test_files_alike_at_every_sample_are_different_videos_all_the_same(house: House, films: Films) -> None:
    big = bytearray(films.bytes("x", padding=4_000_000))
    other = bytearray(big)
    other[len(films.real) + 70_000 + 40_000] ^= 1
    async with house.watched():
        (house.folder / "one.mp4").write_bytes(big)
        (house.folder / "two.mp4").write_bytes(other)
        await house.settled({"one.mp4": "ready", "two.mp4": "ready"})
    marks = {video.fingerprint for video in await Video.all()}
    assert await Video.all().count() == 2
    assert len(marks) == 1


async def test_a_hard_link_is_a_second_location(house: House, films: Films) -> None:
    async with house.watched():
        film = films.write(house.folder / "film.mp4")
        await house.settled({"film.mp4": "ready"})
        os.link(film, house.folder / "link.mp4")
        await house.settled({"film.mp4": "ready", "link.mp4": "duplicate"})
    assert await Video.all().count() == 1


@pytest.mark.databases
async def test_replaced_content_is_a_new_version_of_the_same_title(house: House, films: Films) -> None:
    async with house.watched():
        film = films.write(house.folder / "film.mp4", "first")
        await house.settled({"film.mp4": "ready"})
        old = await Video.get()
        films.write(film, "second", padding=50)
        await house.until(lambda: _replaced(2))
    new = await Video.exclude(id=old.id).get()
    link = await TitleVideo.get()
    assert link.video_id == new.id
    assert await Title.all().count() == 1
    assert not (await Video.get(id=old.id)).online
    assert new.online


async def _replaced(videos: int) -> bool:
    return await Video.all().count() == videos and await Location.filter(state="ready").exists()


async def test_a_touched_file_is_the_same_video(house: House, films: Films) -> None:
    async with house.watched():
        film = films.write(house.folder / "film.mp4")
        await house.settled({"film.mp4": "ready"})
        os.utime(film, (1_000_000_000, 1_000_000_000))
        assert await house.service.source((await Video.get()).id) == film
        await house.service.scan()
        await house.until(_touched)
    assert len(house.prober.calls) == 1
    assert (await Video.get()).online


async def _touched() -> bool:
    return await Location.filter(state="ready", mtime_ns=1_000_000_000 * 10**9).exists()


@pytest.mark.databases
async def test_a_deleted_file_leaves_its_title_and_comes_back_to_it(house: House, films: Films) -> None:
    async with house.watched():
        for number in range(3):
            films.write(house.folder / f"other{number}.mp4")
        film = films.write(house.folder / "film.mp4", "film")
        await house.ready(4)
        film.unlink()
        await house.ready(3)
        assert await Video.filter(online=False).count() == 1
        assert await Title.all().count() == 4
        films.write(house.folder / "again.mp4", "film")
        await house.ready(4)
    assert await Video.filter(online=True).count() == await Video.all().count() == 4
    assert len(house.prober.calls) == 4
    assert {"video_offline", "video_online"} <= set(await house.kinds())


async def test_an_unmounted_disk_goes_offline_and_loses_nothing(house: House, films: Films) -> None:
    async with house.watched():
        for number in range(4):
            films.write(house.folder / f"{number}.mp4")
        await house.ready(4)
        house.folder.rename(house.folder.with_name("away"))
        await house.until(lambda: house.has("offline", 4))
        assert await Video.filter(online=True).count() == 0
        assert "is its disk connected" in (await house.service.why(house.folder / "0.mp4")).sentence
        house.folder.with_name("away").rename(house.folder)
        await house.ready(4)
        films.write(house.folder / "new.mp4")
        await house.ready(5)
    assert await Video.filter(online=True).count() == 5
    assert len(house.prober.calls) == 5


async def test_an_empty_mount_point_deletes_nothing(house: House, films: Films) -> None:
    async with house.watched(watch="off"):
        for number in range(4):
            films.write(house.folder / f"{number}.mp4")
        await house.service.scan()
        await house.ready(4)
        house.folder.rename(house.folder.with_name("away"))
        house.folder.mkdir()
        await house.service.scan()
        await house.until(lambda: house.has("offline", 4))
        assert "4 of 4 files" in (await house.service.why(house.folder / "0.mp4")).sentence
        house.folder.rmdir()
        house.folder.with_name("away").rename(house.folder)
        await house.service.scan()
        await house.ready(4)


async def test_a_file_moved_to_another_folder_of_the_library_is_the_same_video(house: House, films: Films) -> None:
    uploads = house.settings.upload_folder
    async with house.watched():
        for number in range(3):
            films.write(uploads / f"{number}.mp4")
        await house.ready(3)
        (uploads / "1.mp4").rename(house.folder / "moved.mp4")
        await house.settled({"0.mp4": "ready", "moved.mp4": "ready", "2.mp4": "ready"})
        shutil.copyfile(uploads / "2.mp4", house.folder / "copied.mp4")
        (uploads / "2.mp4").unlink()
        await house.settled({"0.mp4": "ready", "moved.mp4": "ready", "copied.mp4": "ready"})
    assert await Video.all().count() == 3
    assert await Title.all().count() == 3


async def test_versions_parts_and_extras_come_together_in_one_title(house: House, films: Films) -> None:
    folder = house.folder / "Heat (1995)"
    names = ["Heat (1995).mp4", "Heat (1995) - 4K.mp4", "Heat (1995)-trailer.mp4", "extras/Making of.mp4"]
    async with house.watched():
        for name in names:
            films.write(folder / name)
        await house.ready(4)
    title = await Title.get()
    roles = sorted([(link.role, link.label) for link in await TitleVideo.filter(title_id=title.id)])
    assert roles == [("extra", "Making of"), ("extra", "trailer"), ("version", ""), ("version", "4K")]


async def test_files_of_one_name_and_another_length_are_films_of_their_own(house: House, films: Films) -> None:
    house.prober.lengths.update({"bbb_480p_30s.mp4": 30.0, "bbb_1080p_62s.mp4": 62.3})
    async with house.watched():
        for count, name in enumerate(["bbb_480p_30s.mp4", "bbb_1080p_62s.mp4", "bbb_720p_31s.mp4"], 1):
            house.prober.lengths.setdefault(name, 30.4)
            films.write(house.folder / name)
            await house.ready(count)
        assert await _titles() == {"bbb": 2, "bbb 1080p 62s": 1}
        (house.folder / "bbb_1080p_62s.mp4").rename(house.folder / "Big Buck Bunny (2008).mp4")
        await house.until(lambda: Title.filter(title="Big Buck Bunny", year=2008).exists())
    assert await _titles() == {"bbb": 2, "Big Buck Bunny": 1}


async def _titles() -> dict[str, int]:
    """How many files each title has."""
    return {title.title: await TitleVideo.filter(title_id=title.id).count() for title in await Title.all()}


@pytest.mark.databases
async def test_episodes_come_together_in_one_series(house: House, films: Films) -> None:
    async with house.watched():
        for number in (1, 2):
            films.write(house.folder / "Dark (2017)" / "Season 01" / f"Dark S01E0{number} Title {number}.mkv")
        await house.ready(2)
    series = await Title.get(kind="series")
    episodes = await Title.filter(parent_id=series.id).order_by("episode")
    assert (series.title, series.year) == ("Dark", 2017)
    assert [(one.title, one.season, one.episode) for one in episodes] == [("Title 1", 1, 1), ("Title 2", 1, 2)]


async def test_duplicates_name_the_file_that_is_played_whatever_becomes_of_it(house: House, films: Films) -> None:
    sentence = "The same video as {}; only one of them is played."

    async def says(name: str, other: str) -> bool:
        return (await house.service.why(house.folder / name)).sentence == sentence.format(other)

    async with house.watched():
        films.write(house.folder / "a.mp4", "one")
        await house.settled({"a.mp4": "ready"})
        films.write(house.folder / "b.mp4", "one")
        await house.settled({"a.mp4": "ready", "b.mp4": "duplicate"})
        films.write(house.folder / "c.mp4", "one")
        await house.until(lambda: says("c.mp4", "a.mp4"))
        house.folder.rename(house.folder.with_name("away"))
        await house.until(lambda: house.has("offline", 3))
        house.folder.with_name("away").rename(house.folder)
        await house.settled({"a.mp4": "ready", "b.mp4": "duplicate", "c.mp4": "duplicate"})
        assert await says("b.mp4", "a.mp4")
        assert await says("c.mp4", "a.mp4")
        (house.folder / "a.mp4").rename(house.folder / "renamed.mp4")
        await house.until(lambda: says("c.mp4", "renamed.mp4"))
        (house.folder / "renamed.mp4").unlink()
        await house.until(lambda: says("c.mp4", "b.mp4"))


async def test_a_film_that_becomes_a_copy_of_another_still_has_its_title(house: House, films: Films) -> None:
    async with house.watched():
        films.write(house.folder / "One.mp4", "one")
        films.write(house.folder / "Two.mp4", "two")
        await house.ready(2)
        films.write(house.folder / "Two.mp4", "one")
        await house.settled({"One.mp4": "ready", "Two.mp4": "duplicate"})
    links = await TitleVideo.all().prefetch_related("title", "video")
    assert sorted((link.title.title, link.video.online) for link in links) == [("One", True), ("Two", True)]


async def test_a_scan_that_renames_pauses_only_while_it_holds_nothing(
    house: House, films: Films, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who starts a film waits for the scan's transaction, and would wait for a pause in it as well."""
    async with house.watched():
        for number in range(3):
            films.write(house.folder / "old" / f"{number}.mp4")
        await house.ready(3)
    (house.folder / "old").rename(house.folder / "new")
    scanner = Scanner(house.settings, house.db, house.changes, Records(house.db, house.changes, SystemClock()),
                      pending=lambda _: None, between=lambda: sleep(0))  # fmt: skip
    sleep, free = asyncio.sleep, list[bool]()

    async def pause(_seconds: float) -> None:
        called = list[int]()
        house.db.after_commit(lambda: called.append(1))  # at once where no transaction is open
        free.append(bool(called))

    with monkeypatch.context() as patched:
        patched.setattr(asyncio, "sleep", pause)
        await scanner.scan(house.folder)
    assert await house.states() == {f"new/{number}.mp4": "ready" for number in range(3)}
    assert len(free) >= 3
    assert all(free)


async def test_what_takes_the_place_of_a_film_that_was_just_looked_up_is_not_sent(
    house: House, films: Films, tmp_path: Path
) -> None:
    secret = tmp_path / "secret"
    secret.write_text("secret")
    async with house.watched():
        film = films.write(house.folder / "film.mp4")
        await house.settled({"film.mp4": "ready"})
    found = await house.service.file((await Video.get()).id)
    assert found is not None
    for put in (os.symlink, os.link):  # a link, and another file
        film.unlink()
        put(secret, film)
        with pytest.raises(NotFound):
            await send_file(
                cast("Any", None), found.path, content_type="video/mp4", cache_control="", file_id=found.file_id
            )
        assert await house.service.file((await Video.get()).id) is None


async def test_a_folder_that_became_a_link_leads_to_no_foreign_file(house: House, films: Films, tmp_path: Path) -> None:
    async with house.watched():
        film = films.write(house.folder / "folder" / "film.mp4")
        await house.settled({"folder/film.mp4": "ready"})
    was = film.stat()
    foreign = films.write(tmp_path / "foreign" / "film.mp4", "foreign")
    os.utime(foreign, ns=(was.st_atime_ns, was.st_mtime_ns))
    assert foreign.stat().st_size == was.st_size
    film.parent.rename(tmp_path / "kept")
    film.parent.symlink_to(foreign.parent)
    assert await house.service.source((await Video.get()).id) is None
    film.parent.unlink()
    film.parent.symlink_to(tmp_path / "kept")
    assert await house.service.source((await Video.get()).id) == tmp_path / "kept" / "film.mp4"
