"""The poster of a film that brought none."""

from __future__ import annotations

from asyncio import to_thread
from pathlib import Path

from mediaserver.contracts import Limits, MediaInfo, MediaTools

from .command import poster_arguments
from .outcome import postpone_if_hindered
from .runner import EncodeFailed

__all__ = ["is_jpeg", "make_poster"]

WIDTH = 600  # pixels
AGAIN_SECONDS = 10.0
LIMITS = Limits(wall=60, cpu=60, nice=19, idle_io=True)
JPEG_START, JPEG_END = b"\xff\xd8", b"\xff\xd9"


async def make_poster(tools: MediaTools, info: MediaInfo, source: Path, workspace: Path) -> Path:
    """A jpg in `workspace`. Raises EncodeFailed where the film gives none, JobPostponed where nobody can say."""
    poster = workspace / "poster.jpg"
    for at in (info.duration / 10, 0.0):  # a transport stream with one key frame has nothing behind a seek
        arguments = poster_arguments(
            info, source, at=at, width=WIDTH, flags=tools.input_flags, tonemap=tools.has_zscale
        )
        tool = await tools.start("ffmpeg", arguments, reads=[source], workspace=workspace, limits=LIMITS)
        finished = await tool.wait()
        await postpone_if_hindered(finished, source, AGAIN_SECONDS)
        if finished.returncode == 0 and await to_thread(is_jpeg, poster):
            return poster
    raise EncodeFailed("No poster could be taken from this film.")


def is_jpeg(path: Path) -> bool:
    if not path.exists():
        return False
    data = path.read_bytes()
    return data.startswith(JPEG_START) and data.endswith(JPEG_END)
