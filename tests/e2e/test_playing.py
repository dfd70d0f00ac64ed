from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from playwright.async_api import expect

from tests import media, sources
from tests.e2e.appliance import Appliance
from tests.patience import until

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from tests.e2e.screen import Screen

    Start = Callable[..., Awaitable[Appliance]]

pytestmark = pytest.mark.slow


def plain() -> Path:
    return media.film("plain.mp4", seconds=9)


def cinema() -> Path:
    return media.film("cinema.mkv", seconds=9, rate="24000/1001", gop=48)


def upright() -> Path:
    """As a phone writes it: a wide picture and the word that it is to be turned."""
    wide = media.film("wide.mp4", seconds=9, rate="30", audio=False)
    return media.copied(wide, "upright.mp4", "-metadata:s:v:0", "rotate=90")


def long() -> Path:
    return media.film("long.mp4", seconds=40, size="160x90")


def sharp() -> Path:
    return media.film("sharp.mp4", seconds=14, size="1280x720")


SOURCES = {"mp4, 25 frames": plain, "mkv, 24000/1001": cinema, "upright, silent": upright}
AHEAD = ["all", "off"]


def transcoder(**options: Any) -> dict[str, dict[str, Any]]:
    return {"hls_transcoder": {"preset": "ultrafast", **options}}


@pytest.mark.parametrize("source", SOURCES.values(), ids=SOURCES.keys())
async def test_a_dropped_film_appears_and_plays_to_its_end_without_a_gap(
    share_appliance: Start, screen: Screen, source: Callable[[], Path]
) -> None:
    appliance = await share_appliance(plugins=transcoder(background="all"))
    await screen.open(appliance.url)
    file = source()
    await appliance.drop(file, file.name)

    await screen.watch(file.stem)

    at_end = await screen.ends()
    assert len(at_end["buffered"]) == 1
    start, end = at_end["buffered"][0]
    assert start < 0.1
    assert end > at_end["duration"] - 0.1
    assert abs(at_end["duration"] - 9) < 0.2
    if source is upright:
        assert at_end["height"] > at_end["width"]


@pytest.mark.parametrize("background", AHEAD)
async def test_any_place_plays_at_once_though_nothing_there_is_made_yet(
    share_appliance: Start, screen: Screen, background: str
) -> None:
    appliance = await share_appliance(plugins=transcoder(background=background))
    await screen.open(appliance.url)
    await appliance.drop(long(), "Long Film.mp4")
    await screen.watch("Long Film")
    await screen.plays_from(0)
    for place in (33.0, 18.5, 26.0, 4.2):
        await screen.seek(place)
        await screen.plays_from(place)


@pytest.mark.parametrize("background", AHEAD)
async def test_the_resolution_changes_by_the_menu(share_appliance: Start, screen: Screen, background: str) -> None:
    appliance = await share_appliance(plugins=transcoder(background=background))
    await screen.open(appliance.url)
    await appliance.drop(sharp(), "Sharp Film.mp4")
    await screen.watch("Sharp Film")
    await screen.plays_from(0)
    await screen.begins_anew(True)
    for name, height in (("720p", 720), ("480p", 480)):
        await screen.choose_quality(name)

        async def seen(height: int = height) -> bool:
            return bool((await screen.player())["height"] == height)

        await until(seen, f"a picture of {height} lines")
        await expect(screen.page.get_by_role("button", name="Quality")).to_have_text(name)


async def test_only_what_is_made_when_it_is_watched_is_made_without_background(
    start_appliance: Start, screen: Screen
) -> None:
    appliance = await start_appliance(plugins=transcoder(background="off"))
    asked: set[str] = set()
    screen.page.on("request", lambda request: asked.add("/".join(request.url.split("/")[-2:])))
    await appliance.film(sharp(), "Sharp Film.mp4")
    await screen.open(appliance.url)
    await screen.watch("Sharp Film")
    await screen.choose_quality("480p")
    at_end = await screen.ends()
    assert len(at_end["buffered"]) == 1
    made = {f"{cell.parent.name}/{cell.name}" for cell in appliance.cells()}
    assert {"480p/003.ts"} <= made <= asked | {"480p/000.ts"}  # the first one is made for whoever may come
    assert {cell.rpartition("/")[2] for cell in made} == {"000.ts", "001.ts", "002.ts", "003.ts"}


async def test_a_film_that_is_damaged_in_its_middle_plays_to_its_end(share_appliance: Start, screen: Screen) -> None:
    appliance = await share_appliance(plugins=transcoder(background="all"))
    film = await appliance.film(sources.of_three_sizes(), "Recorded Film.ts")
    await until(lambda: _is(appliance, film["id"], "partial"), "an end of the encoding")
    await screen.open(appliance.url)
    await expect(screen.page.get_by_text("Damaged").filter(visible=True)).to_have_count(1)
    await screen.watch("Recorded Film")
    await expect(screen.page.get_by_text("copy it again if you have a better copy")).to_be_visible()
    at_end = await screen.ends()
    assert len(at_end["buffered"]) == 1
    assert abs(at_end["duration"] - 10) < 0.2


async def test_who_watches_while_the_end_turns_out_to_be_missing_comes_to_an_end(
    share_appliance: Start, screen: Screen
) -> None:
    appliance = await share_appliance(plugins=transcoder(background="off"))
    half = sources.damaged("half.mp4", sources.zeros(0.5, 1), *sources.FASTSTART, seconds=10)
    film = await appliance.film(half(), "Half Film.mp4")
    await screen.open(appliance.url)
    await screen.watch("Half Film")
    at_end = await screen.ends()
    assert len(at_end["buffered"]) == 1
    assert abs(at_end["duration"] - 10) < 0.2

    async def is_short() -> bool:
        return bool((await appliance.get(f"/v1/content/{film['id']}"))["duration"] < 7)

    await until(is_short, "a film of what is there, for who begins now")


async def _is(appliance: Appliance, title: str, status: str) -> bool:
    return await appliance.status(title) == status
