"""Whose password is looked at next: a crowd from one place waits behind whoever comes from another."""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections import Counter
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from mediaserver.errors import Unavailable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

MOST = 64  # that wait: at 12 rounds the last of them is served after 8 s
KNOWN = -1  # before everybody who is not


class Turns:
    """`places` at once. Of those that wait, who is known comes first, then the first of each place, the second, …"""

    def __init__(self, places: int) -> None:
        self._free = places
        self._waiting: list[tuple[int, int, str, asyncio.Future[None]]] = []
        self._of: Counter[str] = Counter()
        self._numbers = itertools.count()

    @asynccontextmanager
    async def turn(self, place: str, *, known: bool = False) -> AsyncIterator[None]:
        """Raises Unavailable where too many wait already, unless who comes is known."""
        await self._wait(place, known=known)
        try:
            yield
        finally:
            self._free += 1
            self._next()

    async def _wait(self, place: str, *, known: bool) -> None:
        if len(self._waiting) >= MOST and not known:
            raise Unavailable("Too many people sign in right now; try again.", headers={"Retry-After": "5"})
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        rank = KNOWN if known else self._of[place]
        self._of[place] += 1
        heapq.heappush(self._waiting, (rank, next(self._numbers), place, future))
        self._next()
        try:
            await future
        except asyncio.CancelledError:
            if future.done() and not future.cancelled():
                self._free += 1
                self._next()
            raise
        finally:
            self._of[place] -= 1
            if not self._of[place]:
                del self._of[place]

    def _next(self) -> None:
        while self._free and self._waiting:
            *_, future = heapq.heappop(self._waiting)
            if not future.done():  # who hung up has no turn
                self._free -= 1
                future.set_result(None)
