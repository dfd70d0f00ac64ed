"""What every client meets on every route: envelope, headers, the guest."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from tests.addresses import filled

if TYPE_CHECKING:
    from collections.abc import Callable

    from mediaserver.testing import RunningApp
    from tests.core.plugin_workshop import Workshop

    AppWith = Callable[..., RunningApp]

BUILT_IN: dict[str, Any] = {"hls_transcoder": {}, "catalog": {}, "admin": {}}


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


FULL = """
from mediaserver import Plugin, hookimpl, json, public
from mediaserver.contracts import Database

plugin = Plugin(api="1")
FILLER = "INSERT INTO core_change (kind, payload, at) VALUES ('filler', '{}', 0)"
NO_ROOM = "DO $$ BEGIN RAISE 'No space left on device' USING ERRCODE = 'disk_full'; END $$"

@hookimpl
def register_routes(registry):
    @registry.get("/v1/full/<kind:str>", guard=public)
    async def full(request, kind):
        if kind == "file":
            with open("/dev/full", "wb", buffering=0) as disk:
                disk.write(b"x")
        database = registry.services.get(Database)
        if not database.is_sqlite:
            await database.fetch(NO_ROOM)
        try:
            await database.fetch("PRAGMA max_page_count = 1")  # no more than there are
            while True:
                await database.fetch(FILLER)
        finally:
            await database.fetch("PRAGMA max_page_count = 1000000")
"""


@pytest.mark.databases
@pytest.mark.parametrize("kind", ["database", "file"])
async def test_a_full_disk_is_told_as_such(workshop: Workshop, kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    answer = await workshop.app(workshop.plugin(FULL)).get(f"/v1/full/{kind}")
    assert fault(answer) == (507, "INSUFFICIENT_STORAGE")
    assert "Traceback" not in capsys.readouterr().out


async def test_a_watcher_that_cannot_be_asked_is_no_full_disk(house: Callable[..., RunningApp]) -> None:
    running = await house(**BUILT_IN).start()
    (running.server.data / "run" / "scans").write_text("a file where the folder should be")
    answer = await running.post("/v1/admin/library/scan")
    assert fault(answer) == (503, "SERVICE_UNAVAILABLE")
    assert "File exists" in answer.text


async def test_an_error_is_told_in_the_words_of_the_nearest_dialect(house: Callable[..., RunningApp]) -> None:
    running = house()
    told = {"/dialect": {"detail"}, "/dialect/nothing/": {"detail"}, "/dialect/of": {"detail"}}
    told |= {"/dialect/of/others": {"error"}, "/dialect/of/others/too": {"error"}}
    for path, words in told.items():
        assert ((await running.get(path)).status_code, set((await running.get(path)).json())) == (404, words)
    assert fault(await running.get("/dialectic")) == (404, "NOT_FOUND")
    wrong = await running.post("/dialect/broken")
    assert (wrong.status_code, wrong.json().keys()) == (405, {"detail"})


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


@pytest.mark.parametrize("address", [b"x", b"/a\0b", b"http://[::1/"])
async def test_an_address_that_is_none_is_refused_without_a_traceback(
    house: Callable[..., RunningApp], caplog: pytest.LogCaptureFixture, address: bytes
) -> None:
    port = (await (running := house()).get("/health")).url.port
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET " + address + b" HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert (await reader.readline()).startswith(b"HTTP/1.1 400 ")
    writer.close()
    assert (await running.get("/health")).status_code == 200
    assert not [record for record in caplog.records if record.exc_info]
