"""Two `serve` processes on one data directory: what ends in one ends in the other, and a restart forgets nothing."""

from __future__ import annotations

import email
import email.policy
import re
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

import httpx
import pytest
import pytest_asyncio

from mediaserver.core.secrets import FileKeys
from plugins.auth_email.logins import TRUSTED_SECONDS
from tests.e2e.appliance import Appliance, another_serve
from tests.patience import PATIENCE, until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

pytestmark = pytest.mark.slow

ADMIN = {"email": "root@example.org", "password": "a long way home"}
PASSWORD = "eight bees fly"
PLUGINS = {
    "auth_email": {"bcrypt_rounds": 4, "admin_email": ADMIN["email"], "admin_password": ADMIN["password"]},
    "rate_limits": {"auth": "1000/minute"},
}
SECTIONS: dict[str, Any] = {"mail": {"backend": "directory"}, "workers": {"count": 0}}
ME = "/v1/users/me"
assert PATIENCE < TRUSTED_SECONDS  # else a wait could end without any news
LINK = re.compile(r"https?://\S+\?(\S*token=\S+)")


class Doors:
    """The same house through two doors; whoever moves in is signed in at the first and known behind both."""

    def __init__(self, appliance: Appliance, other: str) -> None:
        self.appliance = appliance
        self.one = appliance.url
        self.other = other
        self.root: dict[str, Any] = {}
        self.who: dict[str, str] = {}
        self.ada: dict[str, Any] = {}
        self.ada_id = ""

    async def ask(self, url: str, method: str, path: str, token: str = "", /, **options: Any) -> httpx.Response:
        """No cookies are kept: each request says itself who sends it."""
        headers = {"authorization": f"Bearer {token}"} if token else {}
        answer = await self.appliance.client.request(method, url + path, headers=headers, **options)
        self.appliance.client.cookies.clear()
        return answer

    async def done(self, url: str, method: str, path: str, token: str = "", /, **body: Any) -> Any:
        answer = await self.ask(url, method, path, token, **({"json": body} if body else {}))
        assert answer.is_success, answer.text
        return answer.json() if answer.content else None

    async def sign_in(self, url: str, who: dict[str, str]) -> dict[str, Any]:
        tokens: dict[str, Any] = await self.done(url, "POST", "/v1/auth/login", **who)
        return tokens

    async def status(self, url: str, token: str, path: str = ME) -> int:
        return (await self.ask(url, "GET", path, token)).status_code

    async def move_in(self, name: str) -> None:
        self.root = self.root or await self.sign_in(self.one, ADMIN)
        self.who = {"email": f"{name}@example.org", "password": PASSWORD}
        added = await self.done(self.one, "POST", "/v1/admin/users", self.root["access_token"], **self.who)
        self.ada_id = added["id"]
        self.ada = await self.sign_in(self.one, self.who)
        for url in (self.one, self.other) * 2:
            assert await self.status(url, self.ada["access_token"]) == 200

    async def other_says(self, status: int, token: str, path: str = ME) -> None:
        """It has asked the database about this login just now and does not for ten minutes: only news can tell it."""

        async def said() -> bool:
            return await self.status(self.other, token, path) == status

        await until(said, f"{status} from the other process")


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def house(share_appliance: Callable[..., Awaitable[Appliance]]) -> AsyncIterator[Doors]:
    appliance = await share_appliance(plugins=PLUGINS, **SECTIONS)
    async with another_serve(appliance) as other:
        yield Doors(appliance, other)


@pytest_asyncio.fixture(loop_scope="session")
async def doors(house: Doors, request: pytest.FixtureRequest) -> Doors:
    """In each test somebody else moves in."""
    await house.move_in(request.function.__name__[:50])
    return house


async def sign_out(doors: Doors) -> None:
    await doors.done(doors.one, "POST", "/v1/auth/logout", doors.ada["access_token"])


async def revoke_from_another_device(doors: Doors) -> None:
    phone = (await doors.sign_in(doors.one, doors.who))["access_token"]
    sessions = (await doors.done(doors.one, "GET", "/v1/auth/sessions", phone))["sessions"]
    [stale] = [each["id"] for each in sessions if not each["current"]]
    await doors.done(doors.one, "DELETE", f"/v1/auth/sessions/{stale}", phone)


async def change_password_elsewhere(doors: Doors) -> None:
    phone = (await doors.sign_in(doors.one, doors.who))["access_token"]
    await doors.done(doors.one, "PUT", ME, phone, current_password=PASSWORD, password="nine wasps sting")
    assert await doors.status(doors.one, phone) == 200


async def reset(doors: Doors) -> None:
    await doors.done(doors.one, "POST", "/v1/auth/password-reset", email=doors.who["email"])
    link = await mailed(doors.appliance.data / "mail")
    await doors.done(doors.one, "POST", "/v1/auth/password-confirm", **link, new_password="nine wasps sting")


async def disable(doors: Doors) -> None:
    await doors.done(doors.one, "PUT", f"/v1/admin/users/{doors.ada_id}", doors.root["access_token"], active=False)


async def delete(doors: Doors) -> None:
    await doors.done(doors.one, "DELETE", f"/v1/admin/users/{doors.ada_id}", doors.root["access_token"])


async def delete_oneself(doors: Doors) -> None:
    await doors.done(doors.one, "DELETE", ME, doors.ada["access_token"])


async def mailed(folder: Path) -> dict[str, str]:
    """What the link to choose another password holds."""

    async def arrived() -> re.Match[str] | None:
        return next(filter(None, (LINK.search(text_of(file)) for file in folder.glob("*.eml"))), None)

    found = await until(arrived, "a letter with a link")
    return {key: values[0] for key, values in parse_qs(found[1]).items()}


def text_of(file: Path) -> str:
    part = email.message_from_bytes(file.read_bytes(), policy=email.policy.default).get_body(("plain",))
    return str(part.get_content()) if part is not None else ""


ENDS = [sign_out, revoke_from_another_device, change_password_elsewhere, reset, disable, delete, delete_oneself]


async def test_a_login_that_ends_in_one_process_ends_in_the_other(doors: Doors) -> None:
    for end in ENDS:
        await doors.move_in(end.__name__)
        await end(doors)
        assert (end, await doors.status(doors.one, doors.ada["access_token"])) == (end, 401)
        await doors.other_says(401, doors.ada["access_token"])
        spent = {"refresh_token": doors.ada["refresh_token"]}
        assert (await doors.ask(doors.other, "POST", "/v1/auth/refresh", json=spent)).status_code == 401


async def test_another_role_is_another_role_in_both(doors: Doors) -> None:
    user, people = f"/v1/admin/users/{doors.ada_id}", "/v1/admin/users"
    root, ada = doors.root["access_token"], doors.ada["access_token"]
    assert await doors.status(doors.other, ada, people) == 403
    await doors.done(doors.one, "PUT", user, root, role="admin")
    await doors.other_says(200, ada, people)
    await doors.done(doors.one, "PUT", user, root, role="viewer")
    await doors.other_says(403, ada, people)
    assert await doors.status(doors.other, ada) == 200  # still signed in


async def test_a_key_that_is_deleted_in_one_opens_nothing_in_the_other(doors: Doors) -> None:
    ada = doors.ada["access_token"]
    made = await doors.done(doors.one, "POST", "/v1/auth/api-keys", ada, name="script", scopes=["account:read"])
    client, shown = doors.appliance.client, {"x-api-key": made["key"]}
    for url in (doors.one, doors.other) * 2:
        assert (await client.get(url + ME, headers=shown)).status_code == 200
    await doors.done(doors.one, "DELETE", f"/v1/auth/api-keys/{made['id']}", ada)

    async def refused() -> bool:
        return (await client.get(doors.other + ME, headers=shown)).status_code == 401

    assert (await client.get(doors.one + ME, headers=shown)).status_code == 401
    await until(refused, "the key refused by the other process")


async def test_a_login_of_one_process_is_good_in_the_other_at_once(doors: Doors) -> None:
    for _ in range(10):
        tokens = await doors.sign_in(doors.other, doors.who)
        assert await doors.status(doors.one, tokens["access_token"]) == 200
        body = {"refresh_token": tokens["refresh_token"]}
        fresh = await doors.done(doors.one, "POST", "/v1/auth/refresh", **body)
        assert await doors.status(doors.other, fresh["access_token"]) == 200
        assert await doors.status(doors.other, tokens["access_token"]) == 200


async def test_a_login_that_ends_right_after_its_first_use_is_not_remembered(doors: Doors) -> None:
    """A token that the other process looks up while it ends here."""
    for _ in range(20):
        token = (await doors.sign_in(doors.one, doors.who))["access_token"]
        assert await doors.status(doors.other, token) == 200
        await doors.done(doors.one, "POST", "/v1/auth/logout", token)
        await doors.other_says(401, token)


async def test_tokens_of_the_key_before_stay_good_and_those_of_a_new_one_are_known_at_once(doors: Doors) -> None:
    FileKeys(doors.appliance.data / ".secrets").rotate("tokens")
    async with another_serve(doors.appliance) as third:  # it has read no key yet
        assert await doors.status(third, doors.ada["access_token"]) == 200
        fresh = (await doors.sign_in(third, doors.who))["access_token"]
        for url in (doors.one, doors.other):
            assert await doors.status(url, fresh) == 200
            assert await doors.status(url, doors.ada["access_token"]) == 200


async def test_a_restart_forgets_nothing(doors: Doors) -> None:
    kept = await doors.sign_in(doors.other, doors.who)
    await doors.appliance.stop()
    await doors.done(doors.other, "POST", "/v1/auth/logout", doors.ada["access_token"])
    await doors.appliance.start()
    assert await doors.status(doors.one, doors.ada["access_token"]) == 401
    assert await doors.status(doors.one, kept["access_token"]) == 200
    fresh = await doors.done(doors.one, "POST", "/v1/auth/refresh", refresh_token=kept["refresh_token"])
    assert await doors.status(doors.other, fresh["access_token"]) == 200


async def test_tries_that_failed_are_counted_together_and_outlive_a_restart(doors: Doors) -> None:
    wrong = {"email": "nobody@example.org", "password": "a wrong guess"}

    async def guess(url: str) -> int:
        return (await doors.ask(url, "POST", "/v1/auth/login", json=wrong)).status_code

    for url in (doors.one, doors.other) * 5:
        assert await guess(url) == 401
    assert [await guess(doors.one), await guess(doors.other)] == [429, 429]
    await doors.appliance.stop()
    await doors.appliance.start()
    assert await guess(doors.one) == 429
