"""Paths as text a database can hold, and back: bytes that are no UTF-8 become U+F780…U+F7FF and return unharmed."""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path

__all__ = ["absolute", "inside", "key", "shown", "to_path", "to_text"]

# A file system's own U+F780…U+F7FF are written as their three bytes, so that two names never become one text.
ODD = re.compile("[\udc80-\udcff\uf780-\uf7ff]")
ESCAPED = re.compile("[\uf780-\uf7ff]+")
BASE = 0xF700


def to_text(path: str | Path) -> str:
    text = os.fspath(path)
    return (
        text if text.isascii() else ODD.sub(lambda odd: "".join(chr(BASE + byte) for byte in os.fsencode(odd[0])), text)
    )


def to_path(text: str) -> str:
    if text.isascii():
        return text
    return ESCAPED.sub(lambda run: os.fsdecode(bytes(ord(char) - BASE for char in run[0])), text)


def key(root: str, path: str) -> str:
    """What makes a location unique, of any length of path. Both are database text."""
    return hashlib.sha256(f"{root}\0{path}".encode()).hexdigest()


def absolute(root: str, path: str) -> Path:
    """The file itself; both are database text."""
    return Path(to_path(root), to_path(path))


def inside(folder: Path, path: Path) -> str | None:
    """`path` as text inside `folder`, "" for the folder itself, None where it lies elsewhere. No link is resolved."""
    try:
        relative = path.relative_to(folder)
    except ValueError:
        return None
    return "" if relative == Path() else to_text(relative)


def is_folder(path: Path) -> bool:
    """False also where it cannot be looked at, for which `Path.is_dir` has an error."""
    return os.path.isdir(path)  # noqa: PTH112


def shown(path: str | Path) -> str:
    """A name that can be put into a sentence, a log line or JSON, whatever bytes it has."""
    return "".join(char if char.isprintable() else "\ufffd" for char in os.fspath(path))
