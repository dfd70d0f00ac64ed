"""Segments as viewers ask for them: made at once where they are missing, and the next ones ahead."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mediaserver.errors import Gone, NotFound, NotYet
from mediaserver.models import JobRecord, JobState

from .models import Plan, PlanState
from .plans import CELL, cell_key
from .recipes import Recipe

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from pathlib import Path

    from mediaserver.contracts import Jobs, MediaGrant, Storage, Wakeups

    from .plans import Plans

HOLD_SECONDS = 8.0  # hls.js gives up after 10 s without a byte
WISH_SECONDS = 3.0
PREFETCH_SECONDS = 10.0
PREFETCH = 2  # cells after the one that was delivered
LINEAR = 3  # so many cells in a row, and the reader gets a chunk at once
WAITED_FOR, AHEAD = 10, 0  # priorities
SEEN_SECONDS, MOST_SEEN = 30.0, 20_000


@dataclass
class Reading:
    """Where a reader is: the last cell, how many it took in a row, and, once known, how many there are."""

    number: int
    row: int
    end: int | None = None


class Seen:
    """Cells that were there a moment ago.

    They are looked for in a thread, since a share that does not answer must not stop everybody; to ask a thread each
    time costs a twentieth of all that can be sent.
    """

    def __init__(self) -> None:
        self._at: dict[Path, float] = {}

    async def exists(self, path: Path) -> bool:
        now = time.monotonic()
        if now - self._at.get(path, -SEEN_SECONDS) < SEEN_SECONDS:
            return True
        there = await asyncio.to_thread(path.exists)
        if len(self._at) >= MOST_SEEN:
            self._at.clear()
        if there:
            self._at[path] = now
        return there


class Segments:
    def __init__(
        self,
        plans: Plans,
        storage: Storage,
        jobs: Jobs,
        wakeups: Wakeups,
        start: Callable[[Coroutine[Any, Any, None]], None],
    ) -> None:
        """`start` runs a coroutine that nobody waits for."""
        self._plans = plans
        self._storage = storage
        self._jobs = jobs
        self._wakeups = wakeups
        self._start = start
        self._readings: dict[tuple[int, int, str], Reading] = {}
        self._seen = Seen()

    async def get(self, grant: MediaGrant, rung: str, number: int) -> Path:
        """Waits up to 8 s for a cell that is made. Raises NotYet, Gone for one that cannot be made, or NotFound."""
        path = self._path(grant, rung, number)
        if not await self._seen.exists(path):
            plan = await self._plans.successor(await self._plans.get(grant.plan_id))
            recipe = Recipe.from_dict(plan.recipe)
            if recipe.output(rung) is None:
                raise NotFound("This film has no such track.")
            if number >= recipe.grid.segments:
                raise NotFound("The film ends before this.")
            path = self._storage.segment(grant.video_id, plan.id, rung, number)
            path = await self._wait(plan, path, rung, number)
        self._look_ahead(grant, rung, number)
        return path

    async def _wait(self, plan: Plan, path: Path, rung: str, number: int) -> Path:
        """Ask for a cell and hold the request until it is there. Raises NotYet after 8 s, or Gone."""
        key = cell_key(plan.id, rung, number)
        loop = asyncio.get_running_loop()
        end = loop.time() + HOLD_SECONDS
        subscription = self._wakeups.subscribe("cells")
        asked = False
        try:
            while loop.time() < end:
                if await asyncio.to_thread(path.exists):
                    return path
                await self._want(plan, key, rung, number, again=not asked)
                asked = True
                await subscription.wait(1.0)
            if await asyncio.to_thread(path.exists):
                return path
        finally:
            subscription.close()
        waiting = await JobRecord.get_or_none(key=key)
        raise NotYet((waiting and waiting.error) or "This part is being made; ask again in a second.")

    async def _want(self, plan: Plan, key: str, rung: str, number: int, *, again: bool) -> None:
        """Raises Gone for what failed, unless it did for somebody else, hours ago perhaps, and is tried `again`."""
        if plan.state == PlanState.FAILED:
            raise Gone(plan.reason or "This film cannot be played.")
        if Recipe.from_dict(plan.recipe).straight:
            return
        job = await JobRecord.get_or_none(key=key)
        if job is not None and job.state is JobState.FAILED and not again:
            await JobRecord.filter(id=job.id).delete()
            raise Gone(job.error)
        if job is not None and job.state is JobState.DUE:
            await self._jobs.renew_wish(key, WISH_SECONDS)
        elif not (job and job.state is JobState.RUNNING) and not await self._is_being_made(plan.id, rung, number):
            args = {"plan_id": plan.id, "rung": rung, "number": number}
            await self._jobs.enqueue(CELL, key, args, priority=WAITED_FOR, wanted_for=WISH_SECONDS)

    async def _is_being_made(self, plan_id: int, rung: str, number: int) -> bool:
        prefix = cell_key(plan_id, rung, 0).rpartition(":")[0]
        running = await JobRecord.filter(kind=CELL, state=JobState.RUNNING, key__startswith=f"{prefix}:")
        return any(
            int(job.args["number"]) <= number < int(job.args["number"]) + int(job.args.get("count", 1))
            for job in running
        )

    # ---- ahead of the reader -------------------------------------------------------------------------------

    def _look_ahead(self, grant: MediaGrant, rung: str, number: int) -> None:
        place = (grant.plan_id, grant.title_id, rung)
        before = self._readings.get(place)
        in_row = before is not None and before.number + 1 == number
        reading = Reading(number, before.row + 1 if before and in_row else 1, before.end if before else None)
        self._readings[place] = reading
        if len(self._readings) > 1000:  # noqa: PLR2004 (readers of one process; the oldest is forgotten)
            self._readings.pop(next(iter(self._readings)))
        self._start(self._prefetch(grant, rung, reading))

    def _path(self, grant: MediaGrant, rung: str, number: int) -> Path:
        return self._storage.segment(grant.video_id, grant.plan_id, rung, number)

    async def _prefetch(self, grant: MediaGrant, rung: str, reading: Reading) -> None:
        first, row = reading.number + 1, reading.row
        end = first + PREFETCH if reading.end is None else min(first + PREFETCH, reading.end)
        wanted = [after for after in range(first, end) if not await self._seen.exists(self._path(grant, rung, after))]
        if not wanted:
            return
        plan = await Plan.get_or_none(id=grant.plan_id)
        if plan is None or plan.state == PlanState.FAILED:  # then its successor makes the film in one run
            return
        recipe = Recipe.from_dict(plan.recipe)
        reading.end = recipe.grid.segments
        if recipe.straight:
            return
        for after in wanted[:1] if row >= LINEAR else wanted:
            if after >= recipe.grid.segments or await self._is_being_made(grant.plan_id, rung, after):
                continue
            count = min(recipe.chunk if row >= LINEAR else 1, recipe.grid.segments - after)
            args = {"plan_id": grant.plan_id, "rung": rung, "number": after, "count": count}
            key = cell_key(grant.plan_id, rung, after)
            await self._jobs.enqueue(CELL, key, args, priority=AHEAD, wanted_for=PREFETCH_SECONDS)
