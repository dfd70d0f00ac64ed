"""Arguments for what counts its time from the film's own start: texts and pictures, but no cells."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import ffmpeg

from .command import SOURCE

__all__ = ["arguments"]

GLOBAL = ("-nostdin", "-v", "error")


def arguments(output: Any, source: Path) -> list[str]:
    """Of an output whose input is named `command.SOURCE`."""
    built = ffmpeg.compile(output, cmd=list(GLOBAL), overwrite_output=True)
    return [f"file:{source}" if part == SOURCE else part for part in built]
