"""Routes as addresses that can be asked."""

from __future__ import annotations

import re


def filled(path: str) -> str:
    """A path with its parameters filled in, by what nothing is named."""

    def value(match: re.Match[str]) -> str:
        kind = match[1] or "str"
        return {"int": "1", "str": "x"}.get(kind, kind.split("|")[0])

    return re.sub(r"<\w+(?::([^>]+))?>", value, path)
