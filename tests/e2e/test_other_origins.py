"""Front ends and hostile pages on other origins, in a real browser: what it sends, lets read, keeps and refuses.

To a browser another port is another origin of the same site; `localhost` and `127.0.0.1` are two sites.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio

from tests.e2e.appliance import Appliance
from tests.media import film

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from playwright.async_api import Page

    from tests.e2e.screen import Screen

    Start = Callable[..., Awaitable[Appliance]]

pytestmark = pytest.mark.slow

ADMIN = {"email": "root@example.org", "password": "a long way home"}
BROWSE, LOGIN, LOGOUT, ME = "/v1/content/browse", "/v1/auth/login", "/v1/auth/logout", "/v1/users/me"
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s"
PAGE = b"<!doctype html><title>Another front end</title>"
FETCH = """async ([url, method, body, token]) => {
    const headers = body ? {"content-type": "application/json"} : {};
    if (token) headers.authorization = `Bearer ${token}`;
    try {
        const answer = await fetch(url, {method, credentials: "include", headers, body: body && JSON.stringify(body)});
        return {status: answer.status, body: await answer.json()};
    } catch (error) { return {status: 0, body: String(error)}; }
}"""
# What a page may send anywhere without asking first; it cannot read the answer.
UNASKED = """url => fetch(url, {method: "POST", mode: "no-cors", credentials: "include", body: "{}"}).then(() => {})"""
FORM = """url => {
    document.body.innerHTML = `<form method="post" action="${url}"><input name="a" value="b"></form>`;
    document.forms[0].submit();
}"""


async def serve_page(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(ANSWER % (len(PAGE), PAGE))
    await writer.drain()
    writer.close()


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def elsewhere() -> AsyncIterator[tuple[int, int]]:
    """The ports of two servers that are not ours, the first of them listed; all they have is an empty page."""
    async with (
        await asyncio.start_server(serve_page, "127.0.0.1", 0) as one,
        await asyncio.start_server(serve_page, "127.0.0.1", 0) as other,
    ):
        yield one.sockets[0].getsockname()[1], other.sockets[0].getsockname()[1]


async def settle(start: Start, listed: int, samesite: str = "lax") -> Appliance:
    origins = [f"http://localhost:{listed}"] + [f"http://127.0.0.1:{listed}"] * (samesite == "none")
    accounts = {"bcrypt_rounds": 4, "admin_email": ADMIN["email"], "admin_password": ADMIN["password"]}
    appliance = await start(
        plugins={"auth_email": {**accounts, "cookie": {"samesite": samesite}}},
        server={"cors_origins": origins},
        mail={"backend": "directory"},
        workers={"count": 0},
    )
    signed = await appliance.client.post(appliance.url + LOGIN, json=ADMIN)
    appliance.client.cookies.clear()
    appliance.client.headers["authorization"] = f"Bearer {signed.json()['access_token']}"
    if not await appliance.films():
        await appliance.film(film("bare.mp4", seconds=2), "Bare.mp4")
    return appliance


async def ask(
    page: Page, url: str, method: str = "GET", body: dict[str, str] | None = None, token: str = ""
) -> dict[str, Any]:
    """What the script of a page gets to read; status 0 where the browser keeps the answer from it."""
    answer: dict[str, Any] = await page.evaluate(FETCH, [url, method, body, token])
    return answer


async def signed_in_here(screen: Screen, url: str) -> None:
    """On our own pages."""
    await screen.open(f"{url}/login?next=/")
    await screen.page.locator("input[name=email]").fill(ADMIN["email"])
    await screen.page.locator("input[name=password]").fill(ADMIN["password"])
    await screen.page.keyboard.press("Enter")
    await screen.page.wait_for_url(f"{url}/")
    assert (await ask(screen.page, url + BROWSE))["status"] == 200


async def keeps(page: Page) -> set[str]:
    return {str(cookie.get("name")) for cookie in await page.context.cookies()}


async def test_a_listed_front_end_on_another_port_signs_in_lists_films_and_signs_out(
    share_appliance: Start, screen: Screen, elsewhere: tuple[int, int]
) -> None:
    origin = f"http://localhost:{elsewhere[0]}"
    api = (await settle(share_appliance, elsewhere[0])).url
    await screen.open(origin)
    assert (await ask(screen.page, api + LOGIN, "POST", ADMIN))["status"] == 200
    assert "csrftoken=" in await screen.page.evaluate("document.cookie")
    assert "access_token" not in await screen.page.evaluate("document.cookie")
    films = await ask(screen.page, api + BROWSE)
    assert [each["title"] for each in films["body"]["content"]] == ["Bare"]
    assert (await ask(screen.page, api + LOGOUT, "POST"))["status"] == 200
    assert await keeps(screen.page) == set()
    assert (await ask(screen.page, api + BROWSE))["status"] == 401


async def test_to_another_site_no_lax_cookie_goes_but_a_bearer_token_does(
    share_appliance: Start, screen: Screen, elsewhere: tuple[int, int]
) -> None:
    origin = f"http://localhost:{elsewhere[0]}"
    api = (await settle(share_appliance, elsewhere[0])).url.replace("localhost", "127.0.0.1")
    await signed_in_here(screen, api)
    await screen.open(origin)
    assert (await ask(screen.page, api + BROWSE))["status"] == 401
    await screen.page.context.clear_cookies()
    signed = await ask(screen.page, api + LOGIN, "POST", ADMIN)
    assert (signed["status"], await keeps(screen.page)) == (200, set())
    token = signed["body"]["access_token"]
    assert (await ask(screen.page, api + BROWSE))["status"] == 401
    assert (await ask(screen.page, api + BROWSE, token=token))["status"] == 200
    assert (await ask(screen.page, api + LOGOUT, "POST", token=token))["status"] == 200
    assert (await ask(screen.page, api + BROWSE, token=token))["status"] == 401


async def test_with_samesite_none_a_listed_front_end_on_another_site_has_a_login_of_its_own(
    share_appliance: Start, screen: Screen, elsewhere: tuple[int, int]
) -> None:
    """Over plain http only because browsers trust this machine. The browser at hand keeps no third-party cookies."""
    origin, ours = f"http://localhost:{elsewhere[0]}", f"http://127.0.0.1:{elsewhere[0]}"
    api = (await settle(share_appliance, elsewhere[0], "none")).url.replace("localhost", "127.0.0.1")
    await screen.open(origin)
    assert (await ask(screen.page, api + LOGIN, "POST", ADMIN))["status"] == 200
    assert all(cookie.get("secure") for cookie in await screen.page.context.cookies())
    assert (await ask(screen.page, api + BROWSE))["status"] == 200
    await screen.open(ours)
    assert (await ask(screen.page, api + BROWSE))["status"] == 401  # partitioned: that login is not known here
    await screen.open(origin)
    assert (await ask(screen.page, api + LOGOUT, "POST"))["status"] == 200
    assert (await ask(screen.page, api + BROWSE))["status"] == 401
    assert await keeps(screen.page) == set()


@pytest.mark.parametrize(("host", "samesite"), [("localhost", "lax"), ("127.0.0.1", "none")])
async def test_a_page_that_is_not_listed_reads_and_changes_nothing(
    share_appliance: Start, screen: Screen, elsewhere: tuple[int, int], host: str, samesite: str
) -> None:
    """Neither one of the same site nor one of another; the cookies go with its form, and what it is refused for is
    its origin."""
    api = (await settle(share_appliance, elsewhere[0], samesite)).url
    await signed_in_here(screen, api)
    await screen.open(f"http://{host}:{elsewhere[1]}")
    for method, path in (("GET", BROWSE), ("POST", LOGOUT), ("DELETE", ME)):
        assert (await ask(screen.page, api + path, method, None if method == "GET" else ADMIN))["status"] == 0
    async with screen.page.expect_response(api + LOGOUT) as unasked:
        await screen.page.evaluate(UNASKED, api + LOGOUT)
    assert (await unasked.value).status == 403
    async with screen.page.expect_navigation() as form:
        await screen.page.evaluate(FORM, api + LOGOUT)
    sent = await (await form.value).request.all_headers()
    assert ((await form.value).status, "access_token=" in sent["cookie"]) == (403, True)
    await screen.open(api)
    assert (await ask(screen.page, api + ME))["status"] == 200
