"""The job that copies a film, when it is ready and nothing else is to be done."""

from __future__ import annotations

import asyncio
import math
from typing import TYPE_CHECKING

from mediaserver import log
from mediaserver.contracts import Limits
from mediaserver.errors import JobPostponed
from mediaserver.events import TracksChanged
from mediaserver.models import JobRecord

from .copies import COPIED, Copy, Unfit, copy_arguments, require_fit, variant_of
from .encrypting import encrypt_file
from .models import Plan, PlanState
from .outcome import FULL, found_no_room, postpone_if_hindered
from .plans import KEY_FROM_RUNG
from .runner import Control

if TYPE_CHECKING:
    from pathlib import Path

    from mediaserver import RunningJob
    from mediaserver.contracts import Finished, Jobs, RunningTool

    from .workshop import Film, Workshop

__all__ = ["COPY", "Copying", "ask"]

COPY = "hls.copy"
LAST = -2  # priority: behind the pictures to seek by
SLOWEST = 2_000_000  # bytes/s of a disk
AWAY_SECONDS = 60.0


async def ask(jobs: Jobs, video_id: int, *, again: bool = True) -> None:
    """Where the newest plan of a video is ready; without `again` only where nobody tried yet."""
    plan = await Plan.filter(video_id=video_id).order_by("-number").first()
    if plan is None or plan.state != PlanState.READY:
        return
    key = f"copy:{plan.id}"
    if again or not await JobRecord.exists(key=key):
        await jobs.enqueue(COPY, key, {"plan_id": plan.id}, priority=LAST)


class Copying:
    def __init__(self, shop: Workshop) -> None:
        self._shop = shop

    async def make(self, job: RunningJob) -> None:
        """A film that cannot be copied is no fault of anybody: the log says why, and it plays from its rungs."""
        film = await self._shop.open(int(job.args["plan_id"]), AWAY_SECONDS)
        playlist = self._shop.storage.playlist(film.plan.video_id, film.plan.id, COPIED)
        if await asyncio.to_thread(variant_of, playlist):
            return
        try:
            require_fit(film.info, film.recipe.rungs)
            self._shop.need_space(film.info.size + self._shop.min_free_space)
            async with self._shop.storage.workspace() as workspace:
                copy = await self._copied(film, workspace)
                await self._publish(film, copy, workspace)
        except Unfit as reason:
            log.info("a film is not copied", video=film.plan.video_id, why=f"{reason}")
            return
        await asyncio.to_thread(self._shop.storage.write_text, playlist, copy.playlist(_key(film)))
        await self._shop.plans.write_multivariant(film.plan, film.recipe)
        await self._shop.changes.record(TracksChanged(film.plan.video_id), None)

    async def _copied(self, film: Film, workspace: Path) -> Copy:
        """Raises Unfit as soon as a segment shows it, or JobPostponed where film or disk are hindered."""
        shop, control, copy = self._shop, Control(), Copy(film.info)
        seconds = 60 + film.info.size / SLOWEST
        limits = Limits(wall=seconds, cpu=math.ceil(seconds), nice=shop.nice, idle_io=True)
        asked = copy_arguments(film.info, film.source, flags=shop.tools.input_flags)
        tool = await shop.tools.start("ffmpeg", asked, reads=[film.source], workspace=workspace, limits=limits)
        control.attach(tool)
        try:
            with shop.pausing.background(control):
                await _read(tool, copy, workspace)
                finished = await tool.wait()
        except Unfit:
            await tool.stop()
            if found_no_room(await tool.wait()):  # which is why a segment is not what it should be
                raise JobPostponed(FULL, AWAY_SECONDS) from None
            raise
        finally:
            control.attach(None)
            await tool.stop()
        await postpone_if_hindered(finished, film.source, AWAY_SECONDS)
        _judge(finished)
        copy.finish(film.recipe.rungs)
        return copy

    async def _publish(self, film: Film, copy: Copy, workspace: Path) -> None:
        """What another try left half done is the same: it was cut at the same key frames."""
        storage, plan = self._shop.storage, film.plan
        for number in range(len(copy.durations)):
            made = workspace / f"{number:03d}.ts"
            if plan.key:
                await asyncio.to_thread(encrypt_file, made, plan.key, number)
            await asyncio.to_thread(storage.publish, made, storage.segment(plan.video_id, plan.id, COPIED, number))


async def _read(tool: RunningTool, copy: Copy, workspace: Path) -> None:
    async for line in tool.lines():
        part = workspace / line.decode(errors="replace").partition(",")[0]
        copy.add(await asyncio.to_thread(part.read_bytes))


def _judge(finished: Finished) -> None:
    if finished.timed_out:
        raise Unfit("reading it took too long")
    if finished.returncode != 0:
        raise Unfit("ffmpeg could not read it to its end")


def _key(film: Film) -> str:
    return KEY_FROM_RUNG if film.plan.key else ""
