"""Serving the grid: playlists that exist from the start, cells that are made when they are asked for."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from dataclasses import replace
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from mediaserver import require_play
from mediaserver.contracts import (
    Catalog,
    Encoding,
    EncodingState,
    Manifest,
    MediaFile,
    MediaGrant,
    MediaInfo,
    Playback,
    Tracks,
)
from mediaserver.errors import Conflict, Forbidden, Gone, NotFound, SessionOver, Unavailable
from mediaserver.models import JobRecord, JobState, Title, TitleKind, TitleVideo, Video

from . import audio, sprites, subtitles
from .cells import Cells
from .collecting import Usage
from .files import MediaFiles
from .granted import Granted, Published
from .ladder import picture_size
from .mending import cut_short
from .models import Plan, PlanState
from .original import AWAY
from .recipes import Recipe
from .segments import Segments

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from mediaserver import Request, Server
    from mediaserver.contracts import Actor, Clock, Jobs, MediaGrants, Storage, Wakeups

    from .cutting import Cut
    from .original import Again, Original
    from .plans import Plans

IMMUTABLE = "private, max-age=604800, immutable"
GRANT_SECONDS = 24 * 3600  # a media token lives a day at most


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
        original: Original,
    ) -> None:
        self._server = server
        self._plans = plans
        self._storage = storage
        self._grants = grants
        self._clock = clock
        self._usage = Usage(storage)
        self._granted = Granted()
        self._published = Published()
        self._tasks: set[asyncio.Task[None]] = set()
        self._original = original
        segments = Segments(plans, storage, jobs, wakeups, self._in_background)
        self._files = MediaFiles(plans, storage, segments, original)

    # ---- manifest ------------------------------------------------------------------------------------------

    async def manifest(self, actor: Actor, title_id: int, session_id: int | None = None) -> Manifest:
        catalog = self._server.services.find(Catalog)
        elsewhere = await catalog.external_url(title_id) if catalog else ""
        if elsewhere:
            await require_play(self._server, actor, title_id, None)
            return Manifest(title_id, elsewhere)
        grant = await self.grant(actor, title_id, session_id)
        base = f"/v1/media/{self._grants.issue(grant)}"
        video = await Video.get(id=grant.video_id)
        info = MediaInfo.from_dict(video.probe)
        texts = subtitles.in_manifest(await subtitles.told(grant.video_id), info, base)
        sounds = audio.in_manifest(info, base)
        key = f"{base}/key" if (await self._plans.get(grant.plan_id)).key else None
        own = f"{base}/original" if self._original.given else None
        return Manifest(title_id, f"{base}/master.m3u8", grant.rungs, key, texts, sounds, own)

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

    async def changed(self, title_id: int) -> None:
        """The title has another video, perhaps in the place of the one that was granted."""
        videos = await TitleVideo.filter(title_id=title_id).values_list("video_id", flat=True)
        self._granted.forget_others(title_id, {int(str(video)) for video in videos})

    async def _video_of(self, title_id: int) -> Video:
        """The first part of a title, or its tallest version, that can be read; an extra where there is nothing else.

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
            raise Unavailable(AWAY)
        return video

    async def _chosen(self, title_id: int) -> Video | None:
        links = await TitleVideo.filter(title_id=title_id).select_related("video")
        best = min([link for link in links if link.role != "extra"] or links, key=_preferred, default=None)
        return best.video if best else None

    # ---- files ---------------------------------------------------------------------------------------------

    async def send(self, request: Request, grant: MediaGrant, name: str, *, cache: str | None = None) -> None:
        """Raises Forbidden for a session that is over, and what `file` and `Playback.delivering` raise."""
        from .cutting import Cut  # workers know this class too, and cut nothing

        cut, playback = Cut(request), self._server.services.find(Playback)
        if playback is None or grant.session_id is None:
            await self._published.check(grant.title_id)
            await self._send(request, await self.file(grant, name), cache, cut, self._again(None, grant))
            return
        try:
            async with AsyncExitStack() as stack:
                await stack.enter_async_context(playback.delivering(grant.session_id, grant.title_id, cut))
                found = await self.file(grant, name)
                if cut.made:
                    raise Forbidden("This session has ended; start playing again.", details="ended")
                await self._send(request, found, cache, cut, self._again(playback, grant))
                if cut.could_hold_back:
                    self._in_background(_passing(cut, stack.pop_all()))
        except SessionOver as over:
            raise Forbidden(over.message, details=over.details) from over

    def _again(self, playback: Playback | None, grant: MediaGrant) -> Again:
        """What is asked while a whole film is sent; a player that takes it tells nothing else."""

        async def again() -> None:
            if playback is None or grant.session_id is None:
                await self._published.check(grant.title_id)
                return
            async with playback.delivering(grant.session_id, grant.title_id, lambda: None):
                pass

        return again

    async def _send(self, request: Request, found: MediaFile, cache: str | None, cut: Cut, again: Again) -> None:
        if found.own_name:
            await self._original.send(request, found, cut, again)
            return
        from mediaserver import send_data, send_file  # workers know this class too, and never load Sanic

        if found.data is not None:
            await send_data(request, found.data, content_type=found.content_type, cache_control="no-store")
            return
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
        await self._usage.note(grant.video_id, grant.plan_id)
        return await self._files.find(grant, name)

    async def tracks(self, title_id: int) -> Tracks:
        """Raises NotFound for a title without a video."""
        video = await self._chosen(title_id)
        if video is None:
            raise NotFound("There is no such title, or it has no video.")
        texts, plan = await asyncio.gather(subtitles.told(video.id), self._plans.latest(video.id))
        pictures, made = await asyncio.to_thread(self._on_disk, video.id, plan)
        return Tracks(texts, MediaInfo.from_dict(video.probe).chapters, pictures, made)

    def _on_disk(self, video_id: int, plan: Plan | None) -> tuple[bool, dict[str, tuple[int, int]]]:
        made = {}
        if plan is not None:
            recipe = Recipe.from_dict(plan.recipe)
            cells = Cells(self._storage, video_id, plan.id, recipe)
            numbers = set(range(recipe.grid.segments))
            made = {rung.name: (len(numbers & cells.made(rung.name)), len(numbers)) for rung in recipe.rungs}
        return sprites.is_made(self._storage, video_id), made

    def _in_background(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # ---- progress ------------------------------------------------------------------------------------------

    async def progress(self, title_id: int) -> Encoding:
        """Raises NotFound for a title without a video."""
        video = await self._chosen(title_id)
        if video is None:
            raise NotFound("There is no such title, or it has no video.")
        plan = await self._plans.latest(video.id)
        picture = await asyncio.to_thread(self._storage.picture(video.id, "poster.jpg").exists)
        if plan is None:
            return Encoding(EncodingState.PENDING, 0, 0, "Its playlists are being planned.", picture=picture)
        recipe = Recipe.from_dict(plan.recipe)
        cells = Cells(self._storage, video.id, plan.id, recipe)
        made = await asyncio.to_thread(cells.by_output)
        numbers, done = range(recipe.grid.segments), sum(map(len, made.values()))
        rungs = {rung.name: tuple(number in made[rung.name] for number in numbers) for rung in recipe.rungs}
        eta = await asyncio.to_thread(cells.eta, made)
        state, reason = _state(plan, recipe, video, done)
        if state is not EncodingState.READY:
            reason = await _what_stopped(plan) or reason
        return Encoding(state, done, recipe.cells, reason, eta, rungs, picture)


async def _passing(cut: Cut, delivering: AsyncExitStack) -> None:
    """The next request need not wait for what a slow reader has yet to take of this one."""
    async with delivering:
        await cut.pass_by()


async def _what_stopped(plan: Plan) -> str:
    """The last fault of an encode that is tried again."""
    waiting = await JobRecord.get_or_none(key=f"encode:{plan.id}", state__in=(JobState.DUE, JobState.RUNNING))
    return waiting.error if waiting else ""


def _preferred(link: TitleVideo) -> tuple[bool, int, Fraction, int]:
    """What can be read, the first part, the tallest version."""
    video: Video = link.video
    return not video.online, link.position, -_short_side(video), video.id


def _short_side(video: Video) -> Fraction:
    return min(picture_size(MediaInfo.from_dict(video.probe)))


def _state(plan: Plan, recipe: Recipe, video: Video, done: int) -> tuple[EncodingState, str]:
    if plan.state == PlanState.FAILED:
        return EncodingState.FAILED, plan.reason
    if plan.state == PlanState.PARTIAL:
        return EncodingState.PARTIAL, plan.reason
    ends = plan.reason or cut_short(MediaInfo.from_dict(video.probe), recipe.grid)
    settled = plan.state == PlanState.READY or not recipe.straight  # else it may yet turn out partial
    if done >= recipe.cells and settled:
        return (EncodingState.PARTIAL, ends) if ends else (EncodingState.READY, "Every part is made.")
    if not video.online:
        return EncodingState.OFFLINE, AWAY
    if done:
        parts = f"{done} of {recipe.cells} parts are made; it plays everywhere already."
        return EncodingState.PROCESSING, plan.reason or parts
    return EncodingState.PENDING, "It plays already; its parts are made when they are watched or when a worker is free."
