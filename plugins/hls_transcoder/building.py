"""Argument lists of ffmpeg-python, for a source of any name."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import ffmpeg

__all__ = ["SOURCE", "arguments"]

GLOBAL = ("-nostdin", "-v", "error")
SOURCE = "file:SOURCE"  # stands for the path while ffmpeg-python builds: it cannot hash names that are not UTF-8


def arguments(output: Any, source: Path, options: Sequence[str] = ()) -> list[str]:
    """Of an output whose input is named `SOURCE`. Without `options` its time counts from the film's own start."""
    built = ffmpeg.compile(output, cmd=[*GLOBAL, *options], overwrite_output=True)
    return [f"file:{source}" if part == SOURCE else part for part in built]
