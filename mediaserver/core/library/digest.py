"""The hash of all bytes of a file, in the time that its data takes and not its length.

A file may be almost all hole: 800 GB that take 2 MB of a disk were hashed for half an hour. Of aligned blocks of zeros
only the places count therefore, and holes, which read as zeros, are not even read. It depends on bytes alone: a copy
whose holes were filled is the same video. Where there is no such block it is the plain SHA-256.
"""

from __future__ import annotations

import errno
import hashlib
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from io import FileIO
    from pathlib import Path

__all__ = ["full_hash"]

BLOCK = 1 << 16  # bytes; the larger, the more zeros a file can have for each byte of data
ZEROS = bytes(BLOCK)


def full_hash(path: Path) -> str:
    """Blocks. Raises OSError."""
    digest, gaps, has_gaps, expected = hashlib.sha256(), hashlib.sha256(), False, 0
    with path.open("rb", buffering=0) as file:
        for at, block in _data(file):
            if at != expected:
                has_gaps = True
                gaps.update(b"%d-%d " % (expected, at))
            digest.update(block)
            expected = at + len(block)
    return hashlib.sha256(digest.digest() + gaps.digest()).hexdigest() if has_gaps else digest.hexdigest()


def _data(file: FileIO) -> Iterator[tuple[int, bytes]]:
    """Where each block is that is more than zeros; last comes where the file ends, with nothing."""
    at = 0
    while block := file.read(BLOCK):
        if block == ZEROS:
            at = _next_data(file, at + BLOCK)
            continue
        yield at, block
        at += len(block)
    yield at, b""


def _next_data(file: FileIO, at: int) -> int:
    """The block to read next, where a hole may begin at `at`."""
    try:
        data = os.lseek(file.fileno(), at, os.SEEK_DATA)
    except OSError as error:
        data = os.fstat(file.fileno()).st_size if error.errno == errno.ENXIO else at  # a hole to the end, or untold
    return file.seek(max(at, data - data % BLOCK))
