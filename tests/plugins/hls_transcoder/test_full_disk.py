"""A disk that was full says nothing about a film, also where there is room again when somebody looks."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Awaitable, Callable
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from mediaserver.core.library.probe import probe
from mediaserver.errors import JobPostponed
from plugins.hls_transcoder.extracting import from_tracks
from plugins.hls_transcoder.pictures import make_poster
from plugins.hls_transcoder.runner import DiskFull, encode
from plugins.hls_transcoder.subtitles import wanted
from tests import media
from tests.plugins.hls_transcoder.conftest import job_for
from tests.sources import subtitled

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from mediaserver.core.ffmpeg import FFmpegTools

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.geteuid() != 0, reason="mounts small disks"),
]


@contextmanager
def disk_with(room: int, folder: Path) -> Iterator[Path]:
    """A disk of its own, with so many KiB."""
    disk = folder / "small disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", disk], check=True)
    try:
        (disk / "others").write_bytes(bytes((256 - room) << 10))
        yield disk
    finally:
        subprocess.run(["umount", disk], check=True)


@pytest.mark.parametrize("count", [4, 5])
async def test_a_chunk_and_a_run_that_find_no_room_are_no_fault_of_the_film(
    tools: FFmpegTools, tmp_path: Path, count: int
) -> None:
    film = media.film("many.mp4", seconds=20)
    info = await probe(tools, film)
    with disk_with(160, tmp_path) as disk, pytest.raises(DiskFull, match="when there is room"):
        async for cell in encode(tools, job_for(info, film, disk, 0, count)):
            assert cell.path.stat().st_size % 188 == 0


async def poster(tools: FFmpegTools, disk: Path) -> object:
    film = media.film("large.mp4", seconds=1, size="1280x720")
    return await make_poster(tools, await probe(tools, film), film, disk)


async def subtitles(tools: FFmpegTools, disk: Path) -> object:
    film = subtitled("srt.mkv", "srt")()
    return await from_tracks(tools, film, wanted(await probe(tools, film), ()), disk)


@pytest.mark.parametrize("make", [poster, subtitles])
async def test_what_goes_with_a_film_is_made_when_there_is_room(
    make: Callable[[FFmpegTools, Path], Awaitable[object]], tools: FFmpegTools, tmp_path: Path
) -> None:
    with disk_with(0, tmp_path) as disk:
        with pytest.raises(JobPostponed, match="when there is room"):
            await make(tools, disk)
        (disk / "others").unlink()
        assert await make(tools, disk)
