"""For whom a proxy asks: only addresses count, and what is none makes nobody a stranger or a guest."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from mediaserver.testing import RunningApp

    AppWith = Callable[..., RunningApp]

TELLS = """
from mediaserver import Plugin, hookimpl, json, public
plugin = Plugin(api="1")
@hookimpl
def register_routes(registry):
    @registry.get("/v1/client", guard=public)
    async def client(request):
        return json({"client": registry.server.proxies.client(request)})
"""
PROXY = "127.0.0.1"
CLIENTS = {
    b"": PROXY,
    b"198.51.100.7": "198.51.100.7",
    b"192.0.2.9, 198.51.100.7": "198.51.100.7",
    b"198.51.100.7, 10.0.0.1": "198.51.100.7",
    b"198.51.100.7, 10.0.0.1:443": "198.51.100.7",
    b"198.51.100.7:5678": "198.51.100.7",
    b"[2001:db8::1]:5678": "2001:db8::1",
    b"[2001:db8::1]": "2001:db8::1",
    b"2001:DB8:0::1": "2001:db8::1",
    b"fe80::1%anything at all": "fe80::1",
    b"garbage, 198.51.100.7": "198.51.100.7",
    b"garbage": PROXY,
    b"unknown": PROXY,
    b"192.0.2.9, unknown": PROXY,  # who says so may be anybody
    b"192.0.2.9, unknown, 10.0.0.1": "10.0.0.1",
    b"\xff\xfe\x80": PROXY,
    b"198.51.100.7:": PROXY,
    b"198.51.100.7:5678:9": PROXY,
    b"1.2.3": PROXY,
    b"[198.51.100.7": PROXY,
    b"x" * 3000: PROXY,
    b", ,198.51.100.7, ,": "198.51.100.7",
}


@pytest.fixture
def behind(app_with: AppWith, tmp_path: Path) -> RunningApp:
    (tmp_path / "telling.py").write_text(TELLS)
    server = {"port": 0, "trusted_proxies": [PROXY, "10.0.0.0/8"]}
    return app_with(settings={"server": server}, folders=(tmp_path,), telling={})


async def test_the_client_is_the_nearest_address_that_is_no_proxy(behind: RunningApp) -> None:
    found = {}
    for told in CLIENTS:
        answer = await behind.get("/v1/client", headers=[(b"x-forwarded-for", told)])
        assert answer.status_code == 200, told
        found[told] = answer.json()["client"]
    assert found == CLIENTS


async def test_whom_a_proxy_does_not_name_is_not_the_guest_of_this_machine(behind: RunningApp) -> None:
    for told, status in ((b"127.0.0.1", 200), (b"unknown", 401), (b"\xff", 401), (b"198.51.100.7", 401)):
        answer = await behind.request("HEAD", "/v1/events", headers=[(b"x-forwarded-for", told)])
        assert answer.status_code == status, told
