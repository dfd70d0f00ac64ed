"""Hears every change of every process and hands it to the plugins of this one, for as long as the process lives."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import structlog

from mediaserver.core.changes import POLL_SECONDS, TOPIC, Reader
from mediaserver.errors import StartError
from mediaserver.events import ChangesMissed, PluginQuarantined

if TYPE_CHECKING:
    from datetime import datetime

    from mediaserver.core.server import Server
    from mediaserver.events import Event

log = structlog.get_logger()
READ_SECONDS = 5.0  # a database that is away without saying so answers never
LISTENER_SECONDS = 10.0
BEARABLE_SECONDS = 5.0  # without news; after that a request is better answered by another process


class Follower:
    """Where changes cannot be read, nothing that is remembered counts: `ChangesMissed` at each failure, and after."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._deaf_since: datetime | None = None

    @property
    def is_deaf(self) -> bool:
        """Nothing was heard for longer than can be borne."""
        since = self._deaf_since
        return since is not None and (self._server.clock.now() - since).total_seconds() > BEARABLE_SECONDS

    async def run(self, after: int) -> None:
        reader = Reader(self._server.db, after)
        with self._server.wakeups.subscribe(TOPIC) as news:
            while True:
                for event in await self._read(reader):
                    await self._tell(event)
                await news.wait(POLL_SECONDS)

    async def _read(self, reader: Reader) -> list[Event]:
        try:
            async with asyncio.timeout(READ_SECONDS):
                events = [event for _, event in await reader.read()]
        except Exception as error:  # noqa: BLE001 - whatever the database says, the next second is another chance
            if self._deaf_since is None:
                self._deaf_since = self._server.clock.now()
                log.error(f"changes of other processes are not heard ({type(error).__name__}: {error})")  # noqa: TRY400
            return [ChangesMissed()]
        if self._deaf_since is None:
            return events
        self._deaf_since = None
        log.info("changes of other processes are heard again")
        return [ChangesMissed(), *events]

    async def _tell(self, event: Event) -> None:
        hooks = self._server.hooks
        if isinstance(event, PluginQuarantined) and event.plugin in hooks.loaded:
            self._follow(event)
        if hooks.has("on_change"):
            await hooks.notify("on_change", seconds=LISTENER_SECONDS, server=self._server, event=event)

    def _follow(self, event: PluginQuarantined) -> None:
        try:
            self._server.quarantine(event.plugin, event.reason)
        except StartError as error:  # it started here, and guarded is better than open
            log.error(str(error))  # noqa: TRY400 - one line is what there is to say
