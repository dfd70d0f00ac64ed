"""What the cells of a damaged film lack: kept beside them, since whoever makes them may be killed at any moment."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from .command import Lacking

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from mediaserver.contracts import Storage

NAME = "lacking.json"


@dataclass
class Losses:
    """`segments` is what each lacks, `frames` where the whole film was read and ended; else 0."""

    path: Path
    frames: int = 0
    segments: dict[int, Lacking] = field(default_factory=dict)

    @staticmethod
    def of(storage: Storage, video_id: int, plan_id: int) -> Losses:
        losses = Losses(storage.playlist(video_id, plan_id, "").with_name(NAME))
        if losses.path.exists():
            told = json.loads(losses.path.read_text(encoding="utf-8"))
            losses.frames = int(told["frames"])
            losses.segments = {int(number): Lacking(lacking) for number, lacking in told["segments"].items()}
        return losses

    def note(self, storage: Storage, numbers: Iterable[int], lacking: Lacking) -> None:
        """Before the cells are published, so that no black one is ever taken for a right one."""
        self.segments |= dict.fromkeys(numbers, lacking)
        self._write(storage)

    def forget(self, storage: Storage, numbers: Iterable[int]) -> None:
        """What was noted and then not made: it is tried again from the start."""
        stale = self.segments.keys() & set(numbers)
        for number in stale:
            del self.segments[number]
        if stale:
            self._write(storage)

    def _write(self, storage: Storage) -> None:
        storage.write_text(self.path, json.dumps({"frames": self.frames, "segments": self.segments}))
