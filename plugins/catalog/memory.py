"""Answers that are kept until something in the installation changes."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Hashable

MOST = 1000  # answers of one process, 8 KB each


class Memory:
    """Answers by what was asked; an answer that was begun before a change is given, but not kept."""

    def __init__(self) -> None:
        self._kept: dict[Hashable, bytes] = {}
        self._changes = 0

    async def get(self, question: Hashable, answer: Callable[[], Awaitable[bytes]]) -> bytes:
        kept = self._kept.get(question)
        if kept is None:
            begun = self._changes
            kept = await answer()
            if begun == self._changes:
                if len(self._kept) == MOST:
                    self._kept.pop(next(iter(self._kept)))
                self._kept[question] = kept
        return kept

    def forget(self) -> None:
        self._kept.clear()
        self._changes += 1
