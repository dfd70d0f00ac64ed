"""From a stranger to somebody who is signed in, and out again, as Videoflix front ends do it."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

import pytest

from tests.plugins.auth_email.conftest import ADA, ADMIN, text_of
from tests.plugins.dialect_videoflix.conftest import FrontEnd

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    import httpx

    OpenFrontEnd = Callable[..., Awaitable[FrontEnd]]

pytestmark = pytest.mark.contract

SIGNED_OUT = "Logout successful! All tokens will be deleted. Refresh token is now invalid."
NAMES = {"access_token", "refresh_token", "csrftoken"}
BEES, WASPS = ADA["password"], "nine wasps sting"


def cookies(answer: httpx.Response) -> dict[str, dict[str, str]]:
    """Of each cookie that is set its value, as `""`, and its attributes in lower case."""
    found = {}
    for header in answer.headers.get_list("set-cookie"):
        pair, *attributes = header.split("; ")
        name, _, value = pair.partition("=")
        parts = [attribute.partition("=") for attribute in attributes]
        found[name] = {"": value.strip('"')} | {key.lower(): told for key, _, told in parts}
    return found


# ---- registering -------------------------------------------------------------------------------------------------


async def test_who_registers_is_let_in_once_the_mailed_link_was_opened(front_end: FrontEnd) -> None:
    answer = await front_end.register(privacy_policy="on")
    assert answer.status_code == 201
    told = answer.json()
    assert told.keys() == {"user", "token", "detail"}
    assert told["user"] == {"id": told["user"]["id"], "email": ADA["email"]}
    assert type(told["user"]["id"]) is int
    assert (await front_end.post("/login/", **ADA)).status_code == 401
    uid, token = await front_end.link(ADA["email"])
    assert (await front_end.get(f"/activate/{uid}/{told['token']}/")).status_code == 400  # a receipt activates nothing
    for _ in range(2):
        opened = await front_end.get(f"/activate/{uid}/{token}/")
        text = "Account successfully activated."
        assert (opened.status_code, opened.json()) == (200, {"message": text, "detail": text})
    user_id = (await front_end.sign_in()).json()["user"]["id"]
    assert base64.urlsafe_b64decode(f"{uid}==").decode() == str(user_id)


async def test_a_known_address_is_answered_like_a_new_one_and_nothing_changes(front_end: FrontEnd) -> None:
    await front_end.house.add(ADA)
    shown = {"email": "ADA@Example.org", "password": "stolen goods"}
    known, new = await front_end.register(shown), await front_end.register({**shown, "email": "bob@example.org"})
    assert known.status_code == new.status_code == 201
    assert {**known.json(), "user": 0, "token": 0} == {**new.json(), "user": 0, "token": 0}
    assert new.json()["user"]["id"] == known.json()["user"]["id"] + 1
    letters = {str(letter["to"]): str(letter["subject"]) for letter in await front_end.house.letters()}
    assert letters == {ADA["email"]: "You have an account already", "bob@example.org": "Activate your account"}
    assert (await front_end.house.accounts.all()).total == 3
    assert (await front_end.post("/login/", **shown)).status_code == 401
    await front_end.sign_in()


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({}, {"email", "password", "confirmed_password"}),
        ({"email": "a@example.org", "password": BEES}, {"confirmed_password"}),
        ({"email": 7, "password": None, "confirmed_password": ["x"]}, {"email", "password", "confirmed_password"}),
        ({"email": "nobody", "password": BEES, "confirmed_password": BEES}, {"email"}),
        ({"email": "a@example.org", "password": "short", "confirmed_password": "short"}, {"password"}),
        ({"email": "a@example.org", "password": "password1", "confirmed_password": "password1"}, {"password"}),
        ({"email": "a@example.org", "password": BEES, "confirmed_password": WASPS}, {"confirmed_password"}),
        ({"email": "<b>@x.org", "password": BEES, "confirmed_password": BEES}, {"email"}),
    ],
)
async def test_a_registration_that_is_wrong_names_its_fields(
    front_end: FrontEnd, body: dict[str, Any], fields: set[str]
) -> None:
    answer = await front_end.post("/register/", **body)
    assert (answer.status_code, answer.json().keys()) == (400, fields)
    assert all(isinstance(problem, str) for problems in answer.json().values() for problem in problems)
    assert (await front_end.house.accounts.all()).total == 1


async def test_where_no_activation_is_asked_for_a_known_address_is_a_fault_of_its_field(
    open_front_end: OpenFrontEnd,
) -> None:
    front_end = await open_front_end(require_activation=False)
    assert (await front_end.register()).status_code == 201
    await front_end.sign_in()
    again = await front_end.register()
    assert (again.status_code, again.json().keys()) == (400, {"email"})


async def test_who_may_not_register_is_told_why(open_front_end: OpenFrontEnd) -> None:
    front_end = await open_front_end(registration="closed")
    answer = await front_end.register()
    assert (answer.status_code, answer.json()) == (403, {"detail": "Nobody can register here."})


# ---- activating --------------------------------------------------------------------------------------------------


async def test_an_activation_that_is_bad_or_has_expired_says_so_under_three_names(front_end: FrontEnd) -> None:
    await front_end.register()
    uid, token = await front_end.link(ADA["email"])
    paths = [f"/activate/{uid}/guessed/", f"/activate/MQ/{token}", "/activate/%3Cb%3E/x/", f"/activate/{uid}/"]
    paths += [f"/activate/{uid}/?token=guessed", f"/activate/{uid}/?token="]
    for path in paths:
        answer = await front_end.get(path)
        assert (answer.status_code, answer.json().keys()) == (400, {"message", "detail", "error"}), path
    front_end.house.clock.ahead(hours=24)
    assert (await front_end.get(f"/activate/{uid}/{token}/")).status_code == 400


async def test_the_token_of_an_activation_may_stand_in_the_query(front_end: FrontEnd) -> None:
    await front_end.register()
    uid, token = await front_end.link(ADA["email"])
    assert (await front_end.get(f"/activate/{uid}/?token={token}")).status_code == 200
    await front_end.sign_in()


async def test_links_of_letters_lead_to_the_pages_of_the_front_end(open_front_end: OpenFrontEnd) -> None:
    front_end = await open_front_end(settings={"frontend": {"base_url": "https://films.example.org"}})
    await front_end.register()
    await front_end.post("/password_reset/", email=ADMIN["email"])
    texts = {str(letter["to"]): text_of(letter) for letter in await front_end.house.letters()}
    for who, page in ((ADA, "activate"), (ADMIN, "confirm_password")):
        assert f"https://films.example.org/pages/auth/{page}.html?uid=" in texts[who["email"]]
        assert "&token=" in texts[who["email"]]


# ---- signing in --------------------------------------------------------------------------------------------------


async def test_a_login_sets_two_cookies_no_script_reads_and_one_it_does(front_end: FrontEnd) -> None:
    answer = await front_end.sign_in()
    user = {"id": answer.json()["user"]["id"], "username": ADA["email"]}
    assert answer.json() == {"detail": "Login successful", "user": user}
    set_now = cookies(answer)
    assert set_now.keys() == NAMES
    for name, told in set_now.items():
        assert told[""]
        assert (told["path"], told["samesite"], "secure" in told) == ("/", "Lax", False)
        assert ("httponly" in told) == (name != "csrftoken")
        assert int(told["max-age"]) == (3600 if name == "access_token" else 30 * 86400)
    assert (await front_end.get("/video/")).status_code == 200


async def test_cookies_are_set_as_the_configuration_says(open_front_end: OpenFrontEnd) -> None:
    front_end = await open_front_end(cookie={"samesite": "none"})
    told = cookies(await front_end.sign_in()).values()
    assert all(each["samesite"] == "None" and "secure" in each for each in told)


async def test_unknown_wrong_and_inactive_are_told_the_same(front_end: FrontEnd) -> None:
    await front_end.house.add({"email": "bob@example.org", "password": WASPS})
    await front_end.register()
    failures = [
        await front_end.post("/login/", email=email, password=BEES)
        for email in ("nobody@example.org", "bob@example.org", ADA["email"], "no address")
    ]
    assert {answer.status_code for answer in failures} == {401}
    assert len({answer.text for answer in failures}) == 1
    assert failures[0].json().keys() == {"detail"}
    assert all("set-cookie" not in answer.headers for answer in failures)


@pytest.mark.parametrize("path", ["/login/", "/register/", "/password_reset/", "/password_confirm/MQ/x/"])
async def test_a_body_that_is_no_object_is_refused_and_none_at_all_lacks_its_fields(
    front_end: FrontEnd, path: str
) -> None:
    for content in (b"[]", b'"text"', b"7", b"null", b"{", b"\xff"):
        answer = await front_end.ask("POST", path, content=content, headers={"content-type": "application/json"})
        assert (answer.status_code, answer.json().keys()) == (400, {"detail"}), content
    empty = await front_end.ask("POST", path, headers={"content-type": "image/png"})
    assert empty.status_code == 400
    assert "Field required" in next(iter(empty.json().values()))


async def test_a_form_signs_in_too(front_end: FrontEnd) -> None:
    await front_end.house.add(ADA)
    assert (await front_end.ask("POST", "/login", data=ADA)).status_code == 200


async def test_a_stale_cookie_blocks_neither_login_nor_registration(front_end: FrontEnd) -> None:
    await front_end.house.add(ADA)
    stale = {"cookie": "access_token=stale; refresh_token=stale; csrftoken=stale"}
    assert (await front_end.ask("POST", "/login/", json=ADA, headers=stale)).status_code == 200
    front_end.forget_cookies()
    wish = {"email": "bob@example.org", "password": WASPS, "confirmed_password": WASPS}
    assert (await front_end.ask("POST", "/register/", json=wish, headers=stale)).status_code == 201


async def test_too_many_tries_are_told_when_to_come_back(front_end: FrontEnd) -> None:
    for _ in range(10):
        await front_end.post("/login/", email=ADA["email"], password="wrong")
    answer = await front_end.post("/login/", **ADA)
    assert (answer.status_code, answer.json().keys()) == (429, {"detail"})
    assert int(answer.headers["retry-after"]) > 0


# ---- staying in and going out --------------------------------------------------------------------------------------


async def test_a_login_is_renewed_by_its_cookie_even_when_the_access_token_has_run_out(front_end: FrontEnd) -> None:
    before = {name: told[""] for name, told in cookies(await front_end.sign_in()).items()}
    front_end.house.clock.ahead(minutes=61)
    kept = {"cookie": "; ".join(f"{name}={value}" for name, value in before.items())}
    assert (await front_end.get("/video/", headers=kept)).status_code == 401
    answer = await front_end.ask("POST", "/token/refresh/", headers=kept)
    assert answer.status_code == 200
    assert answer.json() == {"detail": "Token refreshed", "access": cookies(answer)["access_token"][""]}
    assert cookies(answer).keys() == NAMES
    assert (await front_end.get("/video/")).status_code == 200


async def test_without_its_cookie_nothing_is_renewed_and_nobody_signed_out(front_end: FrontEnd) -> None:
    access = cookies(await front_end.sign_in())["access_token"][""]
    front_end.forget_cookies()
    for path in ("/token/refresh/", "/logout/"):
        for headers in ({}, {"cookie": f"access_token={access}"}, {"authorization": f"Bearer {access}"}):
            answer = await front_end.ask("POST", path, headers=headers)
            assert (answer.status_code, answer.json().keys()) == (400, {"detail"}), (path, headers)
    assert (await front_end.get("/video/", headers={"cookie": f"access_token={access}"})).status_code == 200


async def test_a_refresh_token_that_is_none_or_was_spent_long_ago_is_refused(front_end: FrontEnd) -> None:
    spent = cookies(await front_end.sign_in())["refresh_token"][""]
    access = cookies(await front_end.ask("POST", "/token/refresh/"))["access_token"][""]
    front_end.house.clock.ahead(seconds=61)
    for token in ("garbage", access, spent):
        front_end.forget_cookies()
        answer = await front_end.ask("POST", "/token/refresh/", headers={"cookie": f"refresh_token={token}"})
        assert (answer.status_code, answer.json().keys()) == (401, {"detail"})


async def test_who_signs_out_is_out_at_once_and_keeps_no_cookie(front_end: FrontEnd) -> None:
    before = {name: told[""] for name, told in cookies(await front_end.sign_in()).items()}
    answer = await front_end.ask("POST", "/logout/", headers={"x-csrftoken": "never checked"})
    assert (answer.status_code, answer.json()) == (200, {"detail": SIGNED_OUT})
    emptied = {name: (told[""], told["max-age"]) for name, told in cookies(answer).items()}
    assert emptied == dict.fromkeys(NAMES, ("", "0"))
    assert (await front_end.ask("POST", "/logout/")).status_code == 400
    headers = {"cookie": "; ".join(f"{name}={value}" for name, value in before.items())}
    assert (await front_end.get("/video/", headers=headers)).status_code == 401
    assert (await front_end.ask("POST", "/token/refresh/", headers=headers)).status_code == 401
    again = await front_end.ask("POST", "/logout/", headers=headers)
    assert (again.status_code, again.json()) == (200, {"detail": SIGNED_OUT})


# ---- another password ----------------------------------------------------------------------------------------------


async def test_a_forgotten_password_is_set_anew_by_the_mailed_link(front_end: FrontEnd) -> None:
    await front_end.house.add(ADA)
    known = await front_end.post("/password_reset/", email="Ada@Example.org")
    unknown = await front_end.post("/password_reset/", email="nobody@example.org")
    assert known.status_code == unknown.status_code == 200
    assert known.json() == unknown.json() == {"detail": "An email has been sent to reset your password."}
    uid, token = await front_end.link(ADA["email"])
    path = f"/password_confirm/{uid}/{token}/"
    for password, repeated, field in (
        (WASPS, "nine wasps stung", "confirm_password"),
        ("short", "short", "new_password"),
        (None, WASPS, "new_password"),
    ):
        refused = await front_end.post(path, new_password=password, confirm_password=repeated)
        assert (refused.status_code, refused.json().keys()) == (400, {field})
    done = await front_end.post(path, new_password=WASPS, confirm_password=WASPS)
    assert (done.status_code, done.json()) == (200, {"detail": "Your Password has been successfully reset."})
    again = await front_end.post(path, new_password=WASPS, confirm_password=WASPS)
    assert (again.status_code, again.json().keys()) == (400, {"detail"})
    assert (await front_end.post("/login/", **ADA)).status_code == 401
    assert (await front_end.post("/login/", email=ADA["email"], password=WASPS)).status_code == 200


async def test_a_reset_for_what_is_no_address_names_the_field(front_end: FrontEnd) -> None:
    answer = await front_end.post("/password_reset/", email="nobody")
    assert (answer.status_code, answer.json().keys()) == (400, {"email"})


@pytest.mark.parametrize("slash", ["", "/"])
async def test_the_aliases_of_other_versions_answer_with_and_without_slash(front_end: FrontEnd, slash: str) -> None:
    wish = {**ADA, "confirmed_password": BEES}
    assert (await front_end.post(f"/auth/register{slash}", **wish)).status_code == 201
    uid, token = await front_end.link(ADA["email"])
    assert (await front_end.get(f"/activate/{uid}{slash}", params={"token": token})).status_code == 200
    assert (await front_end.post(f"/auth/login{slash}", **ADA)).status_code == 200
    assert (await front_end.ask("POST", f"/auth/token/refresh{slash}")).status_code == 200
    assert (await front_end.ask("POST", f"/auth/logout{slash}")).status_code == 200
    assert (await front_end.post(f"/passwort_reset{slash}", email=ADA["email"])).status_code == 200
    uid, token = await front_end.link(ADA["email"])
    words = {"new_password": WASPS, "confirm_password": WASPS}
    assert (await front_end.post(f"/passwort_confirm/{uid}/{token}{slash}", **words)).status_code == 200
