"""Every route of a server with every plugin of ours, and whom it answers. A new route without a row fails."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from mediaserver import SCOPES
from tests.addresses import filled
from tests.hands import Hands

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    import httpx

    from mediaserver.testing import RunningApp

    Headers = dict[str, str]

pytestmark = pytest.mark.slow

BUILT_IN = sorted(path.parent.name for path in Path("plugins").glob("*/__init__.py"))
PASSWORD = "a boat in the harbour 7"
ADMIN = "ada@example.org"
OPTIONS: dict[str, dict[str, Any]] = {
    "auth_email": {"admin_email": ADMIN, "admin_password": PASSWORD, "bcrypt_rounds": 4},
    "rate_limits": dict.fromkeys(("auth", "content", "streaming", "analytics"), "1000000/hour"),
}

# ok: answered, if only to say that nothing has this name. A media token is its own credential, and "x" is none.
# token: ok for whoever shows a token, good or not, else 401.
# `key` is an administrator's key for catalog:read, `keys` one for every scope.
COLUMNS = ("nobody", "viewer", "admin", "key", "keys")
TABLE = """
GET     /                                                       ok   ok   ok   ok   ok
GET     /ui/<name:str>                                          ok   ok   ok   ok   ok
GET     /ui/vendor/<name:str>                                   ok   ok   ok   ok   ok
GET     /login                                                  ok   ok   ok   ok   ok
POST    /login                                                  401  401  401  401  401
GET     /logout                                                 ok   ok   ok   ok   ok
POST    /logout                                                 ok   ok   ok   ok   ok
GET     /register                                               ok   ok   ok   ok   ok
POST    /register                                               ok   ok   ok   ok   ok
GET     /activate                                               ok   ok   ok   ok   ok
POST    /activate                                               ok   ok   ok   ok   ok
GET     /reset                                                  ok   ok   ok   ok   ok
POST    /reset                                                  ok   ok   ok   ok   ok
GET     /setup                                                  ok   ok   ok   ok   ok
POST    /setup                                                  403  403  403  403  403
GET     /email                                                  ok   ok   ok   ok   ok
POST    /email                                                  ok   ok   ok   ok   ok
GET     /device                                                 ok   ok   ok   ok   ok
POST    /device                                                 ok   ok   ok   ok   ok
GET     /account                                                ok   ok   ok   ok   ok
POST    /account                                                ok   403  ok   ok   ok
GET     /health                                                 ok   ok   ok   ok   ok
GET     /healthz                                                ok   ok   ok   ok   ok
GET     /livez                                                  ok   ok   ok   ok   ok
GET     /ready                                                  ok   ok   ok   ok   ok
GET     /readyz                                                 ok   ok   ok   ok   ok
GET     /docs                                                   ok   ok   ok   ok   ok
GET     /docs/openapi.json                                      ok   ok   ok   ok   ok
GET     /api                                                    ok   ok   ok   ok   ok
POST    /api/register                                           ok   ok   ok   ok   ok
POST    /api/login                                              ok   ok   ok   ok   ok
POST    /api/token/refresh                                      ok   ok   ok   ok   ok
POST    /api/logout                                             ok   ok   ok   ok   ok
POST    /api/auth/register                                      ok   ok   ok   ok   ok
POST    /api/auth/login                                         ok   ok   ok   ok   ok
POST    /api/auth/token/refresh                                 ok   ok   ok   ok   ok
POST    /api/auth/logout                                        ok   ok   ok   ok   ok
GET     /api/activate/<uid:str>                                 ok   ok   ok   ok   ok
GET     /api/activate/<uid:str>/<token:str>                     ok   ok   ok   ok   ok
POST    /api/password_reset                                     ok   ok   ok   ok   ok
POST    /api/password_confirm/<uid:str>/<token:str>             ok   ok   ok   ok   ok
POST    /api/passwort_reset                                     ok   ok   ok   ok   ok
POST    /api/passwort_confirm/<uid:str>/<token:str>             ok   ok   ok   ok   ok
GET     /api/video                                              401  ok   ok   ok   ok
GET     /api/video/<ref:str>/master.m3u8                        401  ok   ok   403  ok
GET     /api/video/<ref:str>/audio/<track:int>/<name:str>       401  ok   ok   403  ok
GET     /api/video/<ref:str>/key                                401  ok   ok   403  ok
GET     /api/video/<ref:str>/original/<name:str>                401  ok   ok   403  ok
GET     /api/video/<ref:str>/subtitles/<key:str>/<name:str>     401  ok   ok   403  ok
GET     /api/video/<ref:str>/<rung:480p|720p|1080p>/index.m3u8  401  ok   ok   403  ok
GET     /api/video/<ref:str>/<rung:480p|720p|1080p>/<name:str>  401  ok   ok   403  ok
GET     /v1/events                                              401  ok   ok   ok   ok
GET     /v1/content/browse                                      401  ok   ok   ok   ok
GET     /v1/content/<ref:str>                                   401  ok   ok   ok   ok
GET     /v1/streaming/<ref:str>/manifest                        401  ok   ok   403  ok
POST    /v1/streaming/<ref:str>/start                           401  ok   ok   403  ok
PUT     /v1/streaming/<ref:str>/progress                        401  ok   ok   403  ok
POST    /v1/streaming/<ref:str>/stop                            401  ok   ok   403  ok
GET     /v1/streaming/sessions                                  401  ok   ok   403  ok
DELETE  /v1/streaming/sessions/<number:str>                     401  ok   ok   403  ok
GET     /v1/users/me/devices                                    401  ok   ok   403  ok
GET     /v1/users/me/devices/<device_id:str>                    401  ok   ok   403  ok
PUT     /v1/users/me/devices/<device_id:str>                    401  ok   ok   403  ok
DELETE  /v1/users/me/devices/<device_id:str>                    401  ok   ok   403  ok
GET     /v1/streaming/progress                                  401  ok   ok   403  ok
GET     /v1/media/<token:str>/master.m3u8                       403  403  403  403  403
GET     /v1/media/<token:str>/audio/<track:int>/<name:str>      403  403  403  403  403
GET     /v1/media/<token:str>/key                               403  403  403  403  403
GET     /v1/media/<token:str>/subtitles/<key:str>/<name:str>    403  403  403  403  403
GET     /v1/media/<token:str>/original                          403  403  403  403  403
GET     /v1/media/<token:str>/original/<name:str>               403  403  403  403  403
GET     /v1/media/<token:str>/sprites.vtt                       403  403  403  403  403
GET     /v1/media/<token:str>/sprites/<name:str>                403  403  403  403  403
GET     /v1/media/<token:str>/<rung:480p|720p|1080p>/<name:str> 403  403  403  403  403
GET     /v1/pictures/<key:str>/<name:str>                       ok   ok   ok   ok   ok
GET     /v1/admin/content/<ref:str>/processing-status           401  403  ok   403  ok
GET     /v1/admin/library                                       401  403  ok   403  ok
GET     /v1/admin/library/why                                   401  403  ok   403  ok
POST    /v1/admin/library/scan                                  401  403  ok   403  ok
GET     /v1/admin/jobs                                          401  403  ok   403  ok
POST    /v1/admin/jobs/<job:str>/retry                          401  403  ok   403  ok
POST    /v1/admin/jobs/<job:str>/cancel                         401  403  ok   403  ok
POST    /v1/admin/invites                                       401  403  ok   403  ok
GET     /v1/admin/users                                         401  403  ok   403  ok
POST    /v1/admin/users                                         401  403  ok   403  ok
GET     /v1/admin/users/<ref:str>                               401  403  ok   403  ok
PUT     /v1/admin/users/<ref:str>                               401  403  ok   403  ok
DELETE  /v1/admin/users/<ref:str>                               401  403  ok   403  ok
POST    /v1/admin/users/<ref:str>/activate                      401  403  ok   403  ok
GET     /v1/admin/users/<ref:str>/link                          401  403  ok   403  ok
GET     /v1/auth/setup                                          ok   ok   ok   ok   ok
POST    /v1/auth/setup                                          ok   ok   ok   ok   ok
POST    /v1/auth/register                                       ok   ok   ok   ok   ok
GET     /v1/auth/activate                                       ok   ok   ok   ok   ok
POST    /v1/auth/activate                                       ok   ok   ok   ok   ok
POST    /v1/auth/login                                          ok   ok   ok   ok   ok
POST    /v1/auth/refresh                                        ok   ok   ok   ok   ok
POST    /v1/auth/logout                                         token token token token token
GET     /v1/auth/sessions                                       401  ok   ok   403  ok
DELETE  /v1/auth/sessions/<login_id:str>                        401  ok   ok   403  ok
POST    /v1/auth/password-reset                                 ok   ok   ok   ok   ok
POST    /v1/auth/password-confirm                               ok   ok   ok   ok   ok
POST    /v1/auth/email-confirm                                  ok   ok   ok   ok   ok
POST    /v1/auth/device                                         ok   ok   ok   ok   ok
POST    /v1/auth/device/token                                   ok   ok   ok   ok   ok
POST    /v1/auth/device/approve                                 401  ok   ok   403  403
GET     /v1/auth/api-keys                                       401  ok   ok   403  403
POST    /v1/auth/api-keys                                       401  ok   ok   403  403
DELETE  /v1/auth/api-keys/<key_id:str>                          401  ok   ok   403  403
GET     /v1/users/me                                            401  ok   ok   403  ok
PUT     /v1/users/me                                            401  ok   ok   403  403
DELETE  /v1/users/me                                            401  ok   ok   403  403
GET     /ping                                                   ok   ok   ok   ok   ok
POST    /auth/register                                          ok   ok   ok   ok   ok
POST    /auth/login                                             ok   ok   ok   ok   ok
POST    /auth/token/refresh                                     ok   ok   ok   ok   ok
POST    /auth/logout                                            401  ok   ok   403  403
GET     /auth/protected_route                                   401  ok   ok   403  ok
GET     /api/device                                             401  ok   ok   403  ok
POST    /api/device                                             401  ok   ok   403  ok
GET     /api/movie                                              401  ok   ok   ok   ok
POST    /api/movie                                              401  403  ok   403  ok
GET     /api/movie/<movie_id:str>/master.m3u8                   401  ok   ok   403  ok
GET     /api/movie/<movie_id:str>/audio/<track:int>/<name:str>  401  ok   ok   403  ok
GET     /api/movie/<movie_id:str>/key                           401  ok   ok   403  ok
GET     /api/movie/<movie_id:str>/original/<name:str>           401  ok   ok   403  ok
GET     /api/movie/<movie_id:str>/subtitles/<key:str>/<name:str> 401  ok   ok   403  ok
GET     /api/movie/<movie_id:str>/<rung:480p|720p|1080p>/<name:str> 401 ok ok  403  ok
POST    /api/playback/start                                     401  ok   ok   403  ok
POST    /api/playback/heartbeat                                 401  ok   ok   403  ok
POST    /api/playback/stop                                      401  ok   ok   403  ok
GET     /api/playback/active                                    401  ok   ok   403  ok
"""
ROWS = {(method, path): told for method, path, *told in (line.split() for line in TABLE.strip().splitlines())}
LAST = (("POST", "/v1/auth/logout"), ("DELETE", "/v1/users/me"))  # after these somebody is nobody


class House:
    """A running server, and the people who come to it, each as the headers they send."""

    def __init__(self, app: RunningApp, clock: Hands) -> None:
        self.app = app
        self.clock = clock

    async def ask(self, method: str, path: str, **options: Any) -> httpx.Response:
        """Without the cookies that answers left: what counts is what is sent on purpose."""
        answer = await self.app.request(method, path, **options)
        assert self.app._client is not None
        self.app._client.cookies.clear()
        return answer

    async def signed_in(self, email: str) -> Headers:
        answer = await self.ask("POST", "/v1/auth/login", json={"email": email, "password": PASSWORD})
        assert answer.status_code == 200, answer.text
        return {"authorization": f"Bearer {answer.json()['access_token']}"}

    async def admin(self) -> Headers:
        return await self.signed_in(ADMIN)

    async def viewer(self, email: str = "bob@example.org") -> Headers:
        told = {"email": email, "password": PASSWORD}
        answer = await self.ask("POST", "/v1/admin/users", json=told, headers=await self.admin())
        assert answer.status_code == 201, answer.text
        return await self.signed_in(email)

    async def key(self, *scopes: str) -> Headers:
        told = {"name": "a script", "scopes": list(scopes or ("catalog:read",))}
        answer = await self.ask("POST", "/v1/auth/api-keys", json=told, headers=await self.admin())
        assert answer.status_code == 201, answer.text
        return {"x-api-key": answer.json()["key"]}

    async def keys(self) -> Headers:
        return await self.key(*SCOPES)

    async def nobody(self) -> Headers:
        return {}

    async def garbage(self) -> Headers:
        return {"authorization": "Bearer garbage"}

    async def garbage_key(self) -> Headers:
        return {"x-api-key": "garbage"}

    async def expired(self) -> Headers:
        headers = await self.viewer()
        self.clock.turn(3601)
        return headers

    async def signed_out(self) -> Headers:
        headers = await self.viewer()
        assert (await self.ask("POST", "/v1/auth/logout", headers=headers)).status_code == 200
        return headers

    async def switched_off(self) -> Headers:
        headers, admin = await self.viewer(), await self.admin()
        users = (await self.ask("GET", "/v1/admin/users", headers=admin)).json()["users"]
        [number] = [user["id"] for user in users if user["email"] == "bob@example.org"]
        changed = await self.ask("PUT", f"/v1/admin/users/{number}", json={"active": False}, headers=admin)
        assert changed.status_code == 200, changed.text
        return headers


PEOPLE: dict[str, tuple[str, Callable[[House], Awaitable[Headers]]]] = {
    "nobody": ("nobody", House.nobody),
    "garbage": ("nobody", House.garbage),
    "a garbage key": ("nobody", House.garbage_key),
    "an expired token": ("nobody", House.expired),
    "who signed out": ("nobody", House.signed_out),
    "who was switched off": ("nobody", House.switched_off),
    "viewer": ("viewer", House.viewer),
    "admin": ("admin", House.admin),
    "key": ("key", House.key),
    "keys": ("keys", House.keys),
}


@pytest.fixture
async def house(app_with: Callable[..., RunningApp]) -> House:
    clock = Hands()
    settings = {"server": {"port": 0, "trusted_proxies": ["192.0.2.1"]}}
    app = app_with(settings=settings, clock=clock, **{name: OPTIONS.get(name, {}) for name in BUILT_IN})
    return House(await app.start(), clock)


def outcome(status: int) -> str:
    return str(status) if status in (401, 403, 429) or (status >= 500 and status != 503) else "ok"


async def test_every_route_has_its_row_and_every_row_its_route(house: House) -> None:
    assert house.app.server.hooks.faults == {}
    assert {(route.method, route.path) for route in house.app.server.routes} == set(ROWS)


@pytest.mark.parametrize("who", PEOPLE)
async def test_a_route_answers_those_it_should_and_nobody_else(house: House, who: str) -> None:
    column, arrive = PEOPLE[who]
    headers = await arrive(house)
    words = {"token": "ok" if "authorization" in headers else "401"}
    expected = {route: words.get(word := told[COLUMNS.index(column)], word) for route, told in ROWS.items()}
    found = {}
    for method, path in [*(route for route in ROWS if route not in LAST), *LAST]:
        verb = "HEAD" if path == "/v1/events" else method
        answer = await house.ask(verb, filled(path), headers=headers)
        found[method, path] = outcome(answer.status_code)
        if (method, path) == LAST[0] and column in ("viewer", "admin"):
            headers = await house.signed_in(ADMIN if column == "admin" else "bob@example.org")
    assert found == expected
