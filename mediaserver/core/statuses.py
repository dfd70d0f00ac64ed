"""What a role tells of itself in data/run, for all others to read: good for as long as its process lives."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

from mediaserver.core.processes import is_gone, own_name

if TYPE_CHECKING:
    from pathlib import Path


def tell(run: Path, role: str, status: dict[str, Any]) -> None:
    """Raises OSError."""
    run.mkdir(parents=True, exist_ok=True)
    replace(run / f"{role}.json", {**status, "by": own_name()})


def told(run: Path, role: str) -> dict[str, Any]:
    """{} where no such role has said a word, or has ended since; of another machine's it is not known that it has."""
    status = content(run / f"{role}.json") or {}
    by = status.pop("by", None)
    return status if by and not is_gone(str(by)) else {}


def replace(file: Path, status: dict[str, Any]) -> None:
    """At once: nobody reads half of it."""
    tmp = file.with_name(f".{file.name}.{os.getpid()}")
    tmp.write_text(json.dumps(status), encoding="utf-8")
    tmp.replace(file)


def content(file: Path) -> dict[str, Any] | None:
    """None where there is nothing that can be read."""
    try:
        read = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return read if isinstance(read, dict) else None
