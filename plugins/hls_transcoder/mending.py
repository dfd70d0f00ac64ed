"""Damaged films: what no run gives is tried segment by segment, and what cannot be made at all is shown black."""

from __future__ import annotations

import asyncio
from itertools import groupby
from typing import TYPE_CHECKING

from mediaserver import log
from mediaserver.events import VideoReady

from .command import Lacking
from .losses import Losses
from .models import PlanState
from .runner import DiskTrouble, EncodeFailed, EncodeInterrupted, EndsEarly

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mediaserver.contracts import MediaInfo

    from .cells import Span
    from .plan import Grid
    from .workshop import Film, Workshop

TRIES = 20  # spread over a film of which nothing is made yet, before it is given up
Passing = tuple[type[EncodeFailed], ...]
PASSING: Passing = (EncodeInterrupted, DiskTrouble)
LASTING: Passing = (EncodeInterrupted,)  # a disk that fails again and again is how the film's bytes are
SHOWN = {Lacking.SOUND: "without sound", Lacking.PICTURE: "black"}
MOST_IN_A_ROW = 20  # segments that fail one after the other, until the rest is not tried any more
COPY_AGAIN = "copy it again if you have a better copy"


class Mending:
    def __init__(self, shop: Workshop, *, background: bool = True) -> None:
        self._shop = shop
        self._background = background

    async def mend(self, film: Film, failure: EncodeFailed, *, patient: bool) -> None:
        """Every cell exists afterwards, so that whoever watches comes to the end.

        Where nothing but the end is missing, whoever begins from now on gets a plan that ends there.
        Raises `failure` where nothing of the film can be made, and where `patient` what may pass: DiskTrouble.
        """
        missing = await asyncio.to_thread(film.cells.gaps)
        losses = await asyncio.to_thread(self._losses, film)
        ends = failure.frames if isinstance(failure, EndsEarly) else 0
        await asyncio.to_thread(losses.note_end, self._shop.storage, ends)
        passing = PASSING if patient else LASTING
        untouched = not losses.segments and len(missing) == film.recipe.grid.segments
        if untouched and not await self._any_of(film, missing, passing):
            raise failure
        in_row = 0
        for place, number in enumerate(missing):
            if in_row == MOST_IN_A_ROW:
                await self._blacken(film, missing[place:], losses)
                break
            in_row = 0 if await self._make(film, number, losses, passing) else in_row + 1
        await self.conclude(film)

    async def gives_any(self, film: Film) -> bool:
        """Whether anything of the film is made, or can be."""
        if await asyncio.to_thread(film.cells.count):
            return True
        return await self._any_of(film, await asyncio.to_thread(film.cells.gaps), LASTING)

    async def patch(self, film: Film, span: Span) -> None:
        """What the disk does not give of a few segments, though it gives what stands before and behind them."""
        losses = await asyncio.to_thread(self._losses, film)
        for number in range(span.first, span.first + span.count):
            await self._make(film, number, losses, LASTING)
        lost = (await asyncio.to_thread(self._losses, film)).segments  # others patch it as well
        if lost:
            await self._shop.plans.goes_on(film.plan, _sentence(film.recipe.grid, lost))

    async def conclude(self, film: Film) -> bool:
        """Say what is lacking in a film whose cells all exist; False where nothing is. Again is no fault."""
        losses = await asyncio.to_thread(self._losses, film)
        lost = losses.segments
        if not lost:
            return False
        ends = _end(film, losses)
        reason = _tail_sentence(film.recipe.grid, ends) if ends else _sentence(film.recipe.grid, lost)
        log.warning("a film is damaged", video=film.plan.video_id, segments=sorted(lost))
        await self._shop.library.damaged(film.plan.video_id, float(film.recipe.grid.time(ends)) if ends else None)
        if ends:
            await self._shop.plans.ensure(film.plan.video_id)
        await self._shop.plans.set_state(film.plan, PlanState.PARTIAL, reason)  # last: what went before is done again
        if not ends:
            await self._shop.changes.record(VideoReady(film.plan.video_id), None)
        return True

    def _losses(self, film: Film) -> Losses:
        return Losses.of(self._shop.storage, film.plan.video_id, film.plan.id)

    async def forget_unmade(self, film: Film) -> None:
        """Before a run that may make what was given up when somebody was killed."""
        gaps = await asyncio.to_thread(film.cells.gaps)
        losses = await asyncio.to_thread(self._losses, film)
        await asyncio.to_thread(losses.forget, gaps)

    async def _any_of(self, film: Film, missing: Sequence[int], passing: Passing) -> bool:
        for number in missing[:: -(-len(missing) // TRIES)]:
            if await self._encoded(film, number, Lacking.NOTHING, passing):
                return True
        return False

    async def _make(self, film: Film, number: int, losses: Losses, passing: Passing) -> bool:
        """Encode one segment by itself, with as much of it as can be had; False where it is black."""
        if await self._encoded(film, number, Lacking.NOTHING, passing):
            return True
        await asyncio.to_thread(losses.note, self._shop.storage, [number], Lacking.SOUND)
        if await self._encoded(film, number, Lacking.SOUND, passing):
            return True
        await self._blacken(film, [number], losses)
        return False

    async def _blacken(self, film: Film, numbers: Sequence[int], losses: Losses) -> None:
        """Without another try; segments that follow each other in one run."""
        await asyncio.to_thread(losses.note, self._shop.storage, numbers, Lacking.PICTURE)
        for _, run in groupby(enumerate(numbers), lambda place: place[1] - place[0]):
            together = [number for _, number in run]
            span = await asyncio.to_thread(film.cells.missing, together[0], len(together))
            if span is not None:
                await self._shop.make(film, span, background=self._background, lacking=Lacking.PICTURE)

    async def _encoded(self, film: Film, number: int, lacking: Lacking, passing: Passing) -> bool:
        """Raises what is `passing`; anything else is what the film is like."""
        span = await asyncio.to_thread(film.cells.missing, number, 1)
        if span is None:
            return True
        if film.info.restarts:
            return False
        try:
            await self._shop.make(film, span, background=self._background, lacking=lacking)
        except passing:
            raise
        except EncodeFailed:
            return False
        return True


def _end(film: Film, losses: Losses) -> int:
    """The first frame that is not there, where everything behind it is missing too; else 0."""
    lost, begin = losses.segments, min(losses.segments)
    if any(lost.get(number) is not Lacking.PICTURE for number in range(begin, film.recipe.grid.segments)):
        return 0
    return max(losses.frames, film.recipe.grid.bounds(begin)[0])


def cut_short(info: MediaInfo, grid: Grid) -> str:
    """A sentence for a film whose packets end before its header says; "" for any other."""
    return _tail_sentence(grid, grid.frames) if info.truncated else ""


def _tail_sentence(grid: Grid, end: int) -> str:
    at = _clock(grid, end)
    return f"This copy ends at {at}, before its header says: the rest is missing or damaged; {COPY_AGAIN}."


def _sentence(grid: Grid, lost: Mapping[int, Lacking]) -> str:
    first, last = (_clock(grid, grid.bounds(number)[0]) for number in (min(lost), max(lost)))
    where = f"at {first}" if len(lost) == 1 else f"in {len(lost)} places from {first} to {last}"
    shown = " or ".join(sorted({SHOWN[lacking] for lacking in lost.values()}))
    return f"This film is damaged {where}, shown {shown} there; {COPY_AGAIN}."


def _clock(grid: Grid, frame: int) -> str:
    """Hours, minutes and seconds as players show them."""
    minutes, seconds = divmod(int(grid.time(frame)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}" if hours else f"{minutes}:{seconds:02d}"
