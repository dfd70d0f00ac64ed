"""What the cells of a damaged film lack: kept beside them, since whoever makes them may be killed at any moment.

A file for each segment: several workers, and viewers, mend parts of one film at once.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from .command import Lacking

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from mediaserver.contracts import Storage

FOLDER = "lacking"
FRAMES = "frames"


@dataclass
class Losses:
    """`segments` is what each lacks, `frames` where the whole film was read and ended; else 0."""

    folder: Path
    frames: int = 0
    segments: dict[int, Lacking] = field(default_factory=dict)

    @staticmethod
    def of(storage: Storage, video_id: int, plan_id: int) -> Losses:
        losses = Losses(storage.playlist(video_id, plan_id, "").with_name(FOLDER))
        for path in losses.folder.iterdir() if losses.folder.is_dir() else ():
            if path.name == FRAMES:
                losses.frames = int(path.read_text(encoding="utf-8"))
            elif path.name.isdigit():
                losses.segments[int(path.name)] = Lacking(path.read_text(encoding="utf-8"))
        return losses

    def note(self, storage: Storage, numbers: Iterable[int], lacking: Lacking) -> None:
        """Before the cells are published, so that no black one is ever taken for a right one."""
        for number in numbers:
            self.segments[number] = lacking
            storage.write_text(self.folder / str(number), lacking)

    def note_end(self, storage: Storage, frames: int) -> None:
        self.frames = frames
        storage.write_text(self.folder / FRAMES, str(frames))

    def forget(self, numbers: Iterable[int]) -> None:
        """What was noted and then not made: it is tried again from the start."""
        for number in self.segments.keys() & set(numbers):
            (self.folder / str(number)).unlink(missing_ok=True)
            del self.segments[number]
