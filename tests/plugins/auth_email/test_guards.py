"""Guessing, probing and nonsense: what strangers try, and what they learn from it."""

from __future__ import annotations

import asyncio
import json
import logging
from typing import TYPE_CHECKING, Any

import bcrypt
import pytest

from tests.plugins.auth_email.conftest import ADA, ADMIN, House

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    OpenHouse = Callable[..., Awaitable[House]]

pytestmark = pytest.mark.contract

WRONG = "not the password"


async def tries(house: House, email: str, count: int, **headers: str) -> list[int]:
    body = {"email": email, "password": WRONG}
    answers = [await house.request("POST", "/v1/auth/login", json=body, headers=headers) for _ in range(count)]
    return [answer.status_code for answer in answers]


@pytest.mark.parametrize("email", [ADMIN["email"], "nobody@example.org", "ROOT@example.org"])
async def test_ten_failed_tries_close_an_address_name_for_a_while(house: House, email: str) -> None:
    assert await tries(house, email, 11) == [401] * 10 + [429]
    closed = await house.post("/v1/auth/login", email=email, password=ADMIN["password"])
    assert closed.status_code == 429
    assert int(closed.headers["retry-after"]) == 901
    house.clock.ahead(minutes=15)
    assert await tries(house, email, 1) == [401]


@pytest.mark.databases
async def test_tries_at_the_same_moment_all_count(house: House) -> None:
    crowd = await asyncio.gather(*(tries(house, ADMIN["email"], 1) for _ in range(25)))
    assert sorted([statuses[0] for statuses in crowd]) == [401] * 10 + [429] * 15


async def test_a_stranger_locks_nobody_out_of_where_they_signed_in_before(open_house: OpenHouse) -> None:
    house = await open_house(settings={"server": {"port": 0, "trusted_proxies": ["127.0.0.1"]}})
    home, elsewhere = {"x-forwarded-for": "192.0.2.7"}, {"x-forwarded-for": "198.51.100.1"}
    assert (await house.request("POST", "/v1/auth/login", json=ADMIN, headers=home)).status_code == 200
    assert (await tries(house, ADMIN["email"], 12, **elsewhere))[-1] == 429
    assert (await house.request("POST", "/v1/auth/login", json=ADMIN, headers=elsewhere)).status_code == 429
    assert (await house.request("POST", "/v1/auth/login", json=ADMIN, headers=home)).status_code == 200


async def test_a_reset_opens_the_door_again_that_a_stranger_closed(house: House) -> None:
    await house.add(ADA)
    assert (await tries(house, ADA["email"], 11))[-1] == 429
    await house.post("/v1/auth/password-reset", email=ADA["email"])
    link = await house.link(ADA["email"])
    await house.post("/v1/auth/password-confirm", **link, new_password="nine wasps sting")
    await house.sign_in({**ADA, "password": "nine wasps sting"})


class Work:
    """What a request makes the server do: statements by their first words, and checks of passwords."""

    def __init__(self, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
        self._caplog = caplog
        self._hashes = 0
        for name in ("checkpw", "hashpw"):
            monkeypatch.setattr(bcrypt, name, self._counting(getattr(bcrypt, name)))
        caplog.set_level(logging.DEBUG, "tortoise.db_client")

    def _counting(self, function: Any) -> Any:
        def counted(*args: Any) -> Any:
            self._hashes += 1
            return function(*args)

        return counted

    async def of(self, house: House, path: str, body: dict[str, str]) -> tuple[int, Any, int, list[str]]:
        self._caplog.clear()
        self._hashes = 0
        answer = await house.post(path, **body)
        said = {key: value for key, value in answer.json().items() if key not in ("request_id", "timestamp", "user")}
        statements = [str(record.msg).split("VALUES", maxsplit=1)[0][:60] for record in self._caplog.records]
        mine = [text for text in statements if '"core_change"' not in text and "core_lease" not in text]
        return answer.status_code, said, self._hashes, [text.split("WHERE", maxsplit=1)[0] for text in mine]


@pytest.mark.parametrize(
    ("path", "more"),
    [
        ("/v1/auth/login", {"password": WRONG}),
        ("/v1/auth/register", {"password": "eight bees fly"}),
        ("/v1/auth/password-reset", {}),
    ],
)
async def test_known_and_unknown_addresses_cost_the_same_and_are_answered_the_same(
    house: House, path: str, more: dict[str, str], caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    await house.add(ADA)
    await house.post("/v1/auth/login", email="warm@example.org", password=WRONG)  # the dummy hash is made once
    work = Work(caplog, monkeypatch)
    known = await work.of(house, path, {"email": ADA["email"], **more})
    unknown = await work.of(house, path, {"email": "bob@example.org", **more})
    assert known[:3] == unknown[:3]
    extra = [text for text in unknown[3] if text not in known[3]]
    assert [text.split()[0] for text in extra] in ([], ["INSERT"])  # the new account's row, 0.1 ms beside 240 ms


@pytest.mark.parametrize("state", ["wrong", "unknown", "inactive", "disabled", "nonsense"])
async def test_every_failed_sign_in_has_one_text(house: House, state: str) -> None:
    user_id = await house.add(ADA)
    body = dict(ADA)
    if state == "wrong":
        body["password"] = WRONG
    elif state == "disabled":
        await house.accounts.set_disabled(user_id, True)
    elif state == "inactive":
        body = {"email": "bob@example.org", "password": "eight bees fly"}
        await house.post("/v1/auth/register", **body)
    else:
        body["email"] = "bob@example.org" if state == "unknown" else "no address"
    answer = await house.post("/v1/auth/login", **body)
    assert answer.status_code == 401
    expected = "The e-mail address or the password is wrong, or the account is not active."
    assert answer.json()["error"]["message"] == expected


async def test_a_broken_hash_lets_nobody_in(house: House) -> None:
    user_id = await house.add(ADA)
    for broken in ("", "x", "$2b$04$short"):
        await house.accounts.changed(user_id, password=broken)
        assert (await house.post("/v1/auth/login", **ADA)).status_code == 401


@pytest.mark.parametrize(
    ("password", "said"),
    [
        ("seven 7", "at least 8"),
        ("x" * 129, "at most 128"),
        ("Password1", "most used"),
        ("12345678", "most used"),
        ("Ada@Example.org", "may not be the e-mail"),
        ("", "at least 8"),
    ],
)
async def test_a_password_that_is_easily_guessed_is_refused(house: House, password: str, said: str) -> None:
    answer = await house.post("/v1/auth/register", email=ADA["email"], password=password)
    assert answer.status_code == 400
    assert [field["field"] for field in answer.json()["error"]["fields"]] == ["password"]
    assert said in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    "password", ["x y z 1 2", "p\u00e4ssw\u00f6rter", "\U0001f41d" * 8, "a" * 60 + "\U0001f41d" * 68]
)
async def test_any_other_password_is_taken_whole(house: House, password: str) -> None:
    await house.add({**ADA, "password": password})
    await house.sign_in({**ADA, "password": password})
    almost = {**ADA, "password": password[:-1] + "?"}
    assert (await house.post("/v1/auth/login", **almost)).status_code == 401


async def test_the_same_letters_typed_on_another_keyboard_are_the_same_password(house: House) -> None:
    await house.add({**ADA, "password": "caf\u00e9 au lait"})
    await house.sign_in({**ADA, "password": "cafe\u0301 au lait"})


async def test_an_address_is_one_whatever_its_letters(house: House) -> None:
    await house.add({**ADA, "email": "  Ada@EXAMPLE.org "})
    for email in ("ada@example.org", "ADA@EXAMPLE.ORG", " ada@example.org"):
        assert (await house.sign_in({**ADA, "email": email}))["user"]["email"] == "ada@example.org"


BODIES: dict[str, dict[str, Any]] = {
    "/v1/auth/setup": {"token": "t", "email": "a@b.c", "password": "p"},
    "/v1/auth/register": {"email": "a@b.c", "password": "p", "invite": "i"},
    "/v1/auth/activate": {"uid": "u", "token": "t"},
    "/v1/auth/login": {"email": "a@b.c", "password": "p", "device_name": "d"},
    "/v1/auth/refresh": {"refresh_token": "t"},
    "/v1/auth/logout": {"refresh_token": "t"},
    "/v1/auth/password-reset": {"email": "a@b.c"},
    "/v1/auth/password-confirm": {"uid": "u", "token": "t", "new_password": "p"},
    "/v1/auth/email-confirm": {"uid": "u", "token": "t"},
    "/v1/auth/device": {"name": "n"},
    "/v1/auth/device/token": {"device_code": "c"},
    "/v1/auth/device/approve": {"user_code": "c"},
    "/v1/auth/api-keys": {"name": "n", "scopes": ["catalog:read"]},
    "/v1/admin/users": {"email": "a@b.c", "password": "p", "role": "viewer", "active": True, "stream_limit": 2},
    "/v1/admin/invites": {"email": "a@b.c", "role": "viewer"},
}
NONSENSE: list[Any] = [[], {}, 1.5, {"$ne": ""}, "a\0b", "x" * 10_000, "\udcff"]


@pytest.mark.parametrize("path", BODIES)
async def test_a_field_of_nonsense_is_named(house: House, path: str) -> None:
    token = (await house.sign_in(ADMIN))["access_token"]
    for field in BODIES[path]:
        for value in NONSENSE:
            content = json.dumps(BODIES[path] | {field: value})
            answer = await house.request("POST", path, token, content=content)
            assert (field, value, answer.status_code) == (field, value, 400)
            assert field in [each["field"].partition(".")[0] for each in answer.json()["error"]["fields"]]


@pytest.mark.parametrize("path", BODIES)
async def test_a_body_that_is_no_object_is_refused(house: House, path: str) -> None:
    token = (await house.sign_in(ADMIN))["access_token"]
    for content in (b"[]", b"1", b'"x"', b"{", b"\xff\xfe", b"null"):
        answer = await house.request("POST", path, token, content=content, headers={"content-type": "application/json"})
        assert (content, answer.status_code) == (content, 400)


async def test_a_form_is_as_good_as_json(house: House) -> None:
    assert (await house.request("POST", "/v1/auth/login", data=ADMIN)).status_code == 200
