"""What is dropped, hidden, cut off or refused: each file ends in a state and a sentence."""

from __future__ import annotations

import asyncio
import logging
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import pytest
from structlog.testing import capture_logs
from tortoise.exceptions import OperationalError

from mediaserver.core.library import watcher
from mediaserver.core.library.records import Records
from mediaserver.core.statuses import told
from mediaserver.models import Location, Title, TitleVideo, Video
from tests.core.terminal import PLAINLY

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from mediaserver.contracts import MediaInfo
    from tests.core.library.library_house import Films, House

pytestmark = pytest.mark.slow


async def test_a_dropped_file_becomes_a_video_with_a_title(house: House, films: Films) -> None:
    async with house.watched():
        films.write(house.folder / "Heat (1995)" / "Heat (1995).mp4")
        await house.settled({"Heat (1995)/Heat (1995).mp4": "ready"})
    title = await Title.get()
    assert (title.title, title.year, title.slug) == ("Heat", 1995, "heat-1995")
    assert await TitleVideo.filter(title_id=title.id).count() == 1
    told = await house.kinds()
    assert told.count("video_probed") == 1
    assert told.count("title_added") == 1


async def test_what_is_there_at_the_start_is_found(house: House, films: Films) -> None:
    films.write(house.folder / "a" / "b" / "c.mkv")
    films.write(house.folder / "d.mp4")
    async with house.watched(watch="off"):
        await house.settled({"a/b/c.mkv": "ready", "d.mp4": "ready"})


async def test_a_slow_copy_is_not_taken_before_its_end(house: House, films: Films) -> None:
    whole = films.bytes("slow", padding=5000)
    film = house.folder / "slow.mp4"
    async with house.watched(settle_seconds=0.2):
        with film.open("wb") as copy:
            for part in range(0, len(whole) - 1000, 2000):
                copy.write(whole[part : part + 2000])
                copy.flush()
                await house.until(lambda: _reason("still writing"))
                await asyncio.sleep(0.3)  # longer than the settle time: only the open file tells that it goes on
            assert not house.prober.calls
            copy.seek(0)
            copy.write(whole)
        await house.settled({"slow.mp4": "ready"})
    assert (await Video.get()).size == len(whole)


async def _reason(part: str) -> bool:
    return await Location.filter(reason__contains=part).exists()


async def test_half_a_copy_that_grows_later_becomes_the_whole_film(house: House, films: Films) -> None:
    whole = films.bytes("half")
    film = house.folder / "half.mp4"
    async with house.watched():
        film.write_bytes(whole[: len(whole) // 4])
        await house.until(
            lambda: house.has("refused", 1) if b"moov" not in whole[: len(whole) // 4] else house.has("ready", 1)
        )
        with film.open("ab") as copy:
            copy.write(whole[len(whole) // 4 :])
        await house.until(lambda: _sized(len(whole)))


async def _sized(size: int) -> bool:
    return await Location.filter(state="ready", size=size).exists()


async def test_an_empty_file_waits_and_says_so(house: House, films: Films) -> None:
    async with house.watched():
        film = house.folder / "film.mp4"
        film.touch()
        await house.until(lambda: _reason("still empty"))
        assert await house.states() == {"film.mp4": "settling"}
        films.write(film)
        await house.settled({"film.mp4": "ready"})


async def test_a_copy_under_a_temporary_name_appears_with_its_final_name(house: House, films: Films) -> None:
    async with house.watched():
        hidden = films.write(house.folder / ".film.mp4.Xy12Zz")
        part = films.write(house.folder / "other.mp4.part")
        witness = films.write(house.folder / "witness.mp4")
        await house.settled({"witness.mp4": "ready"})
        hidden.rename(house.folder / "film.mp4")
        part.rename(house.folder / "other.mp4")
        await house.ready(3)
    assert witness.exists()


async def test_a_file_that_is_no_film_is_refused_in_one_sentence(house: House) -> None:
    async with house.watched():
        (house.folder / "letter.mp4").write_text("Dear all, this is no film." * 20)
        await house.settled({"letter.mp4": "refused"})
        reason = await house.service.why(house.folder / "letter.mp4")
    assert reason.state == "refused"
    assert reason.sentence == "There is no film in this file: it is damaged, or it is not a video."


async def test_a_pipe_named_like_a_film_is_refused_and_never_opened(house: House, films: Films) -> None:
    os.mkfifo(house.folder / "film.mp4")
    films.write(house.folder / "real.mp4")
    async with house.watched():
        await house.settled({"film.mp4": "refused", "real.mp4": "ready"})
    assert "not a regular file" in (await house.service.why(house.folder / "film.mp4")).sentence


@pytest.mark.databases
async def test_names_of_any_bytes_are_found_and_found_again(house: House, films: Films) -> None:
    names = [b"\xff\xfe film.mp4", b"new\nline.mp4", "\uf7ff private.mp4".encode(), b"-dash: %s.mp4"]
    async with house.watched():
        for name in names:
            films.write(Path(os.fsdecode(os.fsencode(house.folder) + b"/" + name)))
        await house.ready(len(names))
    before = told(house.run_folder, "watch")["roots"][0]["last_scan"]
    async with house.watched():
        await house.until(lambda: _scanned_after(house, before))
        assert await Location.filter(state="ready").count() == len(names)
    assert len(house.prober.calls) == len(names)
    for video in await Video.all():
        source = await house.service.source(video.id)
        assert source is not None
        assert source.exists()
    for title in await Title.all():
        assert title.title.isprintable()


async def test_links_out_of_the_library_are_refused_where_people_can_see_it(
    house: House, films: Films, tmp_path: Path
) -> None:
    outside = films.write(tmp_path / "outside" / "film.mp4")
    (house.folder / "out.mp4").symlink_to(outside)
    (house.folder / "folder").symlink_to(outside.parent)
    (house.folder / "broken.mp4").symlink_to(tmp_path / "nothing")
    async with house.watched():
        await house.settled({"out.mp4": "refused", "folder": "refused", "broken.mp4": "refused"})
        assert "points out of the library" in (await house.service.why(house.folder / "out.mp4")).sentence
    async with house.watched(follow_symlinks="anywhere"):
        expected = {"ready", "duplicate", "refused"}
        await house.until(lambda: _states(expected, 3))
        assert await house.service.source((await Video.get()).id) == outside
    async with house.watched(follow_symlinks="never"):
        await house.until(lambda: house.has("refused", 3))


async def _states(expected: set[str], count: int) -> bool:
    rows = await Location.all()
    return {row.state.value for row in rows} == expected and len(rows) == count


async def test_links_inside_the_library_are_second_locations_and_circles_end(house: House, films: Films) -> None:
    films.write(house.folder / "a" / "film.mp4")
    (house.folder / "link.mp4").symlink_to(house.folder / "a" / "film.mp4")
    (house.folder / "a" / "circle").symlink_to(house.folder / "a")
    (house.folder / "self.mp4").symlink_to(house.folder / "self.mp4")
    async with house.watched():
        await house.until(lambda: _states({"ready", "duplicate", "refused"}, 4))
    assert (await Location.get(path="a/circle")).reason.startswith("This symbolic link points to a folder it lies in")
    assert await Video.all().count() == 1


async def test_an_ignore_file_takes_effect_at_once_and_is_undone_at_once(house: House, films: Films) -> None:
    async with house.watched(missing_guard=1.0):
        for name in ("keep/a.mp4", "private/b.mp4", "private/deep/c.mp4", "d.mp4"):
            films.write(house.folder / name)
        await house.ready(4)
        (house.folder / "private" / ".ignore").touch()
        await house.settled({"keep/a.mp4": "ready", "d.mp4": "ready"})
        assert "private/.ignore" in (await house.service.why(house.folder / "private" / "b.mp4")).sentence
        (house.folder / "private" / ".ignore").write_text("deep/\n")
        await house.settled({"keep/a.mp4": "ready", "d.mp4": "ready", "private/b.mp4": "ready"})
        (house.folder / "private" / ".ignore").unlink()
        await house.ready(4)
    assert await Video.all().count() == 4


async def test_polling_finds_what_no_event_told(house: House, films: Films, monkeypatch: object) -> None:
    async with house.watched(watch="polling", rescan_minutes=0.005):
        films.write(house.folder / "film.mp4")
        await house.settled({"film.mp4": "ready"})
        await house.until(lambda: _status_known(house))
        assert {root["mode"] for root in told(house.run_folder, "watch")["roots"]} == {"polling"}


async def test_what_cannot_be_noted_of_a_copy_ends_no_watching(
    house: House, films: Films, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watcher, "ONCE_MORE", 0.1)
    refusals = {"waits": 2, "probing": 1}
    for name in refusals:
        monkeypatch.setattr(Records, name, refusing(getattr(Records, name), name, refusals))
    async with house.watched():
        film = films.write(house.folder / "film.mp4")
        with film.open("ab") as copy:
            await house.until(lambda: asyncio.sleep(0, refusals["waits"] == 0))
            await house.until(lambda: _reason("copy"))
            copy.write(bytes(100))
        for number in range(5):
            films.write(house.folder / f"{number}.mp4", str(number))
        await house.ready(6)
    assert refusals["probing"] == 0


def refusing(method: Callable[..., Awaitable[None]], name: str, refusals: dict[str, int]) -> Any:
    async def refused(*told: Any) -> None:
        if refusals[name]:
            refusals[name] -= 1
            raise OperationalError("database or disk is full")
        await method(*told)

    return refused


@pytest.mark.sqlite
async def test_what_was_found_on_a_full_disk_is_taken_in_when_there_is_room(house: House, films: Films) -> None:
    [before] = await house.db.fetch("PRAGMA max_page_count")
    await house.db.fetch("PRAGMA max_page_count = 1")  # no more than there are
    with pytest.raises(OperationalError, match="full"):
        while True:
            await house.db.fetch("INSERT INTO core_change (kind, payload, at) VALUES ('filler', '{}', 0)")
    films.write(house.folder / "film.mp4")
    with capture_logs() as logs:
        async with house.watched(watch="off"):
            await house.until(lambda: _is_told(logs, "library: waits for the database"))
            await house.db.fetch(f"PRAGMA max_page_count = {before['max_page_count']}")
            await house.ready(1)
    assert not [each for each in logs if "exc_info" in each]


async def _is_told(logs: list[Any], event: str) -> bool:
    return any(each["event"] == event for each in logs)


async def test_a_status_that_cannot_be_written_ends_nothing_and_is_told_later(house: House, films: Films) -> None:
    in_its_way = house.run_folder / "watch.json"
    in_its_way.mkdir()
    async with house.watched():
        films.write(house.folder / "film.mp4")
        await house.ready(1)
        in_its_way.rmdir()
        await house.until(lambda: _status_known(house))


async def test_the_status_tells_mode_and_last_scan(house: House) -> None:
    async with house.watched():
        await house.until(lambda: _status_known(house))
    root = told(house.run_folder, "watch")["roots"][0]
    assert (root["mode"], root["online"]) == ("events", True)


async def _status_known(house: House) -> bool:
    status = told(house.run_folder, "watch")
    return bool(status) and all(root["last_scan"] for root in status["roots"])


def reads_everything() -> bool:
    with TemporaryDirectory() as folder:
        Path(folder).chmod(0)
        try:
            return list(Path(folder).iterdir()) == []
        except PermissionError:
            return False


needs_a_plain_user = pytest.mark.skipif(reads_everything(), reason="this user may read everything")


@needs_a_plain_user
async def test_a_folder_that_cannot_be_read_is_visible_and_its_films_are_not_lost(house: House, films: Films) -> None:
    async with house.watched():
        film = films.write(house.folder / "closed" / "film.mp4")
        films.write(house.folder / "open.mp4")
        await house.ready(2)
        film.parent.chmod(0)
        try:
            await house.service.scan()
            await house.settled({"closed/film.mp4": "offline", "open.mp4": "ready", "closed": "refused"})
            assert "cannot be read" in (await house.service.why(film.parent)).sentence
        finally:
            film.parent.chmod(0o755)
        await house.service.scan()
        await house.ready(2)
    assert len(house.prober.calls) == 2


@needs_a_plain_user
async def test_a_request_that_another_user_made_is_carried_out_once(house: House, films: Films) -> None:
    await house.service.scan()
    requests = house.run_folder / "scans"
    requests.chmod(0o500)
    try:
        async with house.watched(watch="off"):
            films.write(house.folder / "film.mp4")
            await house.ready(1)
            assert len(list(requests.iterdir())) == 1
    finally:
        requests.chmod(0o700)


@needs_a_plain_user
async def test_a_file_that_may_be_read_again_is_taken(house: House, films: Films) -> None:
    film = films.write(house.folder / "film.mp4")
    film.chmod(0)
    async with house.watched():
        await house.settled({"film.mp4": "refused"})
        assert "chmod" in (await house.service.why(film)).sentence
        film.chmod(0o644)
        await house.service.scan()
        await house.settled({"film.mp4": "ready"})


async def test_a_film_that_is_cut_off_waits_for_its_rest(house: House, films: Films) -> None:
    probe = house.prober

    async def cut_off(path: Path) -> MediaInfo:
        found: MediaInfo = await probe(path)
        return replace(found, truncated=path.stat().st_size < len(whole))

    whole = films.bytes("cut", padding=3000)
    house.prober = cut_off
    film = house.folder / "film.mp4"
    async with house.watched():
        film.write_bytes(whole[:-1000])
        await house.until(lambda: _reason("ends before its header says"))
        assert await Video.all().count() == 0
        with film.open("ab") as copy:
            copy.write(whole[-1000:])
        await house.settled({"film.mp4": "ready"})
    assert (await Video.get()).size == len(whole)


async def test_lost_events_are_made_up_for_by_a_scan(house: House, films: Films) -> None:
    async with house.watched():
        await house.until(lambda: _status_known(house))
        before = told(house.run_folder, "watch")["roots"][0]["last_scan"]
        logging.getLogger("watchdog.observers.inotify_c").warning(
            "Inotify queue overflowed; filesystem events were lost"
        )
        await house.until(lambda: _scanned_after(house, before))


async def _scanned_after(house: House, before: str) -> bool:
    return told(house.run_folder, "watch")["roots"][0]["last_scan"] not in (before, None)


@pytest.mark.slow
@pytest.mark.skipif(os.geteuid() != 0, reason="this user may read everything, or is a plain one that ran them above")
def test_what_root_may_read_is_tested_without_that_right() -> None:
    plain = [sys.executable, "-m", "pytest", "-q", __file__, "-k", "cannot_be_read_is_visible or read_again_is_taken"]
    root = Path(__file__).parents[3]
    done = subprocess.run([*PLAINLY, *plain], capture_output=True, text=True, cwd=root, check=False)
    assert done.returncode == 0, done.stdout
    assert "skipped" not in done.stdout
