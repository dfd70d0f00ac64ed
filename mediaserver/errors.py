"""One tree of named errors. What reaches a client has one status and one stable code; it is rendered in one place."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mediaserver.contracts import Session, SessionState

__all__ = [
    "ConfigError",
    "Conflict",
    "DatabaseAway",
    "Forbidden",
    "Gone",
    "InsufficientStorage",
    "InvalidRequest",
    "JobFailed",
    "JobHindered",
    "JobPostponed",
    "MediaServerError",
    "NotFound",
    "NotYet",
    "PayloadTooLarge",
    "RangeNotSatisfiable",
    "RateLimited",
    "ServerError",
    "SessionOver",
    "StartError",
    "StartLater",
    "StreamLimitReached",
    "Unauthorized",
    "Unavailable",
]


class MediaServerError(Exception):
    """Every error of ours; its text is one sentence a person can act on."""


class ConfigError(MediaServerError):
    """The configuration cannot be used; the message names file, line and key."""


class StartError(MediaServerError):
    """The program cannot go on; the message says what to do."""


class StartLater(StartError):
    """The program cannot go on now, and may when it is started again: what it needs is away, busy or full."""


class JobFailed(MediaServerError):
    """A job cannot be done, now or later; the text is one sentence for people."""


class JobHindered(MediaServerError):
    """A job could not be done this time; the text says why, and it is tried again as long as it has attempts."""


class JobPostponed(MediaServerError):
    """A job cannot be done now, through no fault of its own; it is due again after `seconds`."""

    def __init__(self, message: str, seconds: float) -> None:
        super().__init__(message)
        self.seconds = seconds


class ServerError(MediaServerError):
    """An error a client is told about, as the `/v1` envelope or in the words of a dialect.

    `details` is a string or None; `extra` holds the members that stand beside it (`fields`, `limit`, `sessions`, …).
    """

    status = 500
    code = "INTERNAL_ERROR"

    def __init__(
        self, message: str, *, details: str | None = None, headers: dict[str, str] | None = None, **extra: Any
    ) -> None:
        super().__init__(message)
        self.message = message
        self.details = details
        self.headers = headers or {}
        self.extra = extra


class InvalidRequest(ServerError):
    """`fields` is a list of `{"field", "problem"}`."""

    status = 400
    code = "INVALID_REQUEST"


class Unauthorized(ServerError):
    status = 401
    code = "UNAUTHORIZED"

    def __init__(self, message: str = "Sign in to do this.", **extra: Any) -> None:
        super().__init__(message, headers={"WWW-Authenticate": "Bearer"}, **extra)


class Forbidden(ServerError):
    status = 403
    code = "FORBIDDEN"


class NotFound(ServerError):
    status = 404
    code = "NOT_FOUND"


class Conflict(ServerError):
    status = 409
    code = "CONFLICT"


class StreamLimitReached(Conflict):
    """All slots of the account are held, by `sessions`; `shown` is how `/v1` lists them."""

    code = "STREAM_LIMIT_REACHED"

    def __init__(
        self, message: str, *, limit: int, sessions: tuple[Session, ...], shown: list[dict[str, Any]], **extra: Any
    ) -> None:
        super().__init__(message, limit=limit, active_count=len(sessions), sessions=shown, **extra)
        self.limit = limit
        self.sessions = sessions


class SessionOver(Conflict):
    """A playback session has ended, was stolen or has expired; `details` says which of the three."""

    def __init__(self, message: str, *, state: SessionState, **extra: Any) -> None:
        details = "ended" if state.value in ("stopped", "ended") else state.value
        super().__init__(message, details=details, **extra)
        self.state = state


class Gone(ServerError):
    """It was here, or was promised, and never comes: asking again does not help."""

    status = 410
    code = "GONE"


class PayloadTooLarge(ServerError):
    status = 413
    code = "PAYLOAD_TOO_LARGE"


class RangeNotSatisfiable(ServerError):
    status = 416
    code = "RANGE_NOT_SATISFIABLE"


class RateLimited(ServerError):
    status = 429
    code = "RATE_LIMITED"


class Unavailable(ServerError):
    status = 503
    code = "SERVICE_UNAVAILABLE"


class NotYet(Unavailable):
    """What was asked for is being made; `Retry-After` says when to ask again."""

    def __init__(self, message: str, *, retry_after: int = 1, **extra: Any) -> None:
        super().__init__(message, headers={"Retry-After": str(retry_after)}, **extra)


class DatabaseAway(Unavailable):
    """The database does not answer. Whoever works for nobody in particular goes on when it is back."""

    def __init__(self, message: str = "The database cannot be reached right now; try again.", **extra: Any) -> None:
        super().__init__(message, headers={"Retry-After": "2"}, **extra)


class InsufficientStorage(ServerError):
    status = 507
    code = "INSUFFICIENT_STORAGE"
