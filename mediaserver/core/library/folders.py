"""The library folders that the first start makes; any other is the user's, and missing while its disk is away."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from mediaserver.core.library import paths

if TYPE_CHECKING:
    from mediaserver.core.db import Database
    from mediaserver.core.library.settings import LibrarySettings

__all__ = ["make", "unmade"]


async def unmade(db: Database, settings: LibrarySettings, default: Path) -> list[Path]:
    """Of `default` and the upload folder those that are not there yet.

    One that held a film is on a disk that is away, or was renamed: an empty folder in its place would hide that, and
    swallow what is moved back.
    """
    ours = [*(folder for folder in settings.folders if folder == default), settings.upload_folder]
    missing = [folder for folder in ours if not os.path.lexists(folder)]  # a link to a disk that is away is there
    if not missing:
        return []
    rows = await db.fetch("SELECT DISTINCT root FROM core_location", reading=True)
    held = [Path(paths.to_path(row["root"])) for row in rows]
    return [folder for folder in missing if not any(root.is_relative_to(os.path.abspath(folder)) for root in held)]  # noqa: PTH100


def make(folders: list[Path]) -> None:
    """One that cannot be made is told like any folder that is missing."""
    for folder in folders:
        with suppress(OSError):
            folder.mkdir(parents=True, exist_ok=True)
