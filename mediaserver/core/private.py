"""What nobody but the owner may read, whatever the umask: databases, their copies, keys, letters, wake-ups.

The data directory itself and its media stay open: an nginx of another user sends films (X-Accel-Redirect).
"""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from typing import TYPE_CHECKING

import structlog

if TYPE_CHECKING:
    from pathlib import Path

log = structlog.get_logger()
FOLDERS = (".secrets", "copies", "mail", "run")
FILES = ("mediaserver.sqlite3*", "broker.sqlite3*", "copies/*")
OTHERS = stat.S_IRWXG | stat.S_IRWXO


def private_folder(folder: Path) -> None:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    close_to_others(folder)


def private_file(file: Path) -> None:
    """Made empty where there is none; SQLite gives the files beside a database the mode of the database.

    One that is there is not opened: closing it would end the locks that SQLite holds on it in this process.
    """
    with suppress(FileExistsError):
        os.close(os.open(file, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    close_to_others(file)


def close_what_was_open(data: Path) -> None:
    """Earlier versions left the modes to the umask."""
    for path in (*(data / name for name in FOLDERS), *(path for form in FILES for path in data.glob(form))):
        close_to_others(path)


def close_to_others(path: Path) -> None:
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
        if mode & OTHERS:
            path.chmod(mode & ~OTHERS)
    except FileNotFoundError:  # not made yet, or a WAL that has just been removed
        return
    except OSError as error:  # another's file, or a file system without modes: the operator's choice
        log.warning(f"{path} cannot be closed to other users ({error.strerror})")
