"""The chapters of a film, as ffprobe tells them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from itertools import pairwise
from typing import Any

from mediaserver.contracts import Chapter

__all__ = ["chapters", "first_chapters"]

MOST = 500
LONGEST = 200  # characters of a title
LEAST = 0.001  # seconds
DECODER = json.JSONDecoder()


def chapters(told: Sequence[Mapping[str, Any]], start: float, duration: float) -> tuple[Chapter, ...]:
    """In order, within the film, each ending at the next one at the latest; `start` is that of the container.

    Some programs shift a film and leave its chapters where they were: those count from zero.
    """
    if all(_seconds(each, "start_time") < start for each in told):
        start = 0.0
    found = sorted(
        (begin, min(_seconds(each, "end_time") - start, duration), _title(each))
        for each in told[:MOST]
        if -LEAST <= (begin := _seconds(each, "start_time") - start) < duration
    )
    begins = [*(begin for begin, _, _ in found), duration]
    made = [
        Chapter(max(0.0, begin), min(end, after) if end > begin else after, title)
        for (begin, end, title), (_, after) in zip(found, pairwise(begins), strict=True)
    ]
    return tuple(chapter for chapter in made if chapter.end - chapter.start > LEAST)


def first_chapters(said: bytes) -> list[dict[str, Any]]:
    """Of what ffprobe said as JSON, also where its end is missing: as many as are taken."""
    text = said.decode(errors="replace").partition("[")[2]
    found: list[dict[str, Any]] = []
    at = text.find("{")
    with suppress(ValueError):  # the last one is cut off
        while at >= 0 and len(found) < MOST:
            chapter, at = DECODER.raw_decode(text, at)
            found.append(chapter)
            at = text.find("{", at)
    return found


def _seconds(told: Mapping[str, Any], name: str) -> float:
    try:
        return float(told[name])
    except (KeyError, TypeError, ValueError):
        return -1.0


def _title(told: Mapping[str, Any]) -> str:
    """Of a stranger: no control characters, no invisible direction marks, no novels."""
    text = str(told.get("tags", {}).get("title", ""))
    return "".join(char for char in text if char.isprintable()).strip()[:LONGEST]
