"""Cells on disk: the files are the truth about what is made."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from mediaserver.contracts import Storage

    from .ladder import Output
    from .recipes import Recipe


PACE_CELLS = 24  # so many tell how fast it goes: a few chunks of several workers
REST_SECONDS = 120.0  # nobody takes as long for one segment


@dataclass(frozen=True, slots=True)
class Span:
    """Segments `first`..`first + count - 1` at these rungs, and of these sounds."""

    first: int
    count: int
    outputs: tuple[Output, ...]


class Cells:
    """The cells of one plan."""

    def __init__(self, storage: Storage, video_id: int, plan_id: int, recipe: Recipe) -> None:
        self._storage = storage
        self._video = video_id
        self._plan = plan_id
        self.recipe = recipe

    def made(self, rung: str) -> set[int]:
        folder = self._storage.segment(self._video, self._plan, rung, 0).parent
        try:
            names = [path.name for path in folder.iterdir()]
        except FileNotFoundError:
            return set()
        return {int(name[:-3]) for name in names if name.endswith(".ts") and name[:-3].isdigit()}

    def count(self) -> int:
        return sum(map(len, self.by_output().values()))

    def by_output(self) -> dict[str, set[int]]:
        """The segments that are made of each resolution and each further sound."""
        return {output.name: self.made(output.name) for output in self.recipe.outputs}

    def eta(self, made: Mapping[str, set[int]]) -> float | None:
        """Seconds until all is made, as fast as the last cells of what is furthest behind came; None where unknown.

        What work rested between them does not count.
        """
        name, numbers = min(made.items(), key=lambda output: len(output[1]))
        left = self.recipe.grid.segments - len(numbers)
        try:
            paths = [self._storage.segment(self._video, self._plan, name, number) for number in numbers]
            times = sorted(path.stat().st_mtime for path in paths)[-PACE_CELLS:]
        except FileNotFoundError:  # the plan goes just now
            return None
        steps = [after - before for before, after in pairwise(times) if after - before < REST_SECONDS]
        return left * sum(steps) / len(steps) if left and len(steps) > 1 else None

    def last_made(self, begun: datetime) -> float:
        """When a cell was last published, in seconds since 1970; the beginning where there is none."""
        times = [begun.timestamp()]
        for output in self.recipe.outputs:
            folder = self._storage.segment(self._video, self._plan, output.name, 0).parent
            if self.made(output.name):
                times.append(folder.stat().st_mtime)
        return max(times)

    def missing(self, first: int, count: int, outputs: tuple[Output, ...] | None = None) -> Span | None:
        """The narrowest run that holds every missing cell of a span, without outputs that are complete."""
        wanted = set(range(first, min(first + count, self.recipe.grid.segments)))
        gaps = {output: wanted - self.made(output.name) for output in outputs or self.recipe.outputs}
        open_outputs = tuple(output for output, numbers in gaps.items() if numbers)
        if not open_outputs:
            return None
        numbers = set().union(*gaps.values())
        return Span(min(numbers), max(numbers) - min(numbers) + 1, open_outputs)

    def gaps(self) -> list[int]:
        """Segments of which anything is missing, in order."""
        wanted = set(range(self.recipe.grid.segments))
        return sorted(set().union(*(wanted - self.made(output.name) for output in self.recipe.outputs)))

    def open_chunks(self) -> list[int]:
        """First segments of the chunks that are not complete, in order."""
        chunk = self.recipe.grid.segments if self.recipe.straight else self.recipe.chunk
        return sorted({number // chunk * chunk for number in self.gaps()})
