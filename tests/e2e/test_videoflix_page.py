"""A front end like those of Videoflix, on an origin of its own, from registering to signing out in a real browser."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio
from playwright.async_api import expect

from plugins.web_ui.build_assets import VENDOR
from tests import media
from tests.e2e.appliance import Appliance
from tests.e2e.screen import Screen
from tests.e2e.test_signing_in import another_window, mailed_link
from tests.patience import until
from tests.ports import free_port

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from playwright.async_api import Page

    Start = Callable[..., Awaitable[Appliance]]

pytestmark = pytest.mark.slow

PAGES = Path(__file__).parent / "pages" / "videoflix"
ADMIN = {"email": "root@example.org", "password": "a long way home"}
ADA = {"email": "ada@example.org", "password": "nine blue kettles"}
LOGIN = "/pages/auth/login.html"
EVIL = "<img src=x onerror=alert(1)>"
TIMES = "() => Array.from(document.querySelectorAll('video'), (video) => video.currentTime)"
ANSWER = "HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"


class FrontEnd:
    """Serves the page under every path, and its scripts; it knows the API by its address alone."""

    def __init__(self, port: int) -> None:
        self.origin = f"http://localhost:{port}"
        self.api = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        path = (await reader.readuntil(b"\r\n\r\n")).split()[1].decode().partition("?")[0]
        scripts = {"/app.js": PAGES / "app.js", "/hls.min.mjs": VENDOR / "hls.min.mjs"}
        if path == "/config.js":
            kind, content = "text/javascript", f'export const API_BASE_URL = "{self.api}/api/";'.encode()
        elif path in scripts:
            kind, content = "text/javascript", scripts[path].read_bytes()
        else:
            kind, content = "text/html", (PAGES / "index.html").read_bytes()
        writer.write(ANSWER.format(kind=kind, length=len(content)).encode() + content)
        await writer.drain()
        writer.close()


@pytest_asyncio.fixture(loop_scope="session")
async def front_end() -> AsyncIterator[FrontEnd]:
    port = free_port()
    served = FrontEnd(port)
    async with await asyncio.start_server(served.serve, "localhost", port):
        yield served


async def settle(start: Start, front_end: FrontEnd) -> Appliance:
    accounts = {"bcrypt_rounds": 4, "admin_email": ADMIN["email"], "admin_password": ADMIN["password"]}
    appliance = await start(
        plugins={
            "auth_email": accounts,
            "hls_transcoder": {"preset": "ultrafast", "background": "off"},
            "stream_limits": {"default_limit": 1},
            "dialect_videoflix": {},
        },
        server={"cors_origins": [front_end.origin]},
        frontend={"base_url": front_end.origin},
        mail={"backend": "directory"},
    )
    front_end.api = appliance.url
    signed = await appliance.client.post(f"{appliance.url}/v1/auth/login", json=ADMIN)
    appliance.client.cookies.clear()
    appliance.client.headers["authorization"] = f"Bearer {signed.json()['access_token']}"
    return appliance


async def send(page: Page, who: dict[str, str]) -> None:
    for name, text in {**who, "confirmed_password": who["password"]}.items():
        await page.locator(f"input[name={name}]").fill(text)
    await page.get_by_role("button", name="Send").click()


async def both_play(page: Page) -> None:
    before = await page.evaluate(TIMES)

    async def move() -> bool:
        return all(now > then + 0.5 for now, then in zip(await page.evaluate(TIMES), before, strict=True))

    await until(move, "two players whose pictures move on")


async def streams(appliance: Appliance) -> list[Any]:
    sessions: list[Any] = (await appliance.get("/v1/streaming/sessions"))["sessions"]
    return sessions


async def test_from_registering_over_two_players_that_are_one_stream_to_signing_out(
    start_appliance: Start, screen: Screen, front_end: FrontEnd
) -> None:
    appliance, page, toast = await settle(start_appliance, front_end), screen.page, screen.page.locator("#toast")
    await appliance.film(media.film(seconds=24, size="1280x720"), "Tom & Jerry.mp4")
    await screen.open(f"{front_end.origin}/pages/auth/register.html")
    await send(page, ADA)
    await expect(toast).to_contain_text("Registration successful")
    link = await mailed_link(appliance, ADA["email"], "Activate")
    assert link.startswith(f"{front_end.origin}/pages/auth/activate.html?uid=")
    await screen.open(link)
    await expect(toast).to_have_text("Account successfully activated.")

    await screen.open(front_end.origin + LOGIN)
    await send(page, ADA)
    await page.get_by_role("heading", name="Tom & Jerry").click()
    await both_play(page)
    assert len(await streams(appliance)) == 1
    await expect(page.locator("#problem")).to_have_text("")

    async with another_window(screen) as other:
        await other.goto(front_end.origin + LOGIN)
        await send(other, ADA)
        await other.get_by_role("heading", name="Tom & Jerry").click()
        await expect(other.locator("#problem")).to_contain_text("403")
        await page.get_by_role("button", name="Log out").click()
        await expect(toast).to_contain_text("Logout successful!")
        await page.reload()
        await expect(toast).to_contain_text("401")
        await other.reload()
        await other.get_by_role("heading", name="Tom & Jerry").click()
        await both_play(other)
        assert len(await streams(appliance)) == 1


async def test_the_name_of_a_file_is_text_even_for_pages_that_take_it_for_markup(
    start_appliance: Start, screen: Screen, front_end: FrontEnd
) -> None:
    appliance, page = await settle(start_appliance, front_end), screen.page
    page.on("dialog", lambda dialog: screen.faults.append(f"a script of a title ran: {dialog.message}"))
    names = [EVIL, "');alert(2);('", '"><svg onload=alert(3)>', "&lt;b&gt;bold", "Tom & Jerry"]
    for number, name in enumerate(names):
        await appliance.drop(media.film(seconds=2 + number), f"{name}.mp4")

    async def listed() -> bool:
        return len(await appliance.films()) == len(names)

    await until(listed, "a film for each file")
    await screen.open(front_end.origin + LOGIN)
    await send(page, ADMIN)
    await expect(page.locator("section")).to_have_count(len(names))
    assert await page.locator("section img").count() == len(names)  # those of the page itself
    assert await page.locator("section svg, section b").count() == 0
    shown = await page.locator("section h3").all_inner_texts()
    assert "Tom & Jerry" in shown
    assert any("onerror=alert(1)" in text for text in shown)
    for heading in await page.locator("section h3").all():
        text = await heading.inner_text()
        await heading.click()
        assert await page.evaluate("document.body.dataset.chosen") == text
