"""A disk with bad sectors: a folder shown once more by FUSE, and a stretch of each of its files cannot be read.

python -m tests.bad_disk FOLDER MOUNTPOINT BEGIN END    (BEGIN and END as parts of a file's length, 0 to 1)
"""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator


def serve(folder: Path, mountpoint: Path, begin: float, end: float) -> None:
    """Until it is unmounted."""
    from mfusepy import FUSE, FuseOSError, Operations  # only this process needs libfuse

    class Scratched(Operations):  # type: ignore[misc]  # it comes without types
        use_ns = True

        def getattr(self, path: str, _fh: int | None = None) -> dict[str, Any]:
            try:
                status = os.lstat(f"{folder}{path}")
            except OSError as error:
                raise FuseOSError(error.errno) from error
            return {name: getattr(status, name) for name in ("st_mode", "st_nlink", "st_size", "st_uid", "st_gid")} | {
                "st_mtime": status.st_mtime_ns
            }

        def readdir(self, path: str, _fh: int) -> list[str]:
            return [".", "..", *(found.name for found in Path(f"{folder}{path}").iterdir())]

        def read(self, path: str, size: int, offset: int, _fh: int) -> bytes:
            whole = Path(f"{folder}{path}").read_bytes()
            if offset < end * len(whole) and offset + size > begin * len(whole):
                raise FuseOSError(errno.EIO)
            return whole[offset : offset + size]

    FUSE(Scratched(), str(mountpoint), foreground=True, nothreads=True, ro=True)


@contextmanager
def bad_disk(folder: Path, mountpoint: Path, begin: float, end: float) -> Iterator[Path]:
    """`folder` at `mountpoint` while it is open. Needs root, and /dev/fuse."""
    mountpoint.mkdir()
    command = [sys.executable, "-m", "tests.bad_disk", str(folder), str(mountpoint), str(begin), str(end)]
    disk = subprocess.Popen(command, cwd=Path(__file__).parents[1])
    try:
        while not mountpoint.is_mount():
            assert disk.poll() is None, "the disk could not be mounted"
            os.sched_yield()
        yield mountpoint
    finally:
        subprocess.run(["umount", "--lazy", mountpoint], check=False)
        disk.wait()


if __name__ == "__main__":
    serve(Path(sys.argv[1]), Path(sys.argv[2]), float(sys.argv[3]), float(sys.argv[4]))
