"""Whether a cell is what was planned: read from the transport stream itself, about 1 ms for each megabyte.

ffprobe would take 60 ms and more for each cell, and a process in a sandbox.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from mediaserver.errors import MediaServerError

from .command import OFFSET_SECONDS, PACKET, SAMPLE_RATE, audio_span
from .plan import Grid

__all__ = ["CellDamaged", "CellFacts", "SoundFacts", "StreamUnits", "read_cell", "verify_cell", "verify_sound"]

PACKET_BYTES = 188
SYNC = 0x47
TICKS = 90_000  # of MPEG-TS, in a second
TOLERANCE = 2  # ticks: frame times at x/1001 are rounded twice
WRAP = 1 << 33
VIDEO_IDS, AUDIO_IDS = range(0xE0, 0xF0), range(0xC0, 0xE0)
ADTS_HEADER = 7


class CellDamaged(MediaServerError):
    """A segment is not what was planned; the message says in what. `frames` is told where they are too few or many."""

    def __init__(self, message: str, frames: int | None = None) -> None:
        super().__init__(message)
        self.frames = frames


@dataclass(frozen=True, slots=True)
class SoundFacts:
    """`first` is when the sound begins, in ticks of 90 kHz; `steady` says that it has no gap."""

    packets: int
    first: int
    steady: bool


@dataclass(frozen=True, slots=True)
class CellFacts:
    """`first` and `last` are the pictures' presentation times in ticks of 90 kHz."""

    frames: int
    key: bool
    first: int
    last: int
    sound: SoundFacts | None


class StreamUnits:
    """Pictures and packets of sound, by where they begin in the stream. Raises CellDamaged for what is none."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._found = _units(data)

    def of(self, kinds: range) -> list[int]:
        return [at for at, payload in self._found if payload[3] in kinds]

    def presented(self, at: int) -> int:
        return _presented(_payload(self._data, at))

    def delay(self, at: int) -> int:
        """Ticks from when a picture is decoded to when it is shown."""
        pes = _payload(self._data, at)
        return _between(_presented(pes), _time(pes[14:19])) if pes[7] & 0x40 else 0

    def is_random_access(self, at: int) -> bool:
        return _is_random_access(self._data, at)

    def elementary(self, at: int) -> bytes:
        """What the decoder is given of one."""
        pid, parts = _pid(self._data, at), [_payload(self._data, at)]
        for following in range(at + PACKET_BYTES, len(self._data), PACKET_BYTES):
            if _pid(self._data, following) == pid:
                if self._data[following + 1] & 0x40:
                    break
                parts.append(_payload(self._data, following))
        pes = b"".join(parts)
        return pes[9 + pes[8] :]


def read_cell(data: bytes) -> CellFacts:
    """Raises CellDamaged where this is no whole transport stream, or holds no picture."""
    units = _units(data)
    pictures = [(at, payload) for at, payload in units if payload[3] in VIDEO_IDS]
    if not pictures:
        raise CellDamaged("the segment holds no picture", 0)
    times = [_presented(payload) for _, payload in pictures]
    return CellFacts(len(pictures), _is_random_access(data, pictures[0][0]), times[0], max(times), _sound(data, units))


def _units(data: bytes) -> list[tuple[int, bytes]]:
    """Where PES packets begin, and what the transport packet there carries."""
    count, rest = divmod(len(data), PACKET_BYTES)
    if not data:
        raise CellDamaged("the segment is empty", 0)
    if rest or data[::PACKET_BYTES].count(SYNC) != count:
        raise CellDamaged("the segment is not made of whole transport packets")
    starts = [n * PACKET_BYTES for n, flags in enumerate(data[1::PACKET_BYTES]) if flags & 0x40]
    return [(at, payload) for at in starts if (payload := _payload(data, at)) and payload[:3] == b"\x00\x00\x01"]


def _sound(data: bytes, units: list[tuple[int, bytes]]) -> SoundFacts | None:
    begins = next((at for at, payload in units if payload[3] in AUDIO_IDS), None)
    if begins is None:
        return None
    heard = _sounds(data, _pid(data, begins))
    return SoundFacts(sum(count for _, count in heard), heard[0][0], _steady(heard))


def verify_cell(data: bytes, grid: Grid, number: int, *, audio: bool) -> CellFacts:
    """Raises CellDamaged unless frames, key frame, times and sound are exactly those of segment `number`."""
    facts = read_cell(data)
    first_frame, end_frame = grid.bounds(number)
    if facts.frames != end_frame - first_frame:
        what = f"segment {number} has {facts.frames} frames instead of {end_frame - first_frame}"
        raise CellDamaged(what, facts.frames)
    if not facts.key:
        raise CellDamaged(f"segment {number} does not begin with a key frame")
    for found, frame in ((facts.first, first_frame), (facts.last, end_frame - 1)):
        if _apart(found, grid.time(frame)) > TOLERANCE:
            raise CellDamaged(f"segment {number} has frame {frame} at the wrong time")
    if audio:
        _verify_span(facts.sound, grid, number)
    return facts


def verify_sound(data: bytes, grid: Grid, number: int) -> None:
    """As `verify_cell`, for a segment that holds sound alone."""
    _verify_span(_sound(data, _units(data)), grid, number)


def _verify_span(sound: SoundFacts | None, grid: Grid, number: int) -> None:
    span = audio_span(grid, *grid.bounds(number))
    if sound is None or sound.packets != span.packets:
        raise CellDamaged(
            f"segment {number} has {sound.packets if sound else 0} audio packets instead of {span.packets}"
        )
    if _apart(sound.first, Fraction(span.first * PACKET, SAMPLE_RATE)) > TOLERANCE:
        raise CellDamaged(f"segment {number} has its sound at the wrong time")
    if not sound.steady:
        raise CellDamaged(f"segment {number} has a gap in its sound")


def _apart(ticks: int, seconds: Fraction) -> int:
    """Ticks between what was found and where it belongs; times wrap after 26.5 hours."""
    return _between(ticks, round((seconds + OFFSET_SECONDS) * TICKS))


def _between(ticks: int, others: int) -> int:
    off = (ticks - others) % WRAP
    return min(off, WRAP - off)


def _pid(data: bytes, at: int) -> int:
    return (data[at + 1] & 0x1F) << 8 | data[at + 2]


def _payload(data: bytes, at: int) -> bytes:
    """What the packet carries behind its header and adaptation field."""
    control = data[at + 3] >> 4 & 3
    if not control & 1:
        return b""
    begin = at + 4 + (1 + data[at + 4] if control & 2 else 0)
    return data[begin : at + PACKET_BYTES]


def _is_random_access(data: bytes, at: int) -> bool:
    return bool(data[at + 3] & 0x20 and data[at + 4] and data[at + 5] & 0x40)


def _presented(pes: bytes) -> int:
    if len(pes) < 14 or not pes[7] & 0x80:  # noqa: PLR2004 - the header with a PTS is 14 bytes
        raise CellDamaged("a frame of the segment has no time")
    return _time(pes[9:14])


def _time(p: bytes) -> int:
    return (p[0] >> 1 & 7) << 30 | p[1] << 22 | (p[2] >> 1) << 15 | p[3] << 7 | p[4] >> 1


def _sounds(data: bytes, pid: int) -> list[tuple[int, int]]:
    """Of each PES packet of sound its time and its count of ADTS frames: the muxer puts several into one."""
    high, low = pid >> 8, pid & 0xFF
    lows = data[2::PACKET_BYTES]
    highs = data[1::PACKET_BYTES]
    found: list[tuple[int, list[bytes]]] = []
    at = lows.find(low)
    while at >= 0:
        if highs[at] & 0x1F == high:
            payload = _payload(data, at * PACKET_BYTES)
            if highs[at] & 0x40 and payload[:3] == b"\x00\x00\x01":
                found.append((_presented(payload), []))
                payload = payload[9 + payload[8] :]
            if found:
                found[-1][1].append(payload)
        at = lows.find(low, at + 1)
    return [(time, _adts_frames(b"".join(parts))) for time, parts in found]


def _steady(sounds: list[tuple[int, int]]) -> bool:
    """Each packet of sound follows the one before without a gap."""
    before = 0
    for time, count in sounds:
        if _between(time, sounds[0][0] + round(before * PACKET * TICKS / SAMPLE_RATE)) > TOLERANCE:
            return False
        before += count
    return True


def _adts_frames(stream: bytes) -> int:
    count = at = 0
    while at + ADTS_HEADER <= len(stream):
        if stream[at] != 0xFF or stream[at + 1] & 0xF0 != 0xF0:  # noqa: PLR2004 - the ADTS sync word
            raise CellDamaged("the sound of the segment is damaged")
        at += max(ADTS_HEADER, (stream[at + 3] & 3) << 11 | stream[at + 4] << 3 | stream[at + 5] >> 5)
        count += 1
    return count
