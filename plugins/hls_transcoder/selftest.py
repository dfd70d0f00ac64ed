"""What `mediaserver doctor` asks: a real film, through the real command, at three resolutions, in the sandbox."""

from __future__ import annotations

from pathlib import Path

from mediaserver.contracts import AudioTrack, Limits, MediaInfo, MediaTools, Storage, VideoStream
from mediaserver.errors import MediaServerError

from .command import Run
from .ladder import ladder
from .plan import plan
from .runner import EncodeJob, encode

__all__ = ["encoding_fault"]

SECONDS = 1
MAKE = (
    *("-nostdin", "-v", "error", "-f", "lavfi", "-i", f"testsrc2=size=1920x1080:rate=25:duration={SECONDS}"),
    *("-f", "lavfi", "-i", f"sine=sample_rate=48000:duration={SECONDS}"),
    *("-c:v", "libx264", "-preset", "ultrafast", "-c:a", "aac", "film.mkv"),
)
FILM = MediaInfo(
    container="matroska,webm",
    duration=SECONDS,
    start_time=0.0,
    size=0,
    video=VideoStream(0, "h264", 1920, 1080, "25/1", False, "1/1", 0, "yuv420p", "progressive", ""),
    audio=(AudioTrack(index=1, codec="aac", channels=1, sample_rate=48_000, language="", title="", default=True),),
    subtitles=(),
)


async def encoding_fault(tools: MediaTools, storage: Storage) -> str | None:
    """None where every cell came out as planned; else what is wrong and what to do."""
    try:
        async with storage.workspace() as folder:
            return await _encoded(tools, folder)
    except OSError as error:
        return f"The folder for work cannot be used ({error.strerror}); give this user the right to write into it."
    except MediaServerError as error:
        return f"{error} Install another ffmpeg (apt install ffmpeg), or name one in `ffmpeg:`."


async def _encoded(tools: MediaTools, folder: Path) -> str | None:
    workspace = folder / "cells"
    workspace.mkdir()
    made = await tools.start("ffmpeg", MAKE, reads=[], workspace=folder, limits=Limits(wall=60, cpu=60))
    finished = await made.wait()
    if finished.returncode != 0:
        raise MediaServerError(f"ffmpeg cannot make a film here: {finished.stderr.strip()[-200:]}.")
    grid, rungs = plan(FILM), ladder(FILM)
    job = EncodeJob(Run(FILM, grid, rungs, 0, grid.segments), folder / "film.mkv", workspace)
    made_cells = [cell async for cell in encode(tools, job)]
    if len(made_cells) != len(rungs) * grid.segments:
        raise MediaServerError("ffmpeg did not make every resolution.")
    return None
