"""What was published stays as it is."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from tests.e2e.appliance import Appliance


def remember(published: dict[Path, tuple[int, int]], appliance: Appliance) -> None:
    """A cell that was published keeps its file: it is never empty, replaced or taken back."""
    cells = appliance.cells()
    for path in cells:
        told = path.stat()
        assert told.st_size > 0
        assert told.st_size % 188 == 0
        assert published.setdefault(path, (told.st_ino, told.st_size)) == (told.st_ino, told.st_size)
    assert set(published) <= set(cells)


def frames(media: bytes) -> int:
    """Video frames of cells put together, counted by ffprobe."""
    asked = ["-v", "error", "-select_streams", "v", "-count_packets", "-show_entries", "stream=nb_read_packets"]
    told = subprocess.run(["ffprobe", *asked, "-of", "csv=p=0", "-"], input=media, capture_output=True, check=True)
    return int(told.stdout.split()[0].strip(b","))
