"""What other processes ask of the watcher: small files in data/run, each written at once."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

import structlog

from mediaserver.core.library.paths import shown
from mediaserver.core.statuses import content, replace

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["TOPIC", "ScanRequests"]

log = structlog.get_logger("library")
TOPIC = "scan"


class ScanRequests:
    """Requests to look at a path; they outlive a kill and are dropped when they were carried out."""

    def __init__(self, run: Path) -> None:
        self._folder = run / "scans"
        self._stuck: set[Path] = set()  # carried out, but there to stay

    def ask(self, path: str) -> None:
        """`path` is absolute database text, "" for everything."""
        self._folder.mkdir(parents=True, exist_ok=True)
        replace(self._folder / f"{secrets.token_hex(8)}.json", {"path": path})

    def open(self) -> dict[Path, str]:
        """Requests that wait: the file of each, and its path."""
        try:
            files = sorted(self._folder.glob("*.json"))
        except OSError:
            return {}
        return {file: str((content(file) or {}).get("path", "")) for file in files if file not in self._stuck}

    def drop(self, request: Path) -> None:
        """It was carried out."""
        try:
            request.unlink(missing_ok=True)
        except OSError as error:  # whoever asked was another user
            self._stuck.add(request)
            log.warning(f"a request to scan stays behind: {shown(request)} cannot be removed ({error.strerror})")
