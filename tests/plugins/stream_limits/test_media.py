"""Tokens of media: good for one session, and no longer than it."""

from __future__ import annotations

import asyncio
import math
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from tortoise.exceptions import OperationalError

from mediaserver.events import TitleChanged
from mediaserver.models import Title
from plugins.stream_limits.heartbeats import TRIES, Beat, Heartbeats
from tests.patience import PATIENCE
from tests.plugins.auth_email.conftest import ADA

from .conftest import PLUGINS, Cinema

if TYPE_CHECKING:
    from collections.abc import Callable

    from mediaserver.contracts import MediaInfo

pytestmark = pytest.mark.contract

HOUSE_RULES = """
from pathlib import Path

from mediaserver import Plugin, hookimpl
from mediaserver.contracts import Refusal, TitleLimit

plugin = Plugin(api="1")


@hookimpl
def may_play(actor):
    return Refusal("It is late.") if Path(__file__).with_name("may_play").exists() else None


@hookimpl
def limit_titles(actor):
    return TitleLimit(kinds=frozenset()) if Path(__file__).with_name("limit_titles").exists() else None
"""
EVERYTHING = (
    "master.m3u8", "480p/index.m3u8", "audio/1/index.m3u8", "audio/1/000.ts", "subtitles/e1/index.m3u8",
    "subtitles/e1/text.vtt", "sprites.vtt", "sprites/000.jpg", "original", "original/index.m3u8", "original/000.ts",
    "key",
)  # fmt: skip


@pytest.fixture
def only_news(monkeypatch: pytest.MonkeyPatch) -> None:
    """What this server remembers it does not ask for again within this test, so that only news tell it better."""
    for name in ("liveness.LOOK_SECONDS", "permissions.FRESH_SECONDS", "permissions.ASKED_SECONDS"):
        monkeypatch.setattr(f"plugins.stream_limits.{name}", math.inf)


async def over(cinema: Cinema, manifest: str) -> httpx.Response:
    """The answer once the session is over, however long it takes until that is heard."""
    async with asyncio.timeout(PATIENCE):
        while (answer := await cinema.media(manifest)).status_code == 200:
            await asyncio.sleep(0.02)
    return answer


@pytest.mark.usefixtures("only_news")
@pytest.mark.parametrize("how", ["stop", "steal", "logout", "take over", "remove the device", "delete the account"])
async def test_a_session_that_is_over_gets_no_segment(cinema: Cinema, how: str) -> None:
    film = await cinema.film()
    started = await cinema.started(cinema.ada, film, "tv")
    await cinema.started(cinema.ada, film, "tablet")
    assert (await cinema.media(started["manifest_url"])).status_code == 200
    house, ada = cinema.house, cinema.ada
    match how:
        case "stop":
            await cinema.stop(ada, film, started["session_id"])
        case "steal":
            cinema.clock.ahead(seconds=1)
            await cinema.media((await cinema.started(ada, film, "tablet"))["manifest_url"])
            await cinema.started(ada, film, "phone", steal=True)
        case "logout":
            assert (await house.post("/v1/auth/logout", ada)).status_code == 200
        case "take over":
            await cinema.started(ada, film, "tv")
        case "remove the device":
            assert (await house.request("DELETE", "/v1/users/me/devices/tv", ada)).status_code == 204
        case "delete the account":
            assert (await house.request("DELETE", "/v1/users/me", ada)).status_code == 204
    answer = await over(cinema, started["manifest_url"])
    assert answer.status_code == 403
    assert answer.json()["error"]["code"] == "FORBIDDEN"
    for name in EVERYTHING:
        assert (await cinema.media(started["manifest_url"], name)).status_code == 403, name


@pytest.mark.usefixtures("only_news")
async def test_what_an_api_key_plays_ends_with_the_key(cinema: Cinema) -> None:
    film = await cinema.film()
    made = (await cinema.house.post("/v1/auth/api-keys", cinema.ada, name="tv", scopes=["streaming"])).json()
    asked = await cinema.house.request("GET", f"/v1/streaming/{film}/manifest", headers={"x-api-key": made["key"]})
    manifest = asked.json()["manifest_url"]
    assert (await cinema.media(manifest)).status_code == 200
    assert len(await cinema.sessions(cinema.ada)) == 1
    assert (await cinema.house.request("DELETE", f"/v1/auth/api-keys/{made['id']}", cinema.ada)).status_code == 204
    assert (await over(cinema, manifest)).status_code == 403


async def test_a_title_that_another_process_has_yet_to_tell_changes_no_session_that_was_started(cinema: Cinema) -> None:
    film, other = await cinema.film(), await cinema.film("Other")
    assert (await cinema.media(await cinema.manifest(cinema.ada, film))).status_code == 200
    started = await cinema.started(cinema.ada, film)
    late = Heartbeats(cinema.house.app.server.db)
    late.note(int(started["session_id"]), Beat(cinema.clock.now().timestamp(), title_id=int(other)))
    await late.write()
    [session] = await cinema.sessions(cinema.ada)
    assert session["content"]["title"] == "Film"
    assert (await cinema.beat(cinema.ada, film, started["session_id"])).status_code == 200


async def test_where_a_viewer_left_is_known_however_long_the_database_refused_to_write_it(cinema: Cinema) -> None:
    """The last beat of a page that is closed comes once."""
    started = await cinema.started(cinema.ada, await cinema.film())
    database = cinema.house.app.server.db
    last = Heartbeats(database)
    last.note(int(started["session_id"]), Beat(cinema.clock.now().timestamp(), position=7.0))
    await database.fetch("ALTER TABLE stream_limits_session RENAME TO away")
    for _ in range(2 * TRIES):
        with pytest.raises(OperationalError):
            await last.write()
    await database.fetch("ALTER TABLE away RENAME TO stream_limits_session")
    [(row, beat)] = await last.write()
    assert (row["id"], beat.position) == (int(started["session_id"]), 7.0)


async def test_where_one_film_was_left_says_nothing_of_the_next(cinema: Cinema) -> None:
    film, other = await cinema.film(), await cinema.film("Other")
    assert (await cinema.media(await cinema.manifest(cinema.ada, film))).status_code == 200
    [session] = await cinema.sessions(cinema.ada)
    assert (await cinema.beat(cinema.ada, film, session["id"], 4.0)).status_code == 200
    await cinema.sessions(cinema.ada)  # which writes what was told
    assert (await cinema.media(await cinema.manifest(cinema.ada, other))).status_code == 200
    assert (await cinema.started(cinema.ada, other))["position"] == 0.0


async def test_a_removed_device_does_not_come_back_with_what_it_played_before(cinema: Cinema) -> None:
    film = await cinema.film()
    started = await cinema.started(cinema.ada, film, "lost")
    cinema.clock.ahead(minutes=5)
    await cinema.started(cinema.ada, film, "other")  # which expires what the lost one played
    assert (await cinema.house.request("DELETE", "/v1/users/me/devices/lost", cinema.ada)).status_code == 204
    assert (await cinema.media(started["manifest_url"])).status_code == 403
    assert (await cinema.beat(cinema.ada, film, started["session_id"])).status_code == 409


async def test_of_two_sessions_that_a_login_stands_for_the_one_that_lives_goes_on(cinema: Cinema) -> None:
    film = await cinema.film()
    started = await cinema.started(cinema.ada, film)
    cinema.clock.ahead(minutes=5)
    manifest = await cinema.manifest(cinema.ada, film)
    assert (await cinema.media(manifest)).status_code == 200
    ended = await cinema.beat(cinema.ada, film, started["session_id"])
    assert (ended.status_code, ended.json()["error"]["details"]) == (409, "ended")
    assert (await cinema.media(started["manifest_url"])).status_code == 403
    assert (await cinema.media(manifest)).status_code == 200


@pytest.mark.sqlite
async def test_a_start_while_the_database_is_locked_for_long_is_told_to_try_again(cinema: Cinema) -> None:
    film, database = await cinema.film(), cinema.house.app.server.db
    await database.fetch("PRAGMA busy_timeout = 50")
    with closing(sqlite3.connect(database.file, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        refused = await cinema.start(cinema.ada, film)
    assert (refused.status_code, refused.json()["error"]["code"]) == (503, "SERVICE_UNAVAILABLE")
    assert (await cinema.start(cinema.ada, film)).status_code == 201


@pytest.mark.sqlite
async def test_a_start_on_a_full_disk_says_so_and_works_when_there_is_room(cinema: Cinema) -> None:
    film, database = await cinema.film(), cinema.house.app.server.db
    [before] = await database.fetch("PRAGMA max_page_count")
    await database.fetch("PRAGMA max_page_count = 1")  # no more than there are
    with pytest.raises(OperationalError, match="full"):
        while True:
            await database.fetch("INSERT INTO core_change (kind, payload, at) VALUES ('filler', '{}', 0)")
    refused = await cinema.start(cinema.ada, film)
    assert (refused.status_code, refused.json()["error"]["code"]) == (507, "INSUFFICIENT_STORAGE")
    await database.fetch(f"PRAGMA max_page_count = {before['max_page_count']}")
    assert (await cinema.start(cinema.ada, film)).status_code == 201


async def test_a_start_while_its_device_is_removed_is_refused_at_worst(cinema: Cinema) -> None:
    film = await cinema.film()

    async def remove() -> httpx.Response:
        return await cinema.house.request("DELETE", "/v1/users/me/devices/tv", cinema.ada)

    for _ in range(20):
        answers = await asyncio.gather(
            cinema.start(cinema.ada, film, "tv"), remove(), cinema.start(cinema.ada, film, "tv"), remove()
        )
        assert {answer.status_code for answer in answers} <= {201, 204, 404}


async def test_a_token_opens_nothing_else(cinema: Cinema) -> None:
    film, other = await cinema.film(), await cinema.film("Other")
    token = (await cinema.started(cinema.ada, film))["manifest_url"].split("/")[-2]
    for path in ("/v1/content/browse", f"/v1/streaming/{other}/manifest", "/v1/users/me"):
        assert (await cinema.house.get(path, token)).status_code == 401
    address = await cinema.manifest(cinema.ada, other)
    assert (await cinema.house.app.get(f"/v1/media/{token[:-2]}aa/master.m3u8")).status_code == 403
    assert token not in address


@pytest.mark.databases
async def test_a_film_fetched_without_a_start_opens_one_session_for_the_login(cinema: Cinema) -> None:
    film, other = await cinema.film(), await cinema.film("Other")
    first, second = await cinema.manifest(cinema.ada, film), await cinema.manifest(cinema.ada, other)
    assert await cinema.sessions(cinema.ada) == [], "it takes a slot with its first playlist"
    answers = await asyncio.gather(*(cinema.media(each, "480p/index.m3u8") for each in (first, second) * 4))
    assert {answer.status_code for answer in answers} == {200}
    assert len(await cinema.sessions(cinema.ada)) == 1
    again = await cinema.manifest(await cinema.login(ADA), film)
    assert (await cinema.media(again)).status_code == 200
    assert len(await cinema.sessions(cinema.ada)) == 2, "another login is another stream"
    third = await cinema.manifest(await cinema.login(ADA), film)
    full = await cinema.media(third, "master.m3u8")
    assert (full.status_code, full.json()["error"]["code"]) == (409, "STREAM_LIMIT_REACHED")


@pytest.mark.parametrize("fetched", [True, False])
async def test_a_later_start_of_the_login_takes_its_session_over(cinema: Cinema, *, fetched: bool) -> None:
    film = await cinema.film()
    manifest = await cinema.manifest(cinema.ada, film)
    if fetched:
        assert (await cinema.media(manifest)).status_code == 200
    started = await cinema.started(cinema.ada, film, "tv")
    assert started["active_count"] == 1
    for address in (manifest, started["manifest_url"], await cinema.manifest(cinema.ada, film)):
        assert (await cinema.media(address)).status_code == 200
    assert len(await cinema.sessions(cinema.ada)) == 1
    assert (await cinema.beat(cinema.ada, film, started["session_id"])).status_code == 200


async def test_a_manifest_is_bound_to_the_session_that_is_named(cinema: Cinema) -> None:
    film, other = await cinema.film(), await cinema.film("Other")
    started = await cinema.started(cinema.ada, film, "tv")
    address = await cinema.manifest(cinema.ada, film, session_id=started["session_id"])
    await cinema.stop(cinema.ada, film, started["session_id"])
    assert (await cinema.media(address)).status_code == 403
    asked: list[tuple[str, str, int]] = [
        (cinema.ada, film, 409), (cinema.bob, film, 404), (cinema.ada, other, 404),
    ]  # fmt: skip
    for token, title, status in asked:
        answer = await cinema.house.get(f"/v1/streaming/{title}/manifest?session_id={started['session_id']}", token)
        assert answer.status_code == status
    for wrong in ("x", "", "1.5"):
        answer = await cinema.house.get(f"/v1/streaming/{film}/manifest?session_id={wrong}", cinema.ada)
        assert answer.status_code == 400


async def test_a_pause_of_five_minutes_is_followed_by_play(cinema: Cinema) -> None:
    film = await cinema.film()
    started = await cinema.started(cinema.ada, film, "tv")
    cinema.clock.ahead(minutes=5)
    assert await cinema.sessions(cinema.ada) == []
    answers = await asyncio.gather(*(cinema.media(started["manifest_url"], f"480p/00{each}.ts") for each in (0, 1, 2)))
    assert [answer.status_code for answer in answers] == [200, 200, 200]
    assert len(await cinema.sessions(cinema.ada)) == 1


async def test_a_pause_during_which_others_took_the_slots_is_told(cinema: Cinema) -> None:
    film = await cinema.film()
    started = await cinema.started(cinema.ada, film, "tv")
    cinema.clock.ahead(minutes=5)
    await cinema.started(cinema.ada, film, "one")
    two = await cinema.started(cinema.ada, film, "two")
    full = await cinema.media(started["manifest_url"])
    assert (full.status_code, full.json()["error"]["code"]) == (409, "STREAM_LIMIT_REACHED")
    await cinema.stop(cinema.ada, film, two["session_id"])
    assert (await cinema.media(started["manifest_url"])).status_code == 200


async def test_a_title_that_is_hidden_stops_within_the_film(cinema: Cinema) -> None:
    film = await cinema.film()
    started = await cinema.started(cinema.ada, film)
    assert (await cinema.media(started["manifest_url"])).status_code == 200
    await Title.filter(id=int(film)).update(published=False)
    await cinema.house.app.server.changes.record(TitleChanged(int(film)))
    assert (await over(cinema, started["manifest_url"])).status_code == 403
    assert (await cinema.start(cinema.ada, film)).status_code == 404


@pytest.mark.parametrize(("rule", "status"), [("may_play", 403), ("limit_titles", 404)])
async def test_what_another_plugin_refuses_holds_at_the_start_and_down_to_the_segment(
    open_house: Callable[..., Any], probed: MediaInfo, tmp_path: Path, rule: str, status: int
) -> None:
    (tmp_path / "house_rules.py").write_text(HOUSE_RULES)
    settings = {"server": {"port": 0}, "plugin_folders": [str(tmp_path), str(Path("plugins").absolute())]}
    plugins = {**PLUGINS, "stream_limits": {}, "house_rules": {}}
    cinema = await Cinema(await open_house(plugins, settings), probed).open()
    film = await cinema.film()
    manifest = (await cinema.started(cinema.ada, film))["manifest_url"]
    assert (await cinema.media(manifest)).status_code == 200
    (tmp_path / rule).touch()
    await cinema.house.app.server.changes.record(TitleChanged(int(film)))
    assert (await over(cinema, manifest)).status_code == 403
    assert (await cinema.start(cinema.ada, film)).status_code == status
    assert (await cinema.house.get(f"/v1/streaming/{film}/manifest", cinema.ada)).status_code == status


async def test_what_a_plugin_refuses_without_telling_so_is_found_out_while_the_film_plays(
    open_house: Callable[..., Any], probed: MediaInfo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Asked ahead: nobody who may play waits for it."""
    (tmp_path / "house_rules.py").write_text(HOUSE_RULES)
    settings = {"server": {"port": 0}, "plugin_folders": [str(tmp_path), str(Path("plugins").absolute())]}
    cinema = await Cinema(
        await open_house({**PLUGINS, "stream_limits": {}, "house_rules": {}}, settings), probed
    ).open()
    manifest = (await cinema.started(cinema.ada, await cinema.film()))["manifest_url"]
    (tmp_path / "may_play").touch()
    assert (await cinema.media(manifest)).status_code == 200, "the answer is fresh"
    monkeypatch.setattr("plugins.stream_limits.permissions.FRESH_SECONDS", 0.0)
    assert (await cinema.media(manifest)).status_code == 200, "the answer is asked for meanwhile"
    assert (await over(cinema, manifest)).status_code == 403


async def test_what_a_guest_fetches_ends_with_the_title(open_cinema: Callable[..., Any]) -> None:
    cinema = await open_cinema({"server": {"port": 0, "guest": "viewer"}})
    film = await cinema.film()
    manifest = await cinema.manifest("", film)
    await Title.filter(id=int(film)).update(published=False)
    assert (await cinema.media(manifest)).status_code == 403


async def test_quality_chooses_the_playlist(cinema: Cinema) -> None:
    film = await cinema.film()
    chosen: dict[str, Any] = {"480p": "/480p/index.m3u8", "1080p": "/master.m3u8", "auto": "/master.m3u8"}
    for quality, ending in chosen.items():
        assert (await cinema.started(cinema.ada, film, "tv", quality=quality))["manifest_url"].endswith(ending)
