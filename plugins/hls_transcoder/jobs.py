"""What workers do: chunks ahead of the viewer, cells a viewer waits for, posters."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mediaserver import log
from mediaserver.contracts import MediaInfo
from mediaserver.errors import JobFailed, JobPostponed
from mediaserver.events import EncodingProgressed, PictureMade, VideoFailed, VideoReady
from mediaserver.models import Video

from . import posters
from .cells import Cells, Span
from .claims import Claims
from .command import Run
from .models import Claim, Plan, PlanState
from .pictures import make_poster
from .plans import ENCODE
from .recipes import Recipe
from .runner import Control, EncodeFailed, EncodeInterrupted, EncodeJob, GuardFailed, encode

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from pathlib import Path

    from mediaserver import RunningJob
    from mediaserver.contracts import Changes, Clock, Jobs, Library, MediaTools, Storage, Wakeups

    from .pausing import Pausing
    from .plans import Plans

CELLS_TOPIC = "cells"
RENEW_SECONDS = 5.0
OTHER_BUILD_SECONDS = 120.0
NO_SPACE_SECONDS = 20.0
FULL_BYTES = 100_000_000  # with less room, what ffmpeg made wrong tells of the disk and not of the film
OFFLINE_SECONDS = 10.0
AWAY_SECONDS = 2.0  # while a viewer waits: a renamed film is found under its new name within a moment
INTERRUPTED_SECONDS = 1.0
MOST_INTERRUPTIONS = 10


@dataclass
class Workshop:
    """What every job here needs."""

    tools: MediaTools
    storage: Storage
    library: Library
    changes: Changes
    jobs: Jobs
    wakeups: Wakeups
    plans: Plans
    claims: Claims
    pausing: Pausing
    min_free_space: int  # bytes
    nice: int  # of what no viewer waits for
    clock: Clock


@dataclass(frozen=True)
class Film:
    """A plan, opened for work."""

    plan: Plan
    recipe: Recipe
    info: MediaInfo
    source: Path
    cells: Cells


@contextmanager
def still_there(source: Path) -> Iterator[None]:
    """A file that was renamed or unplugged between its choice and its reading says nothing about the film."""
    try:
        yield
    except EncodeFailed as failure:
        if source.exists():
            raise
        raise JobPostponed("Its file has just moved; it goes on where it is found again.", AWAY_SECONDS) from failure


class Encoding:
    def __init__(self, shop: Workshop, *, first_chunk_only: bool) -> None:
        self._shop = shop
        self._first_chunk_only = first_chunk_only
        self._interruptions: Counter[tuple[int, int]] = Counter()

    # ---- ahead of the viewer ---------------------------------------------------------------------------------

    async def encode(self, job: RunningJob) -> None:
        """One chunk of a film; the message after it is for whoever is free next."""
        film = await self._open(int(job.args["plan_id"]))
        if film.recipe.build != self._shop.tools.build:
            await self._leave_to_its_build(film)
        self._need_space(self._shop.min_free_space)
        open_chunks = await asyncio.to_thread(film.cells.open_chunks)
        if self._first_chunk_only and not film.recipe.straight:
            open_chunks = [start for start in open_chunks if start == 0]
        if not open_chunks:
            await self._complete(job, film)
            return
        await self._shop.claims.release_gone(self._shop.jobs.is_gone)
        claim = await self._shop.claims.take(film.plan.id, open_chunks, job.worker)
        if claim is None:
            return
        if len(open_chunks) > 1:
            job.invite()
        if film.plan.state == PlanState.PLANNED:
            await self._shop.plans.set_state(film.plan, PlanState.ENCODING)
        async with self._holding(claim):
            await self._chunk(film, claim.start)
        await self._told(job, film)

    async def _leave_to_its_build(self, film: Film) -> None:
        """Chunks are made by the build the plan was begun with; where none works on it any more, ours begins anew."""
        idle = self._shop.clock.now().timestamp() - await asyncio.to_thread(film.cells.last_made, film.plan.created_at)
        if idle < OTHER_BUILD_SECONDS:
            raise JobPostponed("Waits for a worker with the ffmpeg this film was begun with.", OTHER_BUILD_SECONDS / 2)
        latest = await self._shop.plans.latest(film.plan.video_id)
        reason = "It was begun with another ffmpeg, which is gone; it is made anew."
        await self._shop.plans.set_state(film.plan, PlanState.FAILED, reason)
        if latest is not None and latest.id == film.plan.id:
            await self._shop.plans.renew(film.plan.video_id, straight=film.recipe.straight)
        raise JobFailed(reason)

    async def _chunk(self, film: Film, start: int) -> None:
        count = film.recipe.grid.segments if film.recipe.straight else film.recipe.chunk
        span = await asyncio.to_thread(film.cells.missing, start, count)
        if span is not None:
            try:
                await self._make(film, span, background=True)
            except EncodeInterrupted as failure:
                self._interrupted(film, start, failure)
            except GuardFailed as failure:
                await self._go_straight(film, failure)
            except EncodeFailed as failure:
                await self._give_up(film, str(failure))

    def _interrupted(self, film: Film, start: int, failure: EncodeInterrupted) -> None:
        """Once more, soon; a chunk that ends so again and again takes more memory than there is."""
        chunk = (film.plan.id, start)
        self._interruptions[chunk] += 1
        if self._interruptions[chunk] > MOST_INTERRUPTIONS:
            raise JobFailed(str(failure)) from failure
        raise JobPostponed(str(failure), INTERRUPTED_SECONDS) from failure

    async def _told(self, job: RunningJob, film: Film) -> None:
        done = await asyncio.to_thread(film.cells.count)
        total = film.recipe.cells
        await job.progress(done / total)
        await self._shop.changes.record(EncodingProgressed(film.plan.video_id, done, total), None)
        if done >= total:
            await self._complete(job, film)

    async def _complete(self, job: RunningJob, film: Film) -> None:
        job.finish()
        if await asyncio.to_thread(film.cells.count) < film.recipe.cells:
            return
        if film.plan.state != PlanState.READY:
            await self._shop.plans.set_state(film.plan, PlanState.READY)
            await self._shop.changes.record(VideoReady(film.plan.video_id), None)

    # ---- while a viewer waits ----------------------------------------------------------------------------------

    async def cell(self, job: RunningJob) -> None:
        """The cells a viewer is about to see, at one rung, ahead of everything else."""
        film = await self._open(int(job.args["plan_id"]), AWAY_SECONDS)
        rung = film.recipe.rung(job.args["rung"])
        if rung is None or film.recipe.straight:
            return
        count = int(job.args.get("count", 1))
        span = await asyncio.to_thread(film.cells.missing, int(job.args["number"]), count, (rung,))
        if span is None:
            self._shop.wakeups.notify(CELLS_TOPIC)
            return
        with self._shop.pausing.viewer_waits():
            try:
                await self._make(film, span, background=False)
            except EncodeInterrupted as failure:
                raise JobPostponed(str(failure), 0.0) from failure
            except GuardFailed as failure:
                await self._go_straight(film, failure)
            except EncodeFailed as failure:
                raise JobFailed(str(failure)) from failure

    # ---- pictures ----------------------------------------------------------------------------------------------

    async def poster(self, job: RunningJob) -> None:
        video = await Video.get_or_none(id=int(job.args["video_id"]))
        storage, final = self._shop.storage, self._shop.storage.picture(int(job.args["video_id"]), "poster.jpg")
        files = posters.candidates(await self._shop.library.beside(int(job.args["video_id"])))
        mark = posters.mark_of(files)
        if video is None or posters.is_current(storage, video.id, mark):
            return
        source, info = await self._source(video.id), MediaInfo.from_dict(video.probe)
        async with storage.workspace() as workspace:
            made = await posters.chosen_poster(self._shop.tools, info, source, files, workspace)
            try:
                with still_there(source):
                    made = made or await make_poster(self._shop.tools, info, source, workspace)
            except EncodeFailed as failure:
                raise JobFailed(str(failure)) from failure
            await asyncio.to_thread(storage.replace, made, final)
        await asyncio.to_thread(storage.write_text, storage.picture(video.id, posters.MARK), mark)
        await self._shop.changes.record(PictureMade(video.id, final.name), None)

    # ---- the work ----------------------------------------------------------------------------------------------

    async def _make(self, film: Film, span: Span, *, background: bool) -> None:
        """Encode a span and publish each cell as soon as it is closed and verified."""
        shop, recipe = self._shop, film.recipe
        run = Run(film.info, recipe.grid, span.rungs, span.first, span.count, recipe.preset, recipe.crf)
        control = Control()
        async with shop.storage.workspace() as workspace:
            work = EncodeJob(run, film.source, workspace, shop.nice if background else None, control)
            pause = shop.pausing.background(control) if background else shop.pausing.viewer_waits()
            with pause, still_there(film.source), self._disk_not_blamed_on_film() as look:
                async for cell in encode(shop.tools, work):
                    final = shop.storage.segment(film.plan.video_id, film.plan.id, cell.rung.name, cell.number)
                    await asyncio.to_thread(shop.storage.publish, cell.path, final)
                    shop.wakeups.notify(CELLS_TOPIC)
                    look()

    async def _open(self, plan_id: int, again: float = OFFLINE_SECONDS) -> Film:
        plan = await Plan.get_or_none(id=plan_id)
        video = await Video.get_or_none(id=plan.video_id) if plan else None
        if plan is None or video is None:
            raise JobFailed("The film is gone.")
        recipe = Recipe.from_dict(plan.recipe)
        cells = Cells(self._shop.storage, video.id, plan.id, recipe)
        return Film(plan, recipe, MediaInfo.from_dict(video.probe), await self._source(video.id, again), cells)

    async def _source(self, video_id: int, again: float = OFFLINE_SECONDS) -> Path:
        """Raises JobPostponed, until `again` seconds from now."""
        source = await self._shop.library.source(video_id)
        if source is None:
            raise JobPostponed("No file with this film can be reached; it goes on when one is back.", again)
        return source

    @contextmanager
    def _disk_not_blamed_on_film(self) -> Iterator[Callable[[], None]]:
        """Raises JobPostponed for a failure while there was too little room, though there may be enough again.

        The room is looked at now, at every call of what it yields, and at the failure.
        """
        free = self._shop.storage.free_bytes
        least = free()

        def look() -> None:
            nonlocal least
            least = min(least, free())

        try:
            yield look
        except EncodeInterrupted:
            raise
        except EncodeFailed:
            look()
            self._need_space(FULL_BYTES, least)
            raise

    def _need_space(self, needed: int, free: int | None = None) -> None:
        free = self._shop.storage.free_bytes() if free is None else free
        if free < needed:
            raise JobPostponed(
                f"{free / 1e9:.1f} GB are free, {needed / 1e9:.1f} are needed "
                "(workers.min_free_space); it goes on when there is room.",
                NO_SPACE_SECONDS,
            )

    async def _go_straight(self, film: Film, failure: GuardFailed) -> None:
        """The file cannot be cut by seeking: a new plan makes it in one run on the same grid."""
        latest = await self._shop.plans.latest(film.plan.video_id)
        await self._shop.plans.set_state(film.plan, PlanState.FAILED, str(failure))
        if latest is not None and latest.id == film.plan.id:
            log.info("a film goes straight", video=film.plan.video_id, why=str(failure))
            renewed = await self._shop.plans.renew(film.plan.video_id, straight=True)
            await self._shop.jobs.enqueue(ENCODE, f"encode:{renewed.id}", {"plan_id": renewed.id})
        raise JobFailed(str(failure))

    async def _give_up(self, film: Film, reason: str) -> None:
        await self._shop.plans.set_state(film.plan, PlanState.FAILED, reason)
        await self._shop.changes.record(VideoFailed(film.plan.video_id, reason), None)
        raise JobFailed(reason)

    @asynccontextmanager
    async def _holding(self, claim: Claim) -> AsyncIterator[None]:
        """Renew a claim while the chunk is worked on; what we lose is left to whoever took it."""
        task = asyncio.current_task()

        async def renew() -> None:
            while await self._shop.claims.renew(claim):
                await asyncio.sleep(RENEW_SECONDS)
            if task is not None:
                task.cancel()

        renewing = asyncio.create_task(renew())
        try:
            yield
        finally:
            renewing.cancel()
            await asyncio.gather(renewing, return_exceptions=True)
            await self._shop.claims.release(claim)
