"""Bad sectors of a disk: asked for again a while, then taken for how the film is."""

from __future__ import annotations

import os
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests import media
from tests.bad_disk import bad_disk
from tests.patience import until
from tests.plugins.hls_transcoder.theatre import open_theatre

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

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
        cell, said = f"{await theatre.media('1')}/480p/001.ts", set[str]()

        async def made() -> bool:
            answer = await theatre.app.get(cell)
            if answer.status_code == 503:
                said.add(answer.json()["error"]["message"])
            return answer.status_code == 200

        await until(made, "the part with the sector")
        assert "The disk of this film cannot be read just now (Input/output error)." in said

        async def damaged() -> str:
            told = await theatre.get("/v1/admin/content/1/processing-status")
            return str(told["reason"]) if told["status"] == "partial" else ""

        assert (await until(damaged, "what is told of it")).startswith("This film is damaged at 0:04, shown")


async def test_a_disk_that_fails_is_not_taken_for_the_end_of_the_film(
    app_with: Callable[..., RunningApp], tmp_path: Path
) -> None:
    """Its only key frame is the first one, so whoever looks at its end comes by the bad sector."""
    async with scratched(app_with, tmp_path, gop=1000) as theatre:
        [film] = (await theatre.get("/v1/content/browse"))["content"]
        assert film["duration"] == pytest.approx(12, abs=0.1)
