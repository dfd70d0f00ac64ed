"""A plan says all that is made of a film: its playlists come again, its cells are made as long as they are wanted."""

from __future__ import annotations

import errno
import os
from functools import partial
from pathlib import Path
from shutil import copy
from typing import TYPE_CHECKING, Any

import pytest

from mediaserver.contracts import Actor, Streaming, Transcoding
from mediaserver.core.storage import MediaStorage
from mediaserver.models import JobRecord, JobState, Video
from plugins.hls_transcoder.cells import Cells
from plugins.hls_transcoder.command import Lacking
from plugins.hls_transcoder.losses import Losses
from plugins.hls_transcoder.models import Plan, PlanState
from plugins.hls_transcoder.plans import AHEAD, CELL, ENCODE, cell_key
from plugins.hls_transcoder.recipes import Recipe
from plugins.hls_transcoder.runner import DiskTrouble
from plugins.hls_transcoder.service import begin
from plugins.hls_transcoder.workshop import still_there
from tests import media
from tests.patience import until
from tests.plugins.hls_transcoder.theatre import open_theatre

if TYPE_CHECKING:
    from collections.abc import Callable

    from mediaserver.testing import RunningApp
    from tests.plugins.hls_transcoder.theatre import Theatre

pytestmark = pytest.mark.slow


async def shown(theatre: Theatre, film: Path) -> None:
    copy(film, theatre.library / "Film.mp4")

    async def planned() -> bool:
        return await Plan.all().count() > 0

    await until(planned, "a plan")


async def test_playlists_that_were_never_written_are_when_they_are_asked_for(
    app_with: Callable[..., RunningApp], tmp_path: Path
) -> None:
    """As after a kill between the plan and its playlists."""
    async with open_theatre(app_with, tmp_path / "library") as theatre:
        await shown(theatre, media.film("plain-9.mp4", seconds=9))
        address = await theatre.media("1")
        names = ("master.m3u8", "480p/index.m3u8")
        before = [(await theatre.app.get(f"{address}/{name}")).text for name in names]
        for path in (tmp_path / "app0" / "data" / "media").rglob("*.m3u8"):
            path.unlink()
        assert [(await theatre.app.get(f"{address}/{name}")).text for name in names] == before


async def test_a_plan_that_is_superseded_is_not_encoded_on(app_with: Callable[..., RunningApp], tmp_path: Path) -> None:
    film = media.film("long.mp4", seconds=64, size="1280x720")
    async with open_theatre(app_with, tmp_path / "library", background="all", preset="veryfast") as theatre:
        await shown(theatre, film)
        await theatre.app.server.services.get(Transcoding).overwrite(1)
        await until(partial(ended, "encode:1", "encode:2"), "the end of both jobs")
        for plan in await Plan.all().order_by("number"):
            recipe = Recipe.from_dict(plan.recipe)
            made = Cells(theatre.app.server.storage, plan.video_id, plan.id, recipe).count()
            assert (made == recipe.cells) is (plan.number == 2)


async def test_a_cell_whose_job_was_cancelled_is_made_for_who_asks_again(
    app_with: Callable[..., RunningApp], tmp_path: Path
) -> None:
    async with open_theatre(app_with, tmp_path / "library", preset="ultrafast") as theatre:
        await shown(theatre, media.film("plain-9.mp4", seconds=9))
        args, jobs = {"plan_id": 1, "rung": "480p", "number": 1}, theatre.app.server.jobs
        assert await jobs.cancel(await jobs.enqueue(CELL, cell_key(1, "480p", 1), args, delay=3600))
        assert (await theatre.file("1", "480p/001.ts")).status_code == 200


async def test_films_that_were_probed_while_nobody_planned_are_planned_by_a_job(
    app_with: Callable[..., RunningApp], tmp_path: Path
) -> None:
    """However many: a worker's start waits for none."""
    async with open_theatre(app_with, tmp_path / "library") as theatre:
        await shown(theatre, media.film("plain-9.mp4", seconds=9))
        told = (await Video.get(id=1)).probe
        await Video.bulk_create([Video(fingerprint=f"1-{n}", size=1, duration=9.0, probe=told) for n in range(40)])
        await begin(theatre.app.server)

        async def planned() -> bool:
            return await Plan.all().count() == 41

        await until(planned, "a plan of each")


async def test_what_was_to_be_made_ahead_is_not_once_that_is_switched_off(
    app_with: Callable[..., RunningApp], tmp_path: Path
) -> None:
    async with open_theatre(app_with, tmp_path / "library", background="off") as theatre:
        await shown(theatre, media.film("plain-9.mp4", seconds=9))
        await theatre.app.server.jobs.enqueue(ENCODE, "encode:1", {"plan_id": 1, AHEAD: True})
        await until(partial(ended, "encode:1"), "the end of the job")
        assert list((tmp_path / "app0" / "data" / "media").rglob("*.ts")) == []


async def test_what_stands_still_goes_on_when_a_worker_starts(
    app_with: Callable[..., RunningApp], tmp_path: Path
) -> None:
    async with open_theatre(app_with, tmp_path / "library", background="all", preset="veryfast") as theatre:
        await shown(theatre, media.film("long.mp4", seconds=64, size="1280x720"))
        [job] = await JobRecord.filter(key="encode:1")
        assert await theatre.app.server.jobs.cancel(job.id)
        await begin(theatre.app.server)

        async def ready() -> bool:
            return bool((await Plan.get(id=1)).state == PlanState.READY)

        await until(ready, "the film")


async def ended(*keys: str) -> bool:
    return await JobRecord.filter(key__in=keys, state=JobState.DONE).count() == len(keys)


async def test_who_asks_again_after_a_film_was_replaced_gets_the_new_one(
    app_with: Callable[..., RunningApp], tmp_path: Path
) -> None:
    """An app without playback sessions of its own goes on in the one its login has."""
    async with open_theatre(app_with, tmp_path / "library") as theatre:
        await shown(theatre, media.film("plain-9.mp4", seconds=9))
        streaming, admin = theatre.app.server.services.get(Streaming), Actor(1, roles=frozenset({"admin"}))
        before = await streaming.grant(admin, 1, 7)
        copy(media.film("other.mp4", seconds=12), theatre.library / "Film.mp4")

        async def other() -> bool:
            return (await streaming.grant(admin, 1, 7)).video_id != before.video_id

        await until(other, "a grant of the new film")


def test_two_who_mend_parts_of_one_film_both_have_their_say(tmp_path: Path) -> None:
    storage = MediaStorage(tmp_path)
    one, other = Losses.of(storage, 1, 1), Losses.of(storage, 1, 1)
    one.note(storage, [2], Lacking.SOUND)
    other.note(storage, [9], Lacking.PICTURE)
    one.note(storage, [2], Lacking.PICTURE)
    assert Losses.of(storage, 1, 1).segments == {2: Lacking.PICTURE, 9: Lacking.PICTURE}
    other.forget([9])
    assert Losses.of(storage, 1, 1).segments == {2: Lacking.PICTURE}


async def test_the_time_that_is_left_is_that_of_the_last_cells_and_not_of_the_wait_before(
    app_with: Callable[..., RunningApp], tmp_path: Path
) -> None:
    async with open_theatre(app_with, tmp_path / "library") as theatre:
        await shown(theatre, media.film("plain-40.mp4", seconds=40))
        plan, storage = await Plan.get(id=1), theatre.app.server.storage
        cells = Cells(storage, 1, 1, Recipe.from_dict(plan.recipe))
        assert cells.eta(cells.by_output()) is None
        for number, moment in enumerate((1000, 1002, 1004, 9000, 9002)):  # somebody switched the machine off between
            path = storage.segment(1, 1, "480p", number)
            path.parent.mkdir(exist_ok=True)
            path.touch()
            os.utime(path, (moment, moment))
        made: dict[str, Any] = cells.by_output()
        assert cells.eta({"480p": made["480p"]}) == pytest.approx(2 * 5)


def test_a_disk_that_cannot_say_whether_the_film_is_there_has_not_moved_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stale(self: Path, **_: Any) -> os.stat_result:
        raise OSError(errno.ESTALE, os.strerror(errno.ESTALE), str(self))

    monkeypatch.setattr(Path, "stat", stale)
    with pytest.raises(DiskTrouble), still_there(tmp_path / "film.mkv"):
        raise DiskTrouble("The disk of this film cannot be read just now.")
