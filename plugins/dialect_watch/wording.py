"""How errors are told here: `{"detail"}`, `{"error"}` or a map from field to problems."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mediaserver import HTTPResponse, Request, json, neutral, timestamp
from mediaserver.errors import InvalidRequest, ServerError, SessionOver, StreamLimitReached

if TYPE_CHECKING:
    from mediaserver import RouteRegistry
    from mediaserver.contracts import Session

FORBIDDEN = 403


def register(registry: RouteRegistry, prefix: str) -> None:
    registry.errors(f"{prefix}/auth", of_fields)
    registry.errors(f"{prefix}/api/device", of_fields)
    registry.errors(f"{prefix}/api/movie", of_media)
    registry.errors(f"{prefix}/api/playback", of_playback)


def told(error: ServerError, content: dict[str, Any], status: int = 0) -> HTTPResponse:
    return json(content, status=status or error.status, headers=error.headers)


def of_fields(_request: Request, error: Any) -> HTTPResponse:
    """`code` is token_not_valid where a refresh token is none."""
    if isinstance(error, InvalidRequest) and error.extra.get("fields"):
        return told(error, _by_field(error))
    return told(error, {"detail": error.message} | {key: error.extra[key] for key in ("code",) if key in error.extra})


def of_media(request: Request, error: Any) -> HTTPResponse:
    """A player that starts no session cannot choose whose slot to take: it is told that it may not play."""
    if isinstance(error, SessionOver | StreamLimitReached):
        return told(error, {"detail": error.message}, FORBIDDEN)
    return of_fields(request, error)


def of_playback(request: Request, error: Any) -> HTTPResponse:
    if isinstance(error, StreamLimitReached):
        holding = [_slot(session) for session in error.sessions]
        counted = {"limit": error.limit, "active_count": error.extra["active_count"]}
        return told(error, {"error": "Limit reached!", **counted, "sessions": holding})
    if isinstance(error, SessionOver):
        return told(error, {"error": "Session is not active."}, FORBIDDEN)
    if isinstance(error, InvalidRequest):
        problems = [f"{field}: {' '.join(problem)}" for field, problem in _by_field(error).items()]
        return told(error, {"error": " ".join(problems) or error.message})
    return of_fields(request, error)


def _by_field(error: InvalidRequest) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for fault in error.extra.get("fields", ()):
        problem = "This field is required." if fault["problem"] == "Field required" else fault["problem"]
        found.setdefault(fault["field"], []).append(problem)
    return found


def _slot(session: Session) -> dict[str, Any]:
    return {
        "id": session.id,
        "device__device_id": session.device.client_id,
        "movie__title": neutral(session.title),
        "created_at": timestamp(session.started_at),
        "last_heartbeat": timestamp(session.last_heartbeat),
    }
