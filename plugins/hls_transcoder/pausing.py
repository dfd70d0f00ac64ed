"""Background encodes stand still while a viewer waits on this machine."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .runner import Control

LINGER_SECONDS = 2.0
LONGEST_SECONDS = 60.0
WORK_SECONDS = 10.0
TICK_SECONDS = 0.25


class Pausing:
    """A pause lasts while somebody waits and two seconds more, at most a minute in a row, then ten seconds of work."""

    def __init__(self, *, enabled: bool) -> None:
        self._enabled = enabled
        self._controls: set[Control] = set()
        self._waiting = 0
        self._ticker: asyncio.Task[None] | None = None
        self._paused = False

    @contextmanager
    def viewer_waits(self) -> Iterator[None]:
        self._waiting += 1
        if self._enabled and self._ticker is None:
            self._ticker = asyncio.create_task(self._tick())
        try:
            yield
        finally:
            self._waiting -= 1

    @contextmanager
    def background(self, control: Control) -> Iterator[None]:
        self._controls.add(control)
        if self._paused:
            control.pause()
        try:
            yield
        finally:
            self._controls.discard(control)

    async def _tick(self) -> None:
        loop = asyncio.get_running_loop()
        begun = last_wait = loop.time()
        try:
            self._set(paused=True)
            while loop.time() - last_wait < LINGER_SECONDS:
                await asyncio.sleep(TICK_SECONDS)
                if self._waiting:
                    last_wait = loop.time()
                if loop.time() - begun > LONGEST_SECONDS:
                    self._set(paused=False)
                    await asyncio.sleep(WORK_SECONDS)
                    self._set(paused=True)
                    begun = loop.time()
        finally:
            self._set(paused=False)
            self._ticker = None

    def _set(self, *, paused: bool) -> None:
        self._paused = paused
        for control in self._controls:
            control.pause() if paused else control.resume()
