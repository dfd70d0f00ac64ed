"""What takes room and is nobody's any more goes; what may come back, or cannot be looked at, stays."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path
from shutil import copy
from typing import TYPE_CHECKING

import pytest

from mediaserver.contracts import Transcoding
from mediaserver.models import Location, LocationState
from plugins.hls_transcoder.collecting import GONE_SECONDS, UNUSED_SECONDS, Collector
from plugins.hls_transcoder.models import Plan
from tests import media
from tests.patience import until
from tests.plugins.hls_transcoder.theatre import Theatre, open_theatre

if TYPE_CHECKING:
    from collections.abc import Callable

    from mediaserver.testing import RunningApp

pytestmark = pytest.mark.slow


async def shown(theatre: Theatre) -> None:
    copy(media.film("plain-4.mp4", seconds=4), theatre.library / "Film.mp4")

    async def planned() -> bool:
        return await Plan.all().count() > 0

    await until(planned, "a plan")
    assert (await theatre.file("1", "480p/000.ts")).status_code == 200


def unused(theatre: Theatre, plan: int, seconds: float) -> Path:
    """The folder of a plan that nobody has asked for since."""
    storage, clock = theatre.app.server.storage, theatre.app.server.clock
    playlist = storage.playlist(1, plan, "")
    then = clock.now().timestamp() - seconds
    os.utime(playlist, (then, then))
    return playlist.parent


async def collect(theatre: Theatre) -> list[int]:
    """The plans that are there afterwards."""
    await Collector(theatre.app.server.storage, theatre.app.server.clock).collect()
    return [plan.id for plan in await Plan.all().order_by("id")]


async def test_an_old_plan_goes_an_hour_after_somebody_watched_it(
    app_with: Callable[..., RunningApp], tmp_path: Path
) -> None:
    async with open_theatre(app_with, tmp_path / "library", preset="ultrafast") as theatre:
        await shown(theatre)
        await theatre.app.server.services.get(Transcoding).overwrite(1)
        unused(theatre, 1, UNUSED_SECONDS - 60)
        assert await collect(theatre) == [1, 2]
        folder = unused(theatre, 1, UNUSED_SECONDS + 60)
        away = folder.with_name("away")
        folder.rename(away)  # as where the disk is not there for a moment
        assert await collect(theatre) == [1, 2]
        away.rename(folder)
        assert await collect(theatre) == [2]
        assert not folder.exists()


async def test_cells_of_a_film_that_was_deleted_go_after_a_month_and_come_back_with_it(
    app_with: Callable[..., RunningApp], tmp_path: Path
) -> None:
    async with open_theatre(app_with, tmp_path / "library", preset="ultrafast") as theatre:
        await shown(theatre)
        folder = unused(theatre, 1, 2 * UNUSED_SECONDS)
        assert await collect(theatre) == [1]
        gone = theatre.app.server.clock.now() - timedelta(seconds=GONE_SECONDS + 60)
        (theatre.library / "Film.mp4").rename(tmp_path / "Film.mp4")

        async def offline() -> bool:
            return await Location.filter(state=LocationState.OFFLINE).exists()

        await until(offline, "a film whose file is gone")
        assert await collect(theatre) == [1]
        await Location.all().update(seen_at=gone)
        assert await collect(theatre) == []
        assert not folder.exists()
        (tmp_path / "Film.mp4").rename(theatre.library / "Film.mp4")

        async def plays() -> bool:
            answer = await theatre.app.get("/v1/streaming/1/manifest")
            return answer.status_code == 200 and (await theatre.file("1", "480p/000.ts")).status_code == 200

        await until(plays, "the film again")
