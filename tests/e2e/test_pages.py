"""What the pages say: to those let in and those not, of files and films, and when the server is gone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from playwright.async_api import expect

from tests import media
from tests.e2e.appliance import Appliance
from tests.patience import until

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.e2e.screen import Screen

    Start = Callable[..., Awaitable[Appliance]]

pytestmark = pytest.mark.slow

OFF: dict[str, Any] = {"hls_transcoder": {"preset": "ultrafast", "background": "off"}}


async def test_who_is_not_let_in_is_told_what_to_do(start_appliance: Start, screen: Screen) -> None:
    appliance = await start_appliance(server={"guest": "none"})
    await screen.open(appliance.url)
    await expect(screen.page.get_by_text("You are not let in here yet")).to_be_visible()
    await expect(screen.page.get_by_text("server: {guest: viewer}")).to_be_visible()


async def test_only_an_administrator_is_told_where_the_library_is(start_appliance: Start, screen: Screen) -> None:
    appliance = await start_appliance(server={"guest": "viewer"})
    await screen.open(appliance.url)
    await expect(screen.page.get_by_text("No films yet")).to_be_visible()
    assert str(appliance.folder) not in await screen.page.content()
    assert str(appliance.folder) not in str(await appliance.get("/ready"))


async def test_a_viewer_sees_how_far_a_film_is_and_watches_it(start_appliance: Start, screen: Screen) -> None:
    appliance = await start_appliance(plugins=OFF, server={"guest": "viewer"})
    await screen.open(appliance.url)
    await appliance.drop(media.film(seconds=8), "Quiet Film.mp4")
    await expect(screen.poster("Quiet Film").get_by_role("img", name="of 2 parts")).to_be_visible()
    await screen.watch("Quiet Film")
    await screen.plays_from(0)


async def test_a_title_that_is_markup_stays_text(share_appliance: Start, screen: Screen) -> None:
    appliance = await share_appliance(plugins=OFF)
    await screen.open(appliance.url)
    await appliance.drop(media.film(seconds=4), "<img src=x onerror=alert(1)>.mp4")
    await expect(screen.page.locator("film-poster .name", has_text="onerror")).to_be_visible()
    assert await screen.page.locator('img[src="x"]').count() == 0


async def test_a_file_that_is_refused_is_shown_with_its_reason(share_appliance: Start, screen: Screen) -> None:
    appliance = await share_appliance(plugins=OFF)
    await screen.open(appliance.url)
    (appliance.library / "Broken.mp4").write_bytes(b"no film at all" * 100)
    await screen.page.get_by_text("1 file is left out, and why").click()
    reason = (await appliance.get(f"/v1/admin/library/why?path={appliance.library / 'Broken.mp4'}"))["reason"]
    await expect(screen.page.get_by_text(reason)).to_be_visible()


async def test_the_player_obeys_the_keyboard(share_appliance: Start, screen: Screen) -> None:
    appliance = await share_appliance(plugins=OFF)
    await appliance.film(media.film("keys.mp4", seconds=40), "Keys.mp4")
    await screen.open(appliance.url)
    await screen.poster("Keys").focus()
    await screen.page.keyboard.press("Enter")
    await screen.plays_from(0)

    async def reaches(key: str, wanted: Callable[[dict[str, Any]], bool]) -> None:
        await screen.page.keyboard.press(key)

        async def reached() -> bool:
            return wanted(await screen.player())

        await until(reached, f"what {key} does")

    await reaches("k", lambda now: now["paused"])
    await reaches("5", lambda now: abs(now["position"] - 20) < 0.2)
    await reaches("l", lambda now: abs(now["position"] - 30) < 0.2)
    await reaches("ArrowLeft", lambda now: abs(now["position"] - 25) < 0.2)
    await reaches("j", lambda now: abs(now["position"] - 15) < 0.2)
    await reaches(" ", lambda now: not now["paused"])
    await screen.page.keyboard.press("?")
    await expect(screen.page.get_by_role("dialog", name="Keys")).to_be_visible()
    await screen.page.keyboard.press("Escape")
    await screen.page.keyboard.press("Escape")
    await expect(screen.poster("Keys")).to_be_focused()


async def test_a_lost_server_is_said_and_its_return_is_seen(share_appliance: Start, screen: Screen) -> None:
    appliance = await share_appliance(plugins=OFF)
    await appliance.film(media.film(seconds=3), "Film.mp4")
    await screen.open(appliance.url)
    await expect(screen.poster("Film")).to_be_visible()
    bar = screen.page.get_by_text("The server cannot be reached")
    await expect(bar).to_be_hidden()
    await appliance.stop()
    await expect(bar).to_be_visible()
    await appliance.start()
    await expect(bar).to_be_hidden()


async def test_a_page_that_nobody_sees_lets_its_connection_go_and_looks_anew_when_it_is_seen(
    share_appliance: Start, screen: Screen
) -> None:
    """A browser has six to a server: pages that it keeps for the way back held them, and the next one waited."""
    appliance = await share_appliance(plugins=OFF)
    async with screen.page.expect_request("**/v1/events"):
        await screen.open(appliance.url)
    async with screen.page.expect_event("requestfailed", lambda request: request.url.endswith("/v1/events")):
        await screen.page.evaluate("dispatchEvent(new PageTransitionEvent('pagehide', {persisted: true}))")
    await appliance.film(media.film("meanwhile.mp4", seconds=5), "Meanwhile.mp4")
    await screen.page.evaluate("dispatchEvent(new PageTransitionEvent('pageshow', {persisted: true}))")
    await expect(screen.poster("Meanwhile")).to_be_visible()


async def test_an_extra_without_its_film_plays_and_every_control_is_in_reach_of_a_phone(
    share_appliance: Start, screen: Screen
) -> None:
    appliance = await share_appliance(plugins=OFF)
    source = media.copied(media.film("plain.mp4", seconds=9), "two-voices.mkv", "-map", "0:a")
    await appliance.drop(source, "Alone-clip.mkv")
    await screen.page.set_viewport_size({"width": 360, "height": 640})
    await screen.open(appliance.url)
    await screen.watch("Alone")
    await screen.plays_from(0)
    await screen.page.keyboard.press("s")
    await expect(screen.page.get_by_text("1.25\N{MULTIPLICATION SIGN}")).to_be_visible()
    for name in ("Pause (K)", "Sound (M)", "Audio", "Quality", "Full screen (F)"):
        await expect(screen.page.get_by_role("button", name=name, exact=True)).to_be_in_viewport(ratio=1)


async def test_episodes_stand_in_their_seasons_and_the_way_back_from_one_leads_to_its_series(
    share_appliance: Start, screen: Screen
) -> None:
    appliance = await share_appliance(plugins=OFF)
    for season, name in ((1, "Dark S01E01.mp4"), (2, "Dark S02E01 Lies.mp4")):
        await appliance.drop(media.film(f"season-{season}.mp4", seconds=5 + season), name)
    await screen.open(appliance.url)
    await expect(screen.poster("Dark").get_by_text("2 seasons")).to_be_visible()
    await screen.watch("Dark")
    await expect(screen.page.get_by_role("heading", name="Season 2")).to_be_visible()
    await screen.page.get_by_role("link", name="1. Lies").click()
    await expect(screen.page.get_by_role("heading", name="Dark · S2 E1 · Lies")).to_be_visible()
    await screen.page.keyboard.press("Escape")
    await expect(screen.page.get_by_role("heading", name="Season 1")).to_be_visible()
    await screen.page.keyboard.press("Escape")
    await expect(screen.poster("Dark")).to_be_in_viewport()
