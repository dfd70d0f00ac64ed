"""The same account from several sides at the same moment, on databases that let writers wait and that do not."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from tests.plugins.auth_email.conftest import ADA, ADMIN, House

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    import httpx

    OpenHouse = Callable[..., Awaitable[House]]

pytestmark = [pytest.mark.databases, pytest.mark.slow]
ROUNDS = 12


async def statuses(*asked: Awaitable[httpx.Response]) -> list[int]:
    return sorted([answer.status_code for answer in await asyncio.gather(*asked)])


async def refresh(house: House, tokens: dict[str, Any]) -> httpx.Response:
    return await house.post("/v1/auth/refresh", refresh_token=tokens["refresh_token"])


async def test_who_refreshes_while_the_login_ends_is_refused_or_was_first(house: House) -> None:
    for _ in range(ROUNDS):
        tokens = await house.sign_in(ADMIN)
        leaving = house.post("/v1/auth/logout", tokens["access_token"])
        seen = await statuses(refresh(house, tokens), refresh(house, tokens), leaving, refresh(house, tokens))
        assert set(seen) <= {200, 401}
        assert (await refresh(house, tokens)).status_code == 401


async def test_tabs_that_refresh_at_once_are_one_step_further_and_no_more(house: House) -> None:
    tokens = await house.sign_in(ADMIN)
    for _ in range(ROUNDS):
        answers = await asyncio.gather(*(refresh(house, tokens) for _ in range(6)))
        assert {answer.status_code for answer in answers} == {200}
        assert len({answer.json()["refresh_token"] for answer in answers}) == 1
        tokens = answers[0].json()
        house.clock.ahead(seconds=1)


async def test_of_administrators_who_dismiss_each_other_one_stays(house: House) -> None:
    ada = await house.add(ADA, "admin")
    root = (await house.accounts.find(ADMIN["email"])).id
    for _ in range(ROUNDS):
        both = (house.accounts.set_role(who, "viewer") for who in (root, ada))
        told = await asyncio.gather(*both, return_exceptions=True)
        assert sorted(type(each).__name__ for each in told) == ["Account", "Conflict"]
        for who in (root, ada):
            await house.accounts.set_role(who, "admin")


async def test_an_address_that_many_register_at_once_is_one_account(open_house: OpenHouse) -> None:
    house = await open_house(require_activation=False)
    seen = await statuses(*(house.post("/v1/auth/register", **ADA) for _ in range(8)))
    assert seen == [201] + [409] * 7
    await house.sign_in(ADA)


async def test_who_signs_in_while_the_account_is_deleted_is_in_nowhere(house: House) -> None:
    for _ in range(ROUNDS):
        ada = await house.add(ADA)
        crowd = [house.post("/v1/auth/login", **ADA) for _ in range(4)]
        seen, _ = await asyncio.gather(statuses(*crowd), house.accounts.delete(ada))
        assert set(seen) <= {200, 401}
        assert (await house.post("/v1/auth/login", **ADA)).status_code == 401
        assert await house.accounts.logins(ada) == []
        house.clock.ahead(minutes=16)  # the tries that failed are forgotten
