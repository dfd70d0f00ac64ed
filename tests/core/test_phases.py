"""What a request goes through before its handler, and what a page elsewhere may do."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from mediaserver.testing import RunningApp

FRONT_END = "https://films.example"

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
