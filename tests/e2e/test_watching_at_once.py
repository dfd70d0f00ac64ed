"""Two people of one account and one stream, in the browser: who is refused, who takes over, and who is told."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from playwright.async_api import expect

from tests import media
from tests.e2e.screen import MILLISECONDS, Screen
from tests.e2e.test_signing_in import ADMIN, PASSWORD, another_window, fill, make_admin

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.e2e.appliance import Appliance

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]
PLUGINS: dict[str, Any] = {
    "auth_email": {"bcrypt_rounds": 4},
    "hls_transcoder": {"preset": "ultrafast", "resolutions": ["480p"]},
    "stream_limits": {"default_limit": 1, "session_timeout_seconds": 10},
}


async def test_a_second_viewer_takes_the_stream_and_the_first_takes_it_back_where_it_was(
    start_appliance: Callable[..., Awaitable[Appliance]], screen: Screen
) -> None:
    appliance = await start_appliance(plugins=PLUGINS)
    await make_admin(appliance, screen.page)
    await expect(screen.page.get_by_role("link", name=ADMIN)).to_be_visible(timeout=MILLISECONDS)
    await appliance.drop(media.film(seconds=60), "One Stream.mp4")
    await screen.watch("One Stream")
    await screen.plays_from(0)
    await screen.seek(20)
    await screen.plays_from(20)

    async with another_window(screen) as page:
        other = Screen(page)
        await other.open(f"{appliance.url}/login?next=/%23/watch/one-stream")
        await fill(page, "Sign in", **{"E-mail address": ADMIN, "Password": PASSWORD})
        await expect(page.get_by_text("All streams of this account are in use.")).to_be_visible(timeout=MILLISECONDS)
        await expect(page.get_by_text("Chrome on Linux plays One Stream, since")).to_be_visible()
        await page.get_by_role("button", name="Stop the oldest and watch here").click()
        await other.plays_from(20)

        told = screen.page.get_by_text("This stream is watched elsewhere now.")
        await expect(told).to_be_visible(timeout=MILLISECONDS)
        await page.keyboard.press("Escape")  # leaving gives the stream back
        await screen.page.get_by_role("button", name="Watch here").click()
        await screen.plays_from(20)
        assert other.faults == []
