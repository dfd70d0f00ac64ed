"""What other processes ask of the watcher and what it tells them: small files in data/run, each written at once."""

from __future__ import annotations

import json
import os
import secrets
from typing import TYPE_CHECKING, Any

import structlog

from mediaserver.core.library.paths import shown

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["TOPIC", "ScanRequests", "read_status", "write_status"]

log = structlog.get_logger("library")
TOPIC = "scan"
STATUS = "watch.json"


class ScanRequests:
    """Requests to look at a path; they outlive a kill and are dropped when they were carried out."""

    def __init__(self, run: Path) -> None:
        self._folder = run / "scans"
        self._stuck: set[Path] = set()  # carried out, but there to stay

    def ask(self, path: str) -> None:
        """`path` is absolute database text, "" for everything."""
        self._folder.mkdir(parents=True, exist_ok=True)
        _write(self._folder / f"{secrets.token_hex(8)}.json", {"path": path})

    def open(self) -> dict[Path, str]:
        """Requests that wait: the file of each, and its path."""
        try:
            files = sorted(self._folder.glob("*.json"))
        except OSError:
            return {}
        return {file: str((_read(file) or {}).get("path", "")) for file in files if file not in self._stuck}

    def drop(self, request: Path) -> None:
        """It was carried out."""
        try:
            request.unlink(missing_ok=True)
        except OSError as error:  # whoever asked was another user
            self._stuck.add(request)
            log.warning(f"a request to scan stays behind: {shown(request)} cannot be removed ({error.strerror})")


def write_status(run: Path, status: dict[str, Any]) -> None:
    run.mkdir(parents=True, exist_ok=True)
    _write(run / STATUS, status)


def read_status(run: Path) -> dict[str, Any]:
    """What the watcher said last, {} where there was none yet."""
    return _read(run / STATUS) or {}


def _write(file: Path, content: dict[str, Any]) -> None:
    tmp = file.with_name(f".{file.name}.{os.getpid()}")
    tmp.write_text(json.dumps(content))
    tmp.replace(file)


def _read(file: Path) -> dict[str, Any] | None:
    try:
        content = json.loads(file.read_text())
    except (OSError, ValueError):
        return None
    return content if isinstance(content, dict) else None
