"""What somebody tried who broke in: thieves in the middle of something when the owner takes the account back."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from mediaserver.contracts import Client
from mediaserver.errors import Unavailable
from tests.plugins.auth_email.conftest import ADA, ADMIN, House, query_of, text_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    OpenHouse = Callable[..., Awaitable[House]]

pytestmark = pytest.mark.slow

ME = "/v1/users/me"
NEW = "nine wasps sting"
SLOW = {"bcrypt_rounds": 10}  # so that checks of passwords wait for one another


async def reset_link(house: House) -> dict[str, str]:
    await house.post("/v1/auth/password-reset", email=ADA["email"])
    return await house.link(ADA["email"])


@pytest.mark.databases
async def test_a_reset_wins_over_sign_ins_that_are_on_their_way(open_house: OpenHouse) -> None:
    house = await open_house(**SLOW)
    await house.add(ADA)
    link = await reset_link(house)
    crowd = [asyncio.create_task(house.accounts.login(**ADA, client=Client())) for _ in range(8)]
    answer = await house.post("/v1/auth/password-confirm", **link, new_password=NEW)
    assert answer.status_code == 200
    await asyncio.gather(*crowd, return_exceptions=True)
    user = await house.accounts.find(ADA["email"])
    assert await house.accounts.logins(user.id) == []


@pytest.mark.databases
async def test_a_reset_wins_over_a_thief_who_changes_the_password_meanwhile(open_house: OpenHouse) -> None:
    house = await open_house(**SLOW)
    await house.add(ADA)
    stolen = (await house.sign_in(ADA))["access_token"]
    link = await reset_link(house)
    change = {"password": "the thief's own", "current_password": ADA["password"]}
    reset, thief = await asyncio.gather(
        house.post("/v1/auth/password-confirm", **link, new_password=NEW),
        house.request("PUT", ME, stolen, json=change),
    )
    if reset.status_code != 200:  # the thief was through before it, which voids links: the next one counts
        assert thief.status_code == 200
        reset = await house.post("/v1/auth/password-confirm", **await reset_link(house), new_password=NEW)
    assert reset.status_code == 200
    assert (await house.post("/v1/auth/login", email=ADA["email"], password="the thief's own")).status_code == 401
    await house.sign_in({**ADA, "password": NEW})


@pytest.mark.databases
async def test_who_is_deleted_or_disabled_while_signing_in_is_refused(open_house: OpenHouse) -> None:
    house = await open_house(**SLOW)
    user_id = await house.add(ADA)
    crowd = [asyncio.create_task(house.post("/v1/auth/login", **ADA)) for _ in range(4)]
    await house.accounts.delete(user_id)
    assert {(await answer).status_code for answer in crowd} <= {200, 401}
    assert (await house.post("/v1/auth/login", **ADA)).status_code == 401


async def test_what_a_thief_prepared_is_void_after_a_reset(house: House) -> None:
    await house.add(ADA)
    stolen = (await house.sign_in(ADA))["access_token"]
    older = await reset_link(house)
    assert (await house.request("PUT", ME, stolen, json={"email": "thief@evil.example"})).status_code == 200
    await house.letters()
    offer = (await house.post("/v1/auth/device")).json()
    await house.post("/v1/auth/device/approve", stolen, user_code=offer["user_code"])
    key = (await house.post("/v1/auth/api-keys", stolen, name="k", scopes=["account:read"])).json()["key"]
    house.clock.ahead(minutes=1)
    newer = await reset_link(house)
    assert (await house.post("/v1/auth/password-confirm", **newer, new_password=NEW)).status_code == 200
    again = await house.post("/v1/auth/password-confirm", **older, new_password="the thief's own")
    assert again.status_code == 400
    change = next(letter for letter in await house.letters() if "thief" in str(letter["to"]))
    assert (await house.post("/v1/auth/email-confirm", **query_of(text_of(change)))).status_code == 400
    poll = await house.post("/v1/auth/device/token", device_code=offer["device_code"])
    assert poll.status_code == 400
    assert (await house.request("GET", ME, headers={"x-api-key": key})).status_code == 401


@pytest.mark.parametrize(("method", "body"), [("PUT", {"email": "thief@evil.example"}), ("DELETE", {})])
async def test_a_sign_in_of_long_ago_needs_the_password_for_what_cannot_be_undone(
    house: House, method: str, body: dict[str, str]
) -> None:
    await house.add(ADA)
    token = (await house.sign_in(ADA))["access_token"]
    house.clock.ahead(minutes=11)
    refused = await house.request(method, ME, token, json=body)
    assert (refused.status_code, refused.json()["error"]["fields"][0]["field"]) == (400, "current_password")
    wrong = await house.request(method, ME, token, json={**body, "current_password": "wrong"})
    assert wrong.status_code == 400
    done = await house.request(method, ME, token, json={**body, "current_password": ADA["password"]})
    assert done.status_code in (200, 204)


async def test_letters_to_one_mailbox_are_few_however_often_they_are_asked_for(house: House) -> None:
    await house.add(ADA)
    for _ in range(8):
        await reset_link(house)
    assert len(await house.letters()) == 5
    house.clock.ahead(hours=1, seconds=1)
    await reset_link(house)
    assert len(await house.letters()) == 6


async def test_a_wish_for_an_address_does_not_keep_its_owner_from_changing_to_it(house: House) -> None:
    await house.add(ADA)
    token = (await house.sign_in(ADA))["access_token"]
    await house.post("/v1/auth/register", email="ada@new.example", password="reserved by me")
    await house.request("PUT", ME, token, json={"email": "ada@new.example"})
    letters = [letter for letter in await house.letters() if "Confirm" in str(letter["subject"])]
    assert (await house.post("/v1/auth/email-confirm", **query_of(text_of(letters[-1])))).status_code == 200


async def test_a_key_is_no_token_and_makes_no_administrators(house: House) -> None:
    token = (await house.sign_in(ADMIN))["access_token"]
    key = (await house.post("/v1/auth/api-keys", token, name="k", scopes=["admin"])).json()["key"]
    headers = {"x-api-key": key}
    assert (await house.request("GET", "/v1/admin/users", headers=headers)).status_code == 200
    assert (await house.get("/v1/admin/users", key)).status_code == 401
    assert (await house.request("GET", "/v1/admin/users", headers={"cookie": f"access_token={key}"})).status_code == 401
    made = await house.request("POST", "/v1/admin/users", headers=headers, json={**ADA, "role": "admin"})
    assert made.status_code == 403
    invited = await house.request(
        "POST", "/v1/admin/invites", headers=headers, json={"email": "a@b.c", "role": "admin"}
    )
    assert invited.status_code == 403


@pytest.mark.parametrize(
    "alike", ["\uff52oot@example.org", "root@example\uff0eorg", "root@\u212fxample.org", "ro\u200bot@example.org"]
)
async def test_an_address_that_only_looks_like_another_is_none(house: House, alike: str) -> None:
    assert await house.accounts.find(alike) is None
    answer = await house.post("/v1/auth/register", email=alike, password=ADA["password"])
    assert (answer.status_code, answer.json()["error"]["fields"][0]["field"]) == (400, "email")


async def test_a_letter_of_another_alphabet_is_a_letter_of_its_own(house: House) -> None:
    await house.add({**ADA, "email": "strasse@example.org"})
    assert await house.accounts.find("stra\u00dfe@example.org") is None


async def test_an_old_hash_is_renewed_when_its_owner_signs_in(house: House) -> None:
    await house.add(ADA)
    user = await house.accounts.find(ADA["email"])
    other = (await house.accounts.user(user.id)).password
    house.accounts.passwords._rounds = 5
    await house.sign_in(ADA)
    renewed = (await house.accounts.user(user.id)).password
    assert renewed != other
    assert renewed.startswith("$2b$05$")
    await house.sign_in(ADA)


async def test_a_crowd_from_one_place_waits_behind_whoever_comes_from_another(open_house: OpenHouse) -> None:
    house = await open_house(**SLOW)
    await house.add(ADA)
    served: list[str] = []

    async def check(place: str, **more: Any) -> None:
        await house.accounts.passwords.matches("wrong password", "", place, **more)
        served.append(place)

    crowd = [asyncio.create_task(check("crowd")) for _ in range(30)]
    await asyncio.sleep(0)
    await asyncio.gather(check("somebody"), check("known", known=True))
    assert len(served) < 12
    await asyncio.gather(*crowd)


async def test_who_comes_when_too_many_wait_is_told_when_to_come_again(open_house: OpenHouse) -> None:
    house = await open_house(**SLOW)
    crowd = [asyncio.create_task(house.accounts.passwords.matches("x" * 8, "", str(n))) for n in range(66)]
    await asyncio.sleep(0)
    with pytest.raises(Unavailable) as refused:
        await house.accounts.passwords.matches("x" * 8, "", "one more")
    assert refused.value.headers == {"Retry-After": "5"}
    await house.accounts.passwords.matches("x" * 8, "", "at home", known=True)
    await asyncio.gather(*crowd)
