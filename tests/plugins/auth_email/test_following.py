"""The news of `/v1/events` follow the login: who may no longer come in hears nothing more."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from mediaserver.events import TitleAdded
from tests.patience import PATIENCE
from tests.plugins.auth_email.conftest import ADA, ADMIN, House

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

MOST = 20


class Listener:
    """Opens streams and keeps them open."""

    def __init__(self, house: House, client: httpx.AsyncClient, stack: AsyncExitStack) -> None:
        self._house = house
        self._client = client
        self._stack = stack

    async def open(self, token: str, **headers: str) -> httpx.Response:
        address = (await self._house.app.get("/health")).request.url.copy_with(path="/v1/events")
        said = {"authorization": f"Bearer {token}", **headers}
        return await self._stack.enter_async_context(self._client.stream("GET", address, headers=said))

    async def follow(self, token: str, **headers: str) -> AsyncIterator[str]:
        """The lines, once the server is telling."""
        answer = await self.open(token, **headers)
        assert answer.status_code == 200
        lines = answer.aiter_lines()
        assert await anext(lines) == "retry: 2000"
        return lines


@pytest.fixture
async def listener(house: House) -> AsyncIterator[Listener]:
    async with AsyncExitStack() as stack:
        limits = httpx.Limits(max_connections=None)
        client = await stack.enter_async_context(httpx.AsyncClient(timeout=PATIENCE, limits=limits))
        yield Listener(house, client, stack)


async def told(lines: AsyncIterator[str]) -> str:
    """What the next message holds."""
    async for line in lines:
        if line.startswith("data: "):
            return line
    return ""


async def rest(lines: AsyncIterator[str]) -> str:
    """All that comes until the server ends the stream."""
    async with asyncio.timeout(PATIENCE):
        return "\n".join([line async for line in lines])


async def logged_out(house: House, tokens: dict[str, Any], _user_id: int) -> None:
    await house.post("/v1/auth/logout", tokens["access_token"])


async def disabled(house: House, _tokens: dict[str, Any], user_id: int) -> None:
    await house.accounts.set_disabled(user_id, True)


async def deleted(house: House, _tokens: dict[str, Any], user_id: int) -> None:
    await house.accounts.delete(user_id)


async def expired(house: House, _tokens: dict[str, Any], _user_id: int) -> None:
    house.clock.ahead(minutes=61)


@pytest.mark.parametrize("ended", [logged_out, disabled, deleted, expired])
async def test_a_stream_ends_with_the_login_that_opened_it(
    house: House, listener: Listener, ended: Callable[..., Any]
) -> None:
    user_id = await house.add(ADA)
    tokens = await house.sign_in(ADA)
    lines = await listener.follow(tokens["access_token"])
    await ended(house, tokens, user_id)
    await rest(lines)
    await house.app.server.changes.record(TitleAdded(7))
    assert (await listener.open(tokens["access_token"])).status_code == 401


async def test_nothing_that_happens_later_is_told_to_an_ended_login(house: House, listener: Listener) -> None:
    await house.add(ADA)
    tokens = await house.sign_in(ADA)
    lines = await listener.follow(tokens["access_token"])
    await house.post("/v1/auth/logout", tokens["access_token"])
    await house.app.server.changes.record(TitleAdded(7))
    assert "title_added" not in await rest(lines)


async def test_another_login_of_the_account_hears_on(house: House, listener: Listener) -> None:
    await house.add(ADA)
    one, other = await house.sign_in(ADA), await house.sign_in(ADA)
    lines = await listener.follow(other["access_token"])
    await house.post("/v1/auth/logout", one["access_token"])
    house.clock.ahead(minutes=1)  # asked again who it is
    await house.app.server.changes.record(TitleAdded(7))
    async with asyncio.timeout(PATIENCE):
        assert "title_added" in await told(lines)


async def test_a_page_that_was_away_while_its_account_changed_is_told_what_it_missed(
    house: House, listener: Listener
) -> None:
    user_id = await house.add(ADA)
    seq = await house.app.server.changes.record(TitleAdded(1))
    await house.accounts.set_role(user_id, "admin")
    await house.app.server.changes.record(TitleAdded(2))
    tokens = await house.sign_in(ADA)
    lines = await listener.follow(tokens["access_token"], **{"last-event-id": str(seq)})
    async with asyncio.timeout(PATIENCE):
        assert '"title_id": 2' in await told(lines)


async def test_an_account_opens_so_many_streams_and_no_more(house: House, listener: Listener) -> None:
    await house.add(ADA)
    tokens, other = await house.sign_in(ADA), await house.sign_in(ADMIN)
    streams = [await listener.open(tokens["access_token"]) for _ in range(MOST)]
    refused = await listener.open(tokens["access_token"])
    await refused.aread()
    assert (refused.status_code, refused.json()["error"]["code"]) == (429, "RATE_LIMITED")
    assert (await listener.open(other["access_token"])).status_code == 200
    await streams[0].aclose()
    async with asyncio.timeout(PATIENCE):
        while (await listener.open(tokens["access_token"])).status_code != 200:
            await asyncio.sleep(0.1)
