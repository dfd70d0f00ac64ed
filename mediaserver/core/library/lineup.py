"""Complete files that wait to be taken in: the newest first, and each in one pair of hands at a time."""

from __future__ import annotations

import asyncio
import heapq
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

__all__ = ["LineUp"]


class LineUp:
    """Two who look at one file at once would each say what it is, and the slower one of bytes that are gone."""

    def __init__(self) -> None:
        self._heap: list[tuple[int, str]] = []
        self._waiting: set[str] = set()
        self._in_hand: set[str] = set()
        self._once_more: dict[str, int] = {}
        self._news = asyncio.Event()

    def __len__(self) -> int:
        return len(self._heap)

    def add(self, key: str, place: int = 0) -> None:
        """The lowest place comes first. A file that is in hand waits until it is let go."""
        if key in self._in_hand:
            self._once_more[key] = place
        elif key not in self._waiting:
            self._waiting.add(key)
            heapq.heappush(self._heap, (place, key))
            self._news.set()

    @asynccontextmanager
    async def next(self) -> AsyncIterator[str]:
        """Waits for a file; it is in hand until the end of the block."""
        while not self._heap:
            self._news.clear()
            await self._news.wait()
        _, key = heapq.heappop(self._heap)
        self._waiting.remove(key)
        self._in_hand.add(key)
        try:
            yield key
        finally:
            self._in_hand.remove(key)
            if key in self._once_more:
                self.add(key, self._once_more.pop(key))
