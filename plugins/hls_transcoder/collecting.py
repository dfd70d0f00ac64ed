"""Old plans go when nobody watches them any more: an hour after their last request, a newer plan being there."""

from __future__ import annotations

import asyncio
import os
import shutil
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from mediaserver import log

from .models import Plan

if TYPE_CHECKING:
    from mediaserver.contracts import Clock, Storage

UNUSED_SECONDS = 3600.0
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
        newest: dict[int, int] = {}
        plans = await Plan.all().order_by("video_id", "number")
        for plan in plans:
            newest[plan.video_id] = plan.id
        for plan in plans:
            if plan.id != newest[plan.video_id] and self._unused(plan):
                folder = self._storage.playlist(plan.video_id, plan.id, "").parent
                await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
                await plan.delete()
                log.info("an old plan is gone", video=plan.video_id, plan=plan.number)

    def _unused(self, plan: Plan) -> bool:
        try:
            last = self._storage.playlist(plan.video_id, plan.id, "").stat().st_mtime
        except OSError:
            last = plan.created_at.timestamp()
        return self._clock.now().timestamp() - last > UNUSED_SECONDS
