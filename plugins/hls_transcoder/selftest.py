"""What `mediaserver doctor` asks: a real film, through the real command, at three resolutions, in the sandbox."""

from __future__ import annotations

from pathlib import Path

from mediaserver.contracts import MediaTools, Storage
from mediaserver.errors import MediaServerError

from .command import Run
from .ladder import ladder
from .plan import plan
from .runner import EncodeJob, encode
from .sample_film import SAMPLE, make_sample

__all__ = ["encoding_fault"]

SIZE, SECONDS = (1920, 1080), 1


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
    info = await make_sample(tools, folder, SIZE, SECONDS)
    grid, rungs = plan(info), ladder(info)
    job = EncodeJob(Run(info, grid, rungs, 0, grid.segments), folder / SAMPLE, workspace)
    made_cells = [cell async for cell in encode(tools, job)]
    if len(made_cells) != len(rungs) * grid.segments:
        raise MediaServerError("ffmpeg did not make every resolution.")
    return None
