"""What the library is: folders and how they are looked at."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from mediaserver.core.library import paths

__all__ = ["FollowSymlinks", "LibrarySettings", "WatchMode"]

WatchMode = Literal["auto", "events", "polling", "off"]
FollowSymlinks = Literal["never", "inside", "anywhere"]


@dataclass(frozen=True, slots=True)
class LibrarySettings:
    """`settle_seconds` is the quiet time where nothing better is known, `missing_guard` a share of a folder's files."""

    folders: tuple[Path, ...]
    upload_folder: Path
    settle_seconds: float = 2.0
    rescan_minutes: float = 15.0
    watch: WatchMode = "auto"
    follow_symlinks: FollowSymlinks = "inside"
    missing_guard: float = 0.5

    @property
    def roots(self) -> tuple[Path, ...]:
        """Every folder once, absolute; a link that is a root itself is not resolved, so that it may be moved."""
        absolute = (Path(os.path.abspath(folder)) for folder in (*self.folders, self.upload_folder))  # noqa: PTH100
        return tuple(dict.fromkeys(absolute))

    def why_left(self, root: str) -> str:
        """Why nothing of the folder `root` (database text) is shown or handed out; "" where it is one of the roots."""
        if root in map(paths.to_text, self.roots):
            return ""
        return f"The folder {paths.shown(paths.to_path(root))} is no longer in library.folders."
