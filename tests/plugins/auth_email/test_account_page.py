"""`/account` as a browser without script uses it: one's own account, and for administrators the others'."""

from __future__ import annotations

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

# ---- my account ------------------------------------------------------------------------------------------------


async def test_a_new_password_signs_all_other_devices_out(site: Site) -> None:
    elsewhere = await site.accounts.login(ADMIN, PASSWORD, Client("Phone"))
    await site.sign_in()
    page = await site.browser.open("/account")
    wrong = await site.browser.submit(page, "Change password", current_password="wrong", password=OTHER)
    assert (wrong.status, wrong.alerts) == (400, ["This is not your current password."])
    done = await site.browser.submit(page, "Change password", current_password=PASSWORD, password=OTHER)
    assert "Your new password is saved" in done.text
    assert [login.id for login in await site.accounts.logins(elsewhere.account.id)] != [elsewhere.login_id]
    assert await site.me() == ADMIN


async def test_where_i_am_signed_in_each_device_can_be_signed_out(site: Site) -> None:
    await site.accounts.login(ADMIN, PASSWORD, Client("<b>Phone</b>", "203.0.113.9"))
    await site.sign_in()
    page = await site.browser.open("/account")
    assert "<b>Phone</b>203.0.113.9" in page.text
    assert "this device" in page.text
    [button] = [form.button for form in page.forms if form.button.startswith("Sign out (")]
    done = await site.browser.submit(page, button)
    assert "That device was signed out." in done.text
    assert "Phone" not in done.text
    gone = await site.browser.submit(page, button)
    assert gone.status == 404


async def test_my_api_keys_are_listed_and_one_that_is_deleted_opens_nothing(site: Site) -> None:
    await site.sign_in()
    assert "API keys" not in (await site.browser.open("/account")).text
    mine = await site.accounts.find(ADMIN)
    _, secret = await site.accounts.api_keys.make(mine.id, "<b>script</b>", ["account:read"])
    page = await site.browser.open("/account")
    assert "<b>script</b>" in page.text
    assert secret not in page.source
    [button] = [form.button for form in page.forms if form.button.startswith("Delete (<b>script</b>")]
    assert "The API key is deleted" in (await site.browser.submit(page, button)).text
    site.app.forget_cookies()
    assert (await site.app.get("/v1/users/me", headers={"X-API-Key": secret})).status_code == 401
    await site.sign_in()
    assert (await site.browser.submit(page, button)).status == 404


async def test_deleting_my_account_wants_my_address(site: Site) -> None:
    await site.accounts.add(ADA, PASSWORD)
    await site.sign_in(ADA)
    page = await site.browser.open("/account")
    assert (await site.browser.submit(page, "Delete my account", confirm="yes")).status == 400
    assert (await site.accounts.find(ADA)) is not None
    assert "is deleted" in (await site.browser.submit(page, "Delete my account", confirm=ADA.upper())).text
    assert await site.accounts.find(ADA) is None
    assert await site.me() is None


async def test_the_last_administrator_stays(site: Site) -> None:
    await site.sign_in()
    page = await site.browser.submit(await site.browser.open("/account"), "Delete my account", confirm=ADMIN)
    assert page.status == 409
    assert "last administrator" in page.alerts[0]


async def test_a_guest_has_no_account_and_is_asked_to_sign_in(app_with: AppWith) -> None:
    site = await Site(app_with, server={"guest": "admin"}).open()
    assert "Sign in" in (await site.browser.open("/account")).title


# ---- the others ------------------------------------------------------------------------------------------------


def spoken(page: Page, words: str, email: str) -> str:
    return next(form.button for form in page.forms if form.button == f"{words} ({email})")


async def test_an_administrator_lets_people_in_and_shows_their_link(app_with: AppWith) -> None:
    site = await Site(app_with, registration="approval").open()
    for who in (ADA, "eve@example.org"):
        await site.accounts.register(who, PASSWORD)
    await site.sign_in()
    page = await site.browser.open("/account")
    assert "Waiting to be let in" in page.text
    shown = await site.browser.submit(page, spoken(page, "Show link", ADA))
    link = below(shown.code[0])
    done = await site.browser.submit(page, spoken(page, "Let in", "eve@example.org"))
    assert "They are let in" in done.text
    assert (await site.accounts.find("eve@example.org")).active
    await site.browser.submit(await site.browser.open(link), "Switch on")
    assert (await site.accounts.find(ADA)).active


async def test_an_administrator_changes_roles_and_switches_people_off(site: Site) -> None:
    await site.accounts.add(ADA, PASSWORD)
    await site.sign_in()
    page = await site.browser.open("/account")
    page = await site.browser.submit(page, spoken(page, "Make administrator", ADA))
    assert (await site.accounts.find(ADA)).role == "admin"
    page = await site.browser.submit(page, spoken(page, "Make viewer", ADA))
    page = await site.browser.submit(page, spoken(page, "Switch off", ADA))
    assert (await site.accounts.find(ADA)).disabled
    await site.browser.submit(page, spoken(page, "Switch on", ADA))
    assert not (await site.accounts.find(ADA)).disabled


async def test_an_invitation_is_shown_and_a_wrong_address_is_told(site: Site) -> None:
    await site.sign_in()
    page = await site.browser.open("/account")
    shown = await site.browser.submit(page, "Make a link")
    assert "/register?invite=" in shown.code[0]
    refused = await site.browser.submit(page, "Make a link", invited="no address")
    assert (refused.status, refused.alerts) == (400, ["This is not an e-mail address."])


async def test_a_viewer_has_no_such_buttons(site: Site) -> None:
    await site.accounts.add(ADA, PASSWORD)
    await site.sign_in(ADA)
    assert ADMIN not in (await site.browser.open("/account")).text
    user = str((await site.accounts.find(ADMIN)).id)
    for action in ("approve", "role", "disable", "enable", "remove", "link", "invite", "nothing"):
        answer = await site.app.post("/account", data={"action": action, "user": user, "role": "viewer"})
        assert answer.status_code == 403, action
    assert (await site.accounts.find(ADMIN)).role == "admin"


async def test_an_account_that_is_none_is_not_found(site: Site) -> None:
    await site.sign_in()
    for user in ("", "0", "-1", "x", "99999999999999999999", "²", "424242"):
        answer = await site.app.post("/account", data={"action": "disable", "user": user})
        assert answer.status_code == 404, user
    assert (await site.app.post("/account", data={"action": "nothing"})).status_code == 400


async def test_many_people_are_shown_in_pages(site: Site) -> None:
    for number in range(51):
        await site.accounts.add(f"p{number}@example.org", None)
    await site.sign_in()
    page = await site.browser.open("/account")
    assert "p50@example.org" in page.text
    older = await site.browser.open(page.links["Older"])
    assert "p0@example.org" in older.text
    assert older.links["Newer"] == "/account?page=1"
