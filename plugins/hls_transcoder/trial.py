"""Whether an encoder works on this machine: half a second of film through the real command, in the sandbox."""

from __future__ import annotations

import json
import re
import time
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from fractions import Fraction
from typing import TYPE_CHECKING

from mediaserver import log
from mediaserver.contracts import Rung
from mediaserver.errors import MediaServerError

from .command import Run
from .copies import Unfit, picture_parameters
from .encoders import B_FRAMES, HARDWARE, SOFTWARE, SOFTWARE_DELAY, Encoder
from .ladder import ladder, level
from .plan import plan
from .runner import EncodeFailed, EncodeJob, encode
from .sample_film import SAMPLE, make_sample
from .verify import TICKS, VIDEO_IDS, StreamUnits

if TYPE_CHECKING:
    from pathlib import Path

    from mediaserver.contracts import MediaInfo, MediaTools, Storage

__all__ = ["Encoders", "Trial", "tried"]

SIZE, SECONDS, GOP_SECONDS = (640, 360), 0.4, 0.2  # two segments
LOOK_SECONDS = 10.0
HIGH = 100  # profile_idc


@dataclass(frozen=True, slots=True)
class Trial:
    """`encoder` works here with this delay in frames; `reason` says why it is libx264 and not what was asked for."""

    encoder: str
    delay: int
    reason: str = ""


async def tried(tools: MediaTools, storage: Storage, encoder: Encoder) -> int:
    """Frames by which its first DTS stands before its PTS. Raises EncodeFailed with the reason where it is no use."""
    async with storage.workspace() as folder:
        heard = await make_sample(tools, folder, SIZE, SECONDS)
        silent = replace(heard, audio=())
        delay = _delay(await _cell(tools, folder, encoder, silent, 0), Fraction(silent.video.frame_rate))
        if delay not in B_FRAMES:
            raise EncodeFailed(f"it is {delay} frames late, which no other encoder here can go with")
        await _cell(tools, folder, encoder, heard, delay)
        return delay


async def _cell(tools: MediaTools, folder: Path, encoder: Encoder, info: MediaInfo, delay: int) -> bytes:
    """The first of two, both of them verified as every cell is."""
    grid, rungs = replace(plan(info, GOP_SECONDS), delay=delay), ladder(info)
    workspace = folder / f"cells-{delay}-{len(info.audio)}"
    workspace.mkdir()
    run = Run(info, grid, rungs, 0, grid.segments, encoder=encoder)
    async for cell in encode(tools, EncodeJob(run, folder / SAMPLE, workspace)):
        data = cell.path.read_bytes()
        _require_told(data, rungs[0], grid.fps)
        if cell.number == 0:
            first = data
    return first


def _require_told(data: bytes, rung: Rung, fps: Fraction) -> None:
    """Profile and level are what playlists say. Raises EncodeFailed."""
    units = StreamUnits(data)
    try:
        _, profile, _, idc, *_ = picture_parameters(units.elementary(units.of(VIDEO_IDS)[0]))
    except Unfit as reason:
        raise EncodeFailed(f"of what it made, {reason}") from reason
    if profile != HIGH or idc > level(rung, fps):
        raise EncodeFailed(f"it made profile {profile}, level {idc} and not what it was told")


def _delay(cell: bytes, fps: Fraction) -> int:
    units = StreamUnits(cell)
    return round(Fraction(units.delay(units.of(VIDEO_IDS)[0]), TICKS) * fps)


class Encoders:
    """Which encoder this machine uses. A worker tries at its start; what it found is noted for the other processes."""

    def __init__(self, wanted: str, tools: MediaTools, storage: Storage, notes: Path) -> None:
        self._wanted = wanted
        self._tools = tools
        self._storage = storage
        self._notes = notes
        self._known: Trial | None = None
        self._looked = 0.0

    @property
    def trial(self) -> Trial:
        """As noted; libx264 as long as nobody has tried."""
        if self._wanted == SOFTWARE.name:
            return Trial(SOFTWARE.name, SOFTWARE_DELAY)
        now = time.monotonic()
        if self._known is None or now - self._looked > LOOK_SECONDS:
            self._known, self._looked = self._noted(), now
        return self._known or Trial(SOFTWARE.name, SOFTWARE_DELAY)

    def encoder(self, delay: int) -> Encoder:
        """For cells of a plan with this delay."""
        trial = self.trial
        return HARDWARE.get(trial.encoder, SOFTWARE) if trial.delay == delay else SOFTWARE

    async def prepare(self) -> None:
        if self._wanted == SOFTWARE.name or self._noted() is not None:
            return
        trial = await self._try()
        if trial.reason:
            log.warning(trial.reason)
        else:
            log.info("films are encoded by hardware", encoder=trial.encoder, delay=trial.delay)
        noted = {"of": self._of(), "trial": asdict(trial)}
        self._storage.write_text(self._notes, json.dumps(noted))
        self._known = None

    async def fault(self) -> str | None:
        """What `mediaserver doctor` says; tried anew."""
        if self._wanted == SOFTWARE.name:
            return None
        return (await self._try()).reason or None

    async def _try(self) -> Trial:
        names = list(HARDWARE) if self._wanted == "auto" else [self._wanted]
        reasons = []
        for name in names:
            try:
                return Trial(name, await tried(self._tools, self._storage, HARDWARE[name]))
            except MediaServerError as error:
                reasons.append(f"{name} does not work here ({_short(str(error))})")
        return Trial(SOFTWARE.name, SOFTWARE_DELAY, f"{'; '.join(reasons)}. Films are encoded by libx264.")

    def _noted(self) -> Trial | None:
        """None too where it was noted of another machine, build or wish."""
        with suppress(OSError, ValueError, KeyError, TypeError):
            noted = json.loads(self._notes.read_text(encoding="utf-8"))
            if noted["of"] == self._of():
                return Trial(**noted["trial"])
        return None

    def _of(self) -> list[str]:
        devices = {str(path) for each in HARDWARE.values() for path in each.opened}
        return [self._wanted, self._tools.build, *sorted(devices)]


def _short(reason: str) -> str:
    said = reason.removeprefix("ffmpeg could not encode this film: ").rstrip(".")
    return re.sub(r"^\[\w+ @ \w+\] ", "", said)[:300]
