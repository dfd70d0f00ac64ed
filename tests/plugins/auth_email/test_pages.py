"""The plain pages, as a browser without script uses them."""

from __future__ import annotations

from json import dumps
from typing import TYPE_CHECKING

import pytest

from mediaserver.contracts import Client
from tests.plugins.auth_email.browser import Page
from tests.plugins.auth_email.page_site import ADA, ADMIN, OTHER, PASSWORD, Site, below

if TYPE_CHECKING:
    from collections.abc import Callable

    from mediaserver.testing import RunningApp

    AppWith = Callable[..., RunningApp]

pytestmark = pytest.mark.contract

LEADS_TO = [
    ("/account", "/account"),
    ("/#/watch/a-film", "/#/watch/a-film"),
    ("/films/?q=a&b=%20c", "/films/?q=a&b=%20c"),
    ("/ä", "/%C3%A4"),
    ("//evil.example", "/"),
    ("/\\evil.example", "/"),
    ("\\\\evil.example", "/"),
    ("/\t/evil.example", "/"),
    ("/\r\nSet-Cookie: a=b", "/"),
    ("/a b", "/"),
    ("https://evil.example", "/"),
    ("javascript:alert(1)", "/"),
    ("evil.example", "/"),
    (" //evil.example", "/"),
    ("/\x00", "/"),
    ("/" + "a" * 3000, "/"),
    ("", "/"),
]
PATHS = ["/login", "/register", "/activate", "/reset", "/setup", "/email", "/device", "/account", "/logout"]


# ---- every page ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("visitor", ["signed out", "signed in"])
async def test_a_page_is_whole_and_runs_no_script(site: Site, visitor: str) -> None:
    if visitor == "signed in":
        await site.sign_in()
    for path in PATHS:
        check(await site.browser.open(f"{path}?uid=u&token=t&invite=i&user_code=c"))


def check(page: Page) -> None:
    assert page.status == 200
    assert page.title.endswith(" · Mediaserver")
    assert "<script" not in page.source
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe-inline" not in policy
    assert page.headers["referrer-policy"] == "same-origin", "with no-referrer, forms are posted with the origin null"
    assert page.headers["cache-control"] == "private, no-store"
    for name, known in page.inputs.items():
        labelled = f'for="{known.get("id")}"' in page.source
        assert known.get("type") == "hidden" or (labelled and known.get("autocomplete")), name


async def test_a_form_of_another_site_is_refused_in_words(site: Site) -> None:
    for path in PATHS:
        answer = await site.app.post(path, data={"email": ADMIN}, headers={"Origin": "https://evil.example"})
        page = Page(answer)
        assert page.status == 403, path
        assert "This page may not write here" in page.alerts[0]


async def test_what_is_no_form_is_answered_in_words(site: Site) -> None:
    answer = await site.app.post("/login", content=b"[", headers={"Content-Type": "application/json"})
    assert (answer.status_code, Page(answer).alerts) == (400, ["The body is not JSON."])
    headers = {"Content-Type": "application/json"}
    for strange in ("\ud800", "\0", "a" * 5000):
        answer = await site.app.post("/login", content=dumps({"email": strange, "password": "x"}), headers=headers)
        assert (answer.status_code, Page(answer).alerts) == (400, ["Please correct: email."])


async def test_another_method_is_answered_in_words(site: Site) -> None:
    page = Page(await site.app.delete("/login"))
    assert (page.status, page.alerts) == (405, ["This is not done here."])
    assert page.headers["allow"]


async def test_below_a_base_path_every_address_has_it(app_with: AppWith) -> None:
    site = await Site(app_with, server={"base_path": "/films"}, films=True).open()
    page = await site.browser.open("/films/login")
    assert page.form("Sign in").action == "/films/login"
    assert all(link.startswith("/films/") for link in page.links.values())
    answer = await site.browser.send(page.form("Sign in"), email=ADMIN, password=PASSWORD)
    assert answer.headers["location"] == "/films/"
    await site.browser.answer("POST", "/films/logout")
    asked = await site.app.get("/films/account")
    assert asked.headers["location"] == "/films/login?next=%2Ffilms%2Faccount"


# ---- signing in and out ----------------------------------------------------------------------------------------


async def test_signing_in_leads_on_with_cookies_and_out_again(app_with: AppWith) -> None:
    site = await Site(app_with, films=True).open()
    page = await site.browser.open("/login")
    answer = await site.browser.send(page.form("Sign in"), email=ADMIN, password=PASSWORD)
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    assert await site.me() == ADMIN
    again = await site.app.get("/login?next=/account")
    assert (again.status_code, again.headers["location"]) == (303, "/account")
    out = await site.browser.submit(await site.browser.open("/logout"), "Sign out")
    assert "You are signed out" in out.text
    assert await site.me() is None


@pytest.mark.parametrize("email", [ADMIN, "nobody@example.org", "no address"])
async def test_a_wrong_password_is_one_sentence_and_keeps_what_was_typed(site: Site, email: str) -> None:
    page = await site.sign_in(email, "wrong password")
    assert page.status == 401
    assert page.alerts == ["The e-mail address or the password is wrong, or the account is not active."]
    assert page.title.startswith("Error: ")
    assert page.inputs["email"]["value"] == email
    assert not page.inputs["password"].get("value")


async def test_markup_in_an_address_stays_text(site: Site) -> None:
    typed = "\"><img src=x onerror=alert(1)>&amp;'@example.org"
    page = await site.sign_in(typed)
    assert page.inputs["email"]["value"] == typed
    assert "<img src=x" not in page.source


async def test_after_ten_tries_it_says_when_to_come_back(site: Site) -> None:
    for _ in range(10):
        await site.sign_in(ADA, "wrong password")
    page = await site.sign_in(ADA, "wrong password")
    assert page.status == 429
    assert int(page.headers["retry-after"]) > 0
    assert "try again in 15 minutes" in page.alerts[0]


async def test_signing_in_never_leads_elsewhere(app_with: AppWith) -> None:
    site = await Site(app_with, films=True).open()
    for given, leads_to in LEADS_TO:
        page = Page(await site.app.get("/login", params={"next": given}))
        answer = await site.browser.send(page.form("Sign in"), email=ADMIN, password=PASSWORD)
        assert answer.headers["location"] == leads_to, repr(given)
        await site.browser.answer("POST", "/logout")
        answer = await site.app.post("/login", data={"email": ADMIN, "password": PASSWORD, "next": given})
        assert answer.headers["location"] == leads_to, repr(given)
        await site.browser.answer("POST", "/logout")


async def test_who_comes_back_after_the_hour_is_let_in_by_the_refresh_cookie(site: Site) -> None:
    await site.sign_in()
    client = site.app._client
    assert client is not None
    client.cookies.delete("access_token")
    page = await site.browser.open("/account")
    assert ADMIN in page.text
    await site.accounts.revoke_all((await site.accounts.find(ADMIN)).id)
    client.cookies.delete("access_token")
    assert "Sign in" in (await site.browser.open("/account")).title


async def test_over_the_limit_it_is_told_in_words(app_with: AppWith) -> None:
    site = Site(app_with)
    site.app._settings["plugins"]["rate_limits"] = {}
    await site.open()
    for _ in range(10):
        await site.browser.answer("POST", "/reset", data={"email": ADA})
    page = Page(await site.browser.answer("POST", "/reset", data={"email": ADA}))
    assert page.status == 429
    assert page.title == "Too often · Mediaserver"
    assert page.headers["retry-after"]


async def test_an_api_key_opens_no_pages(site: Site) -> None:
    account = await site.accounts.find(ADMIN)
    _, secret = await site.accounts.api_keys.make(account.id, "script", ["content:read"])
    answer = await site.app.get("/account", headers={"X-API-Key": secret})
    assert answer.status_code == 303


# ---- registering -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mail", "words"),
    [
        ("console", "the link was printed where the server runs"),
        ("directory", "the letter lies where the server runs"),
        ("smtp", "Look into your mail"),
    ],
)
async def test_after_registering_the_page_says_where_the_link_went(app_with: AppWith, mail: str, words: str) -> None:
    site = Site(app_with, mail=mail)
    site.app._settings["mail"]["smtp"] = {"host": "localhost"}
    await site.open()
    page = await site.browser.submit(
        await site.browser.open("/register"), "Create account", email=ADA, password=PASSWORD
    )
    assert page.status == 200
    assert words in page.text
    assert ADA in page.text


async def test_a_link_switches_an_account_on_by_a_button_and_twice_is_no_error(site: Site) -> None:
    await site.browser.submit(await site.browser.open("/register"), "Create account", email=ADA, password=PASSWORD)
    link = below(await site.accounts.activation_link((await site.accounts.find(ADA)).id))
    for _ in range(3):  # scanners of mail open every link
        page = await site.browser.open(link)
    assert not (await site.accounts.find(ADA)).active
    assert "Your account is on" in (await site.browser.submit(page, "Switch on")).text
    again = await site.browser.submit(page, "Switch on")
    assert (again.status, again.alerts) == (200, [])
    assert "is on already" in again.text
    await site.sign_in(ADA)
    assert await site.me() == ADA


async def test_a_link_that_is_none_is_a_sentence_and_a_way_on(site: Site) -> None:
    page = await site.browser.submit(await site.browser.open("/activate?uid=MQ&token=forged"), "Switch on")
    assert page.status == 400
    assert "not valid any more" in page.alerts[0]
    assert page.links["Get a new link"] == "/register"


@pytest.mark.parametrize(
    ("email", "password", "field"),
    [("no address", PASSWORD, "email"), (ADA, "short", "password"), (ADA, "password1", "password")],
)
async def test_a_mistake_stands_beside_its_field(site: Site, email: str, password: str, field: str) -> None:
    page = await site.browser.submit(
        await site.browser.open("/register"), "Create account", email=email, password=password
    )
    assert page.status == 400
    assert page.inputs[field]["aria-invalid"] == "true"
    assert f"{field}-problem" in (page.inputs[field]["aria-describedby"] or "")
    assert len(page.alerts) == 1
    assert page.inputs["email"]["value"] == email


async def test_a_known_address_is_answered_like_a_new_one(site: Site) -> None:
    answers = [
        await site.browser.submit(await site.browser.open("/register"), "Create account", email=who, password=OTHER)
        for who in (ADMIN, ADA)
    ]
    assert answers[0].source.replace(ADMIN, "") == answers[1].source.replace(ADA, "")
    assert answers[0].status == answers[1].status == 200


async def test_where_an_administrator_lets_people_in_they_are_told_so(app_with: AppWith) -> None:
    site = await Site(app_with, registration="approval").open()
    page = await site.browser.open("/register")
    assert "An administrator of this server lets you in" in page.text
    done = await site.browser.submit(page, "Create account", email=ADA, password=PASSWORD)
    assert "was asked to let you in" in done.text
    await site.accounts.approve((await site.accounts.find(ADA)).id)
    await site.sign_in(ADA)
    assert await site.me() == ADA


async def test_by_invitation_one_person_comes_in_at_once(app_with: AppWith) -> None:
    site = await Site(app_with, registration="invite").open()
    assert "by invitation" in (await site.browser.open("/register")).text
    link = below(await site.accounts.invite())
    page = await site.browser.open(link)
    answer = await site.browser.send(page.form("Create account"), email=ADA, password=PASSWORD)
    assert (answer.status_code, answer.headers["location"]) == (303, "/account")
    assert await site.me() == ADA
    await site.browser.answer("POST", "/logout")
    used = await site.browser.submit(page, "Create account", email="eve@example.org", password=PASSWORD)
    assert used.status == 403
    assert "was used already" in used.alerts[0]


async def test_without_activation_an_account_is_on_at_once_and_a_known_address_is_told(app_with: AppWith) -> None:
    site = await Site(app_with, require_activation=False).open()
    page = await site.browser.open("/register")
    assert (await site.browser.send(page.form("Create account"), email=ADA, password=PASSWORD)).status_code == 303
    assert await site.me() == ADA
    again = await site.browser.submit(page, "Create account", email=ADA, password=OTHER)
    assert again.status == 409


async def test_where_nobody_can_register_the_page_says_whom_to_ask(app_with: AppWith) -> None:
    site = await Site(app_with, registration="closed").open()
    page = await site.browser.open("/register")
    assert "ask whoever runs this server" in page.text
    assert page.forms == []
    assert "Create an account" not in (await site.browser.open("/login")).links
    answer = await site.app.post("/register", data={"email": ADA, "password": PASSWORD})
    assert answer.status_code == 403


# ---- passwords and addresses -----------------------------------------------------------------------------------


async def test_a_forgotten_password_is_chosen_anew(site: Site) -> None:
    await site.accounts.add(ADA, PASSWORD)
    told = [
        (await site.browser.submit(await site.browser.open("/reset"), "Get a link", email=who)).source
        for who in (ADA, "nobody@example.org")
    ]
    assert told[0] == told[1]
    page = await site.browser.open(await site.letter("reset", ADA))
    refused = await site.browser.submit(page, "Save the password", password="short")
    assert (refused.status, refused.inputs["password"]["aria-invalid"]) == (400, "true")
    assert "is saved" in (await site.browser.submit(refused, "Save the password", password=OTHER)).text
    spent = await site.browser.submit(page, "Save the password", password=PASSWORD)
    assert spent.status == 400
    assert "not valid any more" in spent.alerts[0]
    await site.sign_in(ADA, OTHER)
    assert await site.me() == ADA


async def test_no_address_at_all_is_told_beside_the_field(site: Site) -> None:
    page = await site.browser.submit(await site.browser.open("/reset"), "Get a link", email="no address")
    assert (page.status, page.inputs["email"]["aria-invalid"]) == (400, "true")


async def test_another_address_counts_once_it_is_confirmed(site: Site) -> None:
    await site.sign_in()
    page = await site.browser.submit(await site.browser.open("/account"), "Change address", email="new@example.org")
    assert "A link was made for the new address" in page.text
    link = await site.letter("address_change", "new@example.org", str((await site.accounts.find(ADMIN)).id))
    page = await site.browser.open(link)
    assert await site.me() == ADMIN
    assert "new@example.org" in (await site.browser.submit(page, "Confirm the address")).text
    assert await site.me() == "new@example.org"
    assert (await site.browser.submit(page, "Confirm the address")).status == 400


# ---- the first administrator -----------------------------------------------------------------------------------


async def test_before_there_is_an_administrator_every_way_leads_to_the_setup_link(app_with: AppWith) -> None:
    site = Site(app_with)
    for way in ("/login", "/register"):
        page = await site.browser.open(way)
        assert "Open the set-up link" in page.text
        assert "mediaserver user setup-link" in page.text


async def test_the_setup_link_makes_the_first_administrator_once(app_with: AppWith) -> None:
    site = Site(app_with)
    await site.app.start()
    link = below(await site.accounts.setup.link())
    page = await site.browser.open(link)
    refused = await site.browser.submit(page, "Make it mine", email=ADMIN, password="short")
    assert (refused.status, refused.inputs["email"]["value"]) == (400, ADMIN)
    answer = await site.browser.send(refused.form("Make it mine"), email=ADMIN, password=PASSWORD)
    assert (answer.status_code, answer.headers["location"]) == (303, "/account")
    assert (await site.app.get("/v1/users/me")).json()["role"] == "admin"
    assert "has an administrator" in (await site.browser.open(link)).text
    again = await site.browser.submit(page, "Make it mine", email=ADA, password=PASSWORD)
    assert again.status == 403


async def test_a_forged_setup_link_makes_nobody(app_with: AppWith) -> None:
    site = Site(app_with)
    page = await site.browser.open("/setup?token=forged")
    refused = await site.browser.submit(page, "Make it mine", email=ADMIN, password=PASSWORD)
    assert refused.status == 403
    assert "mediaserver user setup-link" in refused.alerts[0]
    assert await site.accounts.setup.needed()


# ---- televisions -----------------------------------------------------------------------------------------------


async def test_a_television_is_let_in_by_who_is_signed_in(site: Site) -> None:
    offer = await site.accounts.television.begin(Client("Living room <TV>"))
    page = await site.browser.open(f"/device?user_code={offer.user_code}")
    assert "Sign in" in page.title
    page = await site.browser.submit(page, "Sign in", email=ADMIN, password=PASSWORD)
    assert page.inputs["user_code"]["value"] == offer.user_code
    wrong = await site.browser.submit(page, "Go on", user_code="BBBB-BBBB")
    assert (wrong.status, len(wrong.alerts)) == (404, 1)
    asked = await site.browser.submit(page, "Go on")
    assert "Living room <TV> asks to watch as root@example.org" in asked.text
    done = await site.browser.submit(asked, "Sign it in")
    assert "Living room <TV> is signed in" in done.text
    tokens = await site.accounts.television.poll(offer.device_code, Client("Living room <TV>"))
    assert tokens.account.email == ADMIN
    assert (await site.browser.submit(asked, "Sign it in")).status == 404


async def test_who_is_not_signed_in_lets_no_television_in(site: Site) -> None:
    offer = await site.accounts.television.begin(Client("TV"))
    answer = await site.app.post("/device", data={"user_code": offer.user_code, "approved": "yes"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/login?next=%2Fdevice")
    assert await site.accounts.television.waiting(offer.user_code) == "TV"
