"""Lists are kept in memory until something changes, and told anew within the second after."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from mediaserver.contracts import Catalog
from mediaserver.events import EncodingProgressed, TitleAdded, TitleChanged
from mediaserver.models import Title, TitleKind
from tests.patience import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from mediaserver.testing import RunningApp

    AppWith = Callable[..., RunningApp]

STANDARD = ("content-type", "cache-control", "x-content-type-options", "referrer-policy", "content-security-policy")


async def titles(app: RunningApp, **query: Any) -> list[str]:
    return [item["title"] for item in (await app.get("/v1/content/browse", params=query)).json()["content"]]


async def add(app: RunningApp, name: str) -> Title:
    title = await Title.create(kind=TitleKind.MOVIE, title=name, slug=name.lower())
    await app.server.changes.record(TitleAdded(title.id))
    return title


async def until_listed(app: RunningApp, expected: list[str]) -> None:
    async with asyncio.timeout(PATIENCE):
        while await titles(app, sort="title") != expected:
            await asyncio.sleep(0.01)


@pytest.mark.databases
async def test_a_kept_list_follows_what_is_added_and_renamed(app_with: AppWith) -> None:
    app = app_with(catalog={})
    assert await titles(app, sort="title") == []
    title = await add(app, "Zero")
    await until_listed(app, ["Zero"])
    await Title.filter(id=title.id).update(title="One")
    assert (await app.get(f"/v1/content/{title.id}")).json()["title"] == "One"
    await Title.filter(id=title.id).update(title="Two")
    await app.server.changes.record(TitleChanged(title.id))
    await until_listed(app, ["Two"])
    assert (await app.get(f"/v1/content/{title.id}")).json()["title"] == "Two"


async def test_each_question_has_its_own_list(app_with: AppWith) -> None:
    app = app_with(catalog={})
    await app.get("/health")
    await add(app, "Ada")
    await add(app, "Bea")
    await until_listed(app, ["Ada", "Bea"])
    assert await titles(app, sort="title", limit=1) == ["Ada"]
    assert await titles(app, sort="title", limit=1, page=2) == ["Bea"]
    assert await titles(app, type="series") == []


async def test_a_list_is_kept_while_films_are_encoded(app_with: AppWith) -> None:
    app = app_with(catalog={})
    assert await titles(app, sort="title") == []  # kept: what comes next is seen only once the news has been heard
    await add(app, "Ada")
    await until_listed(app, ["Ada"])
    catalog: Any = app.server.services.get(Catalog)
    while not catalog.lists._kept:  # an answer that was begun before the title was told of is not kept
        await titles(app, sort="title")
    await Title.all().update(title="Changed without a word")
    await app.server.changes.record(EncodingProgressed(1, 1, 9))
    assert await titles(app, sort="title") == ["Ada"]


CEILING = """
from mediaserver import Plugin, hookimpl
from mediaserver.contracts import TitleLimit

plugin = Plugin(api="1")


@hookimpl
def limit_titles(actor):
    return TitleLimit(max_maturity=1)
"""


async def test_who_has_a_ceiling_sees_nothing_that_is_unrated(app_with: AppWith, tmp_path: Path) -> None:
    (tmp_path / "ceiling.py").write_text(CEILING)
    app = app_with(catalog={}, ceiling={}, folders=(tmp_path,))
    await app.get("/health")
    title = await add(app, "Ada")
    assert await titles(app, sort="title") == []
    assert (await app.get(f"/v1/content/{title.id}")).status_code == 404


async def test_a_kept_list_is_hardened_like_every_answer(app_with: AppWith) -> None:
    app = app_with(catalog={})
    listed, other = await app.get("/v1/content/browse"), await app.get("/v1/content/nothing")
    for name in STANDARD:
        assert listed.headers.get_list(name) == other.headers.get_list(name)
        assert len(listed.headers.get_list(name)) == 1, name
