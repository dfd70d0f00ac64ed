"""Crowds that start films through four processes of one installation: each account has exactly its streams."""

from __future__ import annotations

import asyncio
import itertools
import os
import random
import signal
from collections import Counter
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any

import httpx
import pytest
import pytest_asyncio

from tests.e2e.appliance import Appliance, another_serve
from tests.media import film
from tests.patience import PATIENCE, until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

pytestmark = [pytest.mark.slow, pytest.mark.databases]

ADMIN = {"email": "root@example.org", "password": "a long way home"}
PASSWORD = "eight bees fly"
PLUGINS = {
    "auth_email": {"bcrypt_rounds": 4, "admin_email": ADMIN["email"], "admin_password": ADMIN["password"]},
    "stream_limits": {},
}
ACCOUNTS = 12
LIMITS = (1, 2, 5)
CROWD, MULTITUDE = 120, 1008  # starts at once
SESSIONS = "/v1/streaming/sessions"


class Account:
    def __init__(self, number: int) -> None:
        self.email = f"guest{number}@example.org"
        self.limit = LIMITS[number % len(LIMITS)]
        self.headers: dict[str, str] = {}


class Start:
    """One start through one of the doors, and what came of it."""

    def __init__(self, account: Account, door: str, device: str, *, steal: bool) -> None:
        self.account = account
        self.door = door
        self.told = {"device_id": device, "device_type": "tv", "steal": steal}
        self.answer: httpx.Response | None = None
        self.broken = ""  # how the connection did

    @property
    def result(self) -> tuple[int, str]:
        """Status and error code; status 0 for a connection that broke, and how."""
        if self.answer is None:
            return 0, self.broken
        return self.answer.status_code, "" if self.answer.is_success else self.answer.json()["error"]["code"]


class Crowd:
    """Four doors to the same house, a film, and accounts that are signed in."""

    def __init__(self, appliance: Appliance, doors: list[str]) -> None:
        self.appliance = appliance
        self.doors = doors
        self.accounts = [Account(number) for number in range(ACCOUNTS)]
        self.film = ""
        self.answered = 0
        self._devices = itertools.count()
        self._chance = random.Random(7)
        # With an expiry httpcore closes, when it is late, connections that it has just given to a request.
        limits = httpx.Limits(max_connections=200, keepalive_expiry=None)
        self._client = httpx.AsyncClient(timeout=PATIENCE, limits=limits)

    async def move_in(self) -> None:
        root = await self._sign_in(self.doors[0], ADMIN)
        self.appliance.client.headers.update(root)  # for what it asks itself
        self.film = str((await self.appliance.film(film("crowd.mp4"), "Crowd.mp4"))["id"])
        for account, door in zip(self.accounts, itertools.cycle(self.doors)):
            who = {"email": account.email, "password": PASSWORD}
            added = await self._client.post(
                f"{door}/v1/admin/users", json=who | {"stream_limit": account.limit}, headers=root
            )
            assert added.status_code == 201, added.text
            account.headers = await self._sign_in(door, who)

    async def _sign_in(self, door: str, who: dict[str, str]) -> dict[str, str]:
        answer = await self._client.post(f"{door}/v1/auth/login", json=who)
        assert answer.status_code == 200, answer.text
        self._client.cookies.clear()
        return {"authorization": f"Bearer {answer.json()['access_token']}"}

    def starts(self, count: int, steal: Callable[[int], bool] = lambda _: False) -> list[Start]:
        """As many for each account, through each door in turn, each from a device of its own, in any order."""
        made = [
            Start(account, door, f"device-{next(self._devices)}", steal=steal(number))
            for account in self.accounts
            for number, door in zip(range(count // ACCOUNTS), itertools.cycle(self.doors))
        ]
        self._chance.shuffle(made)
        return made

    async def fire(self, starts: list[Start]) -> None:
        self.answered = 0
        await asyncio.gather(*map(self._fire, starts))

    async def _fire(self, start: Start) -> None:
        try:
            start.answer = await self._client.post(
                f"{start.door}/v1/streaming/{self.film}/start", json=start.told, headers=start.account.headers
            )
        except httpx.TransportError as error:
            start.broken = repr(error)
        self.answered += 1

    async def sessions(self, account: Account, door: str) -> list[dict[str, Any]]:
        answer = await self._client.get(door + SESSIONS, headers=account.headers)
        assert answer.status_code == 200, answer.text
        found: list[dict[str, Any]] = answer.json()["sessions"]
        return found

    async def everybody_has_their_streams(self) -> None:
        """As each is told at another door."""
        asked = zip(self.accounts, itertools.cycle(self.doors))
        counts = [len(await self.sessions(account, door)) for account, door in asked]
        assert counts == [account.limit for account in self.accounts]

    async def everybody_stops(self) -> None:
        for account in self.accounts:
            for session in await self.sessions(account, self.doors[0]):
                ended = await self._client.delete(f"{self.doors[1]}{SESSIONS}/{session['id']}", headers=account.headers)
                assert ended.status_code == 204, ended.text
            assert await self.sessions(account, self.doors[2]) == []

    async def one_process_dies(self) -> None:
        """Killed when some have their answers and the others wait; its supervisor starts it again at the same door."""

        async def are_some_answered() -> bool:
            return self.answered >= 20

        await until(are_some_answered, "the first answers")
        os.kill(self.appliance.roles()["serve"], signal.SIGKILL)

    async def is_whole(self) -> bool:
        try:
            return (await self._client.get(f"{self.doors[0]}/ready")).status_code == httpx.codes.OK
        except httpx.TransportError:
            return False

    async def leave(self) -> None:
        await self._client.aclose()


@pytest_asyncio.fixture(loop_scope="session")
async def crowd(start_appliance: Callable[..., Awaitable[Appliance]]) -> AsyncIterator[Crowd]:
    appliance = await start_appliance(plugins=PLUGINS, workers={"count": 0}, mail={"backend": "directory"})
    async with AsyncExitStack() as stack:
        entering = (stack.enter_async_context(another_serve(appliance)) for _ in range(3))
        crowd = Crowd(appliance, [appliance.url, *await asyncio.gather(*entering)])
        stack.push_async_callback(crowd.leave)
        await crowd.move_in()
        yield crowd


async def a_crowd_is_given_exactly_the_limit(crowd: Crowd, count: int) -> None:
    starts = crowd.starts(count)
    await crowd.fire(starts)
    assert {start.result for start in starts} == {(201, ""), (409, "STREAM_LIMIT_REACHED")}
    playing = Counter(start.account.email for start in starts if start.result[0] == 201)
    assert playing == {account.email: account.limit for account in crowd.accounts}
    await crowd.everybody_has_their_streams()
    refused = next(start.answer for start in starts if start.answer and start.answer.status_code == 409).json()
    assert len(refused["error"]["sessions"]) == refused["error"]["limit"]


async def a_crowd_of_thieves_takes_slots_and_makes_none(crowd: Crowd, count: int) -> None:
    """All slots are held before, and whoever steals one holds it: nobody else is let in."""
    starts = crowd.starts(count, steal=lambda number: number % 2 == 0)
    await crowd.fire(starts)
    for start in starts:
        assert start.result == ((201, "") if start.told["steal"] else (409, "STREAM_LIMIT_REACHED"))
    await crowd.everybody_has_their_streams()


async def a_crowd_is_given_exactly_the_limit_though_a_process_dies(crowd: Crowd, count: int) -> None:
    await crowd.everybody_stops()
    starts = crowd.starts(count)
    await asyncio.gather(crowd.fire(starts), crowd.one_process_dies())
    allowed = {(201, ""), (409, "STREAM_LIMIT_REACHED")}
    assert {start.result for start in starts if start.door != crowd.doors[0]} <= allowed
    assert {start.result for start in starts if start.answer is not None} <= allowed
    playing = Counter(start.account.email for start in starts if start.result[0] == 201)
    assert all(playing[account.email] <= account.limit for account in crowd.accounts)
    await until(crowd.is_whole, "the killed process is back")
    await crowd.everybody_has_their_streams()


SCENES = (
    a_crowd_is_given_exactly_the_limit,
    a_crowd_of_thieves_takes_slots_and_makes_none,
    a_crowd_is_given_exactly_the_limit_though_a_process_dies,
)


async def test_whatever_a_crowd_does_each_account_has_exactly_its_streams(crowd: Crowd) -> None:
    for scene in SCENES:
        await scene(crowd, CROWD)


@pytest.mark.soak
async def test_whatever_a_multitude_does_each_account_has_exactly_its_streams(crowd: Crowd) -> None:
    for scene in SCENES:
        await scene(crowd, MULTITUDE)
