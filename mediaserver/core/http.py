"""Requests and answers: ids, bodies, queries, headers, and the one place where errors become words."""

from __future__ import annotations

import functools
import itertools
import re
import secrets
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote, urlsplit

import structlog
from pydantic import BaseModel, ValidationError
from sanic import Request
from sanic.compat import Header
from sanic.exceptions import MethodNotAllowed, SanicException
from sanic.exceptions import NotFound as NoRoute
from sanic.exceptions import PayloadTooLarge as TooLarge
from sanic.http import Stage
from sanic.response import HTTPResponse, json

from mediaserver.core.db import is_busy, is_disk_away, is_full
from mediaserver.errors import (
    Forbidden,
    InsufficientStorage,
    InvalidRequest,
    NotFound,
    PayloadTooLarge,
    ServerError,
    Unavailable,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sanic.response import BaseHTTPResponse

    from mediaserver.contracts import Clock
    from mediaserver.core.server import Server

log = structlog.get_logger()
M = TypeVar("M", bound=BaseModel)
quoted = functools.lru_cache(4096)(quote)
REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
OWN_IDS = secrets.token_hex(8)  # of this process; a counter follows, which costs less than 12 random bytes a request
REQUESTS = itertools.count(1)
MADE_UP = "NONE"  # what Sanic calls the method of a request that it could not read
HARDENED = {"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer"}
PAGE_POLICY = (
    "default-src 'self'; img-src 'self' data: blob:; media-src 'self' blob: data:; worker-src 'self' blob:; "
    "style-src 'self' 'unsafe-inline'; object-src 'none'; base-uri 'none'; frame-ancestors 'none'"
)
SECURITY_HEADERS = {**HARDENED, "Content-Security-Policy": PAGE_POLICY}
DATA_HEADERS = {**HARDENED, "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'"}
NOT_STORED = "private, no-store"
MAX_BODY = 1024 * 1024  # bytes of an API body


def request_id(request: Request) -> str:
    """The caller's id where it is a harmless word, else one of ours."""
    known = getattr(request.ctx, "request_id", None)
    if known is None:
        given = request.headers.getone("x-request-id", "")
        known = request.ctx.request_id = (
            given if REQUEST_ID.fullmatch(given) else f"{OWN_IDS}{next(REQUESTS) & 0xFFFFFFFF:08x}"
        )
    return str(known)


class Asked(Request):
    """Sanic answers what it could not read by a request that it makes up; it gave that the address it choked on."""

    __slots__ = ()

    def __init__(self, url_bytes: bytes, headers: Header, version: str, method: str, *more: Any, **others: Any) -> None:
        super().__init__(b"*" if method == MADE_UP else url_bytes, headers, version, method, *more, **others)


def harden(response: BaseHTTPResponse) -> None:
    """The headers that every answer has, where its handler has set no others."""
    headers = response.headers
    is_data = response.content_type == "application/json"
    for name, value in (DATA_HEADERS if is_data else SECURITY_HEADERS).items():
        headers.setdefault(name, value)
    if "cache-control" not in headers:
        headers["Cache-Control"] = NOT_STORED


def body(request: Request, model: type[M]) -> M:
    """The JSON object (or form) of a request as `model`; nothing at all counts as {}. Raises InvalidRequest."""
    raw: Any = {}
    if request.body:
        if request.headers.getone("content-type", "").startswith("application/x-www-form-urlencoded"):
            raw = {key: values[0] for key, values in (request.form or {}).items()}
        else:
            raw = _json(request)
    if not isinstance(raw, dict):
        raise InvalidRequest("The body should be a JSON object.")
    return validated(raw, model)


def query(request: Request, model: type[M]) -> M:
    """The query string as `model`; of a repeated name the first counts. Raises InvalidRequest."""
    given = request.get_args(keep_blank_values=True)
    return validated({key: values[0] for key, values in given.items()}, model)


def validated(raw: Mapping[str, Any], model: type[M]) -> M:
    try:
        return model.model_validate(raw)
    except ValidationError as error:
        fields = [
            {"field": ".".join(map(str, fault["loc"])) or "body", "problem": fault["msg"].removeprefix("Value error, ")}
            for fault in error.errors(include_url=False, include_input=False, include_context=False)
        ]
        named = ", ".join(fault["field"] for fault in fields)
        raise InvalidRequest(f"Please correct: {named}.", fields=fields) from error


def _json(request: Request) -> Any:
    try:
        return request.json
    except SanicException as error:
        raise InvalidRequest("The body is not JSON.") from error


def own_origin(public_url: str | None) -> frozenset[str]:
    """The origin of our own pages, where people reach them by another address than the one we are asked by."""
    parts = urlsplit(public_url or "")
    return frozenset({f"{parts.scheme}://{parts.netloc}"}) if parts.netloc else frozenset()


def check_origin(request: Request, allowed: frozenset[str], host: str) -> None:
    """A write must come from our own pages, or bring what no page can send unasked. Raises Forbidden.

    Cookies, a proxy's login and the guest of this machine go with every request of a browser; a Bearer token and an
    API key do not, and a page elsewhere may send them only where `server.cors_origins` names it.
    """
    headers = request.headers
    if "x-api-key" in headers or headers.getone("authorization", "")[:7].lower() == "bearer ":
        return
    origin = headers.getone("origin", None)
    if origin is not None:
        if origin not in allowed and not (host and origin in (f"http://{host}", f"https://{host}")):
            raise Forbidden("This page may not write here; add its origin to server.cors_origins.")
    elif headers.getone("sec-fetch-site", "") == "cross-site":
        raise Forbidden("Another site may not write here.")


def absolute(request: Request, path: str) -> str:
    """Address of a path for whoever asks: below `server.public_url`, else as this request came.

    "" stays "", and what is a whole address already stays as it is.
    """
    server: Server = request.app.ctx.server
    if not path.startswith("/"):
        return path
    section = server.settings.server
    if section.public_url:
        return section.public_url.rstrip("/") + quoted(path)
    return f"{server.proxies.scheme(request)}://{server.proxies.host(request)}{section.base_path}{quoted(path)}"


def forget_if_gone(request: Request) -> None:
    """A player that jumps hangs up: without this Sanic writes an error page to nobody and logs its failure."""
    stream: Any = request.stream
    transport = request.transport
    if stream is not None and (transport is None or transport.is_closing()):
        stream.stage = Stage.IDLE
        stream.keep_alive = False


def as_server_error(error: Exception) -> ServerError:
    """What a client is told of an error; what it must not know is logged with the request's id instead."""
    if isinstance(error, ServerError):
        return error
    if isinstance(error, MethodNotAllowed):
        mapped = ServerError("This is not done here.")
        mapped.status, mapped.code = 405, "METHOD_NOT_ALLOWED"
        return mapped
    if isinstance(error, NoRoute):
        return NotFound("There is nothing here.")
    if isinstance(error, TooLarge) and "header" in str(error):
        return InvalidRequest("The address and the headers of a request may hold 8 KiB at most.")
    if isinstance(error, TooLarge):
        return PayloadTooLarge(f"The body may hold {MAX_BODY} bytes at most.")
    if isinstance(error, SanicException) and error.status_code < 500:  # noqa: PLR2004 (HTTP)
        return InvalidRequest(str(error) or "The request cannot be understood.")
    return _not_now(error) or ServerError("Something went wrong here; the log tells more under this request id.")


def _not_now(error: Exception) -> ServerError | None:
    """What is nobody's fault, and over when it is tried again."""
    if is_busy(error):
        return Unavailable("The database is busy; try again.")
    if is_full(error):
        return InsufficientStorage("The disk is full here; nothing can be noted until there is room.")
    if is_disk_away(error):
        return Unavailable("A disk of this server cannot be used now; try again.")
    if isinstance(error, SanicException) and error.status_code == 503:  # noqa: PLR2004 (HTTP)
        return Unavailable("The server is busy; try again.")
    return None


def envelope(request: Request, error: ServerError, clock: Clock) -> HTTPResponse:
    """The `/v1` form of an error."""
    content = {
        "error": {"code": error.code, "message": error.message, "details": error.details, **error.extra},
        "timestamp": timestamp(clock.now()),
        "request_id": request_id(request),
    }
    return json(content, status=error.status, headers=error.headers)


def timestamp(moment: datetime) -> str:
    """ISO 8601 in UTC with Z."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
