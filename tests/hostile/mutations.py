"""Small media with seeded damage: each number makes the same bytes on every machine with the same ffmpeg."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

from tests import media

HEAD = 4096  # where most containers keep what says how long everything else is
EXTREMES = (0, 1, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 0x01000000, 0x3B9ACA00, 0xDEADBEEF)
TINY = (*media.pictures(2, "10", "64x48"), *media.sound(2))
BASES: dict[str, tuple[str, ...]] = {
    "film.mp4": (*media.X264, "-c:a", "aac"),
    "fast.mp4": (*media.X264, "-c:a", "aac", "-movflags", "frag_keyframe+empty_moov", "-g", "5"),
    "film.mkv": (*media.X264, "-c:a", "ac3"),
    "film.ts": (*media.X264, "-g", "5", "-c:a", "mp2"),
    "film.avi": ("-c:v", "mpeg4", "-c:a", "mp3"),
    "film.webm": ("-c:v", "libvpx", "-deadline", "realtime", "-cpu-used", "8", "-c:a", "libopus"),
    "film.mpg": ("-r", "25", "-c:v", "mpeg2video", "-c:a", "mp2", "-f", "vob"),
    "film.flv": ("-c:v", "flv", "-c:a", "mp3", "-ar", "44100"),
    "film.ogv": ("-c:v", "libtheora", "-c:a", "libvorbis"),
    "film.wmv": ("-c:v", "wmv2", "-c:a", "wmav2"),
}


def base(name: str) -> Path:
    return media.make(name, *TINY, *BASES[name])


def flip(data: bytearray, rng: random.Random, other: bytes) -> bytearray:
    for _ in range(rng.choice((1, 3, 30, 300))):
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    return data


def flip_head(data: bytearray, rng: random.Random, other: bytes) -> bytearray:
    for _ in range(rng.choice((1, 2, 8))):
        data[rng.randrange(min(HEAD, len(data)))] = rng.randrange(256)
    return data


def truncate(data: bytearray, rng: random.Random, other: bytes) -> bytearray:
    return data[: rng.randrange(1, len(data))]


def splice(data: bytearray, rng: random.Random, other: bytes) -> bytearray:
    return data[: rng.randrange(1, len(data))] + other[rng.randrange(len(other)) :]


def lengths(data: bytearray, rng: random.Random, other: bytes) -> bytearray:
    """Extreme numbers where sizes and counts are likely: in the head and in the tail, where an index may stand."""
    for _ in range(rng.choice((1, 2, 6))):
        width = rng.choice((2, 4, 4, 8))
        at = rng.randrange(min(HEAD, len(data) - width))
        at = at if rng.random() < 0.7 else len(data) - width - at
        data[at : at + width] = (rng.choice(EXTREMES) % (1 << 8 * width)).to_bytes(width, rng.choice(("big", "little")))
    return data


def zeros(data: bytearray, rng: random.Random, other: bytes) -> bytearray:
    at, count = rng.randrange(len(data)), rng.randrange(1, len(data))
    data[at : at + count] = bytes(len(data[at : at + count]))
    return data


def repeat(data: bytearray, rng: random.Random, other: bytes) -> bytearray:
    at, count = rng.randrange(len(data)), rng.randrange(1, 4096)
    return data[:at] + data[at : at + count] * rng.choice((2, 20, 200)) + data[at:]


def insert(data: bytearray, rng: random.Random, other: bytes) -> bytearray:
    at = rng.randrange(len(data))
    return data[:at] + rng.randbytes(rng.choice((1, 7, 188, 5000))) + data[at:]


KINDS: tuple[Callable[[bytearray, random.Random, bytes], bytearray], ...] = (
    flip,
    flip_head,
    truncate,
    splice,
    lengths,
    lengths,
    zeros,
    repeat,
    insert,
)


def mutation(number: int) -> tuple[str, bytes]:
    """Its name, which tells the number and the kinds, and its bytes."""
    rng = random.Random(number)
    name = rng.choice(list(BASES))
    data = bytearray(base(name).read_bytes())
    kinds = [rng.choice(KINDS) for _ in range(rng.choice((1, 1, 2)))]
    for kind in kinds:
        data = kind(data, rng, base(rng.choice(list(BASES))).read_bytes()) or bytearray(1)
    return f"{number}-{'-'.join(kind.__name__ for kind in kinds)}-{name}", bytes(data)
