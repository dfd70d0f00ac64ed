"""Runs one ffmpeg over a run of segments and hands out each cell as soon as it is closed and verified."""

from __future__ import annotations

import math
import signal
from asyncio import to_thread
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

from mediaserver.contracts import Finished, Limits, MediaTools, Rung, RunningTool
from mediaserver.errors import MediaServerError

from .command import Run, default_audio, segment_name, segments_arguments
from .verify import CellDamaged, verify_cell

__all__ = ["Cell", "Control", "EncodeFailed", "EncodeInterrupted", "EncodeJob", "GuardFailed", "encode"]

KILLED = {-signal.SIGKILL, -signal.SIGTERM}
NOT_PLANNED = "ffmpeg made something else than planned"


class EncodeFailed(MediaServerError):
    """The cells cannot be made from this file; the reason is one sentence."""


class EncodeInterrupted(EncodeFailed):
    """ffmpeg was ended from outside: killed by a person, or by the system for want of memory. It may be tried again."""


class GuardFailed(EncodeFailed):
    """A run gave other frames than planned: make the whole film in one straight run."""


@dataclass(frozen=True, slots=True)
class Cell:
    rung: Rung
    number: int
    path: Path  # in the workspace of the job; publish it (link, then unlink)


class Control:
    """Pauses and resumes an encode from outside, before it has begun too."""

    def __init__(self) -> None:
        self._tool: RunningTool | None = None
        self._paused = False

    def attach(self, tool: RunningTool | None) -> None:
        self._tool = tool
        if tool is not None and self._paused:
            tool.pause()

    def pause(self) -> None:
        self._paused = True
        if self._tool is not None:
            self._tool.pause()

    def resume(self) -> None:
        self._paused = False
        if self._tool is not None:
            self._tool.resume()


@dataclass(frozen=True, slots=True)
class EncodeJob:
    """`source` is the path as it is now, `workspace` an empty folder; with `nice` it stands behind others."""

    run: Run
    source: Path
    workspace: Path
    nice: int | None = None
    control: Control = field(default_factory=Control)

    @property
    def limits(self) -> Limits:
        """CPU: 20 times the run and a minute. Wall: as if eight shared a core; the worker's stall limit is tighter."""
        first_frame, end_frame = self.run.frames
        seconds = float(self.run.grid.time(end_frame - first_frame))
        cpu = math.ceil(20 * seconds) + 60
        return Limits(wall=8 * cpu, cpu=cpu, nice=self.nice, idle_io=self.nice is not None)


async def encode(tools: MediaTools, job: EncodeJob) -> AsyncIterator[Cell]:
    """Raises GuardFailed (only where `job` is not straight already) or EncodeFailed. Closing it early stops ffmpeg."""
    run = job.run
    arguments = segments_arguments(run, job.source, flags=tools.input_flags, tonemap=tools.has_zscale)
    tool = await tools.start("ffmpeg", arguments, reads=[job.source], workspace=job.workspace, limits=job.limits)
    job.control.attach(tool)
    missing = {segment_name(rung, number): (rung, number) for number in run.numbers for rung in run.rungs}
    try:
        async for line in tool.lines():
            closed = missing.pop(line.decode(errors="replace").partition(",")[0], None)
            if closed is not None:
                yield await _verified(job, *closed)
        finished = await tool.wait()
    finally:
        job.control.attach(None)
        await tool.stop()
    if finished.returncode in KILLED and not finished.timed_out:
        raise EncodeInterrupted("ffmpeg was ended from outside, or the memory ran out.")
    if finished.returncode != 0:
        raise EncodeFailed(_reason(finished))
    if missing:
        raise _guard(run, f"{len(missing)} of {run.count * len(run.rungs)} segments are missing")


async def _verified(job: EncodeJob, rung: Rung, number: int) -> Cell:
    path = job.workspace / segment_name(rung, number)
    data = await to_thread(path.read_bytes)
    try:
        verify_cell(data, job.run.grid, number, audio=default_audio(job.run.info) is not None)
    except CellDamaged as error:
        raise _guard(job.run, f"{error} ({rung.name})") from error
    return Cell(rung, number, path)


def _guard(run: Run, what: str) -> EncodeFailed:
    if run.is_whole:
        return EncodeFailed(f"This file does not decode to what it promises: {what}.")
    return GuardFailed(f"{NOT_PLANNED}: {what}; the film is made in one straight run instead.")


def _reason(finished: Finished) -> str:
    said = finished.stderr.splitlines()[-1] if finished.stderr else f"it ended with {finished.returncode}"
    if finished.timed_out:
        return "ffmpeg took too long for this film and was stopped."
    return f"ffmpeg could not encode this film: {''.join(char for char in said if char.isprintable())[-300:]}."
