"""What the watcher last told of itself, for health and pages: written by `watch`, read by everybody."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path


def watch_status(data: Path) -> dict[str, Any]:
    """Mode per folder, last event, last scan; {} before the first word."""
    try:
        told = json.loads((data / "run" / "watch.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return told if isinstance(told, dict) else {}
