"""Under which folder of the library a file is filed."""

from __future__ import annotations

import re

TAGS = re.compile(r"\[[^\]]*\]|\{[^}]*\}")  # [imdbid-tt0137523], {edition-Director's Cut}

ODD = re.compile(r"[\W_]+")


def top_folder(path: str, title: str, year: int | None, *, film: bool) -> str:
    """The one directly below the library, in which `path` lies; "" for a film's own, `Name (Year)/Name (Year).mkv`."""
    *folders, name = path.split("/")
    if not folders:
        return ""
    stem = name.rpartition(".")[0]
    if film and len(folders) == 1:
        mine = _plain(folders[0])
        if any(mine == _plain(own) for own in (f"{title} {year}", title, stem, stem.partition(" - ")[0])):
            return ""
    return (
        folders[0]
        if folders[0].isprintable()
        else "".join(char if char.isprintable() else "\ufffd" for char in folders[0])
    )


def _plain(name: str) -> str:
    return ODD.sub("", TAGS.sub("", name)).casefold()
