"""Transport streams whose clock begins again or leaps: two recordings in one file, a recorder that was restarted."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from statistics import median

__all__ = ["begins_again"]

SYNC = 0x47
STRIDES = (188, 192, 204)  # plain, with the time of arrival (m2ts), with error correction
WINDOWS, WINDOW = 24, 512 * 1024  # so many places are looked at, each so many bytes: 12 MB of a film of any size
TICKS = 90_000  # of the clock, in a second
WRAP = 1 << 33
LEAP, UNEVEN = 60 * TICKS, 6  # a minute, and so many times the usual step: pictures that stand take few bytes
BACK = TICKS  # pictures are stored up to a second out of their order


def begins_again(path: Path, pid: int) -> bool:
    """Whether the pictures' times step back, or far ahead, between the places looked at. Blocks as the disk does."""
    size = path.stat().st_size
    times: list[int] = []
    with path.open("rb") as file:
        for place in range(WINDOWS):
            file.seek(size * place // WINDOWS)
            found = _first_time(file.read(WINDOW), pid)
            if found is not None:
                times.append(found)
    steps = [(after - before + WRAP // 2) % WRAP - WRAP // 2 for before, after in pairwise(times)]
    return bool(steps) and (min(steps) < -BACK or max(steps) > LEAP + UNEVEN * median(steps))


def _first_time(data: bytes, pid: int) -> int | None:
    for stride in STRIDES:
        begin = _begin(data, stride)
        if begin is not None:
            places = range(begin, len(data) - stride, stride)
            return next((time for at in places if (time := _time(data[at : at + 188], pid)) is not None), None)
    return None


def _begin(data: bytes, stride: int) -> int | None:
    """Where packets of this length begin: four in a row carry the mark."""
    for at in range(min(stride, len(data) - 3 * stride)):
        if all(data[at + n * stride] == SYNC for n in range(4)):
            return at
    return None


def _time(packet: bytes, pid: int) -> int | None:
    """The presentation time that begins in this packet, where it is one of `pid`."""
    if packet[0] != SYNC or not packet[1] & 0x40 or (packet[1] & 0x1F) << 8 | packet[2] != pid:
        return None
    begin = 4 + (1 + packet[4] if packet[3] & 0x20 else 0)
    pes = packet[begin : begin + 14]
    if len(pes) < 14 or pes[:3] != b"\x00\x00\x01" or not pes[7] & 0x80:  # noqa: PLR2004 - a header with a PTS
        return None
    p = pes[9:14]
    return (p[0] >> 1 & 7) << 30 | p[1] << 22 | (p[2] >> 1) << 15 | p[3] << 7 | p[4] >> 1
