from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from mediaserver.contracts import MediaInfo
from mediaserver.core.ffmpeg import FFmpegTools
from mediaserver.core.library.probe import probe
from plugins.hls_transcoder.command import Run
from plugins.hls_transcoder.ladder import ladder
from plugins.hls_transcoder.plan import plan
from plugins.hls_transcoder.runner import EncodeJob, encode
from tests import media

Cells = Callable[..., Awaitable[dict[tuple[str, int], bytes]]]


@pytest.fixture
def tools() -> FFmpegTools:
    return media.tools()


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    folder = tmp_path / "100%03d workspace"
    folder.mkdir()
    return folder


def job_for(info: MediaInfo, source: Path, workspace: Path, first: int = 0, count: int | None = None) -> EncodeJob:
    grid = plan(info)
    return EncodeJob(Run(info, grid, ladder(info), first, count or grid.segments - first), source, workspace)


@pytest.fixture
def cells(tools: FFmpegTools, workspace: Path) -> Cells:
    """Encodes segments of a file and answers {(rung, number): bytes}; every one has been verified."""

    async def make(source: Path, first: int = 0, count: int | None = None) -> dict[tuple[str, int], bytes]:
        job = job_for(await probe(tools, source), source, workspace, first, count)
        return {(cell.output.name, cell.number): cell.path.read_bytes() async for cell in encode(tools, job)}

    return make
