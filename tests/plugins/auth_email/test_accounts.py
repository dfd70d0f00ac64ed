"""What people do with their accounts, and administrators with those of others; keys and televisions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from mediaserver.events import UserDeleted
from mediaserver.models import Change
from tests.plugins.auth_email.conftest import ADA, ADMIN, House

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    OpenHouse = Callable[..., Awaitable[House]]

pytestmark = pytest.mark.contract

ME = "/v1/users/me"


@pytest.fixture
async def admin(house: House) -> str:
    return str((await house.sign_in(ADMIN))["access_token"])


async def put(house: House, token: str, path: str = ME, **body: Any) -> tuple[int, Any]:
    answer = await house.request("PUT", path, token, json=body)
    return answer.status_code, answer.json()


async def test_a_new_password_needs_the_current_one_and_ends_the_other_logins(house: House) -> None:
    await house.add(ADA)
    mine, other = (await house.sign_in(ADA))["access_token"], (await house.sign_in(ADA))["access_token"]
    status, answer = await put(house, mine, password="nine wasps sting")
    assert (status, answer["error"]["fields"][0]["field"]) == (400, "current_password")
    assert (await put(house, mine, password="nine wasps sting", current_password="wrong"))[0] == 400
    assert (await put(house, mine, password="password1", current_password=ADA["password"]))[0] == 400
    assert (await put(house, mine, password="nine wasps sting", current_password=ADA["password"]))[0] == 200
    assert (await house.get(ME, mine)).status_code == 200
    assert (await house.get(ME, other)).status_code == 401
    assert (await house.post("/v1/auth/login", **ADA)).status_code == 401
    assert [str(letter["subject"]) for letter in await house.letters()] == ["Your password was changed"]


@pytest.mark.databases
async def test_a_new_address_counts_once_its_owner_confirms_it(house: House) -> None:
    await house.add(ADA)
    token = (await house.sign_in(ADA))["access_token"]
    status, account = await put(house, token, email="Ada@New.example")
    assert (status, account["email"]) == (200, ADA["email"])
    link = await house.link("ada@new.example")
    assert (await house.post("/v1/auth/email-confirm", **link)).status_code == 200
    assert (await house.post("/v1/auth/email-confirm", **link)).status_code == 400
    assert (await house.get(ME, token)).json()["email"] == "ada@new.example"
    await house.sign_in({**ADA, "email": "ada@new.example"})
    assert str((await house.letters())[-1]["to"]) == ADA["email"]  # the old address is told


async def test_an_address_that_somebody_has_is_not_taken_and_nobody_learns_of_it(house: House) -> None:
    await house.add(ADA)
    token = (await house.sign_in(ADA))["access_token"]
    assert (await put(house, token, email=ADMIN["email"]))[0] == 200
    assert await house.letters() == []


@pytest.mark.databases
async def test_who_leaves_takes_everything_with_them(house: House) -> None:
    user_id = await house.add(ADA)
    token = (await house.sign_in(ADA))["access_token"]
    await house.post("/v1/auth/api-keys", token, name="script", scopes=["account:read"])
    answer = await house.request("DELETE", ME, token)
    assert answer.status_code == 204
    assert (await house.get(ME, token)).status_code == 401
    assert await house.accounts.exists([user_id, 1]) == {1}
    assert await Change.filter(kind=UserDeleted.kind).exists()
    assert await house.accounts.api_keys.of(user_id) == []


@pytest.mark.databases
async def test_the_last_administrator_stays_one(house: House, admin: str) -> None:
    assert (await house.request("DELETE", ME, admin)).status_code == 409
    assert (await put(house, admin, "/v1/admin/users/1", role="viewer"))[0] == 409
    assert (await put(house, admin, "/v1/admin/users/1", active=False))[0] == 409
    await house.add(ADA, "admin")
    assert (await put(house, admin, "/v1/admin/users/1", role="viewer"))[0] == 200


async def test_an_administrator_keeps_accounts(house: House, admin: str) -> None:
    made = await house.post("/v1/admin/users", admin, **ADA, stream_limit=3)
    assert made.status_code == 201
    path = f"/v1/admin/users/{made.json()['id']}"
    assert (made.json()["stream_limit"], made.json()["subscription_tier"]) == (3, "custom")
    assert (await house.post("/v1/admin/users", admin, **ADA)).status_code == 409
    status, account = await put(house, admin, path, stream_limit=None)
    assert (status, account["stream_limit"], account["subscription_tier"]) == (200, None, "unlimited")
    status, account = await put(house, admin, path, stream_limit="default")
    assert (status, account["stream_limit"], account["subscription_tier"]) == (200, None, "standard")
    assert (await put(house, admin, path, role="admin"))[1]["role"] == "admin"
    assert (await put(house, admin, path, active=False))[1]["active"] is False
    assert (await house.post("/v1/auth/login", **ADA)).status_code == 401
    assert (await house.get(path, admin)).json()["email"] == ADA["email"]
    listed = (await house.get("/v1/admin/users?limit=1", admin)).json()
    assert listed["pagination"] == {"page": 1, "limit": 1, "total": 2, "has_next": True}
    assert (await house.request("DELETE", path, admin)).status_code == 204
    assert (await house.get(path, admin)).status_code == 404


@pytest.mark.parametrize("told", [{}, {"stream_limit": "default"}])
async def test_an_account_that_is_told_no_limit_has_that_of_everybody(
    house: House, admin: str, told: dict[str, Any]
) -> None:
    made = await house.post("/v1/admin/users", admin, **ADA, **told)
    assert (made.json()["stream_limit"], made.json()["subscription_tier"]) == (None, "standard")


@pytest.mark.parametrize("limit", [-1, 1001, 1.5, True, "2", "none", [], {}])
async def test_a_limit_that_is_none_is_refused_and_told_what_would_do(house: House, admin: str, limit: Any) -> None:
    for answer in (
        await house.post("/v1/admin/users", admin, **ADA, stream_limit=limit),
        await house.request("PUT", "/v1/admin/users/1", admin, json={"stream_limit": limit}),
    ):
        problem = 'Should be 0 to 1000, null for any number, or "default".'
        assert answer.json()["error"]["fields"] == [{"field": "stream_limit", "problem": problem}]


@pytest.mark.parametrize("ref", ["0", "-1", "9" * 40, "nobody", "1.5", "%00"])
async def test_an_id_that_names_nobody_is_not_found(house: House, admin: str, ref: str) -> None:
    for method, path in (("GET", ref), ("PUT", ref), ("DELETE", ref), ("POST", f"{ref}/activate")):
        assert (await house.request(method, f"/v1/admin/users/{path}", admin, json={})).status_code == 404
    assert (await house.request("DELETE", f"/v1/auth/api-keys/{ref}", admin)).status_code == 404
    assert (await house.request("DELETE", f"/v1/auth/sessions/{ref}", admin)).status_code == 404


async def test_somebody_without_a_password_chooses_one_by_mail(house: House, admin: str) -> None:
    assert (await house.post("/v1/admin/users", admin, email=ADA["email"])).status_code == 201
    link = await house.link(ADA["email"])
    assert (await house.post("/v1/auth/password-confirm", **link, new_password=ADA["password"])).status_code == 200
    await house.sign_in(ADA)


async def test_a_key_opens_what_its_scopes_name_until_it_is_deleted(open_house: OpenHouse) -> None:
    house = await open_house(plugins={"catalog": {}})
    token = (await house.sign_in(ADMIN))["access_token"]
    unknown = await house.post("/v1/auth/api-keys", token, name="script", scopes=["everything"])
    assert (unknown.status_code, unknown.json()["error"]["fields"][0]["field"]) == (400, "scopes")
    made = (await house.post("/v1/auth/api-keys", token, name="script", scopes=["catalog:read"])).json()
    listed = (await house.get("/v1/auth/api-keys", token)).json()["api_keys"]
    assert [(key["name"], key["prefix"]) for key in listed] == [("script", made["prefix"])]
    assert made["key"].startswith(made["prefix"])
    assert made["key"] not in str(listed)
    key = {"x-api-key": made["key"]}
    for path, status in (("/v1/content/browse", 200), ("/v1/admin/users", 403), (ME, 403), ("/v1/auth/api-keys", 403)):
        assert (path, (await house.request("GET", path, headers=key)).status_code) == (path, status)
    assert (await house.request("DELETE", f"/v1/auth/api-keys/{made['id']}", token)).status_code == 204
    assert (await house.request("GET", "/v1/content/browse", headers=key)).status_code == 401
    for wrong in ("garbage", "ms_garbage", "ms_" + "x" * 5000):
        assert (await house.request("GET", "/v1/content/browse", headers={"x-api-key": wrong})).status_code == 401


async def test_nobody_sees_or_deletes_the_keys_of_others(house: House, admin: str) -> None:
    await house.add(ADA)
    mine = (await house.sign_in(ADA))["access_token"]
    made = (await house.post("/v1/auth/api-keys", mine, name="script", scopes=["account:read"])).json()
    assert (await house.get("/v1/auth/api-keys", admin)).json() == {"api_keys": []}
    assert (await house.request("DELETE", f"/v1/auth/api-keys/{made['id']}", admin)).status_code == 404
    assert (await house.request("GET", ME, headers={"x-api-key": made["key"]})).status_code == 200


async def test_a_key_cannot_change_or_delete_the_account_it_belongs_to(house: House, admin: str) -> None:
    scopes = ["account:read", "account:write"]
    key = {"x-api-key": (await house.post("/v1/auth/api-keys", admin, name="script", scopes=scopes)).json()["key"]}
    for method in ("PUT", "DELETE"):
        assert (await house.request(method, ME, headers=key, json={})).status_code == 403


async def test_a_television_is_let_in_by_who_is_signed_in(house: House, admin: str) -> None:
    offer = (await house.post("/v1/auth/device", name="Living room")).json()
    assert len(offer["user_code"]) == 9
    assert offer["verification_uri"].endswith("/device")

    async def poll(wait: float = 5) -> tuple[int, str | None]:
        house.clock.ahead(seconds=wait)
        answer = await house.post("/v1/auth/device/token", device_code=offer["device_code"])
        return answer.status_code, answer.json().get("error", {}).get("details")

    assert await poll() == (400, "authorization_pending")
    assert await poll(0) == (400, "slow_down")
    assert (await house.post("/v1/auth/device/approve", user_code=offer["user_code"])).status_code == 401
    assert (await house.post("/v1/auth/device/approve", admin, user_code="BBBB-BBBB")).status_code == 404
    typed = offer["user_code"].lower().replace("-", " ")
    assert (await house.post("/v1/auth/device/approve", admin, user_code=typed)).status_code == 200
    assert (await poll())[0] == 200
    assert await poll() == (400, "expired_token")
    names = [login["device_name"] for login in (await house.get("/v1/auth/sessions", admin)).json()["sessions"]]
    assert "Living room" in names


async def test_a_code_nobody_approved_expires(house: House, admin: str) -> None:
    offer = (await house.post("/v1/auth/device")).json()
    house.clock.ahead(seconds=offer["expires_in"])
    answer = await house.post("/v1/auth/device/token", device_code=offer["device_code"])
    assert answer.json()["error"]["details"] == "expired_token"
    assert (await house.post("/v1/auth/device/approve", admin, user_code=offer["user_code"])).status_code in (401, 404)
