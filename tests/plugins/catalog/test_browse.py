"""Titles in lists and alone, as a client sees them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from mediaserver.models import Title, TitleKind

if TYPE_CHECKING:
    from collections.abc import Callable

    from mediaserver.testing import RunningApp

    AppWith = Callable[..., RunningApp]


@pytest.mark.databases
async def test_films_and_series_are_listed_and_episodes_stand_inside_their_series(app_with: AppWith) -> None:
    app = await app_with(catalog={}).start()
    await Title.create(kind=TitleKind.MOVIE, title="Ada", slug="ada", year=2001)
    series = await Title.create(kind=TitleKind.SERIES, title="Bees", slug="bees", year=2002)
    for number in (2, 1):
        await Title.create(
            kind=TitleKind.EPISODE, title=f"E{number}", slug=f"e{number}", parent=series, season=1, episode=number
        )
    listed = (await app.get("/v1/content/browse?sort=title&limit=1")).json()
    assert [item["title"] for item in listed["content"]] == ["Ada"]
    assert listed["pagination"] == {"page": 1, "limit": 1, "total": 2, "has_next": True}
    found = (await app.get(f"/v1/content/{series.id}")).json()
    assert found == (await app.get("/v1/content/bees")).json()
    assert [episode["title"] for episode in found["episodes_list"]] == ["E1", "E2"]
    assert (found["seasons"], found["episodes"]) == (1, 2)
    episode = (await app.get("/v1/content/e2")).json()
    assert (episode["series"], episode["season"], episode["episode"]) == ({"slug": "bees", "title": "Bees"}, 1, 2)
    assert (found["series"], found["season"], found["episode"]) == (None, None, None)


async def test_a_title_that_is_not_published_is_for_administrators(app_with: AppWith) -> None:
    for guest, status in (("admin", 200), ("viewer", 404)):
        app = await app_with(settings={"server": {"port": 0, "guest": guest}}, catalog={}).start()
        await Title.create(kind=TitleKind.MOVIE, title="Ada", slug=guest, published=False)
        assert (await app.get(f"/v1/content/{guest}")).status_code == status
        await app.stop()


async def test_a_list_is_sent_with_all_headers_as_every_answer(app_with: AppWith) -> None:
    app = app_with(catalog={})
    kept, other = await app.get("/v1/content/browse"), await app.get("/health")
    assert kept.headers["content-type"] == "application/json"
    differ = {"x-request-id", "content-length"}
    assert {k: v for k, v in kept.headers.items() if k not in differ} == {
        k: v for k, v in other.headers.items() if k not in differ
    }
    assert (await app.request("HEAD", "/v1/content/browse")).headers["content-length"] == str(len(kept.content))


@pytest.mark.databases
async def test_a_number_out_of_range_is_refused_and_an_odd_id_is_nothing(app_with: AppWith) -> None:
    app = app_with(catalog={})
    for query in ("limit=0", "limit=101", "page=0", "sort=best", "type=vinyl", "page=x"):
        assert (await app.get(f"/v1/content/browse?{query}")).status_code == 400
    for ref in ("9" * 40, "-1", "0", "nothing", "%00", "1.5"):
        assert (await app.get(f"/v1/content/{ref}")).status_code == 404
