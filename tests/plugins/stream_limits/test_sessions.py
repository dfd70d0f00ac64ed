"""Playback sessions over `/v1`: exactly as many as an account may have, and what each of them may."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from mediaserver.contracts import Accounts, Playback
from mediaserver.models import Title, TitleKind
from tests.patience import PATIENCE
from tests.plugins.auth_email.conftest import ADA, ADMIN

if TYPE_CHECKING:
    from collections.abc import Callable

    from .conftest import Cinema

pytestmark = pytest.mark.contract


async def test_a_start_answers_what_a_player_needs(cinema: Cinema) -> None:
    film = await cinema.film()
    started = await cinema.started(cinema.ada, film, "tv", device_type="tv")
    assert started | {"session_id": "", "manifest_url": ""} == {
        "session_id": "", "manifest_url": "", "drm_license_url": None,
        "position": 0.0, "limit": 2, "active_count": 1, "heartbeat_seconds": 30,
    }  # fmt: skip
    for name in ("master.m3u8", "480p/index.m3u8", "480p/000.ts"):
        assert (await cinema.media(started["manifest_url"], name)).status_code == 200


async def test_one_more_is_refused_and_told_who_holds_the_slots(cinema: Cinema) -> None:
    film = await cinema.film()
    for device in ("tv", "tablet"):
        await cinema.started(cinema.ada, film, device, device_type=device)
    refused = await cinema.start(cinema.ada, film, "phone")
    assert refused.status_code == 409
    error = refused.json()["error"]
    assert (error["code"], error["limit"], error["active_count"]) == ("STREAM_LIMIT_REACHED", 2, 2)
    assert [(each["device"]["name"], each["content"]["title"]) for each in error["sessions"]] == [
        ("A television", "Film"),
        ("A tablet", "Film"),
    ]
    assert all(each["started_at"].endswith("Z") for each in error["sessions"])
    assert error["message"] == (
        "All 2 streams of this account are in use: A television plays Film; A tablet plays Film. "
        "Stop one of them to play here."
    )
    assert (await cinema.start(cinema.bob, film, "phone")).status_code == 201, "the limit is the account's own"


@pytest.mark.databases
async def test_steal_takes_the_slot_of_the_oldest_heartbeat_in_one_step(cinema: Cinema) -> None:
    film = await cinema.film()
    first = await cinema.started(cinema.ada, film, "one")
    cinema.clock.ahead(seconds=5)
    second = await cinema.started(cinema.ada, film, "two")
    cinema.clock.ahead(seconds=5)
    assert (await cinema.beat(cinema.ada, film, first["session_id"])).status_code == 200
    third = await cinema.started(cinema.ada, film, "three", steal=True)
    assert third["active_count"] == 2
    stolen = await cinema.beat(cinema.ada, film, second["session_id"])
    assert stolen.status_code == 409
    assert (stolen.json()["error"]["code"], stolen.json()["error"]["details"]) == ("CONFLICT", "stolen")
    assert (await cinema.beat(cinema.ada, film, first["session_id"])).status_code == 200


async def test_a_steal_takes_nothing_where_a_slot_is_free(cinema: Cinema) -> None:
    film = await cinema.film()
    first = await cinema.started(cinema.ada, film, "one")
    await cinema.started(cinema.ada, film, "two", steal=True)
    assert (await cinema.beat(cinema.ada, film, first["session_id"])).status_code == 200


async def test_the_same_device_takes_its_own_slot_over(cinema: Cinema) -> None:
    film = await cinema.film()
    crashed = await cinema.started(cinema.ada, film, "tv")
    again = await cinema.started(cinema.ada, film, "tv")
    assert again["active_count"] == 1
    over = await cinema.beat(cinema.ada, film, crashed["session_id"])
    assert (over.status_code, over.json()["error"]["details"]) == (409, "ended")
    without_device = await cinema.started(cinema.ada, film)
    assert (await cinema.started(cinema.ada, film))["active_count"] == 2, "the login stands for a device"
    assert (await cinema.beat(cinema.ada, film, without_device["session_id"])).status_code == 409


@pytest.mark.databases
async def test_a_session_expires_without_a_heartbeat_and_revives_where_a_slot_is_free(cinema: Cinema) -> None:
    film = await cinema.film()
    first = await cinema.started(cinema.ada, film, "one")
    await cinema.started(cinema.ada, film, "two")
    cinema.clock.ahead(seconds=239)
    assert len(await cinema.sessions(cinema.ada)) == 2
    cinema.clock.ahead(seconds=1)
    assert await cinema.sessions(cinema.ada) == []
    revived = await cinema.beat(cinema.ada, film, first["session_id"], 4.0)
    assert revived.status_code == 200
    await cinema.started(cinema.ada, film, "three")
    cinema.clock.ahead(seconds=240)
    await cinema.started(cinema.ada, film, "four")
    await cinema.started(cinema.ada, film, "five")
    full = await cinema.beat(cinema.ada, film, first["session_id"])
    assert full.status_code == 409
    assert full.json()["error"]["details"] == "expired"


@pytest.mark.databases
async def test_a_clock_that_is_set_back_keeps_no_slot_held(cinema: Cinema) -> None:
    film = await cinema.film()
    await cinema.started(cinema.ada, film)
    cinema.clock.ahead(hours=-1)
    playback: Any = cinema.house.app.server.services.get(Playback)
    await playback.sweep()  # as a worker does every 30 s
    cinema.clock.ahead(seconds=240)
    assert await cinema.sessions(cinema.ada) == []


async def test_a_heartbeat_keeps_a_session_and_so_does_a_request_for_media(cinema: Cinema) -> None:
    film = await cinema.film()
    told = await cinema.started(cinema.ada, film, "one")
    fetched = await cinema.started(cinema.ada, film, "two")
    for _ in range(3):
        cinema.clock.ahead(seconds=200)
        assert (await cinema.beat(cinema.ada, film, told["session_id"])).status_code == 200
        assert (await cinema.media(fetched["manifest_url"])).status_code == 200
    assert len(await cinema.sessions(cinema.ada)) == 2


@pytest.mark.databases
async def test_where_somebody_left_is_where_the_next_start_begins(cinema: Cinema) -> None:
    film = await cinema.film()
    first = await cinema.started(cinema.ada, film, "tv")
    assert (await cinema.beat(cinema.ada, film, first["session_id"], 5.5)).json()["position"] == 5.5
    assert (await cinema.stop(cinema.ada, film, first["session_id"], position=6.5)).status_code == 200
    cinema.clock.ahead(seconds=1)
    second = await cinema.started(cinema.ada, film, "tablet")
    assert second["position"] == 6.5
    assert (await cinema.stop(cinema.ada, film, second["session_id"], position=11.9)).status_code == 200
    cinema.clock.ahead(seconds=1)
    assert (await cinema.started(cinema.ada, film, "tablet"))["position"] == 0.0, "it was seen to the end"


async def test_a_stop_is_answered_in_any_state(cinema: Cinema) -> None:
    film = await cinema.film()
    session = (await cinema.started(cinema.ada, film))["session_id"]
    for _ in range(2):
        assert (await cinema.stop(cinema.ada, film, session)).status_code == 200
    assert (await cinema.beat(cinema.ada, film, session)).json()["error"]["details"] == "ended"
    assert await cinema.sessions(cinema.ada) == []


@pytest.mark.parametrize("what", ["progress", "stop"])
async def test_a_session_of_somebody_else_is_not_there(cinema: Cinema, what: str) -> None:
    film = await cinema.film()
    session = (await cinema.started(cinema.ada, film))["session_id"]
    told = {"session_id": session, "position": 1.0}
    method = "PUT" if what == "progress" else "POST"
    for number in (session, "999999"):
        answer = await cinema.house.request(
            method, f"/v1/streaming/{film}/{what}", cinema.bob, json=told | {"session_id": number}
        )
        assert answer.status_code == 404
    assert (await cinema.house.request("DELETE", f"/v1/streaming/sessions/{session}", cinema.bob)).status_code == 404
    assert len(await cinema.sessions(cinema.ada)) == 1


async def test_a_session_is_listed_to_its_account_and_to_administrators(cinema: Cinema) -> None:
    film = await cinema.film()
    session = (await cinema.started(cinema.ada, film, "tv", device_type="tv"))["session_id"]
    await cinema.started(cinema.bob, film)
    [mine] = await cinema.sessions(cinema.ada)
    assert (mine["id"], mine["content"], mine["device"]["device_id"]) == (session, {"id": film, "title": "Film"}, "tv")
    root = await cinema.login(ADMIN)
    assert len(await cinema.sessions(root)) == 2
    assert (await cinema.house.request("DELETE", f"/v1/streaming/sessions/{session}", root)).status_code == 204
    assert await cinema.sessions(cinema.ada) == []
    assert (await cinema.house.request("DELETE", "/v1/streaming/sessions/999999", root)).status_code == 404


@pytest.mark.parametrize(
    "wrong",
    [
        {"steal": "false"}, {"steal": 0}, {"steal": None}, {"device_id": 7}, {"device_id": ""}, {"device_id": "a\nb"},
        {"device_id": "x" * 256}, {"device_type": "fridge"}, {"quality": "240p"},
    ],
)  # fmt: skip
async def test_a_start_with_a_wrong_type_is_told_which(cinema: Cinema, wrong: dict[str, Any]) -> None:
    film = await cinema.film()
    answer = await cinema.house.request("POST", f"/v1/streaming/{film}/start", cinema.ada, json=wrong)
    assert answer.status_code == 400
    assert answer.json()["error"]["fields"][0]["field"] == next(iter(wrong))


@pytest.mark.parametrize(
    "wrong",
    [
        {"session_id": "x"}, {"session_id": 1.5}, {"session_id": True}, {"session_id": "99999999999"}, {"position": -1},
        {"position": "5"}, {"position": 1e9}, {"position": None}, {"duration": "long"},
    ],
)  # fmt: skip
async def test_progress_with_a_wrong_value_is_told_which(cinema: Cinema, wrong: dict[str, Any]) -> None:
    film = await cinema.film()
    session = (await cinema.started(cinema.ada, film))["session_id"]
    told = {"session_id": session, "position": 1.0} | wrong
    answer = await cinema.house.request("PUT", f"/v1/streaming/{film}/progress", cinema.ada, json=told)
    assert answer.status_code == 400
    assert answer.json()["error"]["fields"][0]["field"] == next(iter(wrong))


async def test_a_session_that_cannot_be_one_is_told_in_a_sentence(cinema: Cinema) -> None:
    film = await cinema.film()
    error = (await cinema.beat(cinema.ada, film, "xxx")).json()["error"]
    assert error["fields"] == [{"field": "session_id", "problem": "Should be the number of a session."}]


async def test_what_is_missing_is_named_and_what_is_no_object_refused(cinema: Cinema) -> None:
    film = await cinema.film()
    for method, what, missing in (("PUT", "progress", "session_id"), ("POST", "stop", "session_id")):
        answer = await cinema.house.request(method, f"/v1/streaming/{film}/{what}", cinema.ada)
        assert answer.status_code == 400
        assert missing in {fault["field"] for fault in answer.json()["error"]["fields"]}
    assert (await cinema.house.request("POST", f"/v1/streaming/{film}/start", cinema.ada, json=[])).status_code == 400
    for ref in ("999999", "no-such-film", "0", "-1"):
        assert (await cinema.start(cinema.ada, ref)).status_code == 404
    assert (await cinema.start("", film)).status_code == 401


@pytest.mark.databases
async def test_a_crowd_of_starts_is_given_exactly_the_limit(cinema: Cinema) -> None:
    film = await cinema.film()
    await cinema.house.app.server.services.get(Accounts).set_stream_limit(cinema.ids[ADA["email"]], 3)
    answers = await asyncio.gather(*(cinema.start(cinema.ada, film, f"device {number}") for number in range(40)))
    assert sorted(answer.status_code for answer in answers) == [201] * 3 + [409] * 37
    assert len(await cinema.sessions(cinema.ada)) == 3


async def test_an_account_without_a_limit_plays_on_and_one_with_none_not_at_all(cinema: Cinema) -> None:
    film = await cinema.film()
    accounts = cinema.house.app.server.services.get(Accounts)
    await accounts.set_stream_limit(cinema.ids[ADA["email"]], None)
    for number in range(5):
        assert (await cinema.started(cinema.ada, film, f"device {number}"))["limit"] is None
    await accounts.set_stream_limit(cinema.ids[ADA["email"]], 0)
    assert (await cinema.start(cinema.ada, film, "device 6")).status_code == 403
    async with asyncio.timeout(PATIENCE):
        while await cinema.sessions(cinema.ada):
            await asyncio.sleep(0.02)


async def test_guests_are_not_counted_and_see_nothing_of_each_other(open_cinema: Callable[..., Any]) -> None:
    cinema = await open_cinema({"server": {"port": 0, "guest": "viewer"}}, default_limit=1)
    film = await cinema.film()
    for number in (1, 2, 3):
        started = await cinema.started("", film)
        assert (started["limit"], started["active_count"]) == (None, number)
    root = await cinema.login(ADMIN)
    assert len(await cinema.sessions(root)) == 3
    assert await cinema.sessions("") == []
    assert (await cinema.house.get("/v1/users/me/devices")).status_code == 403
    assert (await cinema.media(await cinema.manifest("", film))).status_code == 200
    assert len(await cinema.sessions(root)) == 3, "what is fetched without a start is no session"
    assert (await cinema.stop("", film, started["session_id"])).status_code == 200
    assert (await cinema.media(started["manifest_url"])).status_code == 403


async def test_the_api_keys_of_an_account_are_one_login(cinema: Cinema) -> None:
    film, house = await cinema.film(), cinema.house
    for name in ("kitchen", "cellar"):
        made = (await house.post("/v1/auth/api-keys", cinema.ada, name=name, scopes=["streaming"])).json()
        path, headers = f"/v1/streaming/{film}/start", {"x-api-key": made["key"]}
        answer = await house.request("POST", path, json={}, headers=headers)
        assert (answer.status_code, answer.json()["active_count"]) == (201, 1), "the second takes over"


async def test_a_film_that_cannot_be_played_costs_nobody_a_slot(cinema: Cinema) -> None:
    film = await cinema.film()
    await cinema.started(cinema.ada, film, "one")
    await cinema.started(cinema.ada, film, "two")
    empty = await Title.create(kind=TitleKind.MOVIE, title="Empty", slug="empty")
    assert (await cinema.start(cinema.ada, str(empty.id), "three", steal=True)).status_code == 503
    assert len(await cinema.sessions(cinema.ada)) == 2


async def test_the_limit_is_a_setting(open_cinema: Callable[..., Any]) -> None:
    cinema = await open_cinema(default_limit=1, session_timeout_seconds=10)
    film = await cinema.film()
    await cinema.started(cinema.ada, film, "one")
    refused = await cinema.start(cinema.ada, film, "two")
    assert refused.json()["error"]["message"] == (
        "The one stream of this account is in use: An app plays Film. Stop it to play here."
    )
    cinema.clock.ahead(seconds=10)
    assert (await cinema.start(cinema.ada, film, "two")).status_code == 201
