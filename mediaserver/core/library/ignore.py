"""What is never media, and the sentence that says so."""

from __future__ import annotations

import os
import re
import stat
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mediaserver.core.library.paths import shown

if TYPE_CHECKING:
    from pathlib import Path

    from pathspec import GitIgnoreSpec

__all__ = ["IGNORE_FILE", "NO_RULES", "VIDEO_EXTENSIONS", "Rules", "is_candidate", "unwanted_file", "unwanted_folder"]

IGNORE_FILE = ".ignore"
LONGEST_IGNORE_FILE = 65536  # bytes
VIDEO_EXTENSIONS = frozenset(
    [
        "mp4",
        "m4v",
        "mov",
        "qt",
        "mkv",
        "webm",
        "ts",
        "m2ts",
        "mts",
        "m2t",
        "mpg",
        "mpeg",
        "mpe",
        "mpv",
        "m2v",
        "vob",
        "avi",
        "divx",
        "flv",
        "f4v",
        "ogv",
        "ogm",
        "wmv",
        "asf",
        "3gp",
        "3g2",
        "mxf",
    ]
)
POINTERS = frozenset(["m3u8", "m3u", "strm", "sdp", "ffconcat", "mpd", "pls"])
UNFINISHED = re.compile(
    r"\.(?:part|partial|crdownload|tmp|temp|download|!qb|!ut|aria2|filepart|opdownload)$|~$|^~syncthing~|\.syncthing\.",
    re.IGNORECASE,
)
NAS_FOLDERS = frozenset(
    name.casefold()
    for name in (
        "@eaDir", "#recycle", "#snapshot", "@Recycle", "@Recently-Snapshot", "$RECYCLE.BIN", "RECYCLER",
        "System Volume Information", "lost+found", ".snapshot", ".zfs",
    )
)  # fmt: skip


def is_candidate(name: str) -> bool:
    """The quick question of a scan; `unwanted_file` says why not."""
    return (
        name.rpartition(".")[2].lower() in VIDEO_EXTENSIONS
        and not name.startswith(".")
        and "." in name
        and UNFINISHED.search(name) is None
    )


def unwanted_file(name: str) -> str | None:
    extension = name.rpartition(".")[2].lower() if "." in name else ""
    if name.startswith(".") and UNFINISHED.search(name) is None and not name.startswith(".fuse_hidden"):
        return "Its name begins with a dot, so it is hidden and never media."
    if UNFINISHED.search(name) or name.startswith("."):
        return "Its name says that a copy or download is still under way; it is taken when it gets its final name."
    if extension in POINTERS:
        return "It only points to other files, and such lists are never played."
    if extension not in VIDEO_EXTENSIONS:
        ending = f"The ending .{shown(extension)}" if extension else "A name without an ending"
        return f"{ending} is not that of a video; rename the file if it is one."
    return None


def unwanted_folder(name: str) -> str | None:
    if name.casefold() in NAS_FOLDERS:
        return f"The folder {shown(name)} belongs to the storage device and never holds media."
    if name.startswith("."):
        return f"The name of the folder {shown(name)} begins with a dot, so it is hidden."
    return None


@dataclass(frozen=True, slots=True)
class Rules:
    """The `.ignore` files that apply in one folder, outermost first; an inner one overrides."""

    specs: tuple[tuple[str, GitIgnoreSpec | None], ...] = ()  # (folder inside the root, lines; None = everything)

    @property
    def leaves_all_out(self) -> bool:
        return bool(self.specs) and self.specs[-1][1] is None

    def enter(self, folder: Path | str, inside: str) -> Rules:
        """The rules inside `folder`, whose path inside the root is `inside`."""
        lines = read_ignore_file(os.path.join(folder, IGNORE_FILE))  # noqa: PTH118 - of every folder of a scan
        if lines is None:
            return self
        if not any(line.strip() for line in lines):
            return Rules((*self.specs, (inside, None)))
        from mediaserver.core.library.ignore_lines import read_lines  # few libraries have such a file

        return Rules((*self.specs, (inside, read_lines(lines))))

    def refusal(self, path: str, *, folder: bool = False) -> str | None:
        """Why `path` (inside the root) is ignored, None where it is not."""
        for base, spec in reversed(self.specs):
            where = f"{shown(base)}/{IGNORE_FILE}" if base else IGNORE_FILE
            if spec is None:
                return f"The empty file {where} leaves out this folder and all below it."
            verdict = spec.check_file(path[len(base) :].lstrip("/") + ("/" if folder else ""))
            if verdict.include is not None:
                return f"The file {where} leaves it out." if verdict.include else None
        return None


NO_RULES = Rules()


def read_ignore_file(path: str) -> list[str] | None:
    """Its lines; None where there is no such regular file that can be read."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return None
        return os.read(descriptor, LONGEST_IGNORE_FILE).decode("utf-8", "replace").splitlines()
    except OSError:
        return None
    finally:
        os.close(descriptor)
