"""What an API key may do: no more than the scopes it was given, and never more than its owner."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from mediaserver import SCOPES

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from mediaserver.testing import RunningApp

KEYS = """
from mediaserver import Plugin, admin, hookimpl, json, public, signed_in
from mediaserver.contracts import Actor
plugin = Plugin(api="1")

@hookimpl
def identify(request):
    role, _, scopes = request.headers.get("x-api-key", "").partition(" ")
    held = None if scopes == "all" else frozenset(scopes.split())
    return Actor(7, "a@x", frozenset({"viewer", role}), scopes=held) if role else None

@hookimpl
def register_routes(registry):
    async def answer(request):
        return json({"who": request.ctx.actor and request.ctx.actor.user_id})
    registry.get("/v1/lists", guard=signed_in, scope="catalog:read")(answer)
    registry.get("/v1/scan", guard=admin, scope="library:write")(answer)
    registry.get("/v1/unscoped", guard=signed_in)(answer)
    registry.get("/v1/open", guard=public)(answer)
    registry.get("/v1/open-to-lists", guard=public, scope="catalog:read")(answer)
"""


@pytest.fixture
def keys(app_with: Callable[..., RunningApp], tmp_path: Path) -> RunningApp:
    (tmp_path / "keys.py").write_text(KEYS)
    return app_with(folders=(tmp_path,), keys={})


@pytest.mark.parametrize(
    ("key", "path", "status"),
    [
        ("viewer all", "/v1/lists", 200),
        ("viewer all", "/v1/unscoped", 200),
        ("viewer all", "/v1/scan", 403),
        ("viewer catalog:read", "/v1/lists", 200),
        ("viewer streaming library:read", "/v1/lists", 403),
        ("viewer", "/v1/lists", 403),
        ("viewer library:write", "/v1/scan", 403),
        ("admin library:write", "/v1/scan", 200),
        ("admin admin", "/v1/scan", 403),
        ("admin catalog:read", "/v1/scan", 403),
        ("admin " + " ".join(sorted(SCOPES)), "/v1/unscoped", 403),
        ("", "/v1/lists", 401),
    ],
)
async def test_a_key_opens_what_its_scopes_name(keys: RunningApp, key: str, path: str, status: int) -> None:
    assert (await keys.get(path, headers={"x-api-key": key})).status_code == status


async def test_a_refusal_names_the_scope_that_is_missing(keys: RunningApp) -> None:
    async def told(path: str) -> str:
        answer = await keys.get(path, headers={"x-api-key": "admin streaming"})
        message: str = answer.json()["error"]["message"]
        return message

    assert await told("/v1/scan") == "This key may not do this; it takes the scope library:write."
    assert await told("/v1/unscoped") == "This key may not do this; it takes a login: no scope opens this."


async def test_a_public_route_is_open_and_tells_a_key_no_more_than_it_may_know(keys: RunningApp) -> None:
    for path, key, who in (
        ("/v1/open", "admin streaming", None),
        ("/v1/open", "admin all", 7),
        ("/v1/open-to-lists", "admin streaming", None),
        ("/v1/open-to-lists", "admin catalog:read", 7),
    ):
        assert (await keys.get(path, headers={"x-api-key": key})).json() == {"who": who}


async def test_a_scope_that_nobody_knows_costs_the_plugin_its_routes(
    app_with: Callable[..., RunningApp], tmp_path: Path
) -> None:
    (tmp_path / "odd.py").write_text(
        "from mediaserver import Plugin, hookimpl, signed_in\n"
        'plugin = Plugin(api="1")\n@hookimpl\ndef register_routes(registry):\n'
        '    registry.get("/v1/odd", guard=signed_in, scope="catalog:reed")\n'
    )
    running = await app_with(folders=(tmp_path,), odd={}).start()
    assert running.server.hooks.faults == {"odd": "its routes: GET /v1/odd: there is no scope catalog:reed"}


async def test_the_contract_tells_the_scope_of_each_route(keys: RunningApp) -> None:
    paths = (await keys.get("/docs/openapi.json", headers={"x-api-key": "admin all"})).json()["paths"]
    assert paths["/v1/lists"]["get"]["x-scope"] == "catalog:read"
    assert "x-scope" not in paths["/v1/unscoped"]["get"]
