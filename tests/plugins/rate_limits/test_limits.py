"""What somebody meets who asks too often, and that nobody else pays for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from mediaserver.contracts import RateLimits
from mediaserver.errors import ConfigError
from tests.hands import START, Hands

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import httpx

    from mediaserver.testing import RunningApp

    Served = Callable[..., RunningApp]

THEIRS = """
from mediaserver import Plugin, hookimpl, json, public, signed_in
from mediaserver.contracts import Actor
from mediaserver.errors import Unauthorized
plugin = Plugin(api="1")

@hookimpl
def identify(request):
    user = request.headers.get("x-user")
    if user == "garbage":
        raise Unauthorized
    return Actor(int(user), roles=frozenset({"viewer"})) if user else None

@hookimpl
def register_routes(registry):
    async def answer(request):
        return json({})
    registry.post("/v1/auth/login", guard=public, limit="auth")(answer)
    registry.get("/v1/auth/login", guard=public)(answer)
    registry.get("/v1/lists", guard=signed_in)(answer)
    registry.get("/v1/streaming", guard=public, limit="streaming")(answer)
    registry.post("/v1/events/many", guard=public, limit="analytics")(answer)
    registry.get("/v1/page", guard=public, limit=None)(answer)
"""


@pytest.fixture
def hands() -> Hands:
    return Hands()


@pytest.fixture
def served(app_with: Served, tmp_path: Path, hands: Hands) -> Served:
    (tmp_path / "theirs.py").write_text(THEIRS)

    def make(settings: dict[str, Any] | None = None, **config: Any) -> RunningApp:
        behind = {"server": {"port": 0, "trusted_proxies": ["127.0.0.1"], "guest": "none"}}
        return app_with(
            settings=behind | (settings or {}), folders=(tmp_path,), clock=hands, theirs={}, rate_limits=config
        )

    return make


def told(answer: httpx.Response) -> tuple[int, ...]:
    names = ("x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset")
    return (answer.status_code, *(int(answer.headers[name]) for name in names))


def at(address: str) -> dict[str, str]:
    return {"x-forwarded-for": address}


async def test_the_eleventh_login_within_a_minute_is_refused_until_the_minute_is_over(
    served: Served, hands: Hands
) -> None:
    running = served({"redis": None})  # which has a clock of its own, and does not turn it with ours
    over = int(START.timestamp()) + 60
    for left in range(9, -1, -1):
        assert told(await running.post("/v1/auth/login")) == (200, 10, left, over)
    hands.turn(18.5)
    refused = await running.post("/v1/auth/login")
    assert told(refused) == (429, 10, 0, over)
    assert refused.headers["retry-after"] == "42"
    assert refused.json()["error"]["code"] == "RATE_LIMITED"
    assert refused.json()["error"]["message"] == "Too many requests; go on in 42 s."
    hands.turn(41.5)
    assert told(await running.post("/v1/auth/login")) == (200, 10, 9, over + 60)


async def test_groups_are_counted_apart(served: Served) -> None:
    running = served(auth="1/minute", content="2/hour", streaming="3/second", analytics="4/day")
    for method, path, limit in (
        ("POST", "/v1/auth/login", 1),
        ("GET", "/v1/auth/login", 2),
        ("GET", "/v1/streaming", 3),
        ("POST", "/v1/events/many", 4),
    ):
        answers = [(await running.request(method, path)).status_code for _ in range(limit + 1)]
        assert answers == [200] * limit + [429]


async def test_media_pages_and_health_are_not_counted(served: Served) -> None:
    running = served(content="1/hour")
    for path in ("/v1/page", "/health", "/ready", "/docs", "/nothing"):
        for _ in range(3):
            answer = await running.get(path)
            assert answer.status_code in (200, 404)
            assert "x-ratelimit-limit" not in answer.headers


async def test_users_are_counted_by_name_and_strangers_by_address(served: Served) -> None:
    running = served(content="2/hour")

    async def asks(**headers: str) -> int:
        return (
            await running.get("/v1/auth/login", headers={k.replace("_", "-"): v for k, v in headers.items()})
        ).status_code

    assert [await asks(x_user="1", x_forwarded_for=f"10.0.0.{n}") for n in range(3)] == [200, 200, 429]
    assert await asks(x_user="2", x_forwarded_for="10.0.0.1") == 200
    assert [await asks(x_forwarded_for="10.0.0.1") for _ in range(3)] == [200, 200, 429]
    assert await asks(x_forwarded_for="10.0.0.2") == 200
    assert await asks(x_user="2", x_forwarded_for="10.0.0.1") == 200


async def test_an_ipv6_network_is_one_stranger(served: Served) -> None:
    running = served(content="2/hour")
    asked = ("2001:db8::1", "2001:db8::ffff:1", "2001:db8:0:0:1::", "2001:db8:0:1::", "::ffff:10.0.0.1", "10.0.0.1")
    answers = [await running.get("/v1/auth/login", headers=at(address)) for address in asked]
    assert [told(answer)[:3] for answer in answers] == [
        (200, 2, 1),
        (200, 2, 0),
        (429, 2, 0),
        (200, 2, 1),
        (200, 2, 1),
        (200, 2, 0),
    ]


async def test_an_address_told_by_a_stranger_does_not_count(served: Served) -> None:
    running = served({"server": {"port": 0, "guest": "none"}}, content="1/hour")
    answers = [await running.get("/v1/auth/login", headers=at(f"10.0.0.{n}")) for n in range(2)]
    assert [answer.status_code for answer in answers] == [200, 429]


async def test_guessing_credentials_is_counted_and_refused(served: Served) -> None:
    running = served(content="2/hour")
    for status in (401, 401, 429):
        assert told(await running.get("/v1/lists", headers={"x-user": "garbage"}))[0] == status
    assert (await running.get("/v1/lists", headers={"x-user": "1"})).status_code == 200


async def test_switched_off_nothing_is_counted(served: Served) -> None:
    running = served(enabled=False, content="1/hour")
    for _ in range(3):
        answer = await running.get("/v1/auth/login")
        assert (answer.status_code, "x-ratelimit-limit" in answer.headers) == (200, False)


@pytest.mark.parametrize("rate", ["ten/minute", "10", "0/minute", "-1/minute", "10/fortnight", "", 10, "1 / minute"])
async def test_a_rate_that_is_none_stops_the_start_with_its_line(served: Served, rate: Any) -> None:
    words = r"config.yaml:\d+: plugins.rate_limits.auth: should be a number from 1 on per second, minute, hour or day"
    with pytest.raises(ConfigError, match=words):
        await served(auth=rate).start()


async def test_another_plugin_counts_by_the_contract(served: Served) -> None:
    running = await served(auth="2/minute").start()
    limits = running.server.services.get(RateLimits)
    windows = [await limits.hit("auth", "somebody") for _ in range(3)]
    assert [(window.allowed, window.remaining) for window in windows if window] == [(True, 1), (True, 0), (False, 0)]
    assert await limits.hit("a group nobody limits", "somebody") is None
