"""The contract a running server tells of itself."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from mediaserver.testing import RunningApp

    AppWith = Callable[..., RunningApp]

PLUGIN = """
from pydantic import BaseModel
from mediaserver import Plugin, admin, body, hookimpl, json, public
plugin = Plugin(api="1")

class Inner(BaseModel):
    word: str

class Told(BaseModel):
    number: int
    inner: Inner | None = None

@hookimpl
def register_routes(registry):
    @registry.put(
        "/v1/odd/<name:str>/<number:int>/<size:480p|720p>",
        guard=admin, body=Told, answer=Told, limit="auth", errors=(409, 410),
    )
    async def change_it(request, name, number, size):
        \"\"\"Change <it>.\"\"\"
        return json(body(request, Told).model_dump())
"""


@pytest.fixture
async def told(app_with: AppWith, tmp_path: Path) -> dict[str, Any]:
    (tmp_path / "odd.py").write_text(PLUGIN)
    plugins = ("odd", "hls_transcoder", "catalog", "admin", "auth_email", "stream_limits", "dialect_watch")
    running = app_with(folders=(tmp_path,), **{name: {} for name in plugins})
    answer = await running.get("/docs/openapi.json")
    assert len(answer.json()["paths"]) == len({re.sub(r"<(\w+)[^>]*>", r"{\1}", r.path) for r in running.server.routes})
    found: dict[str, Any] = answer.json()
    return found


def test_the_document_is_sound_openapi(told: dict[str, Any]) -> None:
    OpenAPIV31SpecValidator(told).validate()


def test_a_route_of_a_plugin_is_told_with_all_it_declares(told: dict[str, Any]) -> None:
    operation = told["paths"]["/v1/odd/{name}/{number}/{size}"]["put"]
    assert operation["summary"] == "Change <it>."
    assert operation["tags"] == ["odd"]
    assert operation["security"] == [{"bearer": []}, {"cookie": []}, {"key": []}]
    assert (operation["x-guard"], operation["x-rate-group"]) == ("admin", "auth")
    kinds = {parameter["name"]: parameter["schema"] for parameter in operation["parameters"]}
    assert kinds == {
        "name": {"type": "string"},
        "number": {"type": "integer"},
        "size": {"type": "string", "pattern": "^(480p|720p)$"},
    }
    assert set(operation["responses"]) == {"200", "400", "401", "403", "404", "409", "410", "default"}
    assert operation["responses"]["404"]["content"]["application/json"]["schema"]["$ref"].endswith("/Error")
    assert operation["requestBody"]["content"]["application/json"]["schema"]["$ref"]
    assert {"Told", "Inner", "ContentPage"} <= {name.partition("-")[0] for name in told["components"]["schemas"]}


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("post", "/v1/streaming/{ref}/start"),
        ("put", "/v1/streaming/{ref}/progress"),
        ("post", "/api/playback/start"),
        ("post", "/v1/admin/users"),
    ],
)
def test_a_route_that_may_find_no_room_tells_of_409(told: dict[str, Any], method: str, path: str) -> None:
    assert "409" in told["paths"][path][method]["responses"]


def test_a_limit_of_an_account_is_a_number_none_or_that_of_everybody(told: dict[str, Any]) -> None:
    limit = told["components"]["schemas"]["NewUser"]["properties"]["stream_limit"]
    number = {"type": "integer", "minimum": 0, "maximum": 1000}
    assert (limit["anyOf"], limit["default"]) == ([number, {"const": "default"}, {"type": "null"}], "default")


def test_an_error_is_told_with_all_that_may_stand_in_it(told: dict[str, Any]) -> None:
    error = told["components"]["schemas"]["Error"]["properties"]["error"]
    assert set(error["properties"]) - set(error["required"]) == {"fields", "limit", "active_count", "sessions"}


def test_a_public_route_asks_for_no_credential(told: dict[str, Any]) -> None:
    assert "security" not in told["paths"]["/health"]["get"]


async def test_the_page_for_people_needs_no_script_and_no_network(app_with: AppWith, tmp_path: Path) -> None:
    (tmp_path / "odd.py").write_text(PLUGIN)
    running = app_with(folders=(tmp_path,), odd={}, settings={"server": {"port": 0, "base_path": "films"}})
    text = (await running.get("/films/docs")).text
    assert "<script" not in text
    assert not re.search(r"""(src|href)=["']?(https?:)?//""", text)
    assert "Change &lt;it&gt;." in text
    assert '"/films/docs/openapi.json"' in text


async def test_the_documents_are_for_administrators_where_the_settings_say_so(app_with: AppWith) -> None:
    running = app_with(settings={"server": {"port": 0, "docs": "admin", "guest": "viewer"}})
    for path in ("/docs", "/docs/openapi.json"):
        assert (await running.get(path)).status_code == 403
