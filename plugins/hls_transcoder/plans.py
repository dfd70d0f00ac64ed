"""Plans: made as soon as a video is known, kept while what they say still holds."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from mediaserver.contracts import MediaInfo
from mediaserver.errors import NotFound
from mediaserver.events import VideoPlayable
from mediaserver.models import Video

from . import audio, sprites, subtitles
from .copies import COPIED, variant_of
from .encrypting import new_key
from .ladder import Sound, default_audio
from .models import Plan, PlanState
from .playlists import media_playlist, multivariant_playlist
from .recipes import Recipe, recipe

if TYPE_CHECKING:
    from mediaserver.contracts import Changes, Database, Jobs, MediaTools, Storage, Transaction

    from . import Config
    from .trial import Encoders

ENCODE, CELL, POSTER = "hls.encode", "hls.cell", "hls.poster"
KEY_FROM_RUNG, KEY_FROM_SOUND = "../key", "../../key"  # relative, so that dialects have it at their own addresses
AHEAD = "ahead"  # nobody asked for it: `background` may have been switched off since
FIRST_CELL_SECONDS = 30.0  # after that the background has made it


class Plans:
    def __init__(
        self,
        config: Config,
        db: Database,
        storage: Storage,
        tools: MediaTools,
        changes: Changes,
        jobs: Jobs,
        encoders: Encoders,
    ) -> None:
        self._config = config
        self._db = db
        self._storage = storage
        self._tools = tools
        self._changes = changes
        self._jobs = jobs
        self._encoders = encoders

    async def get(self, plan_id: int) -> Plan:
        """Raises NotFound."""
        plan = await Plan.get_or_none(id=plan_id)
        if plan is None:
            raise NotFound("This plan is gone; start playing again.")
        return plan

    async def latest(self, video_id: int) -> Plan | None:
        return await Plan.filter(video_id=video_id).order_by("-number").first()

    async def is_latest(self, plan: Plan) -> bool:
        return not await Plan.filter(video_id=plan.video_id, number__gt=plan.number).exists()

    async def ensure(self, video_id: int) -> Plan:
        """The plan that new sessions get, made where there is none or the settings have changed. Raises NotFound."""
        video = await Video.get_or_none(id=video_id)
        if video is None:
            raise NotFound("This video is gone.")
        wanted = self._wanted(MediaInfo.from_dict(video.probe))
        latest = await self.latest(video_id)
        if latest is not None and Recipe.from_dict(latest.recipe).same_cells(wanted):
            return latest
        return await self.begin(video_id, wanted)

    async def renew(self, video_id: int, *, straight: bool = False) -> Plan:
        """A new plan, whatever there is."""
        video = await Video.get_or_none(id=video_id)
        if video is None:
            raise NotFound("This video is gone.")
        return await self.begin(video_id, self._wanted(MediaInfo.from_dict(video.probe), straight=straight))

    async def begin(self, video_id: int, wanted: Recipe) -> Plan:
        """Make a plan, its playlists and its jobs; of two who try at once both get the same plan."""
        before = await self.latest(video_id)
        number = before.number + 1 if before else 1
        async with self._db.transaction() as tx:
            key = (before and before.key) or new_key()  # one that went straight is still watched by its old playlist
            new = {"recipe": wanted.as_dict(), "key": key if wanted.encrypted else ""}
            plan, made = await Plan.get_or_create(new, using_db=tx, video_id=video_id, number=number)
            if made:
                await self._changes.record(VideoPlayable(video_id), tx)
                await self._jobs.enqueue(POSTER, f"poster:{video_id}", {"video_id": video_id}, priority=5, tx=tx)
                await self._open_film(plan, wanted, tx)
                if self._config.background != "all":  # else once the film is ready
                    await sprites.ask(self._jobs, self._storage, video_id, tx=tx)
                if self._config.background != "off" or wanted.straight:
                    await self._make_ahead(plan, wanted, tx)
        if made:  # a disk is slow, and nobody else writes meanwhile; who is killed here has them written when asked
            await self.write_playlists(plan)
        return plan

    async def _make_ahead(self, plan: Plan, wanted: Recipe, tx: Transaction | None = None) -> None:
        args = {"plan_id": plan.id, AHEAD: not wanted.straight}
        await self._jobs.enqueue(ENCODE, f"encode:{plan.id}", args, tx=tx)

    async def resume(self) -> None:
        """Make on what stands still: `background` was off, say, or a disk was full for too long."""
        if self._config.background == "off":
            return
        for plan in await Plan.filter(state__in=(PlanState.PLANNED.value, PlanState.ENCODING.value)).order_by("id"):
            if await self.is_latest(plan):
                await self._make_ahead(plan, Recipe.from_dict(plan.recipe))

    async def _open_film(self, plan: Plan, wanted: Recipe, tx: Transaction) -> None:
        """The first cell of the lowest rung, where every player begins: half of the viewer's wait is over by then."""
        if wanted.straight or self._config.background == "off":
            return
        rung = wanted.rungs[0].name
        args = {"plan_id": plan.id, "rung": rung, "number": 0}
        await self._jobs.enqueue(CELL, cell_key(plan.id, rung, 0), args, wanted_for=FIRST_CELL_SECONDS, tx=tx)

    async def successor(self, plan: Plan) -> Plan:
        """The plan that makes the cells of one that failed: the newest on the same grid, so that viewers go on.

        It has the same key, which is all that a playlist they hold can tell of.
        """
        if plan.state != PlanState.FAILED:
            return plan
        grid = Recipe.from_dict(plan.recipe).grid
        others = await Plan.filter(video_id=plan.video_id, key=plan.key).order_by("-number")
        same = (other for other in others if Recipe.from_dict(other.recipe).grid == grid)
        return next(same, plan)

    async def set_state(self, plan: Plan, state: PlanState, reason: str = "") -> None:
        await Plan.filter(id=plan.id).update(state=state.value, reason=reason)

    async def goes_on(self, plan: Plan, reason: str) -> None:
        """Say what is odd about a film that is being made; of one that has ended everything is said."""
        going = Plan.filter(id=plan.id, state__in=(PlanState.PLANNED.value, PlanState.ENCODING.value))
        await going.update(state=PlanState.ENCODING.value, reason=reason)

    def _wanted(self, info: MediaInfo, *, straight: bool = False) -> Recipe:
        config = self._config
        return recipe(
            info,
            resolutions=config.resolutions,
            segment_seconds=config.segment_seconds,
            chunk=config.chunk_segments,
            preset=config.preset,
            crf=config.crf,
            build=self._tools.build,
            straight=straight or info.restarts,
            encrypted=config.encryption == "aes-128",
            delay=self._encoders.trial.delay,
        )

    async def write_playlists(self, plan: Plan) -> None:
        """As often as one likes: a plan says all that stands in them."""
        made = Recipe.from_dict(plan.recipe)
        await asyncio.to_thread(self._write_media_playlists, plan, made)
        await self.write_multivariant(plan, made)

    def _write_media_playlists(self, plan: Plan, made: Recipe) -> None:
        for output in made.outputs:
            path = self._storage.playlist(plan.video_id, plan.id, output.name)
            key = KEY_FROM_SOUND if isinstance(output, Sound) else KEY_FROM_RUNG
            self._storage.write_text(path, media_playlist(made.grid, key=key if made.encrypted else ""))

    async def write_multivariant(self, plan: Plan, made: Recipe) -> None:
        """Written anew when a track comes or goes: who opens the film then is offered it."""
        video = await Video.get(id=plan.video_id)
        info = MediaInfo.from_dict(video.probe)
        heard = default_audio(info) is not None
        renditions = [*audio.renditions(info), *await subtitles.renditions(plan.video_id, info)]
        copied = await asyncio.to_thread(variant_of, self._storage.playlist(plan.video_id, plan.id, COPIED))
        text = multivariant_playlist(made.grid, made.rungs, audio=heard, renditions=renditions, copied=copied)
        path = self._storage.playlist(plan.video_id, plan.id, "")
        await asyncio.to_thread(self._storage.write_text, path, text)


def cell_key(plan_id: int, rung: str, number: int) -> str:
    return f"cell:{plan_id}:{rung}:{number}"
