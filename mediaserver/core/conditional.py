"""Conditions and ranges of a request for bytes that do not change (RFC 9110, sections 13 and 14)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import formatdate, parsedate_to_datetime
from typing import TYPE_CHECKING

from mediaserver.errors import RangeNotSatisfiable

if TYPE_CHECKING:
    import os

    from sanic import Request

ONE_RANGE = re.compile(r"bytes=[ \t]*([0-9]{0,4000})-([0-9]{0,4000})[ \t]*", re.IGNORECASE)

YEAR_10000 = 253_402_300_800  # in seconds since 1970


@dataclass(frozen=True, slots=True)
class Version:
    """What tells one state of a resource from another; `modified` is in whole seconds since 1970, or None."""

    etag: str
    modified: int | None = None

    @staticmethod
    def of_file(status: os.stat_result) -> Version:
        seconds = status.st_mtime_ns // 1_000_000_000
        modified = seconds if 0 <= seconds < YEAR_10000 else None  # HTTP knows no date beyond
        return Version(f'"{status.st_mtime_ns:x}-{status.st_size:x}"', modified)

    def headers(self) -> dict[str, str]:
        headers = {"ETag": self.etag}
        if self.modified is not None:
            headers["Last-Modified"] = formatdate(self.modified, usegmt=True)
        return headers


@dataclass(frozen=True, slots=True)
class Span:
    """Bytes from `start` up to but not including `end`, of `size` in all."""

    start: int
    end: int
    size: int

    def content_range(self) -> str:
        return f"bytes {self.start}-{self.end - 1}/{self.size}"


def is_not_modified(request: Request, version: Version) -> bool:
    """The client's copy is good: answer 304. With an If-None-Match the date does not count."""
    tags = request.headers.getall("if-none-match", [])
    if tags:
        return any(_names(part, version.etag) for part in ",".join(tags).split(","))
    since = _seconds(request.headers.get("if-modified-since"))
    return since is not None and version.modified is not None and version.modified <= since


def requested_span(request: Request, version: Version, size: int) -> Span | None:
    """The part that is asked for; None means the whole.

    What is malformed, has several parts, or belongs to another version is ignored, as the RFC wants it. Raises
    RangeNotSatisfiable for a part that lies behind the end.
    """
    ranges = request.headers.getall("range", [])
    if request.method != "GET" or len(ranges) != 1 or not _range_applies(request, version):
        return None
    match = ONE_RANGE.fullmatch(ranges[0])
    if match is None:
        return None
    first, last = match.groups()
    if not first and not last:
        return None
    if first and last and int(first) > int(last):
        return None
    return _span(first, last, size)


def _span(first: str, last: str, size: int) -> Span:
    if first:
        start, end = int(first), min(int(last) + 1, size) if last else size
    else:
        start, end = max(0, size - int(last)), size
    if start >= size:
        message = f"The range starts behind the end: there are {size} bytes."
        raise RangeNotSatisfiable(message, headers={"Content-Range": f"bytes */{size}"})
    return Span(start, end, size)


def _range_applies(request: Request, version: Version) -> bool:
    condition: str | None = request.headers.get("if-range")
    if condition is None:
        return True
    condition = condition.strip()
    if condition.startswith(('"', "W/")):
        return condition == version.etag
    return version.modified is not None and _seconds(condition) == version.modified


def _names(part: str, etag: str) -> bool:
    tag = part.strip()
    return tag == "*" or tag.removeprefix("W/") == etag


def _seconds(date: str | None) -> float | None:
    if date is None:
        return None
    try:
        moment: datetime = parsedate_to_datetime(date)
    except ValueError:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
