"""Serving the grid: playlists that exist from the start, cells that are made when they are asked for."""

from __future__ import annotations

import asyncio
import re
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from mediaserver import require_play
from mediaserver.contracts import Catalog, Encoding, EncodingState, Manifest, MediaFile, MediaGrant, MediaInfo, Playback
from mediaserver.errors import Conflict, Forbidden, Gone, NotFound, NotYet, SessionOver, Unavailable
from mediaserver.models import JobRecord, JobState, Title, TitleKind, TitleVideo, Video

from .cells import Cells
from .collecting import Usage
from .granted import Granted, Published
from .ladder import picture_size
from .models import Plan, PlanState
from .plans import CELL, cell_key
from .recipes import Recipe

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from pathlib import Path

    from mediaserver import Request, Server
    from mediaserver.contracts import Actor, Clock, Jobs, MediaGrants, Storage, Wakeups

    from .cutting import Cut
    from .plans import Plans

PLAYLIST = "application/vnd.apple.mpegurl"
SEGMENT = "video/mp2t"
IMMUTABLE = "private, max-age=604800, immutable"
GRANT_SECONDS = 24 * 3600  # a media token lives a day at most
HOLD_SECONDS = 8.0  # hls.js gives up after 10 s without a byte
WISH_SECONDS = 3.0
PREFETCH_SECONDS = 10.0
PREFETCH = 2  # cells after the one that was delivered
LINEAR = 3  # so many cells in a row, and the reader gets a chunk at once
WAITED_FOR, AHEAD = 10, 0  # priorities
NAME = re.compile(r"(?:(480p|720p|1080p)/)?(?:(master|index)\.m3u8|(\d{3,6})\.ts)")


@dataclass
class Reading:
    """Where a reader is: the last cell, and how many it took in a row."""

    rung: str
    number: int
    row: int


class HlsStreaming:
    """Implements `mediaserver.contracts.Streaming`."""

    def __init__(
        self,
        server: Server,
        plans: Plans,
        storage: Storage,
        jobs: Jobs,
        grants: MediaGrants,
        wakeups: Wakeups,
        clock: Clock,
    ) -> None:
        self._server = server
        self._plans = plans
        self._storage = storage
        self._jobs = jobs
        self._grants = grants
        self._wakeups = wakeups
        self._clock = clock
        self._usage = Usage(storage)
        self._readings: dict[tuple[int, int], Reading] = {}
        self._granted = Granted()
        self._published = Published()
        self._tasks: set[asyncio.Task[None]] = set()

    # ---- manifest ------------------------------------------------------------------------------------------

    async def manifest(self, actor: Actor, title_id: int, session_id: int | None = None) -> Manifest:
        catalog = self._server.services.find(Catalog)
        elsewhere = await catalog.external_url(title_id) if catalog else ""
        if elsewhere:
            await require_play(self._server, actor, title_id, None)
            return Manifest(title_id, elsewhere)
        grant = await self.grant(actor, title_id, session_id)
        return Manifest(title_id, f"/v1/media/{self._grants.issue(grant)}/master.m3u8", grant.rungs)

    async def grant(self, actor: Actor, title_id: int, session_id: int | None) -> MediaGrant:
        await require_play(self._server, actor, title_id, None)
        expires = int(self._clock.now().timestamp()) + GRANT_SECONDS
        known = self._granted.get(session_id, title_id)
        if known is not None:
            return replace(known, expires=expires)
        video = await self._video_of(title_id)
        plan = await self._plans.ensure(video.id)
        if plan.state == PlanState.FAILED:
            raise Gone(plan.reason or "This film cannot be played.")
        rungs = tuple(rung.name for rung in Recipe.from_dict(plan.recipe).rungs)
        grant = MediaGrant(session_id, title_id, video.id, plan.id, rungs, expires)
        self._granted.found(grant)
        return grant

    async def _video_of(self, title_id: int) -> Video:
        """The first part of a title, or its tallest version, that can be read.

        Raises NotFound, Conflict for a series, or Unavailable.
        """
        title = await Title.get_or_none(id=title_id)
        if title is None or not title.published:
            raise NotFound("There is no such title.")
        if title.kind is TitleKind.SERIES:
            first = await Title.filter(parent_id=title_id).order_by("season", "episode").first()
            raise Conflict("A series is played by its episodes.", details=str(first.id) if first else None)
        video = await self._chosen(title_id)
        if video is None or not video.online:
            raise Unavailable("The file of this title cannot be reached right now; is its disk connected?")
        return video

    async def _chosen(self, title_id: int) -> Video | None:
        links = await TitleVideo.filter(title_id=title_id, role__in=("version", "part"))
        positions = {link.video_id: link.position for link in links}
        videos = await Video.filter(id__in=list(positions))
        return min(videos, key=lambda v: (not v.online, positions[v.id], -_short_side(v), v.id), default=None)

    # ---- files ---------------------------------------------------------------------------------------------

    async def send(self, request: Request, grant: MediaGrant, name: str, *, cache: str | None = None) -> None:
        """Raises Forbidden for a session that is over, and what `file` and `Playback.delivering` raise."""
        playback = self._server.services.find(Playback)
        if playback is None or grant.session_id is None:
            await self._published.check(grant.title_id)
            await self._send(request, await self.file(grant, name), cache)
            return
        from .cutting import Cut  # workers know this class too, and cut nothing

        cut = Cut(request)
        try:
            async with AsyncExitStack() as stack:
                await stack.enter_async_context(playback.delivering(grant.session_id, grant.title_id, cut))
                found = await self.file(grant, name)
                if cut.made:
                    raise Forbidden("This session has ended; start playing again.", details="ended")
                await self._send(request, found, cache)
                if cut.could_hold_back:
                    self._in_background(_passing(cut, stack.pop_all()))
        except SessionOver as over:
            raise Forbidden(over.message, details=over.details) from over

    async def _send(self, request: Request, found: MediaFile, cache: str | None) -> None:
        from mediaserver import send_file  # workers know this class too, and never load Sanic

        if found.path is None:
            raise NotFound("There is nothing here.")
        by_nginx = self._server.settings.server.sendfile == "x-accel"
        await send_file(
            request,
            found.path,
            content_type=found.content_type,
            cache_control=(cache or IMMUTABLE) if found.immutable else "no-cache",
            accel=self._storage.internal_uri(found.path) if by_nginx else None,
        )

    async def file(self, grant: MediaGrant, name: str) -> MediaFile:
        match = NAME.fullmatch(name)
        if match is None:
            raise NotFound("There is nothing here.")
        self._usage.note(grant.video_id, grant.plan_id)
        rung, playlist, number = match.groups()
        if rung is not None and rung not in grant.rungs:
            raise NotFound(f"This film has no {rung}; it has {', '.join(grant.rungs)}.")
        if playlist:
            if (playlist == "index") != (rung is not None):
                raise NotFound("There is nothing here.")
            path = self._storage.playlist(grant.video_id, grant.plan_id, rung or "")
            return MediaFile(PLAYLIST, path)
        if rung is None:
            raise NotFound("There is nothing here.")
        return MediaFile(SEGMENT, await self._cell(grant, rung, int(number)), immutable=True)

    async def _cell(self, grant: MediaGrant, rung: str, number: int) -> Path:
        path = self._storage.segment(grant.video_id, grant.plan_id, rung, number)
        if not path.exists():
            plan = await self._plans.successor(await self._plans.get(grant.plan_id))
            if number >= Recipe.from_dict(plan.recipe).grid.segments:
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
        try:
            while loop.time() < end:
                if path.exists():
                    return path
                await self._want(plan, key, rung, number)
                await subscription.wait(1.0)
            if path.exists():
                return path
        finally:
            subscription.close()
        waiting = await JobRecord.get_or_none(key=key)
        raise NotYet((waiting and waiting.error) or "This part is being made; ask again in a second.")

    async def _want(self, plan: Plan, key: str, rung: str, number: int) -> None:
        if plan.state == PlanState.FAILED:
            raise Gone(plan.reason or "This film cannot be played.")
        if Recipe.from_dict(plan.recipe).straight:
            return
        failed = await JobRecord.get_or_none(key=key)
        if failed is not None and failed.state is JobState.FAILED:
            await JobRecord.filter(id=failed.id).delete()
            raise Gone(failed.error)
        if failed is not None and failed.state is JobState.DUE:
            await self._jobs.renew_wish(key, WISH_SECONDS)
        elif failed is None and not await self._is_being_made(plan.id, rung, number):
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
        place = (grant.plan_id, grant.title_id)
        before = self._readings.get(place)
        in_row = before is not None and before.rung == rung and before.number + 1 == number
        self._readings[place] = Reading(rung, number, before.row + 1 if before and in_row else 1)
        if len(self._readings) > 1000:  # noqa: PLR2004 (readers of one process; the oldest is forgotten)
            self._readings.pop(next(iter(self._readings)))
        self._in_background(self._prefetch(grant, rung, number, self._readings[place].row))

    def _in_background(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _prefetch(self, grant: MediaGrant, rung: str, number: int, row: int) -> None:
        wanted = [
            after
            for after in range(number + 1, number + 1 + PREFETCH)
            if not self._storage.segment(grant.video_id, grant.plan_id, rung, after).exists()
        ]
        if not wanted:
            return
        plan = await Plan.get_or_none(id=grant.plan_id)
        recipe = Recipe.from_dict(plan.recipe) if plan else None
        if recipe is None or recipe.straight:
            return
        for after in wanted[:1] if row >= LINEAR else wanted:
            if after >= recipe.grid.segments or await self._is_being_made(grant.plan_id, rung, after):
                continue
            count = min(recipe.chunk if row >= LINEAR else 1, recipe.grid.segments - after)
            args = {"plan_id": grant.plan_id, "rung": rung, "number": after, "count": count}
            key = cell_key(grant.plan_id, rung, after)
            await self._jobs.enqueue(CELL, key, args, priority=AHEAD, wanted_for=PREFETCH_SECONDS)

    # ---- progress ------------------------------------------------------------------------------------------

    async def progress(self, title_id: int) -> Encoding:
        """Raises NotFound for a title without a video."""
        video = await self._chosen(title_id)
        if video is None:
            raise NotFound("There is no such title, or it has no video.")
        plan = await self._plans.latest(video.id)
        picture = self._storage.picture(video.id, "poster.jpg").exists()
        if plan is None:
            return Encoding(EncodingState.PENDING, 0, 0, "Its playlists are being planned.", picture=picture)
        recipe = Recipe.from_dict(plan.recipe)
        rungs = await asyncio.to_thread(Cells(self._storage, video.id, plan.id, recipe).map)
        done = sum(sum(made) for made in rungs.values())
        state, reason = _state(plan, video, done, recipe.cells)
        waiting = await JobRecord.get_or_none(key=f"encode:{plan.id}", state__in=(JobState.DUE, JobState.RUNNING))
        if waiting is not None and waiting.error and state is not EncodingState.READY:
            reason = waiting.error
        return Encoding(state, done, recipe.cells, reason, self._eta(plan, done, recipe.cells), rungs, picture)

    def _eta(self, plan: Plan, done: int, total: int) -> float | None:
        """From the time the cells of this plan took so far."""
        if not 0 < done < total:
            return None
        spent = (self._clock.now() - plan.created_at).total_seconds()
        return spent / done * (total - done)


async def _passing(cut: Cut, delivering: AsyncExitStack) -> None:
    """The next request need not wait for what a slow reader has yet to take of this one."""
    async with delivering:
        await cut.pass_by()


def _short_side(video: Video) -> Fraction:
    return min(picture_size(MediaInfo.from_dict(video.probe)))


def _state(plan: Plan, video: Video, done: int, total: int) -> tuple[EncodingState, str]:
    if plan.state == PlanState.FAILED:
        return EncodingState.FAILED, plan.reason
    if done >= total:
        return EncodingState.READY, "Every part is made."
    if not video.online:
        return EncodingState.OFFLINE, "Its file cannot be reached right now; is its disk connected?"
    if done:
        return EncodingState.PROCESSING, f"{done} of {total} parts are made; it plays everywhere already."
    return EncodingState.PENDING, "It plays already; its parts are made when they are watched or when a worker is free."
