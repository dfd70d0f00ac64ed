"""Titles that play from another server: one address, listed like any film."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from mediaserver.contracts import Actor, Catalog, ExternalTitle
from mediaserver.errors import Conflict, InvalidRequest
from mediaserver.models import Title, TitleKind, TitleVideo, Video

if TYPE_CHECKING:
    from collections.abc import Callable

    from mediaserver.testing import RunningApp

    AppWith = Callable[..., RunningApp]

URL = "https://cdn.example.org/a/b.m3u8?x=1"
VIEWER = Actor(7, roles=frozenset({"viewer"}))


async def catalog_of(app_with: AppWith) -> tuple[RunningApp, Catalog]:
    app = await app_with(catalog={}).start()
    return app, app.server.services.get(Catalog)


@pytest.mark.databases
async def test_a_trailer_in_the_library_is_not_played_in_place_of_what_plays_elsewhere(app_with: AppWith) -> None:
    _, catalog = await catalog_of(app_with)
    item = await catalog.add_external(ExternalTitle("far", "Far", URL, 5400))
    video = await Video.create(fingerprint="x", size=1, duration=60.0, probe={}, online=True)
    await TitleVideo.create(title_id=item.id, video=video, role="extra")
    [found] = await catalog.playable(VIEWER, external=True)
    assert (found.external_url, found.duration) == (URL, 5400)


@pytest.mark.databases
async def test_a_title_from_elsewhere_is_a_film_like_any_other(app_with: AppWith) -> None:
    app, catalog = await catalog_of(app_with)
    assert (await app.get("/v1/content/browse")).json()["content"] == []
    item = await catalog.add_external(ExternalTitle("tt_01", " Far away ", URL, 5400))
    assert (item.slug, item.title, item.external_url, item.duration) == ("tt_01", "Far away", URL, 5400)
    [listed] = (await app.get("/v1/content/browse")).json()["content"]
    assert (listed["playable"], listed["duration"], listed["type"]) == (True, 5400, "movie")
    alone = (await app.get("/v1/content/tt_01")).json()
    assert (alone["id"], alone["title"], alone["playable"]) == (listed["id"], "Far away", True)
    assert await catalog.external_url(item.id) == URL


async def test_only_who_asks_for_it_is_given_what_plays_elsewhere(app_with: AppWith) -> None:
    _, catalog = await catalog_of(app_with)
    item = await catalog.add_external(ExternalTitle("far", "Far", URL, 1))
    assert await catalog.playable(VIEWER) == []
    assert await catalog.playable(VIEWER, external=True) == [item]


async def test_one_that_is_not_published_is_on_no_list_of_what_plays(app_with: AppWith) -> None:
    app, catalog = await catalog_of(app_with)
    await catalog.add_external(ExternalTitle("far", "Far", URL, 1, published=False))
    assert await catalog.playable(Actor(1, roles=frozenset({"viewer", "admin"})), external=True) == []
    assert [each["published"] for each in (await app.get("/v1/content/browse")).json()["content"]] == [False]


@pytest.mark.databases
async def test_a_name_is_given_once(app_with: AppWith) -> None:
    _, catalog = await catalog_of(app_with)
    await catalog.add_external(ExternalTitle("far", "Far", URL, 1))
    with pytest.raises(Conflict):
        await catalog.add_external(ExternalTitle("far", "Farther", URL, 1))
    assert await Title.all().count() == 1


@pytest.mark.parametrize(
    ("field", "told"),
    [
        ("url", {"url": "ftp://example.org/a"}),
        ("url", {"url": "javascript:alert(1)"}),
        ("url", {"url": "https://"}),
        ("url", {"url": "https://exa mple.org/"}),
        ("url", {"url": "https://example.org/\n"}),
        ("url", {"url": "http://[::1"}),
        ("url", {"url": "https://example.org\\@elsewhere.org/"}),
        ("url", {"url": "https://ada:secret@example.org/"}),
        ("url", {"url": "https://example.org/'onerror='"}),
        ("url", {"url": "http://example.org:x/"}),
        ("url", {"url": f"https://example.org/{'a' * 2000}"}),
        ("slug", {"slug": ""}),
        ("slug", {"slug": "a/b"}),
        ("slug", {"slug": "a" * 201}),
        ("title", {"title": "  "}),
        ("title", {"title": "a\0b"}),
        ("title", {"title": "\ud800"}),
        ("title", {"title": "a" * 501}),
        ("duration", {"duration": -1.0}),
        ("duration", {"duration": float("nan")}),
    ],
)
async def test_what_cannot_be_is_refused_by_its_name(app_with: AppWith, field: str, told: dict[str, str]) -> None:
    _, catalog = await catalog_of(app_with)
    values = {"slug": "far", "title": "Far", "url": URL, "duration": 60.0} | told
    with pytest.raises(InvalidRequest) as refused:
        await catalog.add_external(ExternalTitle(**values))  # type: ignore[arg-type]
    assert [fault["field"] for fault in refused.value.extra["fields"]] == [field]


async def test_a_file_of_the_library_plays_before_an_address(app_with: AppWith) -> None:
    _, catalog = await catalog_of(app_with)
    item = await catalog.add_external(ExternalTitle("far", "Far", URL, 60))
    video = await Video.create(fingerprint="a", size=1, duration=61.0, probe={})
    await TitleVideo.create(title_id=item.id, video=video)
    assert await catalog.external_url(item.id) == ""
    assert (await catalog.item(item.id, VIEWER)).external_url == ""


async def test_what_the_library_has_plays_from_nowhere_else(app_with: AppWith) -> None:
    _, catalog = await catalog_of(app_with)
    title = await Title.create(kind=TitleKind.MOVIE, title="Ada", slug="ada")
    assert await catalog.external_url(title.id) == await catalog.external_url(999) == ""
