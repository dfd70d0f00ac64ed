"""Where the dialect is spoken, how its errors sound, and what it asks of the configuration."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from mediaserver.errors import ConfigError
from tests.plugins.auth_email.conftest import ADA
from tests.plugins.dialect_videoflix.conftest import PLUGINS, FrontEnd

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from mediaserver.testing import RunningApp

    OpenFrontEnd = Callable[..., Awaitable[FrontEnd]]
    AppWith = Callable[..., RunningApp]

pytestmark = pytest.mark.contract


async def test_every_route_is_there_with_and_without_slash_and_never_redirects(front_end: FrontEnd) -> None:
    names = {"rung": "480p", "name": "000", "uid": "MQ", "token": "x", "ref": "7", "track": "2", "key": "e3"}
    routes = [route for route in front_end.house.app.server.routes if route.plugin == "dialect_videoflix"]
    assert len(routes) == 23
    for route in routes:
        path = re.sub(r"<(\w+):[^>]+>", lambda match: names[match[1]], route.path)
        for each in (path, f"{path}/"):
            answer = await front_end.house.app.request(route.method, each)
            assert answer.status_code in (200, 400, 401), each


async def test_writes_of_accounts_count_as_such_and_media_not_at_all(front_end: FrontEnd) -> None:
    for route in front_end.house.app.server.routes:
        if route.plugin == "dialect_videoflix":
            expected = None if "<ref:str>" in route.path else "auth" if route.method == "POST" else "content"
            assert route.limit == expected, route.path


async def test_errors_of_no_route_speak_the_dialect_and_others_do_not(front_end: FrontEnd) -> None:
    for method, path, status in (("GET", "/nothing/", 404), ("GET", "/login/", 405), ("DELETE", "", 405)):
        answer = await front_end.ask(method, path)
        assert (answer.status_code, answer.json().keys()) == (status, {"detail"})
    assert (await front_end.get("/login/")).headers["allow"] == "POST"
    assert (await front_end.house.get("/apinot")).json().keys() >= {"error"}


async def test_the_index_leads_everywhere_at_the_public_address(open_front_end: OpenFrontEnd) -> None:
    front_end = await open_front_end(settings={"server": {"port": 0, "public_url": "https://films.example.org"}})
    told = (await front_end.get("/")).json()
    assert told["video"] == "https://films.example.org/api/video/"
    assert told["token/refresh"] == "https://films.example.org/api/token/refresh/"
    for address in told.values():
        path = address.removeprefix("https://films.example.org/api")
        assert (await front_end.ask("POST", path)).status_code in (200, 400) or path == "/video/"


async def test_the_prefix_is_a_setting(open_front_end: OpenFrontEnd) -> None:
    server = {"port": 0, "base_path": "/films"}
    front_end = await open_front_end({"dialect_videoflix": {"prefix": "/flix/api"}}, settings={"server": server})
    front_end.prefix = "/films/flix/api"
    await front_end.sign_in()
    assert (await front_end.get("/nothing")).json().keys() == {"detail"}
    assert (await front_end.get("/")).json()["video"].endswith("/films/flix/api/video/")
    assert (await front_end.house.app.get("/films/api/video")).json().keys() >= {"error"}


@pytest.mark.parametrize("prefix", ["", "/", "api", "/api/", "/a b"])
async def test_a_prefix_that_is_none_stops_the_start(app_with: AppWith, prefix: str) -> None:
    app = app_with(auth_email={}, **(PLUGINS | {"dialect_videoflix": {"prefix": prefix}}))
    with pytest.raises(ConfigError, match=r"config.yaml:\d+: plugins.dialect_videoflix.prefix: should begin with a sl"):
        await app.start()


async def test_access_tokens_that_run_out_before_they_are_renewed_stop_the_start(app_with: AppWith) -> None:
    with pytest.raises(ConfigError) as stopped:
        await app_with(auth_email={"access_minutes": 20}, **PLUGINS).start()
    said = r"config.yaml:\d+: plugins.auth_email.access_minutes: should be at least 21, not 20: .*"
    assert re.fullmatch(said, str(stopped.value))
    assert (await app_with(auth_email={"access_minutes": 21}, **PLUGINS).get("/api/")).status_code == 200


async def test_a_front_end_on_another_origin_is_let_in_by_its_name_alone(open_front_end: OpenFrontEnd) -> None:
    origin = "http://localhost:5500"
    front_end = await open_front_end(settings={"server": {"port": 0, "cors_origins": [origin]}})
    await front_end.sign_in()
    listed = await front_end.get("/video/", headers={"origin": origin})
    assert listed.headers["access-control-allow-origin"] == origin
    assert listed.headers["access-control-allow-credentials"] == "true"
    asked = {"origin": origin, "access-control-request-method": "POST", "access-control-request-headers": "x-csrftoken"}
    assert (await front_end.ask("OPTIONS", "/logout/", headers=asked)).status_code == 204
    stranger = await front_end.ask("POST", "/logout/", headers={"origin": "http://evil.example"})
    assert (stranger.status_code, stranger.json().keys()) == (403, {"detail"})
    assert (await front_end.ask("POST", "/login/", json=ADA, headers={"origin": "null"})).status_code == 403
    assert (await front_end.ask("POST", "/logout/", headers={"origin": origin})).status_code == 200


async def test_writes_of_accounts_share_one_limit_and_the_list_has_another(open_front_end: OpenFrontEnd) -> None:
    front_end = await open_front_end({"rate_limits": {"auth": "2/minute"}})
    await front_end.sign_in()  # counted by address: who it is is not known before
    for path in ("/password_reset/", "/auth/login"):
        assert (await front_end.post(path)).status_code == 400
    refused = await front_end.post("/register/")
    assert (refused.status_code, refused.json().keys()) == (429, {"detail"})
    assert int(refused.headers["retry-after"]) > 0
    assert (await front_end.get("/video/")).status_code == 200
