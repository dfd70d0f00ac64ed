"""From a stranger to somebody who is signed in: registering, activation, invitations, approval, set-up."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from mediaserver.models import JobRecord, JobState
from tests.patience import PATIENCE
from tests.plugins.auth_email.conftest import ADA, ADMIN, House, query_of, running_post, text_of
from tests.ports import free_port

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    OpenHouse = Callable[..., Awaitable[House]]

pytestmark = pytest.mark.contract


@pytest.mark.databases
async def test_who_registers_is_let_in_once_the_mailed_link_was_opened(house: House) -> None:
    answer = await house.post("/v1/auth/register", **ADA)
    assert answer.status_code == 201
    assert (await house.post("/v1/auth/login", **ADA)).status_code == 401
    link = await house.link(ADA["email"])
    assert (await house.post("/v1/auth/activate", **link)).status_code == 200
    assert (await house.post("/v1/auth/activate", **link)).status_code == 200
    assert (await house.request("GET", "/v1/auth/activate", params=link)).status_code == 200
    found = await house.sign_in(ADA)
    assert found["expires_in"] == 3600
    assert found["user"] == {"id": "2", "email": ADA["email"], "role": "viewer", "subscription_tier": "standard"}


async def test_a_letter_holds_its_link_in_text_and_in_html(house: House) -> None:
    await house.post("/v1/auth/register", **ADA)
    (letter,) = await house.letters()
    html = letter.get_body(("html",))
    assert html is not None
    link = query_of(text_of(letter))
    assert link["token"] in html.get_content()
    assert str(letter["to"]) == ADA["email"]


async def test_a_known_address_is_answered_like_a_new_one_and_its_owner_is_told(house: House) -> None:
    await house.add(ADA)
    known = await house.post("/v1/auth/register", email="ADA@Example.org", password="stolen goods")
    new = await house.post("/v1/auth/register", email="bob@example.org", password="stolen goods")
    assert known.status_code == new.status_code == 201
    assert known.json()["message"] == new.json()["message"]
    assert known.json().keys() == new.json().keys()
    letters = {str(letter["to"]): str(letter["subject"]) for letter in await house.letters()}
    assert letters == {ADA["email"]: "You have an account already", "bob@example.org": "Activate your account"}
    await house.sign_in(ADA)
    assert (await house.accounts.all()).total == 3


async def test_the_receipt_of_a_known_address_looks_like_any_other(house: House) -> None:
    await house.add(ADA)
    people = ("bob@example.org", ADA["email"], "eve@example.org", ADA["email"])
    receipts = [await house.accounts.register(who, "nine wasps sting") for who in people]
    assert [receipt.number for receipt in receipts] == [receipts[0].number + step for step in range(4)]
    assert len({receipt.token for receipt in receipts}) == 4


@pytest.mark.parametrize("opened", ["the thief's", "mine"])
async def test_nobody_prepares_an_account_for_the_address_of_somebody_else(house: House, opened: str) -> None:
    """The letters look the same. Whoever has the mailbox chooses the password, whichever link they open."""
    thief = {"email": ADA["email"], "password": "the thief knows"}
    await house.post("/v1/auth/register", **ADA)
    mine = await house.link(ADA["email"])
    await house.post("/v1/auth/register", **thief)
    links = [query_of(text_of(letter)) for letter in await house.letters()]
    stolen = next(link for link in links if link != mine)
    assert (await house.post("/v1/auth/activate", **(mine if opened == "mine" else stolen))).status_code == 200
    for who in (ADA, thief):
        assert (await house.post("/v1/auth/login", **who)).status_code == 401
    reset = await house.link(ADA["email"])
    assert (await house.post("/v1/auth/password-confirm", **reset, new_password=ADA["password"])).status_code == 200
    await house.sign_in(ADA)


async def test_a_link_expires_and_registering_again_sends_another(house: House) -> None:
    await house.post("/v1/auth/register", **ADA)
    old = await house.link(ADA["email"])
    house.clock.ahead(hours=24)
    refused = await house.post("/v1/auth/activate", **old)
    assert refused.status_code == 400
    assert "not valid any more" in refused.json()["error"]["message"]
    await house.accounts.clear()
    assert (await house.accounts.all()).total == 1
    await house.post("/v1/auth/register", **ADA)
    links = [query_of(text_of(letter)) for letter in await house.letters()]
    assert (await house.post("/v1/auth/activate", **links[-1])).status_code == 200


async def test_a_link_of_one_purpose_or_person_is_good_for_no_other(house: House) -> None:
    await house.post("/v1/auth/register", **ADA)
    activation = await house.link(ADA["email"])
    wrong = {"uid": activation["uid"], "token": activation["token"], "new_password": "another one 8"}
    assert (await house.post("/v1/auth/password-confirm", **wrong)).status_code == 400
    stranger = {"uid": "MQ", "token": activation["token"]}
    assert (await house.post("/v1/auth/activate", **stranger)).status_code == 400
    assert (await house.post("/v1/auth/activate", **activation)).status_code == 200
    await house.post("/v1/auth/password-reset", email=ADA["email"])
    reset = await house.link(ADA["email"])
    assert (await house.post("/v1/auth/activate", **reset)).status_code == 400
    assert (await house.post("/v1/auth/email-confirm", **reset)).status_code == 400


@pytest.mark.databases
async def test_of_many_who_open_the_link_at_once_none_fails(house: House) -> None:
    await house.post("/v1/auth/register", **ADA)
    link = await house.link(ADA["email"])
    answers = await asyncio.gather(*(house.post("/v1/auth/activate", **link) for _ in range(10)))
    assert {answer.status_code for answer in answers} <= {200, 400}
    assert 200 in {answer.status_code for answer in answers}
    await house.sign_in(ADA)


async def test_an_account_works_at_once_where_no_activation_is_asked_for(open_house: OpenHouse) -> None:
    house = await open_house(require_activation=False)
    assert (await house.post("/v1/auth/register", **ADA)).status_code == 201
    await house.sign_in(ADA)
    assert (await house.post("/v1/auth/register", **ADA)).status_code == 409


async def test_an_administrator_lets_people_in_where_approval_is_asked_for(open_house: OpenHouse) -> None:
    house = await open_house(registration="approval")
    admin = (await house.sign_in(ADMIN))["access_token"]
    assert (await house.post("/v1/auth/register", **ADA)).status_code == 201
    assert await house.letters() == []
    listed = (await house.get("/v1/admin/users", admin)).json()["users"]
    waiting = next(user for user in listed if user["email"] == ADA["email"])
    assert waiting["active"] is False
    assert (await house.post(f"/v1/admin/users/{waiting['id']}/activate", admin)).status_code == 200
    await house.sign_in(ADA)
    assert [str(letter["subject"]) for letter in await house.letters()] == ["Your account is ready"]


async def test_an_address_that_two_claim_is_not_approved_but_sent_its_link(open_house: OpenHouse) -> None:
    house = await open_house(registration="approval")
    admin = (await house.sign_in(ADMIN))["access_token"]
    await house.post("/v1/auth/register", email=ADA["email"], password="the thief knows")
    await house.post("/v1/auth/register", **ADA)
    user = await house.accounts.find(ADA["email"])
    assert (await house.post(f"/v1/admin/users/{user.id}/activate", admin)).status_code == 409
    link = query_of((await house.get(f"/v1/admin/users/{user.id}/link", admin)).json()["link"])
    assert (await house.post("/v1/auth/activate", **link)).status_code == 200
    assert [str(letter["subject"]) for letter in await house.letters()] == ["Choose a new password"]


async def test_an_invitation_lets_one_person_in(open_house: OpenHouse) -> None:
    house = await open_house(registration="invite")
    assert (await house.post("/v1/auth/register", **ADA)).status_code == 403
    assert (await house.post("/v1/auth/register", **ADA, invite="guessed")).status_code == 403
    admin = (await house.sign_in(ADMIN))["access_token"]
    made = await house.post("/v1/admin/invites", admin, email=ADA["email"])
    assert made.status_code == 201
    invite = query_of(made.json()["link"])["invite"]
    assert (await house.post("/v1/auth/register", **ADA, invite=invite)).status_code == 201
    await house.sign_in(ADA)
    again = await house.post("/v1/auth/register", email="bob@example.org", password="eight bees fly", invite=invite)
    assert again.status_code == 403
    assert [str(letter["subject"]) for letter in await house.letters()] == ["You are invited"]


async def test_an_invitation_is_for_its_address_alone(open_house: OpenHouse) -> None:
    house = await open_house(registration="invite")
    admin = (await house.sign_in(ADMIN))["access_token"]
    made = await house.post("/v1/admin/invites", admin, email=ADA["email"], role="admin")
    invite = query_of(made.json()["link"])["invite"]
    stranger = {"email": "stranger@example.org", "password": "eight bees fly"}
    assert (await house.post("/v1/auth/register", **stranger, invite=invite)).status_code == 403
    mailed = (await house.link(ADA["email"]))["invite"]
    assert (await house.post("/v1/auth/register", **stranger, invite=mailed)).status_code == 403
    assert (await house.post("/v1/auth/register", **ADA, invite=mailed)).status_code == 201
    assert (await house.sign_in(ADA))["user"]["role"] == "admin"
    anybody = await house.post("/v1/admin/invites", admin, role="admin")
    assert (anybody.status_code, anybody.json()["error"]["fields"][0]["field"]) == (400, "email")


@pytest.mark.databases
async def test_of_many_who_use_one_invitation_one_is_let_in(open_house: OpenHouse) -> None:
    house = await open_house(registration="invite")
    invite = query_of(await house.accounts.invite())["invite"]
    body = {"password": "eight bees fly", "invite": invite}
    crowd = [house.post("/v1/auth/register", email=f"p{number}@example.org", **body) for number in range(8)]
    statuses = sorted([answer.status_code for answer in await asyncio.gather(*crowd)])
    assert statuses[0] == 201
    assert 201 not in statuses[1:]
    assert sum(account.active for account in (await house.accounts.all()).items) == 2


async def test_nobody_registers_where_it_is_closed_or_nobody_administers_yet(open_house: OpenHouse) -> None:
    closed = await open_house(registration="closed")
    assert (await closed.post("/v1/auth/register", **ADA)).status_code == 403
    empty = await open_house(admin_email=None)
    assert (await empty.post("/v1/auth/register", **ADA)).status_code == 403


@pytest.mark.databases
async def test_the_set_up_link_makes_one_administrator(open_house: OpenHouse, capsys: Any) -> None:
    house = await open_house(admin_email=None, admin_password=None)
    assert (await house.get("/v1/auth/setup")).json() == {"needed": True}
    printed = query_of(capsys.readouterr().out)
    assert printed == query_of(await house.accounts.setup.link())
    assert (await house.post("/v1/auth/setup", token="guessed", **ADMIN)).status_code == 403
    weak = await house.post("/v1/auth/setup", **printed, email=ADMIN["email"], password="password1")
    assert weak.status_code == 400
    tries = [house.post("/v1/auth/setup", **printed, **ADMIN) for _ in range(5)]
    statuses = sorted([answer.status_code for answer in await asyncio.gather(*tries)])
    assert statuses == [201, 403, 403, 403, 403]
    assert (await house.get("/v1/auth/setup")).json() == {"needed": False}
    assert (await house.sign_in(ADMIN))["user"]["role"] == "admin"


async def test_the_configured_administrator_keeps_the_password_they_changed(open_house: OpenHouse) -> None:
    house = await open_house()
    token = (await house.sign_in(ADMIN))["access_token"]
    change = {"password": "another way home", "current_password": ADMIN["password"]}
    assert (await house.request("PUT", "/v1/users/me", token, json=change)).status_code == 200
    await house.app.stop()
    await house.app.start()
    assert (await house.post("/v1/auth/login", **ADMIN)).status_code == 401
    await house.sign_in({"email": ADMIN["email"], "password": "another way home"})


async def test_who_registers_while_the_mail_server_is_away_gets_the_letter_later(open_house: OpenHouse) -> None:
    away = {"backend": "smtp", "smtp": {"host": "127.0.0.1", "port": free_port(), "tls": "none"}}
    house = await open_house(settings={"mail": away, "server": {"port": 0, "public_url": "http://films.example"}})
    assert (await house.post("/v1/auth/register", **ADA)).status_code == 201
    async with running_post(house.app.server), asyncio.timeout(PATIENCE):
        while not (found := await JobRecord.exclude(error="").first()):
            await asyncio.sleep(0.02)
    assert found.state is JobState.DUE
    doctor = await house.app.server.contributions.checks["mail"].run()
    assert doctor
    assert "1 letter waits" in doctor
    assert "127.0.0.1" in doctor
    assert ADA["email"] not in doctor


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"admin_email": "no address"}, "plugins.auth_email.admin_email: This is not an e-mail address"),
        ({"admin_email": "a@b.c", "admin_password": "short"}, "plugins.auth_email.admin_password: The password needs"),
        ({"admin_email": "a@b.c", "admin_password": None}, "plugins.auth_email.admin_password: is needed"),
        ({"access_minutes": 0}, "plugins.auth_email.access_minutes"),
    ],
)
async def test_an_administrator_that_cannot_be_made_stops_the_start(
    open_house: OpenHouse, options: dict[str, Any], said: str
) -> None:
    with pytest.raises(Exception, match=said):
        await open_house(**options)
