"""Requests to scan, from other processes: carried out, once, and dropped."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from mediaserver.core.library import watcher
from mediaserver.core.library.scanner import Scanned, Scanner

if TYPE_CHECKING:
    from tests.core.library.library_house import Films, House

pytestmark = pytest.mark.slow


async def test_a_request_from_another_process_is_carried_out_and_dropped(house: House, films: Films) -> None:
    films.write(house.folder / "deep" / "film.mp4")
    await house.service.scan(house.folder / "deep" / "film.mp4")
    async with house.watched(watch="off"):
        await house.settled({"deep/film.mp4": "ready"})
        films.write(house.folder / "deep" / "next.mp4")
        await house.service.scan(house.folder / "deep")
        await house.ready(2)
    assert not list((house.run_folder / "scans").iterdir())


async def test_a_request_that_takes_its_time_is_carried_out_once(
    house: House, films: Films, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watcher, "TICK", 0.02)
    scan, asked, gate, uploads = Scanner.scan, Counter[Path](), asyncio.Event(), house.settings.upload_folder

    async def slow(scanner: Scanner, root: Path) -> Scanned:
        asked[root] += 1
        if asked[uploads] == 2:  # the last root that the request waits for
            await gate.wait()
        return await scan(scanner, root)

    monkeypatch.setattr(Scanner, "scan", slow)
    films.write(house.folder / "film.mp4")
    async with house.watched(watch="off"):
        await house.ready(1)
        await house.service.scan()
        await house.until(lambda: asyncio.sleep(0, asked[uploads] == 2))
        await asyncio.sleep(0.2)  # ten looks at the requests that wait
        gate.set()
        await house.until(lambda: _no_requests(house))
        await asyncio.sleep(0.2)
    assert asked == {house.folder: 2, uploads: 2}


async def test_a_request_for_what_cannot_be_looked_at_ends_nothing(house: House, films: Films) -> None:
    unspeakable = house.folder / f"{'a' * 300}.mp4"
    await house.service.scan(unspeakable)
    async with house.watched():
        films.write(house.folder / "film.mp4")
        await house.ready(1)
        await house.until(lambda: _no_requests(house))
        assert "It cannot be looked at" in (await house.service.why(unspeakable)).sentence


async def _no_requests(house: House) -> bool:
    return not list((house.run_folder / "scans").iterdir())
