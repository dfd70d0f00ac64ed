"""What an account plays on: listed, named, and forgotten, with what plays there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from .conftest import Cinema

pytestmark = pytest.mark.contract

DEVICES = "/v1/users/me/devices"


async def listed(cinema: Cinema) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await cinema.house.get(DEVICES, cinema.ada)).json()["devices"]
    return found


async def test_a_start_makes_a_device_known_and_its_owner_names_it(cinema: Cinema) -> None:
    film = await cinema.film()
    await cinema.started(cinema.ada, film, "tv", device_type="tv")
    cinema.clock.ahead(seconds=1)
    await cinema.started(cinema.ada, film, "my phone/1")
    assert [(each["device_id"], each["device_type"]) for each in await listed(cinema)] == [
        ("my phone/1", "other"),
        ("tv", "tv"),
    ]
    path = f"{DEVICES}/my%20phone%2F1"
    changed = await cinema.house.request("PUT", path, cinema.ada, json={"name": "Pocket", "device_type": "mobile"})
    assert (changed.status_code, changed.json()["name"], changed.json()["device_type"]) == (200, "Pocket", "mobile")
    assert (await cinema.house.get(path, cinema.ada)).json() == changed.json()
    cinema.clock.ahead(seconds=1)
    await cinema.started(cinema.ada, film, "my phone/1")
    assert (await cinema.house.get(path, cinema.ada)).json()["name"] == "Pocket", "a start leaves the name alone"


@pytest.mark.parametrize("name", ["", "  "])
async def test_a_device_is_not_given_an_empty_name(cinema: Cinema, name: str) -> None:
    await cinema.started(cinema.ada, await cinema.film(), "tv")
    refused = await cinema.house.request("PUT", f"{DEVICES}/tv", cinema.ada, json={"name": name})
    assert (refused.status_code, refused.json()["error"]["fields"][0]["field"]) == (400, "name")
    assert (await listed(cinema))[0]["name"].strip()


async def test_a_device_of_somebody_else_is_not_there(cinema: Cinema) -> None:
    await cinema.started(cinema.ada, await cinema.film(), "tv")
    for method in ("GET", "PUT", "DELETE"):
        told = {"json": {"name": "mine"}} if method == "PUT" else {}
        assert (await cinema.house.request(method, f"{DEVICES}/tv", cinema.bob, **told)).status_code == 404
    assert [each["device_id"] for each in await listed(cinema)] == ["tv"]


@pytest.mark.parametrize("minutes", [0, 5])
async def test_what_played_on_a_device_that_is_removed_does_not_go_on(cinema: Cinema, minutes: int) -> None:
    """Not after a long pause either, which another session would survive."""
    film = await cinema.film()
    started = await cinema.started(cinema.ada, film, "tv")
    cinema.clock.ahead(minutes=minutes)
    await cinema.started(cinema.ada, film, "phone")
    assert (await cinema.house.request("DELETE", f"{DEVICES}/tv", cinema.ada)).status_code == 204
    assert (await cinema.media(started["manifest_url"])).status_code == 403
    over = await cinema.beat(cinema.ada, film, started["session_id"])
    assert (over.status_code, over.json()["error"]["details"]) == (409, "ended")


async def test_one_device_more_than_may_be_is_told_which_to_remove(open_cinema: Callable[..., Any]) -> None:
    cinema = await open_cinema(max_devices=2, default_limit=None)
    film = await cinema.film()
    for device in ("tv", "tablet"):
        await cinema.started(cinema.ada, film, device)
        cinema.clock.ahead(seconds=1)
    await cinema.started(cinema.ada, film, "tv")
    refused = await cinema.start(cinema.ada, film, "phone")
    assert (refused.status_code, refused.json()["error"]["details"]) == (409, "tablet")
    assert (await cinema.house.request("DELETE", f"{DEVICES}/tablet", cinema.ada)).status_code == 204
    assert (await cinema.start(cinema.ada, film, "phone")).status_code == 201
