"""What every job needs: a film opened for work, and the one way a cell is made and published."""

from __future__ import annotations

import asyncio
import os
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from mediaserver import log
from mediaserver.contracts import MediaInfo
from mediaserver.errors import JobFailed, JobPostponed
from mediaserver.models import Video

from .cells import Cells, Span
from .command import Lacking, Run
from .encrypting import encrypt_file
from .models import Plan
from .outcome import MOVED, is_gone
from .recipes import Recipe
from .runner import Control, DiskFull, EncodeFailed, EncodeInterrupted, EncodeJob, encode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from mediaserver.contracts import Changes, Clock, Jobs, Library, MediaTools, Storage, Wakeups

    from .claims import Claims
    from .pausing import Pausing
    from .plans import Plans
    from .trial import Encoders

CELLS_TOPIC = "cells"
UNREACHED = "No file with this film can be reached; it goes on when one is back."
NO_SPACE_SECONDS = 20.0
FULL_BYTES = 100_000_000  # with less room, what ffmpeg made wrong tells of the disk and not of the film
OFFLINE_SECONDS = 10.0
BEGINNING = 1 << 16  # bytes
AWAY_SECONDS = 2.0  # while a viewer waits: a renamed film is found under its new name within a moment


@dataclass(frozen=True)
class Film:
    """A plan, opened for work."""

    plan: Plan
    recipe: Recipe
    info: MediaInfo
    source: Path
    cells: Cells


@contextmanager
def still_there(source: Path) -> Iterator[None]:
    """A file that was renamed or unplugged between its choice and its reading says nothing about the film."""
    try:
        yield
    except EncodeFailed as failure:
        if is_gone(source):
            raise JobPostponed(MOVED, AWAY_SECONDS) from failure
        raise


def can_be_read(source: Path) -> bool:
    """Whether the disk gives the beginning of the film, and not only the memory that keeps it. Blocks."""
    try:
        with source.open("rb", buffering=0) as film:
            os.posix_fadvise(film.fileno(), 0, BEGINNING, os.POSIX_FADV_DONTNEED)
            return bool(film.read(BEGINNING))
    except OSError:
        return False


@dataclass
class Workshop:
    """What every job here needs."""

    tools: MediaTools
    storage: Storage
    library: Library
    changes: Changes
    jobs: Jobs
    wakeups: Wakeups
    plans: Plans
    claims: Claims
    pausing: Pausing
    min_free_space: int  # bytes
    nice: int  # of what no viewer waits for
    clock: Clock
    encoders: Encoders

    async def make(self, film: Film, span: Span, *, background: bool, lacking: Lacking = Lacking.NOTHING) -> None:
        """Encode a span and publish each cell as soon as it is closed and verified.

        Raises EncodeFailed, or JobPostponed where file or disk are to blame and not the film. Its file is looked for
        anew, since a film is mended for hours, in which another one may have taken its path.
        """
        recipe = film.recipe
        encoder = self.encoders.encoder(recipe.grid.delay)
        run = Run(film.info, recipe.grid, span.outputs, span.first, span.count, recipe.preset, recipe.crf, lacking)
        if encoder.is_hardware:
            try:
                await self._make(film, replace(run, encoder=encoder), background=background)
            except EncodeInterrupted:
                raise
            except EncodeFailed as failure:
                log.warning("a chip did not encode it, libx264 does", encoder=encoder.name, why=str(failure))
            else:
                return
        await self._make(film, run, background=background)

    async def _make(self, film: Film, run: Run, *, background: bool) -> None:
        control, source = Control(), await self.source(film.plan.video_id, AWAY_SECONDS)
        async with self.storage.workspace() as workspace:
            work = EncodeJob(run, source, workspace, self.nice if background else None, control)
            pause = self.pausing.background(control) if background else self.pausing.viewer_waits()
            with pause, still_there(source), self._disk_not_blamed_on_film() as look:
                async for cell in encode(self.tools, work):
                    if film.plan.key:
                        await asyncio.to_thread(encrypt_file, cell.path, film.plan.key, cell.number)
                    final = self.storage.segment(film.plan.video_id, film.plan.id, cell.output.name, cell.number)
                    await asyncio.to_thread(self.storage.publish, cell.path, final)
                    self.wakeups.notify(CELLS_TOPIC)
                    look()

    async def open(self, plan_id: int, again: float = OFFLINE_SECONDS) -> Film:
        plan = await Plan.get_or_none(id=plan_id)
        video = await Video.get_or_none(id=plan.video_id) if plan else None
        if plan is None or video is None:
            raise JobFailed("The film is gone.")
        recipe = Recipe.from_dict(plan.recipe)
        cells = Cells(self.storage, video.id, plan.id, recipe)
        return Film(plan, recipe, MediaInfo.from_dict(video.probe), await self.source(video.id, again), cells)

    async def source(self, video_id: int, again: float = OFFLINE_SECONDS) -> Path:
        """Raises JobPostponed, until `again` seconds from now."""
        source = await self.library.source(video_id)
        if source is None:
            raise JobPostponed(UNREACHED, again)
        return source

    @contextmanager
    def _disk_not_blamed_on_film(self) -> Iterator[Callable[[], None]]:
        """Raises JobPostponed for a failure while there was too little room, though there may be enough again.

        The room is looked at now, at every call of what it yields, and at the failure.
        """
        free = self.storage.free_bytes
        least = free()

        def look() -> None:
            nonlocal least
            least = min(least, free())

        try:
            yield look
        except EncodeInterrupted:
            raise
        except EncodeFailed as failure:
            look()
            self.need_space(FULL_BYTES, least)
            if isinstance(failure, DiskFull):
                raise JobPostponed(str(failure), NO_SPACE_SECONDS) from failure
            raise

    def need_space(self, needed: int, free: int | None = None) -> None:
        free = self.storage.free_bytes() if free is None else free
        if free < needed:
            setting = " (workers.min_free_space)" if needed == self.min_free_space else ""
            said = f"{_size(free)} are free, {_size(needed)} are needed{setting}; it goes on when there is room."
            raise JobPostponed(said, NO_SPACE_SECONDS)


def _size(count: int) -> str:
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.0f} MB"  # noqa: PLR2004 (a GB)
