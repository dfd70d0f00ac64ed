"""Small pictures to seek by: sheets of tiles taken from key frames, and a WebVTT that says which tile is when."""

from __future__ import annotations

import asyncio
import math
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import ffmpeg

from mediaserver.contracts import Limits, MediaInfo
from mediaserver.errors import JobFailed, JobPostponed
from mediaserver.events import TracksChanged
from mediaserver.models import JobRecord, Video

from .building import SOURCE, arguments
from .command import HDR_TRANSFERS, standard_range
from .ladder import picture_size
from .outcome import postpone_if_hindered
from .pictures import is_jpeg
from .runner import Control
from .webvtt import clock
from .workshop import UNREACHED

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from mediaserver import RunningJob
    from mediaserver.contracts import Jobs, Storage, Transaction

    from .workshop import Workshop

__all__ = ["SPRITES", "Scrubbing", "Sheets", "ask", "is_made"]

SPRITES = "hls.sprites"
INDEX = "sprites.vtt"
SIDE, BOX_WIDTH, BOX_HEIGHT = 10, 160, 90  # tiles in a row and in a column; pixels of a tile at most
SECONDS = 10.0  # between two tiles of a long film
FEWEST, MOST = 60, 1500  # tiles of a film, but never more often than each second
OFFLINE_SECONDS = 60.0
LAST = -1  # priority


@dataclass(frozen=True, slots=True)
class Sheets:
    """`count` tiles of `width` x `height`, one each `seconds`, in rows from the upper left of each sheet."""

    seconds: float
    count: int
    width: int
    height: int

    @staticmethod
    def of(info: MediaInfo) -> Sheets:
        seconds = max(min(SECONDS, max(1.0, info.duration / FEWEST)), info.duration / MOST)
        wide, high = picture_size(info)
        scale = min(Fraction(1), BOX_WIDTH / wide, BOX_HEIGHT / high)
        width, height = (max(2, round(side * scale / 2) * 2) for side in (wide, high))
        return Sheets(seconds, max(1, math.ceil(info.duration / seconds)), width, height)

    @property
    def rows(self) -> int:
        return min(SIDE, math.ceil(self.count / SIDE))

    @property
    def files(self) -> int:
        return math.ceil(self.count / SIDE**2)

    def index(self, duration: float) -> str:
        """Addresses are relative to that of this text."""
        cues = ["WEBVTT\n"]
        for number in range(self.count):
            sheet, tile = divmod(number, SIDE**2)
            row, column = divmod(tile, SIDE)
            box = f"{column * self.width},{row * self.height},{self.width},{self.height}"
            end = min((number + 1) * self.seconds, max(duration, number * self.seconds + 0.001))
            cues.append(f"{clock(number * self.seconds)} --> {clock(end)}\nsprites/{sheet:03d}.jpg#xywh={box}\n")
        return "\n".join(cues)


def sheet_arguments(
    info: MediaInfo, sheets: Sheets, source: Path, *, flags: Mapping[str, str], tonemap: bool
) -> list[str]:
    """Key frames alone are decoded, from the beginning to the end: no seek is needed."""
    film = ffmpeg.input(SOURCE, skip_frame="nokey", threads=1, **flags)
    rate = Fraction(1) / Fraction(sheets.seconds).limit_denominator(1000)
    rhythm = {"start_time": 0, "eof_action": "pass"}  # a film with one key frame has one picture to pass
    picture = film[str(info.video.index)].filter("fps", f"{rate.numerator}/{rate.denominator}", **rhythm)
    picture = picture.filter("scale", sheets.width, sheets.height, flags="area")
    if tonemap and info.video.transfer in HDR_TRANSFERS:
        picture = standard_range(picture)
    picture = picture.filter("format", "yuvj420p").filter("setsar", 1)
    picture = picture.filter("tpad", stop_mode="clone", stop=2 * SIDE**2)
    picture = picture.filter("tile", f"{SIDE}x{sheets.rows}")
    options: dict[str, Any] = {"frames:v": sheets.files, "c:v": "mjpeg", "q:v": 6, "f": "image2", "start_number": 0}
    return arguments(ffmpeg.output(picture, "%03d.jpg", **options, map_metadata=-1), source)


def is_made(storage: Storage, video_id: int) -> bool:
    return storage.picture(video_id, INDEX).exists()


async def ask(
    jobs: Jobs, storage: Storage, video_id: int, *, again: bool = True, tx: Transaction | None = None
) -> None:
    """Behind everything else; without `again` only where nobody tried yet."""
    key = f"sprites:{video_id}"
    if is_made(storage, video_id) or (not again and await JobRecord.exists(key=key)):
        return
    await jobs.enqueue(SPRITES, key, {"video_id": video_id}, priority=LAST, tx=tx)


class Scrubbing:
    def __init__(self, shop: Workshop) -> None:
        self._shop = shop

    async def make(self, job: RunningJob) -> None:
        video = await Video.get_or_none(id=int(job.args["video_id"]))
        if video is None or is_made(self._shop.storage, video.id):
            return
        source = await self._shop.library.source(video.id)
        if source is None:
            raise JobPostponed(UNREACHED, OFFLINE_SECONDS)
        info = MediaInfo.from_dict(video.probe)
        sheets, storage = Sheets.of(info), self._shop.storage
        async with storage.workspace() as workspace:
            made = await self._taken(info, sheets, source, workspace)
            for number, path in enumerate(made):
                await asyncio.to_thread(storage.publish, path, storage.picture(video.id, f"sprites-{number:03d}.jpg"))
        await asyncio.to_thread(storage.write_text, storage.picture(video.id, INDEX), sheets.index(info.duration))
        await self._shop.changes.record(TracksChanged(video.id), None)

    async def _taken(self, info: MediaInfo, sheets: Sheets, source: Path, workspace: Path) -> list[Path]:
        """Raises JobFailed where the film gives none, JobPostponed where that is not its fault."""
        tools, control = self._shop.tools, Control()
        asked = sheet_arguments(info, sheets, source, flags=tools.input_flags, tonemap=tools.has_zscale)
        cpu = math.ceil(2 * info.duration) + 120
        limits = Limits(wall=8 * cpu, cpu=cpu, nice=self._shop.nice, idle_io=True)
        tool = await tools.start("ffmpeg", asked, reads=[source], workspace=workspace, limits=limits)
        control.attach(tool)
        with self._shop.pausing.background(control):
            finished = await tool.wait()
        control.attach(None)
        made = [workspace / f"{number:03d}.jpg" for number in range(sheets.files)]
        if all([await asyncio.to_thread(is_jpeg, path) for path in made]):
            return made
        await postpone_if_hindered(finished, source, OFFLINE_SECONDS)
        slow = " in time" if finished.timed_out else ""
        raise JobFailed(f"No pictures to seek by could be taken from this film{slow}; it plays without them.")
