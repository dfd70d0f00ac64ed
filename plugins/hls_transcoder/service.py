"""Puts the parts together: plans on news, jobs, commands, and the contracts this plugin provides."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from mediaserver import Registry, log
from mediaserver import contracts as core
from mediaserver.contracts import Pictures, Streaming, Transcoding
from mediaserver.errors import MediaServerError, NotFound
from mediaserver.events import SidecarsChanged, VideoProbed, VideoReady
from mediaserver.models import JobRecord, Video

from . import copying, posters, sprites
from .claims import Claims
from .collecting import EVERY_SECONDS, Collector
from .jobs import Encoding
from .models import Plan, PlanState
from .original import Original
from .pausing import Pausing
from .plans import CELL, ENCODE, POSTER, Plans
from .selftest import encoding_fault
from .sprites import SPRITES, Scrubbing
from .streaming import HlsStreaming
from .subtitling import LOOK, Subtitling, look
from .trial import Encoders
from .workshop import Workshop

if TYPE_CHECKING:
    from mediaserver import Server
    from mediaserver.contracts import Jobs, MediaGrants, Storage


PLAN = "hls.plan"
PLAN_MISSED, CATCH_UP = "hls.plan_missed", "hls.catch_up"
FIRST = 20  # before every film that is encoded ahead


class Transcoder:
    """Implements `Transcoding` and `Pictures`."""

    def __init__(
        self, plans: Plans, jobs: Jobs, storage: Storage, grants: MediaGrants, *, copies: bool, encoders: Encoders
    ) -> None:
        self._plans = plans
        self._jobs = jobs
        self._storage = storage
        self._grants = grants
        self._copies = copies
        self.encoders = encoders

    async def plan(self, video_id: int) -> int:
        return (await self._plans.ensure(video_id)).id

    async def retry(self, video_id: int) -> bool:
        """Try a failed film again, with what is made kept; False where nothing had failed."""
        plan = await self._plans.latest(video_id)
        if plan is None:
            await self._plans.ensure(video_id)
            return True
        if plan.state == PlanState.FAILED:
            await self._plans.set_state(plan, PlanState.PLANNED)
        record = await JobRecord.get_or_none(key=f"encode:{plan.id}")
        if record is None or not await self._jobs.retry(record.id):
            await self._jobs.enqueue(ENCODE, f"encode:{plan.id}", {"plan_id": plan.id})
        return plan.state == PlanState.FAILED

    async def overwrite(self, video_id: int) -> int:
        plan = await self._plans.renew(video_id)
        await self._jobs.enqueue(ENCODE, f"encode:{plan.id}", {"plan_id": plan.id})
        return plan.number

    async def copy(self, video_id: int, *, again: bool = True) -> None:
        if self._copies:
            await copying.ask(self._jobs, video_id, again=again)

    def address(self, video_id: int, name: str) -> str:
        if not self._storage.picture(video_id, name).exists():
            return ""
        return f"/v1/pictures/{self._grants.seal('pictures', video_id)}/{name}"


def register(registry: Registry) -> None:
    config, services = registry.config, registry.services
    database, jobs = services.get(core.Database), services.get(core.Jobs)
    storage, tools = services.get(core.Storage), services.get(core.MediaTools)
    changes, wakeups = services.get(core.Changes), services.get(core.Wakeups)
    grants, clock = services.get(core.MediaGrants), services.get(core.Clock)
    workers = registry.server.settings.workers

    notes = registry.server.data / "run" / "hls_encoder.json"
    encoders = Encoders(config.encoder, tools, storage, notes)
    plans = Plans(config, database, storage, tools, changes, jobs, encoders)
    claims = Claims(database)
    transcoder = Transcoder(plans, jobs, storage, grants, copies=config.copy_original, encoders=encoders)
    shop = Workshop(
        tools, storage, services.get(core.Library), changes, jobs, wakeups, plans, claims,
        Pausing(enabled=workers.pause_while_waiting), int(workers.min_free_space), workers.nice, clock, encoders,
    )  # fmt: skip
    encoding = Encoding(shop, config.background)
    registry.provide(Transcoding, transcoder)
    registry.provide(Pictures, transcoder)
    original = Original(services.get(core.Library), given=config.original and config.encryption == "none")
    registry.provide(Streaming, HlsStreaming(registry.server, plans, storage, jobs, grants, wakeups, clock, original))
    registry.job(ENCODE, encoding.encode, shared=True)
    registry.job(CELL, encoding.cell, queue="interactive", attempts=1, kept=False)
    registry.job(POSTER, encoding.poster)
    registry.job(SPRITES, Scrubbing(shop).make, attempts=2)
    registry.job(copying.COPY, copying.Copying(shop).make, attempts=2)
    registry.job(LOOK, Subtitling(tools, storage, services.get(core.Library), changes, plans).make, kept=False)
    registry.job(PLAN, lambda job: plan_new(registry.server, int(job.args["video_id"])), kept=False)
    registry.job(PLAN_MISSED, lambda _: plan_missed(registry.server, plans), kept=False)
    registry.job(CATCH_UP, lambda _: catch_up(registry.server), kept=False)
    registry.timer("hls.collect", EVERY_SECONDS, Collector(storage, clock).collect)
    registry.command(transcode_command())
    registry.check("encoding", lambda: encoding_fault(tools, storage))
    registry.check("encoder", encoders.fault)


def transcode_command() -> click.Command:
    @click.command(name="transcode")
    @click.option("--video-id", type=int, help="Only this video.")
    @click.option("--overwrite", is_flag=True, help="Make everything again, as a new plan.")
    async def transcode(server: Server, video_id: int | None, overwrite: bool) -> None:
        """Encode what is not encoded yet, and try again what failed."""
        transcoding = server.services.get(Transcoding)
        ids = [video_id] if video_id is not None else await Video.all().order_by("id").values_list("id", flat=True)
        for each in ids:
            await _transcode(transcoding, int(str(each)), overwrite=overwrite)

    return transcode


async def _transcode(transcoding: Any, video_id: int, *, overwrite: bool) -> None:
    try:
        if overwrite:
            number = await transcoding.overwrite(video_id)
            click.echo(f"video {video_id}: made again as plan {number}; those who watch keep the old one.")
        else:
            failed = await transcoding.retry(video_id)
            click.echo(f"video {video_id}: {'tried again' if failed else 'what is missing is made'}.")
    except NotFound as error:
        raise MediaServerError(f"Video {video_id}: {error.message}") from error


async def begin(server: Server) -> None:
    """Of a worker: which encoder works here is known before the first plan."""
    transcoder = server.services.get(Transcoding)
    if isinstance(transcoder, Transcoder):  # another plugin may provide the contract
        await transcoder.encoders.prepare()
    jobs = server.services.get(core.Jobs)
    await jobs.enqueue(PLAN_MISSED, PLAN_MISSED, {}, priority=FIRST)
    await jobs.enqueue(CATCH_UP, CATCH_UP, {}, priority=sprites.LAST)


async def plan_missed(server: Server, plans: Plans) -> None:
    """Plan what was probed while nobody listened: this plugin switched off, say. A job, since there may be many."""
    planned = set(await Plan.all().values_list("video_id", flat=True))
    for video_id in await Video.all().order_by("id").values_list("id", flat=True):
        if video_id not in planned:
            await plan_new(server, int(str(video_id)))
    await plans.resume()


async def catch_up(server: Server) -> None:
    """Subtitles, posters and pictures to seek by of films that were planned before: a job, since there may be many."""
    jobs, storage = server.services.get(core.Jobs), server.services.get(core.Storage)
    planned = {plan.video_id: plan.state for plan in await Plan.all().order_by("number").only("video_id", "state")}
    for video_id, state in planned.items():
        await look_beside(server, video_id)
        if state == PlanState.READY:
            await sprites.ask(jobs, storage, video_id, again=False)
            await server.services.get(Transcoding).copy(video_id, again=False)


async def plan_new(server: Server, video_id: int) -> None:
    """A film was probed: its playlists exist now, its cells follow."""
    try:
        await server.services.get(Transcoding).plan(video_id)
    except NotFound:
        log.info("a video was gone before it was planned", video=video_id)
        return
    await look(server.services.get(core.Library), server.services.get(core.Jobs), video_id)


async def look_beside(server: Server, video_id: int) -> None:
    """Subtitles beside the film are other ones now, and so may be its poster."""
    library, jobs = server.services.get(core.Library), server.services.get(core.Jobs)
    await look(library, jobs, video_id)
    mark = posters.mark_of(posters.candidates(await library.beside(video_id)))
    if not posters.is_current(server.services.get(core.Storage), video_id, mark):
        await jobs.enqueue(POSTER, f"poster:{video_id}:{mark}", {"video_id": video_id}, priority=5)


async def changed(server: Server, event: VideoProbed) -> None:
    streaming = server.services.find(Streaming)
    if isinstance(streaming, HlsStreaming):  # another plugin may provide the contract
        await streaming.changed(event.title_id)


async def heard(server: Server, event: VideoProbed | SidecarsChanged | VideoReady) -> None:
    if isinstance(event, VideoProbed):
        try:
            await plan_new(server, event.video_id)
        except OSError:  # the media folder is full, say: a job waits until it is not
            args, jobs = {"video_id": event.video_id}, server.services.get(core.Jobs)
            await jobs.enqueue(PLAN, f"plan:{event.video_id}", args, priority=FIRST)
    elif isinstance(event, SidecarsChanged):
        await look_beside(server, event.video_id)
    else:
        await sprites.ask(server.services.get(core.Jobs), server.services.get(core.Storage), event.video_id)
        await server.services.get(Transcoding).copy(event.video_id)
