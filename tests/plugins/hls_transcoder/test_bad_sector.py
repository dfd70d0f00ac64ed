"""Bad sectors of a disk: asked for again a while, then taken for how the film is."""

from __future__ import annotations

import os
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import pytest

from mediaserver.errors import JobPostponed
from mediaserver.models import JobRecord, Video
from plugins.hls_transcoder.models import Subtitle
from plugins.hls_transcoder.subtitling import LOOK, MOST_TROUBLES
from tests import media
from tests.bad_disk import bad_disk
from tests.patience import until
from tests.plugins.hls_transcoder.test_extracting import twenty, with_texts
from tests.plugins.hls_transcoder.theatre import open_theatre

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from mediaserver import RunningJob
    from mediaserver.testing import RunningApp
    from tests.plugins.hls_transcoder.theatre import Theatre

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.geteuid() != 0 or not Path("/dev/fuse").exists(), reason="mounts a disk of its own"),
]


@asynccontextmanager
async def scratched(app_with: Callable[..., RunningApp], folder: Path, gop: int) -> AsyncIterator[Theatre]:
    """One film of 12 seconds, which cannot be read at its sixth."""
    film = media.film("scratched.mp4", seconds=12, size="1280x720", gop=gop)
    (folder / "sound").mkdir()
    (folder / "sound" / "Scratched.mp4").write_bytes(film.read_bytes())
    with bad_disk(folder / "sound", folder / "library", 0.45, 0.46) as library:
        async with open_theatre(app_with, library, preset="ultrafast") as theatre:

            async def listed() -> bool:
                return bool((await theatre.get("/v1/content/browse"))["content"])

            await until(listed, "the film")
            yield theatre


async def test_a_viewer_who_waits_at_a_bad_sector_does_not_wait_for_ever(
    app_with: Callable[..., RunningApp], tmp_path: Path
) -> None:
    async with scratched(app_with, tmp_path, gop=25) as theatre:
        media, said = await theatre.media("1"), set[str]()

        async def made(number: int) -> bool:
            answer = await theatre.app.get(f"{media}/480p/{number:03d}.ts")
            if answer.status_code == 503:
                said.add(answer.json()["error"]["message"])
            return answer.status_code == 200

        await until(lambda: made(0), "the part before the sector")
        await until(lambda: made(1), "the part with the sector")
        await until(lambda: made(2), "the part behind the sector")
        assert "The disk of this film cannot be read just now (Input/output error)." in said
        told = await theatre.get("/v1/admin/content/1/processing-status")
        assert told["reason"].startswith("This film is damaged at 0:04, shown")
        assert told["status"] == "processing"  # what was made is kept, the rest made as ever


async def test_a_disk_that_fails_is_not_taken_for_the_end_of_the_film(
    app_with: Callable[..., RunningApp], tmp_path: Path
) -> None:
    """Its only key frame is the first one, so whoever looks at its end comes by the bad sector."""
    async with scratched(app_with, tmp_path, gop=1000) as theatre:
        [film] = (await theatre.get("/v1/content/browse"))["content"]
        assert film["duration"] == pytest.approx(12, abs=0.1)


async def test_subtitles_that_cannot_be_read_whole_are_asked_for_a_while_and_then_said_to_be_so(
    app_with: Callable[..., RunningApp], tmp_path: Path
) -> None:
    (tmp_path / "sound").mkdir()
    with_texts(tmp_path / "film.mkv", twenty()).rename(tmp_path / "sound" / "Film.mkv")
    with bad_disk(tmp_path / "sound", tmp_path / "library", 0.5, 0.51) as library:
        async with open_theatre(app_with, library) as theatre:

            async def postponed() -> bool:
                return await JobRecord.filter(kind=LOOK, error__contains="cannot be read just now").exists()

            await until(postponed, "a try that failed")
            make = theatre.app.server.contributions.jobs[LOOK].handler
            job = cast("RunningJob", SimpleNamespace(args={"video_id": (await Video.get()).id}))
            for _ in range(MOST_TROUBLES):  # less one: that of the worker, who may try again meanwhile
                with suppress(JobPostponed):
                    assert not await Subtitle.exists()
                    await make(job)
                    break
            [told] = await theatre.subtitles("film", 1)
            assert (told["available"], "would not be whole" in told["reason"]) == (False, True)
