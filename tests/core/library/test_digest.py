"""All bytes of a file as one hash."""

from __future__ import annotations

import hashlib
import random
from typing import TYPE_CHECKING

import pytest

from mediaserver.core.library.digest import BLOCK, full_hash

if TYPE_CHECKING:
    from pathlib import Path


def written(path: Path, parts: list[tuple[int, bytes]], size: int, *, sparse: bool) -> Path:
    with path.open("wb") as file:
        if not sparse:
            file.write(bytes(size))
        for at, data in parts:
            file.seek(at)
            file.write(data)
        file.truncate(size)
    return path


@pytest.mark.parametrize("size", [0, 1, BLOCK - 1, BLOCK, 3 * BLOCK, 5 * BLOCK + 7, 64 * BLOCK, 64 * BLOCK + 1])
@pytest.mark.parametrize("seed", range(4))
def test_a_copy_whose_holes_were_filled_has_the_same_hash(tmp_path: Path, size: int, seed: int) -> None:
    chance = random.Random(seed)
    places = sorted(chance.randrange(size) for _ in range(seed if size else 0))
    parts = [(at, b"film"[: size - at]) for at in places]
    full = written(tmp_path / "full", parts, size, sparse=False)
    sparse = written(tmp_path / "sparse", parts, size, sparse=True)
    assert full.read_bytes() == sparse.read_bytes()
    assert full_hash(full) == full_hash(sparse)


def test_a_file_without_zeros_has_the_hash_that_everybody_knows(tmp_path: Path) -> None:
    data = bytes(range(1, 256)) * 2000
    (tmp_path / "film").write_bytes(data)
    assert full_hash(tmp_path / "film") == hashlib.sha256(data).hexdigest()


def test_the_same_data_at_other_places_has_another_hash(tmp_path: Path) -> None:
    size = 100 * BLOCK
    seen = set()
    for number in range(0, 100, 7):
        seen.add(full_hash(written(tmp_path / "film", [(number * BLOCK, b"film")], size, sparse=True)))
        seen.add(full_hash(written(tmp_path / "film", [(number * BLOCK + 5, b"film")], size, sparse=True)))
        seen.add(full_hash(written(tmp_path / "film", [(0, b"film")], size + number, sparse=True)))
    assert len(seen) == 15 * 3 - 1  # the film of no more bytes with its data at the start was there twice


def test_a_hole_of_a_terabyte_is_not_read(tmp_path: Path) -> None:
    film = tmp_path / "film"
    with film.open("wb") as file:
        file.write(b"film")
        file.seek((1 << 39) + 5)
        file.write(b"film")
        file.truncate(1 << 40)
    if film.stat().st_blocks * 512 > 1 << 30:
        pytest.skip("this file system knows no holes")
    assert full_hash(film) != full_hash(written(tmp_path / "other", [(0, b"film")], 1 << 40, sparse=True))
