"""`/api/playback`: start, heartbeat, stop, active, at the limit and beyond."""

from __future__ import annotations

import asyncio
import math
import re
from typing import TYPE_CHECKING, Any

import pytest

from mediaserver.models import TitleKind
from tests.patience import PATIENCE
from tests.plugins.dialect_watch.conftest import URL

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.plugins.dialect_watch.conftest import Client, House

    OpenHouse = Callable[..., Awaitable[House]]

pytestmark = pytest.mark.contract

TIME = re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+Z")
STARTED = {"movie_id": "far", "device_id": "tv"}


@pytest.fixture
async def ada(house: House) -> Client:
    """Somebody with a television and a phone, and a film to watch."""
    await house.far()
    return await with_devices(await house.viewer())


async def with_devices(client: Client) -> Client:
    for name in ("tv", "phone"):
        await client.device(name)
    return client


async def active(client: Client) -> list[int]:
    return [session["id"] for session in (await client.get("/api/playback/active/")).json()]


async def heard(client: Client, number: int) -> None:
    """A heartbeat, until it is told to others: they are written once a second."""
    told = (await client.touch("heartbeat", number)).json()["last_heartbeat"]
    async with asyncio.timeout(PATIENCE):
        while (number, told) not in [
            (session["id"], session["last_heartbeat"]) for session in (await client.get("/api/playback/active/")).json()
        ]:
            await asyncio.sleep(0.05)


# ---- start ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/api/playback/start", "/api/playback/start/"])
async def test_a_movie_from_elsewhere_is_started_at_its_own_address(ada: Client, path: str) -> None:
    answer = await ada.post(path, **STARTED)
    assert answer.status_code == 201
    number = answer.json()["watch_session_id"]
    assert isinstance(number, int)
    assert answer.json() == {"watch_session_id": number, "movie_title": "Far", "movie_cdn": URL}


async def test_our_own_film_is_started_at_an_address_that_needs_no_header(house: House, ada: Client) -> None:
    await house.film()
    answer = (await ada.start("ours")).json()
    assert answer["movie_cdn"].startswith(f"{await house.address()}/v1/media/")
    assert answer["movie_cdn"].endswith("/master.m3u8")
    assert (await house.app.get(answer["movie_cdn"])).status_code == 200


@pytest.mark.parametrize(
    "told",
    [
        {},
        {"movie_id": "far"},
        {"device_id": "tv"},
        STARTED | {"movie_id": ""},
        STARTED | {"movie_id": 7},
        STARTED | {"movie_id": None},
        STARTED | {"device_id": ["tv"]},
        STARTED | {"device_id": "a" * 256},
        STARTED | {"steal": "false"},
        STARTED | {"steal": "true"},
        STARTED | {"steal": 1},
        STARTED | {"steal": None},
    ],
)
async def test_a_start_that_cannot_be_understood_is_told_so(ada: Client, told: dict[str, Any]) -> None:
    answer = await ada.post("/api/playback/start/", told)
    assert (answer.status_code, list(answer.json())) == (400, ["error"])
    assert isinstance(answer.json()["error"], str)
    assert await active(ada) == []


@pytest.mark.parametrize("what", ["start", "heartbeat", "stop"])
@pytest.mark.parametrize("text", ["[]", '"x"', "7", "{", "null"])
async def test_a_body_that_is_no_object_is_told_so(ada: Client, what: str, text: str) -> None:
    headers = {"content-type": "application/json"}
    answer = await ada.request("POST", f"/api/playback/{what}/", content=text, headers=headers)
    assert (answer.status_code, list(answer.json())) == (400, ["error"])


async def test_an_unknown_movie_or_device_is_not_found(house: House, ada: Client) -> None:
    await house.far(slug="hidden", published=False)
    await house.film(slug="series", kind=TitleKind.SERIES)
    for movie, device in (
        ("nothing", "tv"), ("hidden", "tv"), ("series", "tv"), ("far", "radio"), ("1", "tv"), ("a/b", "tv")
    ):  # fmt: skip
        answer = await ada.start(movie, device)
        assert (movie, answer.status_code, list(answer.json())) == (movie, 404, ["detail"])
    assert (await (await house.admin()).start("far", "tv")).status_code == 404  # somebody else's device


async def test_nobody_plays(house: House) -> None:
    for what in ("start", "heartbeat", "stop"):
        answer = await house.nobody.post(f"/api/playback/{what}/", {})
        assert (answer.status_code, list(answer.json())) == (401, ["detail"])
    assert (await house.nobody.get("/api/playback/active/")).status_code == 401


# ---- the limit -----------------------------------------------------------------------------------------------


async def test_over_the_limit_those_who_watch_are_named(open_house: OpenHouse) -> None:
    house = await open_house(limit=1)
    await house.far()
    ada = await with_devices(await house.viewer())
    number = await ada.started()
    answer = await ada.start(device="phone", steal=False)
    told = answer.json()
    assert answer.status_code == 409
    assert told.keys() == {"error", "limit", "active_count", "sessions"}
    assert (told["error"], told["limit"], told["active_count"]) == ("Limit reached!", 1, 1)
    [holding] = told["sessions"]
    assert holding.keys() == {"id", "device__device_id", "movie__title", "created_at", "last_heartbeat"}
    assert (holding["id"], holding["device__device_id"], holding["movie__title"]) == (number, "tv", "Far")
    assert TIME.fullmatch(holding["created_at"])
    assert TIME.fullmatch(holding["last_heartbeat"])


async def test_who_steals_takes_the_slot_that_was_quiet_for_longest(open_house: OpenHouse) -> None:
    house = await open_house(limit=2)
    await house.far()
    ada = await with_devices(await house.viewer())
    await ada.device("tablet")
    tv = await ada.started(device="tv")
    phone = await ada.started(device="phone")
    house.clock.turn(10)
    await heard(ada, tv)
    tablet = await ada.started(device="tablet", steal=True)
    assert await active(ada) == [tv, tablet]
    stolen = await ada.touch("heartbeat", phone)
    assert (stolen.status_code, stolen.json()) == (403, {"error": "Session is not active."})


async def test_media_of_a_session_that_was_stolen_is_refused(
    open_house: OpenHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the news of it: nobody asks the database again within this test."""
    monkeypatch.setattr("plugins.stream_limits.liveness.LOOK_SECONDS", math.inf)
    house = await open_house(limit=1)
    await house.film()
    ada = await with_devices(await house.viewer())
    media = (await ada.start("ours")).json()["movie_cdn"]
    assert (await house.app.get(media)).status_code == 200
    await ada.started("ours", "phone", steal=True)
    async with asyncio.timeout(PATIENCE):
        while (await house.app.get(media)).status_code != 403:
            await asyncio.sleep(0.02)


async def test_the_same_device_takes_its_own_slot_over(open_house: OpenHouse) -> None:
    house = await open_house(limit=1)
    await house.far()
    ada = await with_devices(await house.viewer())
    first = await ada.started()
    second = await ada.started()
    assert (first != second, await active(ada)) == (True, [second])
    assert (await ada.touch("heartbeat", first)).status_code == 403


async def test_who_may_not_play_at_all_is_told_so(open_house: OpenHouse) -> None:
    house = await open_house(limit=0)
    await house.far()
    answer = await (await with_devices(await house.viewer())).start()
    assert (answer.status_code, list(answer.json())) == (403, ["detail"])


# ---- heartbeat -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/api/playback/heartbeat", "/api/playback/heartbeat/"])
async def test_a_heartbeat_keeps_a_session_alive(house: House, ada: Client, path: str) -> None:
    number = await ada.started()
    for _ in range(2):
        house.clock.turn(200)
        answer = await ada.post(path, watch_session_id=number)
        assert (answer.status_code, answer.json().keys()) == (200, {"message", "last_heartbeat"})
        assert answer.json()["message"] == "Session touched"
        assert TIME.fullmatch(answer.json()["last_heartbeat"])
        await heard(ada, number)
    assert await active(ada) == [number]


@pytest.mark.parametrize("what", ["heartbeat", "stop"])
@pytest.mark.parametrize("number", [None, "", "1", 0, -1, 1.5, True, 2**31, [1], {}])
async def test_a_session_that_cannot_be_one_is_refused(ada: Client, what: str, number: Any) -> None:
    for answer in (await ada.touch(what, number), await ada.post(f"/api/playback/{what}/", {})):
        assert (answer.status_code, list(answer.json())) == (400, ["error"])


@pytest.mark.parametrize("what", ["heartbeat", "stop"])
async def test_a_session_of_somebody_else_is_not_found(house: House, ada: Client, what: str) -> None:
    number = await ada.started()
    bob = await house.viewer("bob")
    for unknown in (number, 4711):
        answer = await bob.touch(what, unknown)
        assert (answer.status_code, list(answer.json())) == (404, ["detail"])
    assert await active(ada) == [number]


# ---- stop ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/api/playback/stop", "/api/playback/stop/"])
async def test_stopping_twice_is_no_error_and_ends_it(ada: Client, path: str) -> None:
    number = await ada.started()
    for _ in range(2):
        answer = await ada.post(path, watch_session_id=number)
        assert (answer.status_code, answer.json()) == (200, {"message": "Session terminated."})
    assert await active(ada) == []
    assert (await ada.touch("heartbeat", number)).status_code == 403


# ---- active --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/api/playback/active", "/api/playback/active/"])
async def test_living_sessions_are_listed_with_movie_and_device(house: House, ada: Client, path: str) -> None:
    number = await ada.started()
    [session] = (await ada.get(path)).json()
    assert session.keys() == {"id", "movie", "device", "started_at", "last_heartbeat", "status"}
    assert (session["id"], session["status"]) == (number, "active")
    assert session["device"] == {"device_id": "tv", "name": "The tv", "device_type": "tv"}
    assert [session["movie"]] == (await ada.get("/api/movie/")).json()
    assert TIME.fullmatch(session["started_at"])
    assert (await (await house.viewer("bob")).get(path)).json() == []


async def test_who_was_not_heard_of_for_four_minutes_is_not_listed(house: House, ada: Client) -> None:
    await ada.started()
    house.clock.turn(241)
    assert await active(ada) == []


async def test_a_title_that_was_hidden_since_is_not_listed(house: House, ada: Client) -> None:
    film = await house.film()
    await ada.started("ours")
    film.published = False
    await film.save()
    assert await active(ada) == []
