"""The list of all that can be played, and under which folder it is filed."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from mediaserver.contracts import Actor, Catalog
from mediaserver.models import Location, LocationState, Title, TitleKind, TitleVideo, Video

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from mediaserver.testing import RunningApp

    AppWith = Callable[..., RunningApp]

VIEWER = Actor(7, roles=frozenset({"viewer"}))
KIDS = """
from mediaserver import Plugin, hookimpl
from mediaserver.contracts import TitleLimit

plugin = Plugin(api="1")


@hookimpl
def limit_titles(actor):
    return {1: TitleLimit(max_maturity=1), 2: TitleLimit(kinds=frozenset({"movie"}))}.get(actor.user_id)
"""


async def add(name: str, path: str = "", *, online: bool = True, **values: Any) -> Title:
    title = await Title.create(**{"kind": TitleKind.MOVIE, "title": name, "slug": name.lower()} | values)
    video = await Video.create(fingerprint=name, size=1, duration=60.0, probe={}, online=online)
    await TitleVideo.create(title=title, video=video)
    await Location.create(
        key=name, root="/films", path=path or f"{name}.mkv", file_id=name, size=1, mtime_ns=1,
        state=LocationState.READY, reason="", video=video, seen_at=datetime.now(UTC),
    )  # fmt: skip
    return title


@pytest.mark.databases
async def test_films_and_episodes_are_there_newest_first_while_their_file_is(app_with: AppWith) -> None:
    app = await app_with(catalog={}).start()
    await add("Ada")
    series = await Title.create(kind=TitleKind.SERIES, title="Bees", slug="bees")
    await add("Hive", kind=TitleKind.EPISODE, parent=series, season=1, episode=2)
    await add("S01E03", kind=TitleKind.EPISODE, parent=series, season=1, episode=3)
    await add("Gone", online=False)
    await add("Hidden", published=False)
    await Title.create(kind=TitleKind.MOVIE, title="Empty", slug="empty")
    found = await app.server.services.get(Catalog).playable(Actor(1, roles=frozenset({"admin"})))
    assert [(item.title, item.type) for item in found] == [
        ("Bees S01E03", "episode"),
        ("Bees S01E02 Hive", "episode"),
        ("Ada", "movie"),
    ]
    assert all(item.playable and item.duration == 60 and item.created_at.tzinfo for item in found)


async def test_an_extra_counts_only_where_there_is_no_film(app_with: AppWith) -> None:
    app = await app_with(catalog={}).start()
    for name in ("Alone", "Ada", "Gone"):
        title = await add(name)
        await TitleVideo.filter(title=title).update(role="extra")
        if name != "Alone":
            there = name == "Ada"
            film = await Video.create(fingerprint=f"{name} itself", size=1, duration=90.0, probe={}, online=there)
            await TitleVideo.create(title=title, video=film)
    found = await app.server.services.get(Catalog).playable(VIEWER)
    assert [(item.title, item.duration) for item in found] == [("Ada", 90.0), ("Alone", 60.0)]


async def test_who_has_a_limit_is_given_what_it_leaves(app_with: AppWith, tmp_path: Path) -> None:
    (tmp_path / "kids.py").write_text(KIDS)
    app = await app_with(catalog={}, kids={}, folders=(tmp_path,)).start()
    await add("Ada")
    await add("Hive", kind=TitleKind.EPISODE, season=1, episode=2)
    catalog = app.server.services.get(Catalog)
    seen = [[item.title for item in await catalog.playable(Actor(number))] for number in (1, 2, 3)]
    assert seen == [[], ["Ada"], ["S01E02 Hive", "Ada"]]


@pytest.mark.parametrize(
    ("path", "folder"),
    [
        ("Ada.mkv", ""),
        ("Drama/Ada.mkv", "Drama"),
        ("Ada (2001)/Ada (2001).mkv", ""),
        ("Ada.2001/ada 2001 1080p.mkv", ""),
        ("Ada (2001) [imdbid-tt1]/Ada (2001) - 1080p.mkv", ""),
        ("Drama/Ada (2001)/Ada (2001).mkv", "Drama"),
        ("Dr\uf7e4ma/Ada.mkv", "Dr\ufffdma"),
    ],
)
async def test_a_folder_is_told_unless_it_is_the_film_s_own(app_with: AppWith, path: str, folder: str) -> None:
    app = await app_with(catalog={}).start()
    title = await add("Ada", path, year=2001)
    catalog = app.server.services.get(Catalog)
    [listed] = await catalog.playable(VIEWER)
    assert listed.folder == (await catalog.item(title.id, VIEWER)).folder == folder


async def test_an_episode_is_filed_under_its_series(app_with: AppWith) -> None:
    app = await app_with(catalog={}).start()
    await add("Bees", "Bees/Bees S01E01.mkv", kind=TitleKind.EPISODE, season=1, episode=1)
    assert [item.folder for item in await app.server.services.get(Catalog).playable(VIEWER)] == ["Bees"]


async def test_five_thousand_films_are_listed_in_a_moment(app_with: AppWith) -> None:
    app = await app_with(catalog={}).start()
    many = range(5000)
    await Title.bulk_create([Title(kind=TitleKind.MOVIE, title=f"Film {n}", slug=f"film-{n}") for n in many])
    await Video.bulk_create([Video(fingerprint=str(n), size=1, duration=9.0, probe={}) for n in many])
    pairs = zip(await Title.all().values_list("id"), await Video.all().values_list("id"), strict=True)
    await TitleVideo.bulk_create([TitleVideo(title_id=title, video_id=video) for (title,), (video,) in pairs])
    began = time.process_time()
    assert len(await app.server.services.get(Catalog).playable(VIEWER)) == len(many)
    assert time.process_time() - began < 1  # 0.08 s where nothing else runs
