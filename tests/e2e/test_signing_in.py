"""From the first start to a film, as people with accounts do it in the browser; and the plain pages without script."""

from __future__ import annotations

import email
import re
from contextlib import asynccontextmanager
from email import policy
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
from playwright.async_api import expect

from tests import media
from tests.e2e.appliance import Appliance
from tests.e2e.screen import MILLISECONDS, Screen
from tests.patience import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from playwright.async_api import Page

    Start = Callable[..., Awaitable[Appliance]]

pytestmark = pytest.mark.slow

ADMIN, ADA = "root@example.org", "ada@example.org"
PASSWORD, OTHER = "nine blue kettles", "ten red lanterns"
PLUGINS: dict[str, Any] = {
    "auth_email": {"bcrypt_rounds": 4},
    "hls_transcoder": {"preset": "ultrafast", "background": "off"},
}


async def setup_link(appliance: Appliance) -> str:
    """Below the appliance's own address."""

    async def printed() -> str | None:
        found = re.search(r"/setup\?token=\S+", appliance.log)
        return found[0] if found else None

    return appliance.url + str(await until(printed, "the set-up link in the log"))


async def mailed_link(appliance: Appliance, address: str, subject: str) -> str:
    async def arrived() -> str | None:
        for path in sorted((appliance.data / "mail").glob("*.eml")):
            letter = email.message_from_bytes(path.read_bytes(), policy=policy.default)
            text = letter.get_body(("plain",))
            if address in str(letter["to"]) and subject in str(letter["subject"]) and text is not None:
                return str(re.findall(r"https?://\S+", text.get_content())[0])
        return None

    return str(await until(arrived, f"a letter to {address}: {subject}"))


async def letter_to(appliance: Appliance, address: str, subject: str) -> str:
    """The link of the letter, below the appliance's own address."""
    parts = urlsplit(await mailed_link(appliance, address, subject))
    return f"{appliance.url}{parts.path}?{parts.query}"


async def fill(page: Page, button: str, **typed: str) -> None:
    for label, text in typed.items():
        await page.get_by_label(label.replace("_", " "), exact=True).fill(text)
    await page.get_by_role("button", name=button, exact=True).click()


async def make_admin(appliance: Appliance, page: Page) -> None:
    await page.goto(await setup_link(appliance))
    await fill(page, "Make it mine", **{"E-mail address": ADMIN, "Password": PASSWORD})


@asynccontextmanager
async def another_window(screen: Screen, **options: Any) -> AsyncIterator[Page]:
    """Of somebody else: nothing of the first one is known there."""
    browser = screen.page.context.browser
    assert browser is not None
    context = await browser.new_context(**options)
    page = await context.new_page()
    page.set_default_timeout(MILLISECONDS)
    page.on("pageerror", lambda error: screen.faults.append(str(error)))
    yield page
    await context.close()


async def test_from_the_setup_link_over_a_letter_to_a_film(start_appliance: Start, screen: Screen) -> None:
    appliance = await start_appliance(plugins=PLUGINS, mail={"backend": "directory"})
    page = screen.page
    await screen.open(appliance.url)
    await expect(page.get_by_text("Open the set-up link.")).to_be_visible()
    await make_admin(appliance, page)
    await expect(page.get_by_role("link", name=ADMIN)).to_be_visible()
    await expect(page.get_by_text("Drop a video into the library")).to_be_visible()
    await appliance.drop(media.film(seconds=8), "Quiet Film.mp4")
    await expect(screen.poster("Quiet Film")).to_be_visible()

    async with another_window(screen) as other:
        ada = Screen(other)
        await ada.open(f"{appliance.url}/register")
        await fill(other, "Create account", **{"E-mail address": ADA, "Password": OTHER})
        await expect(other.get_by_text("the letter lies where the server runs")).to_be_visible()
        await ada.open(await letter_to(appliance, ADA, "Activate"))
        await fill(other, "Switch on")
        await other.get_by_role("link", name="Sign in").click()
        await fill(other, "Sign in", **{"E-mail address": ADA, "Password": OTHER})
        await ada.watch("Quiet Film")
        await ada.plays_from(0)
        assert (await ada.ends())["duration"] == pytest.approx(8, abs=0.2)
        await other.keyboard.press("Escape")
        await other.get_by_role("button", name="Sign out").click()
        await expect(other.get_by_role("heading", name="Sign in")).to_be_visible()
        await ada.open(f"{appliance.url}/#/watch/quiet-film")
        await fill(other, "Sign in", **{"E-mail address": ADA, "Password": OTHER})
        await expect(other).to_have_url(f"{appliance.url}/#/watch/quiet-film")
        await ada.plays_from(0)
        assert ada.faults == []


async def test_a_login_that_ran_out_is_renewed_and_one_that_ended_leads_to_the_sign_in(
    start_appliance: Start, screen: Screen
) -> None:
    appliance = await start_appliance(plugins=PLUGINS)
    page = screen.page
    await make_admin(appliance, page)
    await expect(page.get_by_role("link", name=ADMIN)).to_be_visible()
    await page.context.clear_cookies(name="access_token")
    await appliance.drop(media.film(seconds=4), "Later.mp4")
    await expect(screen.poster("Later")).to_be_visible()
    assert any(cookie.get("name") == "access_token" for cookie in await page.context.cookies())
    await page.context.clear_cookies(name="access_token")
    await page.reload()
    await expect(page.get_by_role("link", name=ADMIN)).to_be_visible()
    await page.context.clear_cookies()
    await screen.watch("Later")
    await expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    await fill(page, "Sign in", **{"E-mail address": ADMIN, "Password": PASSWORD})
    await screen.plays_from(0)


async def test_a_guest_looks_and_may_sign_in(start_appliance: Start, screen: Screen) -> None:
    appliance = await start_appliance(plugins=PLUGINS, server={"guest": "viewer"})
    await screen.open(appliance.url)
    await expect(screen.page.get_by_text("No films yet")).to_be_visible()
    await expect(screen.page.get_by_role("button", name="Sign in")).to_be_visible()
    assert screen.page.url == f"{appliance.url}/"
    await make_admin(appliance, screen.page)
    await expect(screen.page.get_by_role("link", name=ADMIN)).to_be_visible()


async def test_without_script_the_plain_pages_do_all(start_appliance: Start, screen: Screen) -> None:
    appliance = await start_appliance(plugins=PLUGINS, mail={"backend": "directory"})
    async with another_window(screen, java_script_enabled=False) as page:
        await make_admin(appliance, page)
        await page.goto(f"{appliance.url}/account")
        await expect(page.get_by_text(f"You are signed in as {ADMIN}")).to_be_visible()
        await page.get_by_role("button", name="Sign out", exact=True).click()
        await expect(page.get_by_role("heading", name="You are signed out")).to_be_visible()

        await page.goto(f"{appliance.url}/reset")
        await fill(page, "Get a link", **{"E-mail address": ADMIN})
        await page.goto(await letter_to(appliance, ADMIN, "Choose a new password"))
        await fill(page, "Save the password", **{"New password": OTHER})
        await page.get_by_role("link", name="Sign in").click()
        await fill(page, "Sign in", **{"E-mail address": ADMIN, "Password": PASSWORD})
        await expect(page.get_by_role("alert")).to_contain_text("The e-mail address or the password is wrong")
        await expect(page.get_by_label("E-mail address")).to_have_value(ADMIN)
        await fill(page, "Sign in", Password=OTHER)

        television = (await appliance.client.post(f"{appliance.url}/v1/auth/device", json={"name": "TV"})).json()
        await page.goto(f"{appliance.url}/device?user_code={television['user_code']}")
        await fill(page, "Go on")
        await fill(page, "Sign it in")
        await expect(page.get_by_text("TV is signed in")).to_be_visible()
        asked = {"device_code": television["device_code"]}
        told = await appliance.client.post(f"{appliance.url}/v1/auth/device/token", json=asked)
        assert told.json()["user"]["email"] == ADMIN
        await page.goto(f"{appliance.url}/account")
        await page.get_by_text("Delete my account").first.click()
        await fill(page, "Delete my account", **{"Your address": ADMIN})
        await expect(page.get_by_role("alert")).to_contain_text("last administrator")
