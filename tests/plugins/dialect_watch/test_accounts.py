"""`/auth` as its clients know it: statuses, shapes, words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.plugins.dialect_watch.conftest import ADMIN, PASSWORD, Client

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.plugins.dialect_watch.conftest import House

    OpenHouse = Callable[..., Awaitable[House]]

pytestmark = pytest.mark.contract

NEW = {"username": "Ada", "email": "ada@example.org", "password": PASSWORD, "password_two": PASSWORD}
REQUIRED = ["This field is required."]


async def test_ping_is_answered_to_anybody(house: House) -> None:
    for path in ("/ping", "/ping/"):
        answer = await house.nobody.get(path)
        assert (answer.status_code, answer.json()) == (200, {"message": "Pong"})


# ---- registering ---------------------------------------------------------------------------------------------


async def test_who_registers_waits_for_the_activation_where_it_is_asked_for(house: House) -> None:
    answer = await house.nobody.post("/auth/register/", **NEW)
    assert answer.status_code == 201
    user = {"username": "Ada", "email": "ada@example.org"}
    assert answer.json() == {"user": user, "access": None, "refresh": None}
    assert (await house.nobody.post("/auth/login/", **NEW)).status_code == 401


async def test_who_registers_is_signed_in_where_no_activation_is_asked_for(open_house: OpenHouse) -> None:
    house = await open_house(require_activation=False)
    answer = (await house.nobody.post("/auth/register", **NEW)).json()
    ada = Client(house.app, answer["access"])
    assert (await ada.get("/auth/protected_route/")).status_code == 200
    again = await house.nobody.post("/auth/token/refresh/", refresh=answer["refresh"])
    assert again.status_code == 200


async def test_a_known_address_is_told_only_where_no_activation_is_asked_for(open_house: OpenHouse) -> None:
    for required, status in ((True, 201), (False, 400)):
        house = await open_house(require_activation=required)
        answer = await house.nobody.post("/auth/register/", **NEW | {"email": "ROOT@example.org"})
        assert answer.status_code == status
        if status == 400:
            assert list(answer.json()) == ["email"]
        else:
            assert (answer.json()["access"], answer.json()["refresh"]) == (None, None)


async def test_who_registers_a_known_address_with_its_password_is_told_nothing(house: House) -> None:
    told = NEW | ADMIN | {"password_two": ADMIN["password"]}
    assert (await house.nobody.post("/auth/register/", **told)).json()["access"] is None


async def test_a_closed_house_registers_nobody(open_house: OpenHouse) -> None:
    house = await open_house(registration="closed")
    answer = await house.nobody.post("/auth/register/", **NEW)
    assert (answer.status_code, list(answer.json())) == (403, ["detail"])


@pytest.mark.parametrize(
    ("told", "fields"),
    [
        ({}, {"username", "email", "password", "password_two"}),
        (NEW | {"password_two": "another one"}, {"password_two"}),
        (NEW | {"password": "short", "password_two": "short"}, {"password"}),
        (NEW | {"email": "nobody"}, {"email"}),
        (NEW | {"email": 7}, {"email"}),
        (NEW | {"username": ""}, {"username"}),
        (NEW | {"username": None}, {"username"}),
        (NEW | {"username": "a" * 151}, {"username"}),
        (NEW | {"password": ["x"]}, {"password"}),
    ],
)
async def test_what_is_wrong_with_a_registration_is_told_by_field(
    house: House, told: dict[str, Any], fields: set[str]
) -> None:
    answer = await house.nobody.post("/auth/register/", told)
    assert answer.status_code == 400
    assert answer.json().keys() == fields
    assert all(isinstance(problem, str) for problems in answer.json().values() for problem in problems)


# ---- signing in ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/auth/login", "/auth/login/"])
async def test_a_login_answers_the_pair_under_both_names_and_sets_no_cookie(house: House, path: str) -> None:
    answer = await house.nobody.post(path, **ADMIN)
    told = answer.json()
    assert (answer.status_code, "set-cookie" in answer.headers) == (200, False)
    assert told.keys() == {"access", "refresh", "access_token", "refresh_token", "expires_in", "user"}
    assert (told["access"], told["refresh"], told["expires_in"]) == (told["access_token"], told["refresh_token"], 3600)
    assert (told["user"]["email"], told["user"]["role"]) == ("root@example.org", "admin")


async def test_a_form_signs_in_too(house: House) -> None:
    assert (await house.nobody.request("POST", "/auth/login/", data=ADMIN)).status_code == 200


@pytest.mark.parametrize("told", [ADMIN | {"password": "wrong"}, {"email": "no@example.org", "password": PASSWORD}])
async def test_a_login_that_fails_is_told_in_one_sentence(house: House, told: dict[str, str]) -> None:
    answer = await house.nobody.post("/auth/login/", **told)
    assert answer.status_code == 401
    assert answer.json() == {"detail": "No active account found with the given credentials"}


async def test_a_login_without_its_fields_is_told_which(house: House) -> None:
    for answer in (await house.nobody.request("POST", "/auth/login/"), await house.nobody.post("/auth/login/", {})):
        assert (answer.status_code, answer.json()) == (400, {"email": REQUIRED, "password": REQUIRED})
    blank = await house.nobody.post("/auth/login/", email="", password=7)
    assert (blank.status_code, blank.json().keys()) == (400, {"email", "password"})


# ---- staying in ----------------------------------------------------------------------------------------------


async def test_a_refresh_token_stays_the_same_and_keeps_its_worth(house: House) -> None:
    ada = await house.viewer()
    for path in ("/auth/token/refresh", "/auth/token/refresh/"):
        house.clock.turn(1200)
        answer = await house.nobody.post(path, refresh=ada.refresh)
        assert (answer.status_code, answer.json()["refresh"]) == (200, ada.refresh)
        fresh = Client(house.app, answer.json()["access"])
        assert (await fresh.get("/auth/protected_route/")).json() == {"message": "Accessed protected route!"}


async def test_a_refresh_token_that_is_none_is_told_so(house: House) -> None:
    ada = await house.viewer()
    for token in ("garbage", ada.token):
        answer = await house.nobody.post("/auth/token/refresh/", refresh=token)
        assert answer.status_code == 401
        assert answer.json() == {"detail": "Token is invalid or expired", "code": "token_not_valid"}


@pytest.mark.parametrize("told", [{}, {"refresh": ""}, {"refresh": None}, {"refresh": 7}, {"refresh": "a b"}])
async def test_a_refresh_without_a_token_is_told_so(house: House, told: dict[str, Any]) -> None:
    answer = await house.nobody.post("/auth/token/refresh/", told)
    assert (answer.status_code, list(answer.json())) == (400, ["refresh"])


async def test_nobody_gets_to_the_protected_route(house: House) -> None:
    for client in (house.nobody, Client(house.app, "garbage")):
        answer = await client.get("/auth/protected_route/")
        assert (answer.status_code, list(answer.json())) == (401, ["detail"])
        assert answer.headers["www-authenticate"] == "Bearer"


# ---- going out -----------------------------------------------------------------------------------------------


async def test_signing_out_ends_the_login_and_says_so_with_a_body(house: House) -> None:
    ada = await house.viewer()
    answer = await ada.post("/auth/logout/", refresh=ada.refresh)
    assert (answer.status_code, answer.json()) == (205, {"message": "Logout Successful!"})
    assert answer.headers["content-length"] == str(len(answer.content))
    assert (await ada.post("/auth/logout/", refresh=ada.refresh)).status_code == 401
    assert (await ada.get("/auth/protected_route/")).status_code == 401
    assert (await house.nobody.post("/auth/token/refresh/", refresh=ada.refresh)).status_code == 401


async def test_signing_out_with_the_token_of_another_login_ends_both(house: House) -> None:
    phone, tv = await house.viewer(), await house.sign_in("ada@example.org")
    assert (await phone.post("/auth/logout", refresh=tv.refresh)).status_code == 205
    for client in (phone, tv):
        assert (await client.get("/auth/protected_route/")).status_code == 401


@pytest.mark.parametrize("told", [{}, {"refresh": ""}, {"refresh": 7}, {"refresh": "garbage"}])
async def test_without_a_refresh_token_nobody_is_signed_out(house: House, told: dict[str, Any]) -> None:
    ada = await house.viewer()
    answer = await ada.post("/auth/logout/", told)
    assert (answer.status_code, list(answer.json())) == (400, ["refresh"])
    assert (await ada.get("/auth/protected_route/")).status_code == 200


async def test_signing_out_takes_a_login(house: House) -> None:
    assert (await house.nobody.post("/auth/logout/", refresh="x")).status_code == 401
