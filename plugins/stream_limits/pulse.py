"""The beat of a serving process: once a second heartbeats are written, and what is over is cut off."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from mediaserver import log
from mediaserver.errors import Unavailable
from mediaserver.events import PlaybackProgressed

from .liveness import BLIND_SECONDS

if TYPE_CHECKING:
    from mediaserver import Server

    from .heartbeats import Beat, Heartbeats
    from .liveness import Liveness, Living

SECOND = 1.0


class Pulse:
    def __init__(self, server: Server, liveness: Liveness, heartbeats: Heartbeats) -> None:
        self._server = server
        self._liveness = liveness
        self._heartbeats = heartbeats
        self._ticking: list[asyncio.Task[None]] = []

    def open(self) -> None:
        """Looking does not wait for writing, which another process can hold up for long."""
        self._ticking = [asyncio.create_task(self._write_on()), asyncio.create_task(self._look_on())]

    async def close(self) -> None:
        if self._ticking:
            for task in self._ticking:
                task.cancel()
            await asyncio.gather(*self._ticking, return_exceptions=True)
            await self.write()

    def note(self, living: Living, beat: Beat) -> None:
        living.last_heartbeat = max(living.last_heartbeat, beat.at)
        self._heartbeats.note(living.id, beat)

    def drop(self, session_id: int) -> None:
        self._heartbeats.drop(session_id)

    async def write(self) -> None:
        """What was gathered, and the news of it to the plugins of this process."""
        for row, beat in await self._heartbeats.write():
            if beat.position is None:
                continue
            progress = PlaybackProgressed(
                row["id"], row["user_id"], row["title_id"], row["profile_id"], beat.position, beat.duration or 0.0
            )
            await self._server.hooks.notify("on_change", server=self._server, event=progress)

    async def _write_on(self) -> None:
        while True:
            await asyncio.sleep(SECOND)
            try:
                async with asyncio.timeout(BLIND_SECONDS):
                    await self.write()
            except Exception as error:  # noqa: BLE001 - whatever the database says, the next second is another chance
                log.error(f"heartbeats could not be written ({type(error).__name__}: {error})")

    async def _look_on(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(SECOND)
            if not self._liveness.delivers:
                continue
            try:
                await self._liveness.look()
            except Unavailable as error:
                log.error(f"who plays could not be read ({type(error.__cause__).__name__}: {error.__cause__})")
                if loop.time() - self._liveness.looked > BLIND_SECONDS:
                    self._liveness.cut_everything()
