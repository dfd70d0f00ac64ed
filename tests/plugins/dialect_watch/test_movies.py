"""`/api/movie`: the flat list, what administrators add to it, and media for whoever has the Bearer."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

from mediaserver.contracts import Actor, Storage, Streaming
from tests.plugins.dialect_watch.conftest import URL

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.plugins.dialect_watch.conftest import Client, House

    OpenHouse = Callable[..., Awaitable[House]]

pytestmark = pytest.mark.contract

FAR = {"movie_id": "tt_01", "title": "Far away", "duration": 90, "cdn_path": URL}
SHAPE = ["id", "movie_id", "title", "duration", "cdn_path", "is_active", "created_at"]
PLAYLIST = "/api/movie/ours/master.m3u8"


async def movies(client: Client) -> list[dict[str, Any]]:
    answer = await client.get("/api/movie/")
    assert answer.status_code == 200, answer.text
    assert answer.json() == (await client.get("/api/movie")).json()
    found: list[dict[str, Any]] = answer.json()
    return found


async def test_movies_of_here_and_elsewhere_are_one_list(house: House) -> None:
    ada = await house.viewer()
    await house.film(slug="ours")
    await house.far(slug="far")
    await house.far(slug="hidden", published=False)
    far, ours = await movies(ada)
    assert list(far) == list(ours) == SHAPE
    assert (far["movie_id"], far["duration"], far["cdn_path"], far["is_active"]) == ("far", 90, URL, True)
    assert (ours["movie_id"], ours["duration"], ours["cdn_path"]) == ("ours", 2, f"{await house.address()}{PLAYLIST}")
    assert isinstance(far["id"], int)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:.]+Z", far["created_at"])


async def test_no_title_holds_what_markup_is_made_of(house: House) -> None:
    ada = await house.viewer()
    await house.film(slug="ours", title="<img src=x onerror=alert(1)> & \"'`\\")
    [ours] = await movies(ada)
    assert not set("<>\"'`\\") & set(ours["title"])
    assert "img src=x" in ours["title"]


async def test_addresses_of_movies_stand_below_the_prefix(open_house: OpenHouse) -> None:
    house = await open_house(prefix="/films")
    root = await house.app.post("/films/auth/login/", json={"email": "root@example.org", "password": "a long way home"})
    await house.film(slug="ours")
    headers = {"authorization": f"Bearer {root.json()['access']}"}
    [ours] = (await house.app.get("/films/api/movie/", headers=headers)).json()
    assert ours["cdn_path"] == f"{await house.address()}/films{PLAYLIST}"


# ---- adding --------------------------------------------------------------------------------------------------


async def test_an_administrator_adds_a_movie_that_everybody_sees_everywhere(house: House) -> None:
    root, ada = await house.admin(), await house.viewer()
    assert await movies(ada) == []
    answer = await root.post("/api/movie/", **FAR)
    assert (answer.status_code, list(answer.json())) == (201, SHAPE)
    assert answer.json().items() >= (FAR | {"is_active": True}).items()
    assert await movies(ada) == [answer.json()]
    listed = (await ada.get("/v1/content/browse")).json()["content"]
    assert [(item["slug"], item["duration"]) for item in listed] == [("tt_01", 5400)]
    assert (await ada.get("/v1/streaming/tt_01/manifest")).json()["manifest_url"] == URL


async def test_a_movie_that_is_not_active_is_on_no_list(house: House) -> None:
    root = await house.admin()
    assert (await root.post("/api/movie", **FAR, is_active=False)).json()["is_active"] is False
    assert await movies(root) == []


async def test_only_administrators_add(house: House) -> None:
    for client, status in ((await house.viewer(), 403), (house.nobody, 401)):
        answer = await client.post("/api/movie/", **FAR)
        assert (answer.status_code, list(answer.json())) == (status, ["detail"])


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"movie_id": "a b"}, "movie_id"),
        ({"movie_id": 7}, "movie_id"),
        ({"title": "  "}, "title"),
        ({"title": None}, "title"),
        ({"duration": "90"}, "duration"),
        ({"duration": 0}, "duration"),
        ({"duration": True}, "duration"),
        ({"duration": 1e300}, "duration"),
        ({"cdn_path": ""}, "cdn_path"),
        ({"cdn_path": "/films/a.m3u8"}, "cdn_path"),
        ({"cdn_path": "javascript:alert(1)"}, "cdn_path"),
        ({"is_active": "false"}, "is_active"),
    ],
)
async def test_what_is_wrong_with_a_movie_is_told_by_field(house: House, changed: dict[str, Any], field: str) -> None:
    answer = await (await house.admin()).post("/api/movie/", **FAR | changed)
    assert (answer.status_code, list(answer.json())) == (400, [field])


async def test_a_movie_without_its_fields_is_told_which(house: House) -> None:
    answer = await (await house.admin()).post("/api/movie/", {})
    assert answer.status_code == 400
    assert answer.json() == {
        name: ["This field is required."] for name in ("movie_id", "title", "duration", "cdn_path")
    }


async def test_a_movie_id_is_given_once(house: House) -> None:
    root = await house.admin()
    await house.film(slug="ours")
    for path in ("/api/movie/", "/api/movie"):
        answer = await root.post(path, **FAR | {"movie_id": "ours"})
        assert (answer.status_code, list(answer.json())) == (400, ["movie_id"])


# ---- media ---------------------------------------------------------------------------------------------------


async def test_our_own_film_plays_below_its_address_with_the_bearer(house: House) -> None:
    ada = await house.viewer()
    film = await house.film()
    playlist = await ada.get(PLAYLIST)
    assert (playlist.status_code, playlist.headers["content-type"]) == (200, "application/vnd.apple.mpegurl")
    rungs = [line for line in playlist.text.splitlines() if line and not line.startswith("#")]
    assert rungs == ["480p/index.m3u8", "720p/index.m3u8"]
    media = await ada.get(f"/api/movie/ours/{rungs[0]}")
    assert (media.status_code, "000.ts" in media.text) == (200, True)
    await make_segment(house, film.id)
    segment = await ada.get("/api/movie/ours/480p/000.ts")
    assert (segment.status_code, segment.content) == (200, b"G" * 188)
    assert segment.headers["content-type"] == "video/mp2t"
    assert segment.headers["cache-control"] == "private, no-cache"
    again = await ada.request("GET", "/api/movie/ours/480p/000.ts", headers={"if-none-match": segment.headers["etag"]})
    assert again.status_code == 304
    [playing] = (await ada.get("/api/playback/active/")).json()
    assert (playing["movie"]["movie_id"], playing["device"]["device_id"]) == ("ours", "")


async def make_segment(house: House, title_id: int) -> None:
    """What a worker would have made."""
    services = house.app.server.services
    grant = await services.get(Streaming).grant(Actor(1), title_id, None)
    path = services.get(Storage).segment(grant.video_id, grant.plan_id, "480p", 0)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"G" * 188)


async def test_media_of_one_login_is_one_stream_and_one_more_login_is_too_many(open_house: OpenHouse) -> None:
    house = await open_house(limit=1)
    phone, tv = await house.viewer(), await house.sign_in("ada@example.org")
    await house.film()
    assert (await phone.get(PLAYLIST)).status_code == 200
    assert (await phone.get("/api/movie/ours/480p/index.m3u8")).status_code == 200
    for path in (PLAYLIST, "/api/movie/ours/480p/index.m3u8", "/api/movie/ours/480p/000.ts"):
        answer = await tv.get(path)
        assert (answer.status_code, list(answer.json())) == (403, ["detail"])
    house.clock.turn(241)
    assert (await tv.get(PLAYLIST)).status_code == 200


async def test_what_playlists_name_beside_segments_is_handed_out_as_at_our_own_addresses(house: House) -> None:
    phone = await house.viewer()
    await house.film()
    answer = await phone.get("/api/movie/ours/key")
    assert (answer.status_code, answer.json()) == (404, {"detail": "The segments of this film are not encrypted."})
    for name in ("audio/3/index.m3u8", "subtitles/sub-1/text.vtt", "original/index.m3u8", "original/..%2fmaster.m3u8"):
        assert (await phone.get(f"/api/movie/ours/{name}")).status_code == 404


async def test_media_is_for_those_who_are_signed_in(house: House) -> None:
    await house.film()
    for path in (PLAYLIST, "/api/movie/ours/480p/index.m3u8"):
        answer = await house.nobody.get(path)
        assert (answer.status_code, list(answer.json())) == (401, ["detail"])


async def test_what_has_no_media_here_is_not_found(house: House) -> None:
    ada = await house.viewer()
    await house.far()
    film = await house.film()
    await house.film(slug="hidden", published=False)
    for name in (
        "far/master.m3u8",
        "nothing/master.m3u8",
        "hidden/master.m3u8",
        f"{film.id}/master.m3u8",
        "ours/480p/x",
        "ours/1080p/index.m3u8",
    ):
        answer = await ada.get(f"/api/movie/{name}")
        assert (name, answer.status_code, list(answer.json())) == (name, 404, ["detail"])


async def test_a_movie_id_of_digits_is_never_the_number_of_another(house: House) -> None:
    ada = await house.viewer()
    film = await house.film()
    other = await house.film(slug=str(film.id))
    assert (await ada.get(f"/api/movie/{film.id}/master.m3u8")).status_code == 200
    [playing] = (await ada.get("/api/playback/active/")).json()
    assert playing["movie"]["id"] == other.id
