"""Errors in this dialect's words: `{"detail": …}`, or a map of fields where a body is to be corrected."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mediaserver import json, neutral
from mediaserver.errors import InvalidRequest, ServerError, SessionOver, StreamLimitReached

if TYPE_CHECKING:
    from mediaserver import HTTPResponse, Request


class BadLink(InvalidRequest):
    """A link of a letter that is not valid (any more); front ends look for its reason under three names."""


def told(_request: Request, error: Exception) -> HTTPResponse:
    known = error if isinstance(error, ServerError) else ServerError("Something went wrong here.")
    over = isinstance(known, StreamLimitReached | SessionOver)
    return json(_said(known), status=403 if over else known.status, headers=known.headers)


def _said(error: ServerError) -> dict[str, Any]:
    said = neutral(error.message)
    if isinstance(error, BadLink):
        return {"message": said, "detail": said, "error": said}
    fields: dict[str, list[str]] = {}
    for fault in error.extra.get("fields", ()):
        fields.setdefault(fault["field"], []).append(neutral(fault["problem"]))
    return fields or {"detail": said}
