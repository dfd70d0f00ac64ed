"""A damaged film and a better copy of it, which differ only where no sample is taken."""

from __future__ import annotations

import asyncio
import os
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from mediaserver.core.library.identity import fingerprint
from mediaserver.models import Location, Video

if TYPE_CHECKING:
    from pathlib import Path

    from mediaserver.contracts import MediaInfo
    from tests.core.library.library_house import Films, House

BETWEEN = 100_000  # bytes: behind the first 64 KiB, before the first sample
SIZE = 2_000_000  # bytes


async def test_a_better_copy_over_a_damaged_film_is_another_version_of_its_title(house: House, films: Films) -> None:
    path = films.write(house.folder / "Film.mp4", "film", padding=SIZE)
    async with house.watched():
        await house.settled({"Film.mp4": "ready"})
        video = await Video.get()
        await house.service.damaged(video.id, 0.5)
        assert (await Video.get()).duration == 0.5
        mark = fingerprint(path)
        better = bytearray(path.read_bytes())
        better[BETWEEN : BETWEEN + 100] = b"better" * 16 + b"good"
        path.write_bytes(better)
        assert fingerprint(path) == mark

        async def replaced() -> bool:
            return (await Location.get()).video_id not in (None, video.id)

        await house.until(replaced)
        assert (await Video.get(id=(await Location.get()).video_id)).duration == 1.0


@pytest.mark.databases
async def test_why_says_that_a_film_ends_early_however_many_found_it_damaged(house: House, films: Films) -> None:
    film = films.write(house.folder / "Film.mp4")
    async with house.watched():
        await house.settled({"Film.mp4": "ready"})
    video = await Video.get()
    assert (await house.service.why(film)).sentence == "It is in the library."
    await asyncio.gather(*(house.service.damaged(video.id, ends) for ends in (None, 0.5, None)))
    for ends in (0.5, 0.4):
        await house.service.damaged(video.id, ends)
        [listed] = (await house.service.locations()).items
        assert listed == await house.service.why(film)
        assert "this copy ends before its header says" in listed.sentence
        assert (await Video.get()).duration == ends


async def test_why_says_that_a_film_has_damaged_places(house: House, films: Films) -> None:
    film = films.write(house.folder / "Film.mp4")
    async with house.watched():
        await house.settled({"Film.mp4": "ready"})
    await house.service.damaged((await Video.get()).id)
    assert "it is damaged" in (await house.service.why(film)).sentence


async def test_why_says_that_a_probe_found_a_film_cut_short(house: House, films: Films) -> None:
    counting = house.prober

    async def prober(path: Path) -> MediaInfo:
        found: MediaInfo = await counting(path)
        return replace(found, truncated=True)

    house.prober = prober
    film = films.write(house.folder / "Film.mp4")
    os.utime(film, (0, 0))  # it has grown for long no more
    async with house.watched():
        await house.settled({"Film.mp4": "ready"})
    assert "ends before its header says" in (await house.service.why(film)).sentence
