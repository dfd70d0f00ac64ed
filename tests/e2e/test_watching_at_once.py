"""One stream in the browser: who is refused, who takes over, who is told at once, and that leaving gives it back."""

from __future__ import annotations

import asyncio
import json
import time
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from playwright.async_api import expect

from tests import media
from tests.e2e.screen import Screen
from tests.e2e.test_signing_in import ADMIN, PASSWORD, another_window, fill, make_admin
from tests.patience import PATIENCE, until

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from playwright.async_api import Route

    from tests.e2e.appliance import Appliance

pytestmark = pytest.mark.slow
PLUGINS: dict[str, Any] = {
    "auth_email": {"bcrypt_rounds": 4},
    "hls_transcoder": {"preset": "ultrafast", "resolutions": ["480p"]},
    "stream_limits": {"default_limit": 1, "session_timeout_seconds": 3600},  # a heartbeat every 7 minutes
}


async def signed_in(
    start_appliance: Callable[..., Awaitable[Appliance]], screen: Screen, **options: dict[str, Any]
) -> Appliance:
    """An appliance whose administrator is signed in on this screen; `options` take the place of those of a plugin."""
    appliance = await start_appliance(plugins=PLUGINS | options)
    await make_admin(appliance, screen.page)
    await expect(screen.page.get_by_role("link", name=ADMIN)).to_be_visible()
    return appliance


async def test_a_second_viewer_takes_the_stream_and_the_first_takes_it_back_where_it_was(
    start_appliance: Callable[..., Awaitable[Appliance]], screen: Screen
) -> None:
    appliance = await signed_in(start_appliance, screen)
    await appliance.drop(media.film(seconds=60), "One Stream.mp4")
    await screen.watch("One Stream")
    await screen.plays_from(0)
    await screen.seek(20)
    await screen.plays_from(20)
    beats: list[str] = []  # there is none within this test, so it is the news that tell
    screen.page.on("request", lambda asked: beats.append(asked.url) if asked.url.endswith("/progress") else None)

    async with another_window(screen) as page:
        other = Screen(page)
        await other.open(f"{appliance.url}/login?next=/%23/watch/one-stream")
        await fill(page, "Sign in", **{"E-mail address": ADMIN, "Password": PASSWORD})
        await expect(page.get_by_text("All streams of this account are in use.")).to_be_visible()
        await expect(page.get_by_text("Chrome on Linux plays One Stream, since")).to_be_visible()
        await expect(page.get_by_text("last heard of")).not_to_be_visible()
        await page.get_by_role("button", name="Stop it and watch here").click()
        await other.plays_from(20)

        told = screen.page.get_by_text("This stream is watched elsewhere now.")
        await expect(told).to_be_visible()
        await expect(screen.page.locator("seek-bar")).not_to_be_visible()
        await page.keyboard.press("Escape")  # leaving gives the stream back
        await screen.page.get_by_role("button", name="Watch here").click()
        await screen.plays_from(20)
        assert other.faults == []

    async with screen.page.expect_popup() as opened:  # a second tab of the same login
        await screen.page.evaluate("() => { open(location.href) }")
    tab = Screen(await opened.value)
    await tab.plays_from(20)
    told = screen.page.get_by_text("This stream has ended here: it was stopped, or plays in another tab.")
    await expect(told).to_be_visible()
    assert tab.faults == []
    assert beats == []


async def test_a_player_that_crashed_is_known_by_its_silence_also_on_a_telephone(
    start_appliance: Callable[..., Awaitable[Appliance]], screen: Screen
) -> None:
    appliance = await signed_in(start_appliance, screen, stream_limits={"default_limit": 2})
    await appliance.drop(media.film(seconds=4), "Short.mp4")
    await expect(screen.poster("Short")).to_be_visible()
    [film] = (await (await screen.page.request.get(f"{appliance.url}/v1/content/browse")).json())["content"]
    for name in ("television", "telephone"):
        crashed = {"device_id": name, "device_type": "other"}
        address = f"{appliance.url}/v1/streaming/{film['id']}/start"
        assert (await screen.page.request.post(address, data=crashed)).status == httpx.codes.CREATED

    async with another_window(screen, viewport={"width": 390, "height": 844}) as page:
        await page.clock.install(time=time.time() + 150)
        await page.goto(f"{appliance.url}/login?next=/%23/watch/short")
        await fill(page, "Sign in", **{"E-mail address": ADMIN, "Password": PASSWORD})
        await expect(page.get_by_text("last heard of at")).to_have_count(2)
        panel = await page.locator("watch-page .doing").bounding_box()
        assert panel is not None
        assert panel["width"] > 300
        await page.get_by_role("button", name="Stop the oldest and watch here").click()
        await Screen(page).plays_from(0)


async def test_who_leaves_before_the_film_has_begun_holds_no_stream(
    start_appliance: Callable[..., Awaitable[Appliance]], screen: Screen
) -> None:
    appliance, page = await signed_in(start_appliance, screen), screen.page
    await appliance.drop(media.film(seconds=4), "Short.mp4")
    asked, left = asyncio.Event(), asyncio.Event()

    async def slow(route: Route) -> None:
        asked.set()
        await left.wait()
        await route.continue_()

    await page.route("**/start", slow)
    async with page.expect_response("**/start") as answered:
        await screen.watch("Short")
        async with asyncio.timeout(PATIENCE):
            await asked.wait()
        await page.keyboard.press("Escape")
        await expect(screen.poster("Short")).to_be_visible()
        left.set()
    assert (await answered.value).status == 201

    async def nobody_plays() -> bool:
        told = await page.request.get(f"{appliance.url}/v1/streaming/sessions")
        return not (await told.json())["sessions"]

    await until(nobody_plays, "an account whose stream is free")


async def test_who_leaves_before_the_picture_moves_loses_no_place(
    start_appliance: Callable[..., Awaitable[Appliance]], screen: Screen
) -> None:
    appliance, page = await signed_in(start_appliance, screen), screen.page
    await appliance.drop(media.film(seconds=60), "Half Seen.mp4")
    await expect(screen.poster("Half Seen")).to_be_visible()
    [film] = (await (await page.request.get(f"{appliance.url}/v1/content/browse")).json())["content"]
    streaming = f"{appliance.url}/v1/streaming/{film['id']}"
    television = {"device_id": "television", "device_type": "tv"}
    begun = await (await page.request.post(f"{streaming}/start", data=television)).json()
    seen = {"session_id": begun["session_id"], "position": 20}
    assert (await page.request.post(f"{streaming}/stop", data=seen)).ok

    await page.route("**/*.ts", lambda route: route.abort())
    async with page.expect_response("**/480p/index.m3u8"):
        await screen.watch("Half Seen")
    async with page.expect_request("**/stop") as left:
        await page.keyboard.press("Escape")
    assert json.loads((await left.value).post_data or "")["position"] == 20
    again = await (await page.request.post(f"{streaming}/start", data=television)).json()
    assert again["position"] == 20
