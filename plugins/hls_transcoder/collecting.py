"""Cells go when nobody watches them any more: an hour after their last request, where there is a newer plan or no film.

A film that comes back after that is planned and made anew; what people did with it stays.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import time
from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING

from tortoise.expressions import Q

from mediaserver import log
from mediaserver.models import Location, LocationState

from .models import Plan

if TYPE_CHECKING:
    from mediaserver.contracts import Clock, Storage

UNUSED_SECONDS = 3600.0
GONE_SECONDS = 30 * 86400.0  # since its last file went; of content that was replaced none is left at all
EVERY_SECONDS = 600.0
TOUCH_SECONDS = 60.0


class Usage:
    """Notes when a plan was last asked for, as the time of its multivariant playlist: seen by every process."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._touched: dict[int, float] = {}

    async def note(self, video_id: int, plan_id: int) -> None:
        now = time.monotonic()
        if now - self._touched.get(plan_id, -TOUCH_SECONDS) < TOUCH_SECONDS:
            return
        self._touched[plan_id] = now
        with suppress(OSError):  # a read-only or full disk does not end anybody's film
            await asyncio.to_thread(os.utime, self._storage.playlist(video_id, plan_id, ""))


class Collector:
    def __init__(self, storage: Storage, clock: Clock) -> None:
        self._storage = storage
        self._clock = clock

    async def collect(self) -> None:
        kept = await self._kept()
        newest: dict[int, int] = {}
        plans = await Plan.all().order_by("video_id", "number").only("id", "video_id", "number", "created_at")
        for plan in plans:
            newest[plan.video_id] = plan.id
        for plan in plans:
            is_old = plan.id != newest[plan.video_id] or plan.video_id not in kept
            if is_old and await asyncio.to_thread(self._unused, plan):
                await self._remove(plan)

    async def _kept(self) -> set[int]:
        """Videos that a file holds, or held not long ago: a disk may be away for a while."""
        since = self._clock.now() - timedelta(seconds=GONE_SECONDS)
        held = Location.filter(Q(state__not=LocationState.OFFLINE) | Q(seen_at__gt=since), video_id__isnull=False)
        return {int(str(video)) for video in await held.distinct().values_list("video_id", flat=True)}

    def _unused(self, plan: Plan) -> bool:
        """For an hour. Not where its files cannot be looked at: then so can nobody else's, and the disk is away."""
        try:
            last = self._storage.playlist(plan.video_id, plan.id, "").stat().st_mtime
        except OSError:
            return False
        return self._clock.now().timestamp() - last > UNUSED_SECONDS

    async def _remove(self, plan: Plan) -> None:
        """The row first: who asks now gets another plan, and no cell that goes at this moment."""
        folder = self._storage.playlist(plan.video_id, plan.id, "").parent
        await plan.delete()
        await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
        log.info("an old plan is gone", video=plan.video_id, plan=plan.number)
