"""The job that makes subtitles: whatever a video has now is made, and what it has no more is forgotten."""

from __future__ import annotations

import asyncio
import hashlib
from collections import Counter
from typing import TYPE_CHECKING

from mediaserver.contracts import MediaInfo
from mediaserver.errors import JobPostponed
from mediaserver.events import TracksChanged
from mediaserver.models import Video

from .extracting import from_file, from_tracks
from .models import Subtitle
from .recipes import Recipe
from .runner import DiskTrouble
from .subtitles import Wanted, labelled, wanted
from .webvtt import NotText
from .workshop import UNREACHED, can_be_read

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from mediaserver import RunningJob
    from mediaserver.contracts import Changes, Jobs, Library, MediaTools, Storage

    from .plans import Plans

LOOK = "hls.subtitles"
OFFLINE_SECONDS = 30.0
MOST_TROUBLES = 10
BAD_SECTOR = "A part of the film cannot be read from its disk, so this text would not be whole."
SOON = 6  # before posters, and long before what is encoded ahead: who opens a film then is offered them


async def look(library: Library, jobs: Jobs, video_id: int) -> None:
    """Queue the job where it has something to do. Its name says what for: one that runs may not know of it yet."""
    video = await Video.get_or_none(id=video_id)
    if video is None:
        return
    asked = _names(wanted(MediaInfo.from_dict(video.probe), await library.beside(video_id)))
    if asked != _names(await Subtitle.filter(video_id=video_id)):
        mark = hashlib.sha256("\0".join(sorted(asked)).encode()).hexdigest()[:12]
        await jobs.enqueue(LOOK, f"subtitles:{video_id}:{mark}", {"video_id": video_id}, priority=SOON)


def _names(each: Sequence[Wanted | Subtitle]) -> set[str]:
    return {one.key for one in each}


class Subtitling:
    def __init__(self, tools: MediaTools, storage: Storage, library: Library, changes: Changes, plans: Plans) -> None:
        self._tools = tools
        self._storage = storage
        self._library = library
        self._changes = changes
        self._plans = plans
        self._troubles = Counter[int]()  # by film: a disk that fails again and again is how its bytes are

    async def make(self, job: RunningJob) -> None:
        """Again is no fault. Several at once make the same, and each ends with what is true by then."""
        video = await Video.get_or_none(id=int(job.args["video_id"]))
        if video is None:
            return
        before = await self._rows(video)
        asked = await self._wanted(video)
        missing = [each for each in asked if not self._is_made(video, each, before)]
        reasons = await self._made(video, missing)
        gone = set(before) - _names(await self._wanted(video))
        if reasons or gone:
            await self._note(video, asked, reasons, gone)
            await self._offer(video)

    async def _wanted(self, video: Video) -> list[Wanted]:
        return wanted(MediaInfo.from_dict(video.probe), await self._library.beside(video.id))

    async def _rows(self, video: Video) -> dict[str, Subtitle]:
        return {row.key: row for row in await Subtitle.filter(video_id=video.id)}

    def _is_made(self, video: Video, each: Wanted, rows: dict[str, Subtitle]) -> bool:
        row = rows.get(each.key)
        return row is not None and (bool(row.reason) or self._storage.subtitle(video.id, each.key).exists())

    async def _made(self, video: Video, missing: Sequence[Wanted]) -> dict[str, str]:
        """By key "", or why there is no text. Raises JobPostponed while the film is away."""
        texts: dict[str, str | NotText] = {each.key: NotText(each.reason) for each in missing if each.reason}
        tracks = [each for each in missing if each.track is not None and not each.reason]
        async with self._storage.workspace() as workspace:
            for each in missing:
                if each.file is not None and not each.reason:
                    texts[each.key] = await from_file(self._tools, each.file, workspace)
            if tracks:
                texts |= await self._from_film(video, tracks, workspace)
        for key, text in texts.items():
            if isinstance(text, str):
                path = self._storage.subtitle(video.id, key)
                await asyncio.to_thread(self._storage.write_text, path, text)
        return {key: "" if isinstance(text, str) else str(text) for key, text in texts.items()}

    async def _from_film(self, video: Video, tracks: Sequence[Wanted], workspace: Path) -> dict[str, str | NotText]:
        """Half a text is not published: where the disk fails in the middle it is tried again, and then said so."""
        source = await self._library.source(video.id)
        if source is None:
            raise JobPostponed(UNREACHED, OFFLINE_SECONDS)
        try:
            texts = await from_tracks(self._tools, source, tracks, workspace)
        except DiskTrouble as failure:
            self._troubles[video.id] += await asyncio.to_thread(can_be_read, source)  # a whole disk is waited for
            if self._troubles[video.id] <= MOST_TROUBLES:
                raise JobPostponed(str(failure), OFFLINE_SECONDS) from failure
            texts = {each.key: NotText(BAD_SECTOR) for each in tracks}
        self._troubles.pop(video.id, None)
        return texts

    async def _note(self, video: Video, asked: Sequence[Wanted], reasons: dict[str, str], gone: set[str]) -> None:
        labels = labelled(asked)
        for position, each in enumerate(asked):
            values = {"position": position, "label": labels[each.key]}
            if each.key in reasons:
                said = {"language": each.language, "default": each.default, "forced": each.forced, "sdh": each.sdh}
                values |= {**said, "reason": reasons[each.key]}
                await Subtitle.update_or_create(values, video_id=video.id, key=each.key)
            else:
                await Subtitle.filter(video_id=video.id, key=each.key).update(**values)
        await Subtitle.filter(video_id=video.id, key__in=list(gone)).delete()
        for key in gone:
            self._storage.subtitle(video.id, key).unlink(missing_ok=True)

    async def _offer(self, video: Video) -> None:
        """Who opens the film from now on is offered them."""
        plan = await self._plans.latest(video.id)
        if plan is not None:
            await self._plans.write_multivariant(plan, Recipe.from_dict(plan.recipe))
        await self._changes.record(TracksChanged(video.id), None)
