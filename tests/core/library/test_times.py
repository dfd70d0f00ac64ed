"""Files whose time is not of today, and none that anybody meant."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from mediaserver.models import Video

if TYPE_CHECKING:
    from pathlib import Path

    from mediaserver.contracts import MediaInfo
    from tests.core.library.library_house import Films, House

pytestmark = pytest.mark.slow


@pytest.mark.databases
@pytest.mark.parametrize("year", [2300, 1600])
async def test_a_time_that_no_database_holds_keeps_nothing_from_being_found(
    house: House, films: Films, year: int
) -> None:
    seconds = (year - 1970) * 31_556_952
    far = films.write(house.folder / "far.mp4")
    (house.folder / "far.en.srt").write_text("subtitle")
    for path in house.folder.iterdir():
        os.utime(path, ns=(seconds * 10**9, seconds * 10**9))
    async with house.watched():
        await house.settled({"far.mp4": "ready"})
        films.write(house.folder / "near.mp4")
        await house.settled({"far.mp4": "ready", "near.mp4": "ready"})
    video = await Video.filter(locations__path="far.mp4").get()
    assert await house.service.source(video.id) == far
    assert [each.path.name for each in await house.service.beside(video.id)] == ["far.en.srt"]


@pytest.mark.parametrize("year", [1990, 2100, 2300])
async def test_a_film_that_is_cut_off_and_not_of_today_is_taken_as_it_is(house: House, films: Films, year: int) -> None:
    probe = house.prober

    async def cut_off(path: Path) -> MediaInfo:
        found: MediaInfo = await probe(path)
        return replace(found, truncated=True)

    house.prober = cut_off
    film = films.write(house.folder / "film.mp4")
    os.utime(film, ns=((year - 1970) * 31_556_952 * 10**9,) * 2)
    async with house.watched():
        await house.settled({"film.mp4": "ready"})
