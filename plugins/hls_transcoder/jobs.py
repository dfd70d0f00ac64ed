"""What workers do: chunks ahead of the viewer, cells a viewer waits for, posters."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

from tortoise.exceptions import OperationalError

from mediaserver import log
from mediaserver.contracts import MediaInfo
from mediaserver.errors import DatabaseAway, JobFailed, JobPostponed
from mediaserver.events import EncodingProgressed, PictureMade, VideoFailed, VideoReady
from mediaserver.models import Video

from . import posters
from .cells import Span
from .mending import Mending, cut_short
from .models import Claim, PlanState
from .pictures import make_poster
from .plans import AHEAD, ENCODE
from .runner import DiskTrouble, EncodeFailed, EncodeInterrupted, TookTooLong
from .workshop import AWAY_SECONDS, CELLS_TOPIC, can_be_read

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from mediaserver import RunningJob

    from .workshop import Film, Workshop

RENEW_SECONDS = 5.0
OTHER_BUILD_SECONDS = 120.0
Pauses = Mapping[type[EncodeFailed], float]  # s until it is tried again
PATIENT: Pauses = {EncodeInterrupted: 1.0, DiskTrouble: 30.0}
HURRIED: Pauses = {EncodeInterrupted: 0.0, DiskTrouble: AWAY_SECONDS}  # while a viewer waits
MOST_INTERRUPTIONS = 10


class Encoding:
    def __init__(self, shop: Workshop, background: str) -> None:
        """`background` is the setting: how much is made ahead."""
        self._shop = shop
        self._mending = Mending(shop)
        self._mending_now = Mending(shop, background=False)  # for a viewer who waits
        self._background = background
        self._interruptions: Counter[tuple[int, int]] = Counter()

    # ---- ahead of the viewer ---------------------------------------------------------------------------------

    async def encode(self, job: RunningJob) -> None:
        """One chunk of a film; the message after it is for whoever is free next."""
        if self._background == "off" and job.args.get(AHEAD):
            job.finish()
            return
        film = await self._shop.open(int(job.args["plan_id"]))
        if not film.recipe.straight and not await self._shop.plans.is_latest(film.plan):
            job.finish()  # whoever still watches it gets the cells he asks for; all others get the newer plan
            return
        if film.recipe.build != self._shop.tools.build:
            await self._leave_to_its_build(film)
        self._shop.need_space(self._shop.min_free_space)
        open_chunks = await asyncio.to_thread(film.cells.open_chunks)
        if self._background == "first_chunks" and not film.recipe.straight:
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
        if latest is not None and latest.id == film.plan.id:
            await self._shop.plans.renew(film.plan.video_id, straight=film.recipe.straight)
        await self._shop.plans.set_state(film.plan, PlanState.FAILED, reason)
        raise JobFailed(reason)

    async def _chunk(self, film: Film, start: int) -> None:
        straight = film.recipe.straight
        span = await asyncio.to_thread(
            film.cells.missing, start, film.recipe.grid.segments if straight else film.recipe.chunk
        )
        if span is None:
            return
        if straight:
            span = Span(0, film.recipe.grid.segments, span.outputs)  # from its start: there is nothing behind a seek
            await self._mending.forget_unmade(film)
        try:
            await self._shop.make(film, span, background=True)
        except (EncodeInterrupted, DiskTrouble) as failure:
            await self._again(film, start, failure)
            await self._at_bad_sector(film, span, failure, self._mending)
        except EncodeFailed as failure:
            await self._beyond(film, failure)

    async def _again(
        self, film: Film, start: int, failure: EncodeInterrupted | DiskTrouble, pauses: Pauses = PATIENT
    ) -> None:
        """Once more, soon; what ends so again and again is the film itself, or takes more memory than there is."""
        chunk = (film.plan.id, start)
        is_away = isinstance(failure, DiskTrouble) and not await asyncio.to_thread(can_be_read, film.source)
        self._interruptions[chunk] += not is_away  # a whole disk is waited for as long as it takes
        if is_away or self._interruptions[chunk] <= MOST_INTERRUPTIONS:
            raise JobPostponed(str(failure), pauses[type(failure)]) from failure
        if isinstance(failure, EncodeInterrupted):
            raise JobFailed(str(failure)) from failure

    async def _at_bad_sector(self, film: Film, span: Span, failure: EncodeFailed, mending: Mending) -> None:
        """Other places of the film are made as ever, where anything is; one run from its start would end here too."""
        try:
            if not film.recipe.straight and await mending.gives_any(film):
                await mending.patch(film, span)
                return
        except EncodeInterrupted as interrupted:
            raise JobPostponed(str(interrupted), PATIENT[EncodeInterrupted]) from interrupted
        await self._beyond(film, failure)

    async def _beyond(self, film: Film, failure: EncodeFailed) -> None:
        """What a chunk does not give, one run from the start may; and what that does not, is mended."""
        if not film.recipe.straight:
            await self._go_straight(film, failure)
        try:
            if isinstance(failure, TookTooLong):
                raise failure
            patient = self._interruptions[film.plan.id, 0] < MOST_INTERRUPTIONS
            await self._mending.mend(film, failure, patient=patient)
        except (EncodeInterrupted, DiskTrouble) as interrupted:
            await self._again(film, 0, interrupted)
        except EncodeFailed as final:
            await self._give_up(film, str(final))

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
        state = (await self._shop.plans.get(film.plan.id)).state
        if state not in (PlanState.READY, PlanState.PARTIAL) and not await self._mending.conclude(film):
            ends = cut_short(film.info, film.recipe.grid)
            await self._shop.plans.set_state(film.plan, PlanState.PARTIAL if ends else PlanState.READY, ends)
            await self._shop.changes.record(VideoReady(film.plan.video_id), None)

    # ---- while a viewer waits ----------------------------------------------------------------------------------

    async def cell(self, job: RunningJob) -> None:
        """The cells a viewer is about to see, at one rung, ahead of everything else."""
        film = await self._shop.open(int(job.args["plan_id"]), AWAY_SECONDS)
        output = film.recipe.output(job.args["rung"])
        if output is None or film.recipe.straight or film.plan.state == PlanState.FAILED:
            return
        count = int(job.args.get("count", 1))
        span = await asyncio.to_thread(film.cells.missing, int(job.args["number"]), count, (output,))
        if span is None:
            self._shop.wakeups.notify(CELLS_TOPIC)
            return
        with self._shop.pausing.viewer_waits():
            try:
                await self._shop.make(film, span, background=False)
            except (EncodeInterrupted, DiskTrouble) as failure:
                await self._again(film, span.first, failure, HURRIED)
                await self._at_bad_sector(film, span, failure, self._mending_now)
            except EncodeFailed as failure:
                await self._go_straight(film, failure)

    # ---- pictures ----------------------------------------------------------------------------------------------

    async def poster(self, job: RunningJob) -> None:
        video = await Video.get_or_none(id=int(job.args["video_id"]))
        storage, final = self._shop.storage, self._shop.storage.picture(int(job.args["video_id"]), "poster.jpg")
        files = posters.candidates(await self._shop.library.beside(int(job.args["video_id"])))
        mark = posters.mark_of(files)
        if video is None or posters.is_current(storage, video.id, mark):
            return
        source, info = await self._shop.source(video.id), MediaInfo.from_dict(video.probe)
        async with storage.workspace() as workspace:
            made = await posters.chosen_poster(self._shop.tools, info, source, files, workspace)
            try:
                made = made or await make_poster(self._shop.tools, info, source, workspace)
            except EncodeFailed as failure:
                raise JobFailed(str(failure)) from failure
            await asyncio.to_thread(storage.replace, made, final)
        await asyncio.to_thread(storage.write_text, storage.picture(video.id, posters.MARK), mark)
        await self._shop.changes.record(PictureMade(video.id, final.name), None)

    # ---- what fails --------------------------------------------------------------------------------------------

    async def _go_straight(self, film: Film, failure: EncodeFailed) -> None:
        """The file cannot be cut by seeking, or is damaged: a new plan makes it in one run on the same grid."""
        latest = await self._shop.plans.latest(film.plan.video_id)
        if latest is not None and latest.id == film.plan.id:
            log.info("a film goes straight", video=film.plan.video_id, why=str(failure))
            renewed = await self._shop.plans.renew(film.plan.video_id, straight=True)
            await self._shop.jobs.enqueue(ENCODE, f"encode:{renewed.id}", {"plan_id": renewed.id})
        await self._shop.plans.set_state(film.plan, PlanState.FAILED, str(failure))  # last: who asks finds either
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
            while await self._is_held(claim):
                await asyncio.sleep(RENEW_SECONDS)
            if task is not None:
                task.cancel()

        renewing = asyncio.create_task(renew())
        try:
            yield
        finally:
            renewing.cancel()
            await asyncio.gather(renewing, return_exceptions=True)
            with suppress(DatabaseAway, OperationalError):  # it ends by itself
                await self._shop.claims.release(claim)

    async def _is_held(self, claim: Claim) -> bool:
        """Renewed, or nobody can say, as with a full disk: it stays ours until somebody else has it."""
        try:
            return await self._shop.claims.renew(claim)
        except (DatabaseAway, OperationalError):
            return True
