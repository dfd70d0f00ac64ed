"""Tokens and logins: what is forged, spent, ended or expired is refused at the very next request."""

from __future__ import annotations

import asyncio
import base64
import json
from typing import TYPE_CHECKING, Any

import jwt
import pytest

from mediaserver.contracts import Database, KeyRing
from plugins.auth_email.models import ApiKey, LoginSession
from tests.patience import PATIENCE
from tests.plugins.auth_email.conftest import ADA, ADMIN, House

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    OpenHouse = Callable[..., Awaitable[House]]

pytestmark = pytest.mark.contract

ME = "/v1/users/me"


async def status(house: House, token: str) -> int:
    return (await house.get(ME, token)).status_code


async def test_a_token_is_good_until_it_expires(house: House) -> None:
    tokens = await house.sign_in(ADMIN)
    house.clock.ahead(minutes=59, seconds=59)
    assert await status(house, tokens["access_token"]) == 200
    house.clock.ahead(seconds=1)
    assert await status(house, tokens["access_token"]) == 401
    fresh = (await house.post("/v1/auth/refresh", refresh_token=tokens["refresh_token"])).json()
    assert await status(house, fresh["access_token"]) == 200


async def test_a_refresh_token_expires_when_it_is_not_used_for_a_month(house: House) -> None:
    tokens = await house.sign_in(ADMIN)
    house.clock.ahead(days=29)
    tokens = (await house.post("/v1/auth/refresh", refresh_token=tokens["refresh_token"])).json()
    house.clock.ahead(days=30)
    assert (await house.post("/v1/auth/refresh", refresh_token=tokens["refresh_token"])).status_code == 401


def encoded(part: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode()


def forgeries(house: House, token: str) -> dict[str, str]:
    _, key = house.app.server.services.get(KeyRing).current("tokens")
    header = jwt.get_unverified_header(token)
    payload = jwt.decode(token, options={"verify_signature": False})
    head, middle, signature = token.split(".")

    def signed(key: bytes = key, algorithm: str = "HS256", kid: Any = header["kid"], **changed: Any) -> str:
        said = {name: value for name, value in {**payload, **changed}.items() if value is not None}
        return jwt.encode(said, key, algorithm, headers={"kid": kid})

    none = encoded({"alg": "none", "typ": "JWT", "kid": header["kid"]})
    return {
        "no algorithm": f"{none}.{middle}.",
        "no algorithm, signed": f"{none}.{middle}.{signature}",
        "another algorithm": signed(key * 2, "HS512"),
        "another key": signed(b"x" * 32),
        "a key id that is a path": signed(kid="../../key"),
        "a key id that is no word": f"{encoded({**header, 'kid': {'$ne': ''}})}.{middle}.{signature}",
        "a tampered payload": f"{head}.{encoded({**payload, 'sub': '2'})}.{signature}",
        "another type": signed(typ="refresh"),
        "no type": signed(typ=None),
        "another audience": signed(aud="elsewhere"),
        "another issuer": signed(iss="somebody"),
        "no expiry": signed(exp=None),
        "an expiry that is no number": signed(exp="9999999999"),
        "an expiry beyond all numbers": signed(exp=10**400),
        "no login": signed(sid=None),
        "another login": signed(sid="0" * 32),
        "no id": signed(jti=None),
        "no subject": signed(sub=None),
        "from the future": signed(iat=payload["iat"] + 3600),
        "expired": signed(exp=payload["iat"] - 1),
        "a later generation": signed(jti=f"{payload['sid']}.9"),
        "huge": signed(more="x" * 5000),
        "cut short": token[:-1],
        "two dots": "..",
        "not ASCII": "\u00e9" * 20,
        "garbage": "garbage",
    }


async def test_a_forged_token_is_refused(house: House) -> None:
    token = (await house.sign_in(ADMIN))["access_token"]
    assert await status(house, token) == 200
    for name, forged in forgeries(house, token).items():
        answer = await house.request("GET", ME, headers={"authorization": f"Bearer {forged}".encode()})
        assert (name, answer.status_code) == (name, 401)
        assert answer.headers["www-authenticate"] == "Bearer"
    assert await status(house, token) == 200


async def test_access_and_refresh_tokens_are_good_for_one_thing_each(house: House) -> None:
    tokens = await house.sign_in(ADMIN)
    assert await status(house, tokens["refresh_token"]) == 401
    assert (await house.post("/v1/auth/refresh", refresh_token=tokens["access_token"])).status_code == 401


async def test_two_tabs_that_refresh_at_once_get_the_same_successors(house: House) -> None:
    first = await house.sign_in(ADMIN)
    crowd = [house.post("/v1/auth/refresh", refresh_token=first["refresh_token"]) for _ in range(8)]
    answers = [answer.json() for answer in await asyncio.gather(*crowd)]
    assert len({answer["refresh_token"] for answer in answers}) == 1
    assert answers[0]["refresh_token"] != first["refresh_token"]
    house.clock.ahead(seconds=60)
    late = (await house.post("/v1/auth/refresh", refresh_token=first["refresh_token"])).json()
    assert late["refresh_token"] == answers[0]["refresh_token"]


@pytest.mark.databases
async def test_a_spent_token_that_comes_back_later_ends_the_login(house: House) -> None:
    first = await house.sign_in(ADMIN)
    second = (await house.post("/v1/auth/refresh", refresh_token=first["refresh_token"])).json()
    house.clock.ahead(seconds=61)
    assert (await house.post("/v1/auth/refresh", refresh_token=first["refresh_token"])).status_code == 401
    assert await status(house, second["access_token"]) == 401
    assert (await house.post("/v1/auth/refresh", refresh_token=second["refresh_token"])).status_code == 401


async def test_a_token_older_than_the_last_one_ends_the_login_at_once(house: House) -> None:
    first = await house.sign_in(ADMIN)
    second = (await house.post("/v1/auth/refresh", refresh_token=first["refresh_token"])).json()
    third = (await house.post("/v1/auth/refresh", refresh_token=second["refresh_token"])).json()
    assert (await house.post("/v1/auth/refresh", refresh_token=first["refresh_token"])).status_code == 401
    assert await status(house, third["access_token"]) == 401


@pytest.mark.parametrize("shown", ["access", "refresh", "spent", "expired", "cookie"])
async def test_signing_out_ends_the_login_by_whatever_is_shown_of_it(house: House, shown: str) -> None:
    old = await house.sign_in(ADMIN)
    new = (await house.post("/v1/auth/refresh", refresh_token=old["refresh_token"])).json()
    if shown == "expired":
        house.clock.ahead(hours=2)
    if shown in ("access", "expired"):
        answer = await house.post("/v1/auth/logout", new["access_token"])
    elif shown == "cookie":
        cookies = {"cookie": f"access_token={new['access_token']}"}
        answer = await house.request("POST", "/v1/auth/logout", headers=cookies)
    else:
        answer = await house.post("/v1/auth/logout", refresh_token=(old if shown == "spent" else new)["refresh_token"])
    assert answer.status_code == 200
    assert await status(house, new["access_token"]) == 401
    assert (await house.post("/v1/auth/refresh", refresh_token=new["refresh_token"])).status_code == 401
    again = await house.post("/v1/auth/logout", refresh_token=new["refresh_token"])
    assert again.status_code == 200


async def test_signing_out_without_anything_to_show_is_refused(house: House) -> None:
    assert (await house.post("/v1/auth/logout")).status_code == 401


@pytest.mark.databases
async def test_what_an_account_may_changes_with_the_next_request(house: House) -> None:
    user_id = await house.add(ADA)
    token = (await house.sign_in(ADA))["access_token"]
    assert (await house.get("/v1/admin/users", token)).status_code == 403
    await house.accounts.set_role(user_id, "admin")
    assert (await house.get("/v1/admin/users", token)).status_code == 200
    await house.accounts.set_role(user_id, "viewer")
    assert (await house.get("/v1/admin/users", token)).status_code == 403
    await house.accounts.set_disabled(user_id, True)
    assert await status(house, token) == 401
    assert (await house.post("/v1/auth/login", **ADA)).status_code == 401
    await house.accounts.set_disabled(user_id, False)
    assert await status(house, token) == 401  # the login has ended
    await house.sign_in(ADA)
    await house.accounts.delete(user_id)
    assert (await house.post("/v1/auth/login", **ADA)).status_code == 401


@pytest.mark.databases
async def test_a_reset_ends_every_login_and_its_link_is_good_once(house: House) -> None:
    await house.add(ADA)
    token = (await house.sign_in(ADA))["access_token"]
    assert (await house.post("/v1/auth/password-reset", email=ADA["email"])).status_code == 200
    link = await house.link(ADA["email"])
    weak = await house.post("/v1/auth/password-confirm", **link, new_password="password1")
    assert (weak.status_code, weak.json()["error"]["fields"][0]["field"]) == (400, "new_password")
    done = await house.post("/v1/auth/password-confirm", **link, new_password="nine wasps sting")
    assert done.status_code == 200
    assert await status(house, token) == 401
    again = await house.post("/v1/auth/password-confirm", **link, new_password="ten wasps sting")
    assert again.status_code == 400
    assert (await house.post("/v1/auth/login", **ADA)).status_code == 401
    await house.sign_in({**ADA, "password": "nine wasps sting"})


async def test_a_reset_link_expires(house: House) -> None:
    await house.add(ADA)
    await house.post("/v1/auth/password-reset", email=ADA["email"])
    link = await house.link(ADA["email"])
    house.clock.ahead(minutes=30)
    late = await house.post("/v1/auth/password-confirm", **link, new_password="nine wasps sting")
    assert late.status_code == 400


async def test_logins_are_listed_and_ended_by_their_owner_alone(house: House) -> None:
    await house.add(ADA)
    phone = await house.sign_in(ADA, device_name="Ada's phone")
    laptop = await house.sign_in(ADA)
    stranger = (await house.sign_in(ADMIN))["access_token"]
    listed = (await house.get("/v1/auth/sessions", laptop["access_token"])).json()["sessions"]
    assert {login["device_name"] for login in listed} == {"Ada's phone", "python-httpx"}
    lost = next(login for login in listed if not login["current"])
    assert (await house.request("DELETE", f"/v1/auth/sessions/{lost['id']}", stranger)).status_code == 404
    ended = await house.request("DELETE", f"/v1/auth/sessions/{lost['id']}", laptop["access_token"])
    assert ended.status_code == 204
    assert await status(house, phone["access_token"]) == 401
    assert await status(house, laptop["access_token"]) == 200


async def test_a_new_key_signs_and_nobody_is_signed_out(house: House) -> None:
    old = await house.sign_in(ADMIN)
    assert await house.accounts.rotate_keys() == "2"
    new = await house.sign_in(ADMIN)
    assert jwt.get_unverified_header(new["access_token"])["kid"] == "2"
    house.accounts.settle(1)  # nothing is remembered: both are verified anew
    assert await status(house, old["access_token"]) == 200
    assert await status(house, new["access_token"]) == 200
    assert (await house.post("/v1/auth/refresh", refresh_token=old["refresh_token"])).status_code == 200


async def test_a_browser_is_given_cookies_that_no_script_reads(house: House) -> None:
    answer = await house.post("/v1/auth/login", **ADMIN)
    cookies = {cookie.partition("=")[0]: cookie for cookie in answer.headers.get_list("set-cookie")}
    assert cookies.keys() == {"access_token", "refresh_token", "csrftoken"}
    for name, cookie in cookies.items():
        assert ("HttpOnly" in cookie) == (name != "csrftoken")
        assert "SameSite=Lax" in cookie
        assert "Path=/" in cookie
        assert "Secure" not in cookie  # it came over http
        assert "Partitioned" not in cookie
    value = cookies["access_token"].partition("=")[2].partition(";")[0]
    assert (await house.request("GET", ME, headers={"cookie": f"access_token={value}"})).status_code == 200


async def test_cookies_are_secure_where_the_proxy_says_https(open_house: OpenHouse) -> None:
    house = await open_house(settings={"server": {"port": 0, "trusted_proxies": ["127.0.0.1"]}})
    answer = await house.request("POST", "/v1/auth/login", json=ADMIN, headers={"x-forwarded-proto": "https"})
    assert all("Secure" in cookie for cookie in answer.headers.get_list("set-cookie"))


async def test_cookies_for_other_sites_are_secure_and_a_matter_of_each_site(open_house: OpenHouse) -> None:
    house = await open_house(cookie={"samesite": "none"})
    made = (await house.post("/v1/auth/login", **ADMIN)).headers.get_list("set-cookie")
    gone = (await house.post("/v1/auth/logout", (await house.sign_in(ADMIN))["access_token"])).headers
    for cookie in [*made, *gone.get_list("set-cookie")]:
        assert all(word in cookie for word in ("SameSite=None", "Secure", "Partitioned"))


async def test_a_stale_cookie_blocks_neither_signing_in_nor_refreshing(house: House) -> None:
    tokens = await house.sign_in(ADMIN)
    stale = {"cookie": "access_token=stale"}
    assert (await house.request("POST", "/v1/auth/login", json=ADMIN, headers=stale)).status_code == 200
    body = {"refresh_token": tokens["refresh_token"]}
    assert (await house.request("POST", "/v1/auth/refresh", json=body, headers=stale)).status_code == 200
    assert (await house.request("GET", ME, headers=stale)).status_code == 401


@pytest.mark.databases
async def test_the_login_unused_longest_gives_way(house: House) -> None:
    first = await house.sign_in(ADMIN)
    for _ in range(50):
        house.clock.ahead(seconds=1)
        await house.sign_in(ADMIN)
    assert await status(house, first["access_token"]) == 401
    token = (await house.sign_in(ADMIN))["access_token"]
    assert len((await house.get("/v1/auth/sessions", token)).json()["sessions"]) == 50


@pytest.mark.databases
async def test_what_ended_unheard_is_not_trusted_where_changes_cannot_be_read(house: House) -> None:
    token = (await house.sign_in(ADMIN))["access_token"]
    key = (await house.post("/v1/auth/api-keys", token, name="script", scopes=["account:read"])).json()["key"]

    async def answers() -> tuple[int, int]:
        by_key = await house.request("GET", ME, headers={"x-api-key": key})
        return await status(house, token), by_key.status_code

    assert await answers() == (200, 200)
    await LoginSession.all().delete()  # both by another process, whose news does not come
    await ApiKey.all().delete()
    assert await answers() == (200, 200)
    database = house.app.server.services.get(Database)
    await database.fetch("ALTER TABLE core_change RENAME TO core_change_away")
    async with asyncio.timeout(PATIENCE):
        while await answers() != (401, 401):
            await asyncio.sleep(0.05)
    await database.fetch("ALTER TABLE core_change_away RENAME TO core_change")
