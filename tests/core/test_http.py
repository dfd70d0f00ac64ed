"""What every client meets on every route: envelope, headers, origins, the guest, default deny."""

from __future__ import annotations

import asyncio
import json
import re
from typing import TYPE_CHECKING, Any

import httpx
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from mediaserver.testing import RunningApp

    AppWith = Callable[..., RunningApp]

ECHO = """
from pydantic import BaseModel
from mediaserver import Plugin, body, hookimpl, json, public, query, signed_in
from mediaserver.contracts import Actor
from mediaserver.errors import Unauthorized

plugin = Plugin(api="1")

class Told(BaseModel):
    number: int = 0

@hookimpl
def register_routes(registry):
    @registry.post("/v1/echo", guard=public)
    async def echo(request):
        return json({"number": body(request, Told).number})

    @registry.get("/v1/echo", guard=public)
    async def asked(request):
        return json({"number": query(request, Told).number})

    @registry.get("/v1/broken", guard=public)
    async def broken(request):
        raise RuntimeError("the secret of the house")

    @registry.post("/v1/write", guard=signed_in)
    async def write(request):
        return json({})

    def words(request, error):
        return json({"detail": error.message}, error.status)

    @registry.get("/dialect/broken", guard=public)
    async def dialect(request):
        raise RuntimeError

    registry.errors("/dialect", words)
"""
IDENTIFIES = """
from mediaserver import Plugin, hookimpl
from mediaserver.contracts import Actor
from mediaserver.errors import Unauthorized
plugin = Plugin(api="1")
@hookimpl
def identify(request):
    if request.headers.get("authorization") == "Bearer garbage":
        raise Unauthorized
    role = request.headers.get("x-role")
    return Actor(1, "a@x", frozenset({role})) if role else None
"""
COUNTS = """
from mediaserver import Plugin, hookimpl, json
from mediaserver.errors import RateLimited
plugin = Plugin(api="1")
@hookimpl
def before_request(request):
    actor, route = request.ctx.actor, request.ctx.route
    request.ctx.seen = f"{route.method} {route.path} {route.limit} {actor and actor.email}"
    if "x-enough" in request.headers:
        raise RateLimited("Enough.")
@hookimpl
def after_response(request, response):
    response.headers["x-seen"] = getattr(request.ctx, "seen", "nothing")
    response.headers["x-route"] = str(request.ctx.route and request.ctx.route.plugin)
"""
SLOW = """
import asyncio
from contextlib import suppress
from mediaserver import Plugin, hookimpl, json, public

plugin = Plugin(api="1")

@hookimpl
def register_routes(registry):
    state = {"asked": False, "gone": False}

    @registry.get("/v1/slow", guard=public)
    async def slow(request):
        state["asked"] = True
        response = None
        try:
            while not request.transport.is_closing():
                with suppress(asyncio.CancelledError):  # it goes on for a while, as one does that reads a file
                    await asyncio.sleep(0.01)
            response = await request.respond(headers={"content-length": "9"})
            await response.send("123")
        finally:
            state["gone"] = True

    @registry.get("/v1/slow/asked", guard=public)
    async def asked(request):
        return json(state)
"""
BUILT_IN: dict[str, Any] = {"hls_transcoder": {}, "catalog": {}, "admin": {}}


@pytest.fixture
def house(app_with: AppWith, tmp_path: Path) -> Callable[..., RunningApp]:
    folder = tmp_path / "theirs"
    folder.mkdir()
    (folder / "echoing.py").write_text(ECHO)
    (folder / "identifying.py").write_text(IDENTIFIES)
    (folder / "slow.py").write_text(SLOW)
    (folder / "counting.py").write_text(COUNTS)

    def make(server: dict[str, Any] | None = None, **plugins: Any) -> RunningApp:
        settings = {"server": {"port": 0, **(server or {})}}
        return app_with(settings=settings, folders=(folder,), **(plugins or {"echoing": {}}))

    return make


def fault(response: httpx.Response) -> tuple[int, str]:
    return response.status_code, response.json()["error"]["code"]


# ---- errors ----------------------------------------------------------------------------------------------------


async def test_an_error_is_told_in_the_envelope(house: Callable[..., RunningApp]) -> None:
    answer = await house().get("/nothing")
    told = answer.json()
    assert fault(answer) == (404, "NOT_FOUND")
    assert set(told) == {"error", "timestamp", "request_id"}
    assert set(told["error"]) == {"code", "message", "details"}
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", told["timestamp"])
    assert told["request_id"] == answer.headers["x-request-id"]


async def test_another_method_is_405_with_those_allowed(house: Callable[..., RunningApp]) -> None:
    answer = await house().delete("/v1/echo")
    assert fault(answer) == (405, "METHOD_NOT_ALLOWED")
    assert set(answer.headers["allow"].split(", ")) == {"GET", "HEAD", "POST"}


async def test_a_failure_of_ours_tells_nothing_of_the_inside(
    house: Callable[..., RunningApp], capsys: pytest.CaptureFixture[str]
) -> None:
    running = house()
    answer = await running.get("/v1/broken", headers={"x-request-id": "find-me"})
    assert fault(answer) == (500, "INTERNAL_ERROR")
    assert "secret of the house" not in answer.text
    logged = capsys.readouterr().out
    assert "find-me" in logged
    assert "the secret of the house" in logged
    assert (await running.get("/dialect/broken")).json().keys() == {"detail"}


@pytest.mark.parametrize(
    ("sent", "status", "code"),
    [
        (b'{"number": 3}', 200, ""),
        (b"", 200, ""),
        (b"{", 400, "INVALID_REQUEST"),
        (b"[1]", 400, "INVALID_REQUEST"),
        (b"null", 400, "INVALID_REQUEST"),
        (b"\xff\xfe", 400, "INVALID_REQUEST"),
        (b'{"number": "x"}', 400, "INVALID_REQUEST"),
        (b"[" * 100_000, 400, "INVALID_REQUEST"),
        (b'{"number": ' + b"9" * 5000 + b"}", 400, "INVALID_REQUEST"),
        (b'{"x": "' + b"x" * 1024 * 1024 + b'"}', 413, "PAYLOAD_TOO_LARGE"),
    ],
    ids=["object", "nothing", "no JSON", "list", "null", "no text", "bad field", "deep", "long number", "too large"],
)
async def test_a_body_is_an_object_of_what_is_declared(
    house: Callable[..., RunningApp], sent: bytes, status: int, code: str
) -> None:
    answer = await house().post("/v1/echo", content=sent, headers={"content-type": "application/json"})
    assert answer.status_code == status
    if code:
        assert answer.json()["error"]["code"] == code


async def test_a_bad_field_is_named(house: Callable[..., RunningApp]) -> None:
    answer = await house().post("/v1/echo", json={"number": "x", "unknown": 1})
    [field] = answer.json()["error"]["fields"]
    assert field["field"] == "number"
    assert "integer" in field["problem"]


async def test_a_form_is_as_good_as_json(house: Callable[..., RunningApp]) -> None:
    running = house()
    assert (await running.post("/v1/echo", data={"number": "4"})).json() == {"number": 4}
    assert (await running.get("/v1/echo?number=5&number=6")).json() == {"number": 5}
    assert fault(await running.get("/v1/echo?number=x")) == (400, "INVALID_REQUEST")


# ---- headers ---------------------------------------------------------------------------------------------------


async def test_a_harmless_request_id_is_echoed(house: Callable[..., RunningApp]) -> None:
    answer = await house().get("/health", headers={"x-request-id": "trace-1.2_3"})
    assert answer.headers["x-request-id"] == "trace-1.2_3"


@pytest.mark.parametrize("hostile", ["a" * 65, "a b", "<script>", "a\tb", "ü", "", "a;b"])
async def test_a_hostile_request_id_is_replaced(house: Callable[..., RunningApp], hostile: str) -> None:
    answer = await house().get("/health", headers=[(b"x-request-id", hostile.encode())])
    assert re.fullmatch(r"[0-9a-f]{24}", answer.headers["x-request-id"])


@pytest.mark.parametrize("path", ["/health", "/nothing", "/v1/broken"])
async def test_every_answer_is_hardened_and_names_no_server(house: Callable[..., RunningApp], path: str) -> None:
    headers = (await house().get(path)).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert headers["cache-control"] == "private, no-store"
    assert "server" not in headers


async def test_head_is_get_without_the_body(house: Callable[..., RunningApp]) -> None:
    running = house()
    head, get = await running.request("HEAD", "/health"), await running.get("/health")
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == get.headers["content-length"]


async def test_a_slash_at_the_end_is_optional_everywhere_and_never_redirected(app_with: AppWith) -> None:
    running = await app_with(**BUILT_IN).start()
    for route in running.server.routes:
        if route.path == "/v1/events" or not route.path.strip("/"):
            continue
        for path in (filled(route.path).rstrip("/"), filled(route.path).rstrip("/") + "/"):
            answer = await running.request(route.method, path)
            assert answer.status_code not in (301, 302, 307, 308, 405), path
            if answer.status_code == 404:
                assert answer.json()["error"]["message"] != "There is nothing here." or "pictures" in path, path


@pytest.mark.parametrize(
    "host",
    ["localhost:1@evil.example", "localhost:80\\@evil.example", "localhost/x", '"><b>', "[::1]evil", "a b", "a:b"],
)
async def test_a_host_that_is_none_is_refused_before_an_address_is_built_from_it(
    house: Callable[..., RunningApp], host: str
) -> None:
    assert fault(await house().get("/v1/echo?number=1", headers={"host": host})) == (400, "INVALID_REQUEST")


async def test_two_hosts_are_refused(house: Callable[..., RunningApp]) -> None:
    address = (await house().get("/health")).request.url
    reader, writer = await asyncio.open_connection(address.host, address.port)
    writer.write(b"GET /health HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\nConnection: close\r\n\r\n")
    assert (await reader.readline()).startswith(b"HTTP/1.1 400 ")
    writer.close()
    await writer.wait_closed()


async def test_below_a_base_path_everything_is_below_it(house: Callable[..., RunningApp]) -> None:
    running = house({"base_path": "films/"})
    assert (await running.get("/films/health")).status_code == 200
    assert (await running.get("/health")).status_code == 404


# ---- phases ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("who", "seen", "status"),
    [
        ({}, "POST /v1/write content None", 401),
        ({"authorization": "Bearer garbage"}, "POST /v1/write content None", 401),
        ({"x-role": "viewer"}, "POST /v1/write content a@x", 200),
        ({"x-role": "viewer", "x-enough": "1"}, "POST /v1/write content a@x", 429),
        ({"x-enough": "1"}, "POST /v1/write content None", 429),
        ({"authorization": "Bearer garbage", "x-enough": "1"}, "POST /v1/write content None", 429),
        ({"x-role": "viewer", "origin": "null"}, "nothing", 403),
    ],
    ids=["nobody", "garbage", "viewer", "viewer, enough", "nobody, enough", "garbage, enough", "of another page"],
)
async def test_a_request_is_identified_then_limited_then_guarded(
    house: Callable[..., RunningApp], who: dict[str, str], seen: str, status: int
) -> None:
    answer = await house({}, echoing={}, identifying={}, counting={}).post("/v1/write", headers=who)
    assert (answer.headers["x-seen"], answer.status_code) == (seen, status)


async def test_what_has_no_route_is_told_so(house: Callable[..., RunningApp]) -> None:
    running = house({"cors_origins": [FRONT_END]}, echoing={}, counting={})
    for method, path in (("GET", "/nothing"), ("OPTIONS", "/v1/write"), ("DELETE", "/v1/write")):
        headers = (await running.request(method, path)).headers
        assert (headers["x-seen"], headers["x-route"]) == ("nothing", "None")
    assert (await running.get("/v1/echo")).headers["x-route"] == "echoing"


async def test_a_bad_credential_on_a_public_route_is_nobodys(house: Callable[..., RunningApp]) -> None:
    running = house({}, echoing={}, identifying={})
    assert (await running.post("/v1/echo", headers={"authorization": "Bearer garbage"})).status_code == 200


# ---- origins ---------------------------------------------------------------------------------------------------

FRONT_END = "https://films.example"


async def test_only_a_listed_origin_may_read_answers(house: Callable[..., RunningApp]) -> None:
    running = house({"cors_origins": [FRONT_END]})
    ours = (await running.get("/health", headers={"origin": FRONT_END})).headers
    assert ours["access-control-allow-origin"] == FRONT_END
    assert ours["access-control-allow-credentials"] == "true"
    assert "X-Request-ID" in ours["access-control-expose-headers"]
    assert ours["access-control-expose-headers"].split(", ")[:3] == [
        "X-RateLimit-Limit",
        "X-RateLimit-Remaining",
        "X-RateLimit-Reset",
    ]
    assert "Content-Range" in ours["access-control-expose-headers"]
    for foreign in ("https://films.example.evil", "http://films.example", "null", "https://films.example:8443", "*"):
        headers = (await running.get("/health", headers={"origin": foreign})).headers
        assert "access-control-allow-origin" not in headers
        assert headers["vary"] == "Origin"


@pytest.mark.parametrize(
    ("method", "path", "more", "status"),
    [
        ("POST", "/v1/write", {}, 401),
        ("POST", "/v1/write", {"x-role": "viewer", "x-enough": "1"}, 429),
        ("GET", "/nothing", {}, 404),
        ("GET", "/v1/broken", {}, 500),
        ("DELETE", "/v1/echo", {}, 405),
        ("GET", "/v1/echo?number=x", {}, 400),
    ],
)
async def test_a_page_elsewhere_may_read_errors_too(
    house: Callable[..., RunningApp], method: str, path: str, more: dict[str, str], status: int
) -> None:
    running = house({"cors_origins": [FRONT_END]}, echoing={}, identifying={}, counting={})
    answer = await running.request(method, path, headers={"origin": FRONT_END, **more})
    assert answer.status_code == status
    assert answer.headers["access-control-allow-origin"] == FRONT_END
    assert answer.headers["access-control-allow-credentials"] == "true"


async def test_a_preflight_needs_no_login(house: Callable[..., RunningApp]) -> None:
    running = house({"cors_origins": [FRONT_END], "guest": "none"})
    asked = {"origin": FRONT_END, "access-control-request-method": "PUT"}
    answer = await running.request("OPTIONS", "/v1/write", headers=asked)
    assert answer.status_code == 204
    assert set(answer.headers["access-control-allow-headers"].split(", ")) == {
        "content-type",
        "authorization",
        "x-csrftoken",
        "x-api-key",
        "range",
    }
    assert answer.headers["access-control-max-age"] == "86400"
    foreign = await running.request("OPTIONS", "/v1/write", headers=asked | {"origin": "https://evil.example"})
    assert "access-control-allow-origin" not in foreign.headers


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"origin": FRONT_END}, 200),
        ({"origin": "https://evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({"origin": ""}, 403),
        ({"origin": "http://["}, 403),
        ({"origin": "http://"}, 403),
        ({"origin": f"{FRONT_END}:443"}, 403),
        ({"origin": f"{FRONT_END}.evil.example"}, 403),
        ({"origin": "http://films.example"}, 403),
        ({"origin": "*"}, 403),
        ({"origin": FRONT_END, "sec-fetch-site": "cross-site"}, 200),
        ({"origin": "https://evil.example", "sec-fetch-site": "same-origin"}, 403),
        ({"origin": "https://evil.example", "authorization": "Bearer x"}, 200),
        ({"origin": "null", "authorization": "bearer x"}, 200),
        ({"sec-fetch-site": "cross-site", "x-api-key": "x"}, 200),
        ({"origin": "https://evil.example", "authorization": "Basic x"}, 403),
        ({"origin": "https://evil.example", "cookie": "access_token=x"}, 403),
        ({"sec-fetch-site": "same-site"}, 200),
        ({"sec-fetch-site": "same-origin"}, 200),
        ({"sec-fetch-site": "none"}, 200),
        ({"sec-fetch-site": "cross-site"}, 403),
    ],
)
async def test_a_write_comes_from_our_own_pages(
    house: Callable[..., RunningApp], headers: dict[str, str], status: int
) -> None:
    running = house({"cors_origins": [FRONT_END]})
    assert (await running.post("/v1/write", headers=headers)).status_code == status


async def test_our_own_origin_may_always_write(house: Callable[..., RunningApp]) -> None:
    running = await house({"public_url": "https://tv.example/films"}).start()
    own = str((await running.get("/health")).request.url.copy_with(path="/")).rstrip("/")
    for origin in (own, own.replace("http://", "https://"), "https://tv.example"):
        assert (await running.post("/v1/write", headers={"origin": origin})).status_code == 200
    for origin in (f"{own}0", f"{own}/", "http://tv.example", "https://tv.example/films"):
        assert (await running.post("/v1/write", headers={"origin": origin})).status_code == 403


async def test_a_read_may_come_from_anywhere(house: Callable[..., RunningApp]) -> None:
    assert (await house().get("/v1/echo", headers={"origin": "https://evil.example"})).status_code == 200


# ---- the guest -------------------------------------------------------------------------------------------------

HERE: dict[str, str] = {}
GUESTS = {
    ("auto", "from this machine"): (HERE, True),
    ("auto", "by name"): ({"host": "localhost:8000"}, True),
    ("auto", "by IPv6"): ({"host": "[::1]:8000"}, True),
    ("auto", "through a proxy"): ({"x-forwarded-for": "10.0.0.7"}, False),
    ("auto", "through a modern proxy"): ({"forwarded": "for=10.0.0.7"}, False),
    ("auto", "through a page that rebinds its name"): ({"host": "evil.example"}, False),
    ("auto", "with a name that begins like ours"): ({"host": "localhost.evil.example:8000"}, False),
    ("none", "from this machine"): (HERE, False),
    ("viewer", "from this machine"): (HERE, True),
    ("admin", "through a proxy"): ({"x-forwarded-for": "10.0.0.7"}, True),
}


@pytest.mark.parametrize("case", GUESTS, ids=" ".join)
async def test_the_guest_is_let_in_as_the_settings_say(house: Callable[..., RunningApp], case: tuple[str, str]) -> None:
    headers, welcome = GUESTS[case]
    answer = await house({"guest": case[0]}).post("/v1/write", headers=headers)
    assert answer.status_code == (200 if welcome else 401)
    if not welcome:
        assert answer.headers["www-authenticate"] == "Bearer"


async def test_further_names_of_this_machine_are_listed(house: Callable[..., RunningApp]) -> None:
    running = house({"allowed_hosts": ["Films.Home"], "public_url": "https://tv.example"})
    for host, status in (("films.home:8000", 200), ("tv.example", 200), ("other.home", 401)):
        assert (await running.post("/v1/write", headers={"host": host})).status_code == status


async def test_a_plugin_that_identifies_people_ends_the_guest(house: Callable[..., RunningApp]) -> None:
    running = house({}, echoing={}, identifying={})
    assert (await running.post("/v1/write")).status_code == 401
    assert (await running.post("/v1/write", headers={"x-role": "viewer"})).status_code == 200


# ---- default deny ----------------------------------------------------------------------------------------------


def filled(path: str) -> str:
    """A path with its parameters filled in."""

    def value(match: re.Match[str]) -> str:
        kind = match[1] or "str"
        return {"int": "1", "str": "x"}.get(kind, kind.split("|")[0])

    return re.sub(r"<\w+(?::([^>]+))?>", value, path)


@pytest.mark.parametrize(
    ("who", "allowed"),
    [
        ({}, {"public"}),
        ({"x-role": "viewer"}, {"public", "signed_in"}),
        ({"x-role": "admin"}, {"public", "signed_in", "admin"}),
    ],
    ids=["nobody", "viewer", "admin"],
)
async def test_every_route_is_closed_but_to_whom_it_says(
    house: Callable[..., RunningApp], who: dict[str, str], allowed: set[str]
) -> None:
    running = await house({}, identifying={}, **BUILT_IN).start()
    public = {"/health", "/healthz", "/livez", "/ready", "/readyz", "/docs", "/docs/openapi.json"}
    seen = set()
    for route in running.server.routes:
        method = "HEAD" if route.path == "/v1/events" else route.method
        answer = await running.request(method, filled(route.path), headers=who)
        refused = answer.status_code in (401, 403) and "/v1/media/" not in route.path
        assert refused == (route.guard.name not in allowed), (route.method, route.path, answer.status_code)
        assert answer.status_code < 500 or answer.status_code == 503, route.path
        seen.add(route.guard.name)
        if route.guard.name == "public" and not route.path.startswith(("/v1/media/", "/v1/pictures/")):
            assert route.path in public, "a new public route is named in this test on purpose"
    assert seen == {"public", "signed_in", "admin"}
    assert json.loads((await running.get("/ready")).text)["plugins_left_out"] == []


# ---- a client that leaves --------------------------------------------------------------------------------------


async def test_a_client_that_hangs_up_leaves_no_traceback(
    house: Callable[..., RunningApp], caplog: pytest.LogCaptureFixture
) -> None:
    running = house(slow={})
    port = (await running.get("/health")).url.port
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET /v1/slow HTTP/1.1\r\nHost: localhost\r\n\r\n")
    await writer.drain()
    while not (await running.get("/v1/slow/asked")).json()["asked"]:
        await asyncio.sleep(0.01)
    writer.transport.abort()
    while not (await running.get("/v1/slow/asked")).json()["gone"]:
        await asyncio.sleep(0.01)
    assert not [record for record in caplog.records if record.exc_info]
