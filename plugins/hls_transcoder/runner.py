"""Runs one ffmpeg over a run of segments and hands out each cell as soon as it is closed and verified."""

from __future__ import annotations

import math
from asyncio import to_thread
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from mediaserver.contracts import Finished, Limits, MediaTools, RunningTool
from mediaserver.errors import MediaServerError

from .command import Run, segment_name, segments_arguments
from .ladder import Output, Sound, default_audio
from .outcome import ENDED, FULL, KILLED, disk_trouble, found_no_room
from .verify import CellDamaged, verify_cell, verify_sound

__all__ = [
    "Cell",
    "Control",
    "DiskFull",
    "DiskTrouble",
    "EncodeFailed",
    "EncodeInterrupted",
    "EncodeJob",
    "EndsEarly",
    "GuardFailed",
    "TookTooLong",
    "encode",
]

SAYS_NOTHING = ("Error initializing output stream", "Conversion failed")
NOT_PLANNED = "ffmpeg made something else than planned: {}; the film is made in one straight run instead."


class EncodeFailed(MediaServerError):
    """The cells cannot be made from this file; the reason is one sentence."""


class EncodeInterrupted(EncodeFailed):
    """ffmpeg was ended from outside: killed by a person, or by the system for want of memory. It may be tried again."""


class DiskTrouble(EncodeFailed):
    """Reading the film failed, and not the film: tried again, until it looks as if that is how its bytes are."""


class DiskFull(EncodeFailed):
    """There was no room for what ffmpeg wrote, though there may be some again."""


class GuardFailed(EncodeFailed):
    """A run gave other frames than planned: make the whole film in one straight run."""


class TookTooLong(EncodeFailed):
    """Its limits are wide: trying again would take as long."""


class EndsEarly(EncodeFailed):
    """The whole film was read, and there is nothing behind its first `frames`."""

    def __init__(self, message: str, frames: int) -> None:
        super().__init__(message)
        self.frames = frames


@dataclass(frozen=True, slots=True)
class Cell:
    output: Output
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
        limits = Limits(wall=8 * cpu, cpu=cpu, nice=self.nice, idle_io=self.nice is not None)
        return self.run.encoder.limits(limits)


async def encode(tools: MediaTools, job: EncodeJob) -> AsyncGenerator[Cell, None]:
    """Raises EncodeFailed: of a chunk at its first cell that is not right, of the whole film after all that is.

    Closing it early stops ffmpeg.
    """
    run = job.run
    arguments = segments_arguments(run, job.source, flags=tools.input_flags, tonemap=tools.has_zscale)
    reads = [job.source, *run.encoder.described]
    devices = run.encoder.opened
    tool = await tools.start(
        "ffmpeg", arguments, reads=reads, workspace=job.workspace, limits=job.limits, devices=devices
    )
    job.control.attach(tool)
    missing = {segment_name(output, number): (output, number) for number in run.numbers for output in run.outputs}
    damaged: dict[int, CellDamaged] = {}
    finished: Finished | None = None
    try:
        async for line in tool.lines():
            closed = missing.pop(line.decode(errors="replace").partition(",")[0], None)
            if closed is None:
                continue
            try:
                cell = await _verified(job, *closed)
            except CellDamaged as error:
                damaged[closed[1]] = error
                if not run.is_whole:
                    break
            else:
                yield cell
        else:
            finished = await tool.wait()
    finally:
        job.control.attach(None)
        await tool.stop()
    if finished is None:  # what it said until now tells whether a disk is to blame
        _judge_disk(await tool.wait())
    else:
        _judge_end(finished)
        unmade = {number: CellDamaged(f"segment {number} is missing", 0) for _, number in missing.values()}
        damaged = unmade | damaged
    _judge_cells(run, damaged)


async def _verified(job: EncodeJob, output: Output, number: int) -> Cell:
    path = job.workspace / segment_name(output, number)
    data = await to_thread(path.read_bytes)
    if isinstance(output, Sound):
        verify_sound(data, job.run.grid, number)
    else:
        verify_cell(data, job.run.grid, number, audio=default_audio(job.run.info) is not None)
    return Cell(output, number, path)


def _judge_end(finished: Finished) -> None:
    if finished.timed_out:
        raise TookTooLong("ffmpeg took too long for this film and was stopped.")
    if finished.returncode in KILLED:
        raise EncodeInterrupted(ENDED)
    _judge_disk(finished)
    if finished.returncode != 0:
        raise EncodeFailed(_reason(finished))


def _judge_disk(finished: Finished) -> None:
    if found_no_room(finished):
        raise DiskFull(FULL)
    trouble = disk_trouble(finished)
    if trouble is not None:
        raise DiskTrouble(trouble)


def _judge_cells(run: Run, damaged: Mapping[int, CellDamaged]) -> None:
    if not damaged:
        return
    first = min(damaged)
    if not run.is_whole:
        raise GuardFailed(NOT_PLANNED.format(damaged[first]))
    what = f"This file does not decode to what it promises: {damaged[first]}."
    is_tail = all(
        number in damaged and damaged[number].frames is not None for number in range(first, run.grid.segments)
    )
    if is_tail:
        raise EndsEarly(what, first * run.grid.gop + (damaged[first].frames or 0))
    raise EncodeFailed(what)


def _reason(finished: Finished) -> str:
    lines = finished.stderr.splitlines() or [f"it ended with {finished.returncode}"]
    said = next((line for line in reversed(lines) if not line.startswith(SAYS_NOTHING)), lines[-1])
    said = said.rpartition("%03d.ts: ")[2]  # the names of all that is written stand before it
    return f"ffmpeg could not encode this film: {''.join(char for char in said if char.isprintable())[-300:]}."
