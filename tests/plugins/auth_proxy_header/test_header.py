"""Who is let in by the header of a proxy, and who is not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from mediaserver.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from mediaserver.testing import RunningApp

WHO = """
from mediaserver import Plugin, hookimpl, json, signed_in
plugin = Plugin(api="1")
@hookimpl
def register_routes(registry):
    @registry.get("/v1/who", guard=signed_in)
    async def who(request):
        actor = request.ctx.actor
        return json({"id": actor.user_id, "email": actor.email, "roles": sorted(actor.roles)})
"""
PEOPLE = """
from datetime import UTC, datetime
from mediaserver import Plugin, hookimpl
from mediaserver.contracts import Account, Accounts
plugin = Plugin(api="1", provides=(Accounts,))

def account(number, email, role, active=True, disabled=False):
    return Account(number, email, role, active, disabled, False, None, datetime.now(UTC), None)

class People:
    known = {each.email: each for each in (
        account(1, "ada@example.org", "admin"),
        account(2, "bob@example.org", "viewer"),
        account(3, "new@example.org", "viewer", active=False),
        account(4, "off@example.org", "admin", disabled=True),
    )}
    async def find(self, email):
        return self.known.get(email)

@hookimpl
def register(registry):
    registry.provide(Accounts, People())
"""


@pytest.fixture
def served(app_with: Callable[..., RunningApp], tmp_path: Path) -> Callable[..., RunningApp]:
    (tmp_path / "who.py").write_text(WHO)
    (tmp_path / "people.py").write_text(PEOPLE)

    def make(trusted: tuple[str, ...] = ("127.0.0.1",), **plugins: Any) -> RunningApp:
        settings = {"server": {"port": 0, "trusted_proxies": list(trusted)}}
        chosen = {"who": {}, "auth_proxy_header": {"admins": ["Ada@example.org"]}, **plugins}
        return app_with(settings=settings, folders=(tmp_path,), **chosen)

    return make


async def told(app: RunningApp, *emails: str | bytes, name: str = "Remote-Email") -> Any:
    answer = await app.get(
        "/v1/who", headers=[(name.encode(), email if isinstance(email, bytes) else email.encode()) for email in emails]
    )
    return answer.json() if answer.status_code == 200 else answer.status_code


async def test_whom_a_trusted_proxy_names_is_let_in_under_a_number_that_stays(
    served: Callable[..., RunningApp],
) -> None:
    bob = {"id": 875933478, "email": "bob@example.org", "roles": ["viewer"]}
    app, later = served(), served()
    assert await told(app, "bob@example.org") == await told(later, "Bob@Example.org") == bob
    ada = await told(app, "ada@example.org")
    assert (ada["roles"], 0 < ada["id"] < 2**31, ada["id"] != bob["id"]) == (["admin", "viewer"], True, True)


async def test_from_anywhere_else_the_header_means_nothing(served: Callable[..., RunningApp]) -> None:
    app = served(("192.0.2.1", "10.0.0.0/8"))
    assert await told(app, "ada@example.org") == 401
    headers = {"remote-email": "ada@example.org", "x-forwarded-for": "192.0.2.1"}
    assert (await app.get("/v1/who", headers=headers)).status_code == 401


@pytest.mark.parametrize(
    "emails",
    [
        (),
        ("",),
        ("ada@example.org", "bob@example.org"),
        ("", "ada@example.org"),
        ("bob@example.org, ada@example.org",),
        ("bob@example.org ada@example.org",),
        ("ada",),
        ("a@b@c",),
        (b"\xff@example.org",),
        (b"ada@example.org\x7f",),
    ],
)
async def test_who_is_not_clearly_named_is_not_let_in(
    served: Callable[..., RunningApp], emails: tuple[str | bytes, ...]
) -> None:
    assert await told(served(), *emails) == 401


async def test_a_header_that_is_not_clear_does_not_close_what_is_public(served: Callable[..., RunningApp]) -> None:
    assert (await served().get("/health", headers={"remote-email": "nonsense"})).status_code == 200


async def test_the_header_may_have_another_name(served: Callable[..., RunningApp]) -> None:
    app = served(auth_proxy_header={"header": "X-Forwarded-User"})
    assert (await told(app, "bob@example.org", name="x-forwarded-user"))["email"] == "bob@example.org"
    assert await told(app, "bob@example.org") == 401


@pytest.mark.parametrize(
    ("email", "expected"),
    [
        ("ada@example.org", {"id": 1, "email": "ada@example.org", "roles": ["admin", "viewer"]}),
        ("bob@example.org", {"id": 2, "email": "bob@example.org", "roles": ["viewer"]}),
        ("new@example.org", 401),
        ("off@example.org", 401),
        ("unknown@example.org", 401),
    ],
)
async def test_where_there_are_accounts_they_know_who_somebody_is(
    served: Callable[..., RunningApp], email: str, expected: Any
) -> None:
    everybody = {"admins": ["bob@example.org", "unknown@example.org"]}
    assert await told(served(people={}, auth_proxy_header=everybody), email) == expected


@pytest.mark.parametrize("trusted", [(), ("0.0.0.0/0",), ("10.0.0.1", "::/0")])
async def test_without_a_proxy_to_trust_the_start_stops(
    served: Callable[..., RunningApp], trusted: tuple[str, ...]
) -> None:
    with pytest.raises(ConfigError, match=r"server\.trusted_proxies must name the proxy"):
        await served(trusted).start()


async def test_a_name_that_no_header_has_stops_the_start(served: Callable[..., RunningApp]) -> None:
    with pytest.raises(ConfigError, match=r"config.yaml:\d+: plugins.auth_proxy_header.header: "):
        await served(auth_proxy_header={"header": "Remote Email:"}).start()


async def test_a_write_of_another_page_is_refused_though_the_proxy_vouches(served: Callable[..., RunningApp]) -> None:
    headers = {"remote-email": "ada@example.org", "origin": "https://evil.example"}
    answer = await served(admin={}, catalog={}, hls_transcoder={}).post("/v1/admin/library/scan", headers=headers)
    assert answer.status_code == 403
