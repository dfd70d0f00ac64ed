"""Answers that are kept until something in the installation changes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Hashable

T = TypeVar("T")


class Memory(Generic[T]):
    """At `most` so many answers by what was asked; one that was begun before a change is given, but not kept."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._kept: dict[Hashable, T] = {}
        self._changes = 0

    async def get(self, question: Hashable, answer: Callable[[], Awaitable[T]]) -> T:
        kept = self._kept.get(question)
        if kept is None:
            begun = self._changes
            kept = await answer()
            if begun == self._changes:
                if len(self._kept) == self._most:
                    self._kept.pop(next(iter(self._kept)))
                self._kept[question] = kept
        return kept

    def forget(self) -> None:
        self._kept.clear()
        self._changes += 1
