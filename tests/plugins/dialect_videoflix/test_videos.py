"""The list of what can be played."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from mediaserver.contracts import Catalog, ExternalTitle
from mediaserver.models import Location, LocationState, Title, TitleKind, TitleVideo, Video
from tests.plugins.auth_email.conftest import ADMIN
from tests.plugins.dialect_videoflix.conftest import FrontEnd

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    OpenFrontEnd = Callable[..., Awaitable[FrontEnd]]

pytestmark = pytest.mark.contract

MADE = datetime(2026, 1, 31, 20, 0, 30, tzinfo=UTC)
EVIL = "<img src=x onerror=alert(1)>"


async def add(name: str, path: str = "", *, online: bool = True, **values: Any) -> Title:
    """A title with its video, and where the file lies below the library."""
    title = await Title.create(**{"kind": TitleKind.MOVIE, "title": name, "slug": name.lower()} | values)
    video = await Video.create(fingerprint=name, size=1, duration=60.0, probe={}, online=online)
    await TitleVideo.create(title=title, video=video)
    await Location.create(
        key=name, root="/films", path=path or f"{name}.mkv", file_id=name, size=1, mtime_ns=1,
        state=LocationState.READY, reason="", video=video, seen_at=datetime.now(UTC),
    )  # fmt: skip
    return title


async def listed(front_end: FrontEnd) -> list[dict[str, Any]]:
    answer = await front_end.get("/video/")
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()
    return found


async def test_without_a_login_there_is_no_list(front_end: FrontEnd) -> None:
    for headers in ({}, {"cookie": "access_token=garbage"}, {"authorization": "Bearer garbage"}):
        answer = await front_end.get("/video/", headers=headers)
        assert (answer.status_code, answer.json().keys()) == (401, {"detail"})
        assert answer.headers["www-authenticate"] == "Bearer"


async def test_films_and_episodes_are_a_bare_list_newest_first(front_end: FrontEnd) -> None:
    film = await add("Ada", "Maths/Ada.mkv")
    await add("Eve", "Maths/Eve.mkv")
    series = await Title.create(kind=TitleKind.SERIES, title="Bees", slug="bees")
    await add("Hive", "Bees/S01E02.mkv", kind=TitleKind.EPISODE, parent=series, season=1, episode=2)
    await add("Alone")
    await add("Gone", online=False)
    await add("Hidden", published=False)
    await Title.filter(id=film.id).update(created_at=MADE)
    await front_end.sign_in()
    found = await listed(front_end)
    assert [each["title"] for each in found] == ["Alone", "Bees S01E02 Hive", "Eve", "Ada"]
    assert found[-1] == {
        "id": film.id,
        "created_at": "2026-01-31T20:00:30.000Z",
        "title": "Ada",
        "description": "",
        "thumbnail_url": "",
        "category": "Maths",
    }
    assert found[0]["category"] == "Videos"


async def test_an_administrator_is_shown_the_same_and_titles_of_elsewhere_stand_nowhere(front_end: FrontEnd) -> None:
    await add("Ada")
    await add("Hidden", published=False)
    elsewhere = ExternalTitle("far", "Far", "https://films.example.org/far.m3u8", 60.0)
    far = await front_end.house.app.server.services.get(Catalog).add_external(elsewhere)
    await front_end.sign_in(ADMIN)
    assert [each["title"] for each in await listed(front_end)] == ["Ada"]
    for name in ("master.m3u8", "480p/index.m3u8", "480p/000.ts"):
        assert (await front_end.get(f"/video/{far.id}/{name}")).status_code == 404


@pytest.mark.parametrize(
    ("title", "shown"),
    [
        ("Tom & Jerry", "Tom & Jerry"),
        ("Ocean's Eleven", "Ocean\N{RIGHT SINGLE QUOTATION MARK}s Eleven"),
        ("M*A*S*H = 100 % & more; [1972]", "M*A*S*H = 100 % & more; [1972]"),
        ("Ünïcode 映画 🎬", "Ünïcode 映画 🎬"),
        ("AT&T", "AT&\N{WORD JOINER}T"),
        ("&lt;b&#62;", "&\N{WORD JOINER}lt;b&\N{WORD JOINER}#62;"),
    ],
)
async def test_plain_titles_look_as_they_are_called(front_end: FrontEnd, title: str, shown: str) -> None:
    await add("x", title=title)
    await front_end.sign_in()
    assert (await listed(front_end))[0]["title"] == shown


async def test_no_text_holds_what_markup_or_the_script_of_an_attribute_is_made_of(front_end: FrontEnd) -> None:
    await add("x", f"{EVIL}`\\/x.mkv", title=f"{EVIL}\"'`\\")
    await add("y", f"{EVIL}`\\/y.mkv", title="y")
    await front_end.sign_in()
    for video in await listed(front_end):
        for name in ("title", "description", "category"):
            assert not set("<>\"'`\\") & set(video[name]), video
    assert {video["category"] for video in await listed(front_end)} != {"Videos"}


@pytest.mark.parametrize("ref", ["x", "0", "7", "-1", "1.5", "9999999999", "1%27", "%E2%82%AC"])
async def test_a_number_that_names_nothing_is_not_found_whatever_its_form(front_end: FrontEnd, ref: str) -> None:
    await front_end.sign_in()
    for name in ("480p/index.m3u8", "480p/000.ts", "480p/000", "480p/000/", "master.m3u8"):
        answer = await front_end.get(f"/video/{ref}/{name}")
        assert (answer.status_code, answer.json().keys()) == (404, {"detail"}), name
