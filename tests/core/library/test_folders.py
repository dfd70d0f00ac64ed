"""The folders of the library: named, taken out, away and back; nothing is lost on the way."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from mediaserver.core.library.service import LibraryService
from mediaserver.core.statuses import told
from mediaserver.models import Location, Title, Video

if TYPE_CHECKING:
    from pathlib import Path

    from tests.core.library.library_house import Films, House

pytestmark = pytest.mark.slow


def service(house: House, *folders: Path) -> LibraryService:
    return LibraryService(replace(house.settings, folders=folders), house.db, house.wakeups, house.run_folder)


async def test_a_folder_taken_out_of_the_settings_is_offline_until_it_is_named_again(
    house: House, films: Films, tmp_path: Path
) -> None:
    film = films.write(tmp_path / "private" / "Film.mp4")
    async with house.watched(folders=(house.folder, film.parent)):
        await house.ready(1)
    video = await Video.get()
    assert await house.service.source(video.id) is None, "before the watcher has run, too"
    sentence = f"The folder {film.parent} is no longer in library.folders."
    [found] = (await house.service.locations()).items
    assert (found.state, found.sentence) == ("offline", sentence)
    async with house.watched():
        await house.settled({"Film.mp4": "offline"})
        await house.until(lambda: Video.filter(online=False).exists())
    assert (await Location.get()).reason == sentence
    async with house.watched(folders=(house.folder, film.parent)):
        await house.ready(1)
    assert await service(house, house.folder, film.parent).source(video.id) == film
    assert (await Video.get()).online
    assert len(house.prober.calls) == 1


async def test_subtitles_of_a_folder_taken_out_of_the_settings_are_not_handed_out(
    house: House, films: Films, tmp_path: Path
) -> None:
    film = films.write(tmp_path / "private" / "Film.mp4")
    film.with_suffix(".srt").write_text("1\n00:00:00,000 --> 00:00:01,000\nHello.\n")
    async with house.watched(folders=(film.parent,)):
        await house.ready(1)
    video = await Video.get()
    assert len(await service(house, film.parent).beside(video.id)) == 1
    assert await house.service.beside(video.id) == ()


async def test_the_folder_around_a_former_one_takes_its_films_over(house: House, films: Films, tmp_path: Path) -> None:
    film = films.write(tmp_path / "films" / "drama" / "Film.mp4")
    async with house.watched(folders=(film.parent,)):
        await house.ready(1)
    async with house.watched(folders=(tmp_path / "films",)):
        await house.settled({"drama/Film.mp4": "ready"})
    assert await Title.all().count() == len(house.prober.calls) == 1


async def test_a_folder_without_most_of_its_films_says_so_until_they_are_back(
    house: House, films: Films, tmp_path: Path
) -> None:
    for number in range(4):
        films.write(house.folder / "disk" / f"{number}.mp4")
    films.write(house.folder / "here.mp4")
    sentence = f"4 of 5 files of {house.folder} are gone at once; is a disk not connected? Nothing is deleted."
    async with house.watched():
        await house.ready(5)
        (house.folder / "disk").rename(tmp_path / "away")
        await house.until(lambda: says(house, sentence, online=False))
    async with house.watched():  # what a start finds
        await house.until(lambda: says(house, sentence, online=False))
        (tmp_path / "away").rename(house.folder / "disk")
        await house.until(lambda: says(house, "", online=True))
        await house.ready(5)


async def test_a_disk_that_comes_back_almost_empty_is_not_called_missing(house: House, films: Films) -> None:
    for number in range(4):
        films.write(house.folder / f"{number}.mp4")
    async with house.watched():
        await house.ready(4)
        house.folder.rename(house.folder.with_name("away"))
        await house.until(lambda: says(house, "the folder is missing", online=False))
        house.folder.mkdir()
        sentence = f"4 of 4 files of {house.folder} are gone at once; is a disk not connected? Nothing is deleted."
        await house.until(lambda: says(house, sentence, online=False))
        assert (await house.service.why(house.folder / "0.mp4")).sentence == sentence


async def says(house: House, reason: str, *, online: bool) -> bool:
    """Whether that is what the status tells of the first folder."""
    [root, *_] = told(house.run_folder, "watch").get("roots", [{}])
    return (root.get("reason"), root.get("online")) == (reason, online)
