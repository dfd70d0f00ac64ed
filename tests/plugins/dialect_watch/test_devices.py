"""`/api/device`: what somebody watches on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from mediaserver.errors import ConfigError
from tests.plugins.dialect_watch.conftest import ADMIN, Client

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from mediaserver.testing import RunningApp
    from tests.plugins.dialect_watch.conftest import House

pytestmark = pytest.mark.contract

DAY = 24 * 3600
TV = {"device_id": "tv-1", "name": "Living room", "device_type": "tv"}


async def test_a_device_is_saved_once_and_changed_after(house: House) -> None:
    ada = await house.viewer()
    for path, created in (("/api/device/", True), ("/api/device", False)):
        answer = await ada.post(path, **TV)
        assert (answer.status_code, answer.json()) == (201, {"device_id": "tv-1", "created": created})
    await ada.post("/api/device/", **TV | {"name": "Kitchen"})
    for path in ("/api/device/", "/api/device"):
        assert (await ada.get(path)).json() == [TV | {"name": "Kitchen"}]


async def test_devices_are_their_owner_s(house: House) -> None:
    ada, bob = await house.viewer(), await house.viewer("bob")
    await ada.post("/api/device/", **TV)
    assert (await bob.get("/api/device/")).json() == []
    assert (await bob.post("/api/device/", **TV)).json()["created"] is True


async def test_a_device_says_no_more_than_its_id_if_it_likes(house: House) -> None:
    ada = await house.viewer()
    assert (await ada.post("/api/device/", device_id="x")).status_code == 201
    [device] = (await ada.get("/api/device/")).json()
    assert (device["device_id"], device["device_type"]) == ("x", "other")


@pytest.mark.parametrize(
    ("told", "field"),
    [
        ({}, "device_id"),
        (TV | {"device_id": ""}, "device_id"),
        (TV | {"device_id": 7}, "device_id"),
        (TV | {"device_id": "a" * 256}, "device_id"),
        (TV | {"device_id": "a\u0000"}, "device_id"),
        (TV | {"name": None}, "name"),
        (TV | {"device_type": "toaster"}, "device_type"),
        (TV | {"device_type": 1}, "device_type"),
    ],
)
async def test_what_is_wrong_with_a_device_is_told_by_field(house: House, told: dict[str, Any], field: str) -> None:
    answer = await (await house.viewer()).post("/api/device/", told)
    assert (answer.status_code, list(answer.json())) == (400, [field])


@pytest.mark.parametrize("text", ["[]", '"x"', "7", "{", "null"])
async def test_a_body_that_is_no_object_is_told_so(house: House, text: str) -> None:
    headers = {"content-type": "application/json"}
    answer = await (await house.viewer()).request("POST", "/api/device/", content=text, headers=headers)
    assert (answer.status_code, list(answer.json())) == (400, ["detail"])


async def test_one_device_more_than_may_be_is_told_so(app_with: Callable[..., RunningApp]) -> None:
    app = app_with(
        auth_email={"bcrypt_rounds": 4, "admin_email": ADMIN["email"], "admin_password": ADMIN["password"]},
        catalog={}, hls_transcoder={}, stream_limits={"max_devices": 1}, dialect_watch={},
    )  # fmt: skip
    login = await app.post("/auth/login/", json=ADMIN)
    root = Client(app, login.json()["access"])
    assert (await root.post("/api/device/", device_id="one")).status_code == 201
    answer = await root.post("/api/device/", device_id="two")
    assert (answer.status_code, list(answer.json())) == (409, ["detail"])


async def test_a_device_that_plays_is_not_forgotten(house: House) -> None:
    """Its app tells of it once and starts for years; what was not seen for 90 days is forgotten."""
    ada = await house.viewer()
    await house.far()
    for name in ("tv", "radio"):
        await ada.device(name)
    for _ in range(2):
        house.clock.turn(60 * DAY)
        ada = await house.sign_in("ada@example.org")
        await ada.started(device="tv")
    await ada.device("phone")
    assert {device["device_id"] for device in (await ada.get("/api/device/")).json()} == {"tv", "phone"}


async def test_a_guest_has_no_devices(app_with: Callable[..., RunningApp]) -> None:
    app = app_with(
        settings={"server": {"port": 0, "guest": "viewer"}},
        auth_email={}, catalog={}, hls_transcoder={}, stream_limits={}, dialect_watch={},
    )  # fmt: skip
    for answer in (await app.get("/api/device/"), await app.post("/api/device/", json=TV)):
        assert (answer.status_code, list(answer.json())) == (403, ["detail"])


@pytest.mark.parametrize("prefix", ["/", "films", "/films/", "/a b"])
async def test_a_prefix_that_is_none_stops_the_start_and_tells_what_would_do(
    open_house: Callable[..., Awaitable[House]], prefix: str
) -> None:
    said = (
        r"config.yaml:\d+: plugins.dialect_watch.prefix: should be empty, or begin with a slash and not end with one, "
    )
    with pytest.raises(ConfigError, match=said):
        await open_house(prefix=prefix)


async def test_nobody_is_told_of_devices(open_house: Callable[..., Awaitable[House]]) -> None:
    house = await open_house(prefix="/films")
    for method in ("GET", "POST"):
        answer = await house.app.request(method, "/films/api/device/", json=TV)
        assert (answer.status_code, list(answer.json())) == (401, ["detail"])
    assert (await house.app.get("/api/device/")).status_code == 404
