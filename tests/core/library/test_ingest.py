"""What was found of a file is said of those bytes, and of no others."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from mediaserver.core.library.lineup import LineUp
from mediaserver.core.library.probe import ProbeFailed
from mediaserver.models import Location, TitleVideo, Video

if TYPE_CHECKING:
    from pathlib import Path

    from mediaserver.contracts import MediaInfo
    from tests.core.library.library_house import Films, House

pytestmark = pytest.mark.slow


async def recorded(house: House, content: bytes) -> None:
    """Until a scan has seen that the film is these bytes by now."""
    await house.until(lambda: Location.filter(size=len(content)).exists())


@pytest.mark.databases
async def test_a_copy_that_ends_while_its_first_part_is_refused_becomes_a_film(house: House, films: Films) -> None:
    whole = films.bytes("whole", 600)
    counting = house.prober

    async def prober(path: Path) -> MediaInfo:
        if path.stat().st_size == len(whole):
            return await counting(path)  # type: ignore[no-any-return]
        path.write_bytes(whole)
        await recorded(house, whole)
        raise ProbeFailed("The index of this file is missing.")

    house.prober = prober
    async with house.watched():
        (house.folder / "Film.mp4").write_bytes(b"half")
        await house.settled({"Film.mp4": "ready"})
    assert (await Location.get()).reason == ""


async def test_a_film_that_is_replaced_while_it_is_described_is_the_new_one(house: House, films: Films) -> None:
    whole = films.bytes("whole", 600)

    async def describe(path: Path, _info: MediaInfo) -> None:
        if path.stat().st_size != len(whole):
            path.write_bytes(whole)
            await recorded(house, whole)

    house.describe = describe
    async with house.watched():
        films.write(house.folder / "Film.mp4", "first")
        await house.settled({"Film.mp4": "ready"})
    assert [video.size for video in await Video.all()] == [len(whole)]
    assert await TitleVideo.all().count() == 1


async def test_a_film_renamed_while_it_is_described_has_its_new_name(house: House, films: Films) -> None:
    async def describe(path: Path, _info: MediaInfo) -> None:
        if path.name == "Old.mp4":
            path.rename(path.with_name("New.mp4"))
            await house.until(lambda: Location.filter(path="New.mp4").exists())

    house.describe = describe
    async with house.watched():
        films.write(house.folder / "Old.mp4")
        await house.settled({"New.mp4": "ready"})
    [link] = await TitleVideo.all().prefetch_related("title")
    assert link.title.title == "New"


async def test_a_file_in_hand_is_given_to_nobody_else_until_it_is_let_go() -> None:
    lineup = LineUp()
    lineup.add("film")
    async with lineup.next() as first:
        lineup.add("film")
        lineup.add("other", 1)
        async with lineup.next() as second:
            assert (first, second) == ("film", "other")
    async with asyncio.timeout(10), lineup.next() as third:
        assert third == "film"
    assert len(lineup) == 0
