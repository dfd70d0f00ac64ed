"""Where a film really ends: headers lie, packets do not."""

from __future__ import annotations

import math
import time
from asyncio import to_thread
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

from mediaserver.contracts import Limits, MediaTools, VideoStream
from mediaserver.core.library.refusals import ENCRYPTED, ProbeFailed

__all__ = ["Budget", "real_end"]

PROBE_SECONDS = 15.0
ENDING_SECONDS = 1.0  # what stopping a program may take
TAIL_SECONDS = 3.0
SCAN_RATE = 100_000_000  # bytes a second, where a whole file is read
SCAN_BYTES = 64 << 20  # of what is said about the packets
SCAN_SECONDS = 45.0  # the most that is added for that
TOO_LONG = "Reading this file to its end took too long; it is damaged, or its disk is too slow."
ENTRIES = "packet=pts_time,dts_time,duration_time,pos:packet_side_data=side_data_type"
STEP_BACK, STEP_FORWARD = 1.0, 10.0  # seconds, as ffmpeg joins clocks (-dts_delta_threshold)
READ_ON, AT_ONCE = 16 << 20, 1 << 20  # bytes behind the last packet, where a disk that fails is looked for
ABSURD_BIT_RATE = 500.0  # bit/s: below this the header promises time that the bytes cannot fill


class Budget:
    """What one probe may take in all: hostile files are as slow as they are let."""

    def __init__(self) -> None:
        self._end = time.monotonic() + PROBE_SECONDS - ENDING_SECONDS

    def limits(self, more: float = 0.0) -> Limits:
        self._end += more
        left = self._end - time.monotonic()
        if left <= 0:
            raise ProbeFailed(TOO_LONG)
        return Limits(wall=left, cpu=math.ceil(left))


@dataclass(frozen=True, slots=True)
class End:
    seconds: float  # in the file's own time, when the last frame ends
    place: int | None  # where its packet stands, in bytes


async def real_end(
    tools: MediaTools,
    path: Path,
    video: VideoStream,
    budget: Budget,
    *,
    start: float,
    told: float,
    size: int,
    restarts: bool = False,
) -> tuple[float, bool]:
    """Answers (seconds from `start` to the end of the last frame, whether the file stops before its header says).

    Where the clock `restarts`, its parts are counted as if they followed each other. A disk that cannot be read says
    nothing about the film: then the header is believed, and where it is absurd the OSError raised.
    """
    frame = float(1 / Fraction(video.frame_rate))
    only = ["-select_streams", str(video.index)]
    absurd = restarts or told <= 0 or size * 8 / told < ABSURD_BIT_RATE
    if not absurd:
        begin = max(0.0, told - TAIL_SECONDS) + start
        # To the end: a length would count from the key frame before, which may be ten seconds back.
        interval = ["-read_intervals", f"{begin:.3f}%"]
        tail = await _last_end(tools, path, [*only, *interval], budget.limits(), frame)
        if tail is not None and abs(tail.seconds - start - told) <= max(1.0, 1.5 * frame):
            return tail.seconds - start, False
    stored = min(size, path.stat().st_blocks * 512)  # a hole of a terabyte costs its maker nothing, so it buys no time
    limits = budget.limits(min(SCAN_SECONDS, stored / SCAN_RATE))
    end = await _last_end(tools, path, only, replace(limits, stdout=SCAN_BYTES), frame, joined=restarts)
    try:
        await to_thread(_read_on, path, end.place if end else 0)
    except OSError:
        if absurd:
            raise
        return told, False
    if end is None:
        raise ProbeFailed("There is no picture that can be read in this file: it is damaged.")
    found = end.seconds - start
    if absurd or found >= told - 1.0:
        return found, False
    # Sound may go on after the picture: then nothing is missing.
    last = await _last_end(tools, path, interval, budget.limits(), frame)
    return found, last is None or last.seconds - start < told - 1.0


def _read_on(path: Path, place: int | None) -> None:
    """For ffprobe a disk that fails is the end of the file, without a word. Raises OSError. Blocks."""
    if place is None:
        return
    with path.open("rb", buffering=0) as file:
        file.seek(place)
        while file.tell() < place + READ_ON and file.read(AT_ONCE):
            pass


async def _last_end(
    tools: MediaTools, path: Path, which: Sequence[str], limits: Limits, frame: float, *, joined: bool = False
) -> End | None:
    """Of the last of `which` packets' frames; None where there is no packet."""
    flags = [part for key, value in tools.input_flags.items() for part in (f"-{key}", value)]
    entries = [*which, "-show_entries", ENTRIES]
    arguments = ["-v", "error", *flags, *entries, "-of", "csv=p=0", "-i", f"file:{path}"]
    asked = await (await tools.start("ffprobe", arguments, reads=[path], workspace=None, limits=limits)).wait()
    if asked.timed_out:
        raise ProbeFailed(TOO_LONG)
    if b"Encryption info" in asked.stdout:
        raise ProbeFailed(ENCRYPTED)
    return _end_of([line.decode(errors="replace") for line in asked.stdout.splitlines()], frame, joined=joined)


def _end_of(lines: Sequence[str], frame: float, *, joined: bool) -> End | None:
    """Where clocks are `joined`, one that begins again goes on where it was, as ffmpeg reads it too."""
    last, end, later, place = None, None, 0.0, None
    for line in lines:
        presented, decoded, length, *rest = (*(_number(part) for part in line.split(",")[:4]), None, None, None)
        at = presented if presented is not None else decoded
        if at is None:
            continue
        clock = decoded if decoded is not None else at
        if joined and last is not None and not -STEP_BACK <= clock - last <= STEP_FORWARD:
            later += last + frame - clock
        last, place = clock, rest[0]
        lasts = length or frame
        this = at + later + (lasts if lasts <= max(1.0, 2 * frame) else frame)
        end = this if end is None else max(end, this)
    return None if end is None else End(end, None if place is None else int(place))


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
