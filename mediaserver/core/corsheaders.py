"""Cross-origin headers: an exact list of origins from the settings, credentials allowed, never `*`."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sanic import Request

ALLOW_HEADERS = "content-type, authorization, x-csrftoken, x-api-key, range"
EXPOSE_HEADERS = "X-RateLimit-Limit, X-RateLimit-Remaining, X-RateLimit-Reset, Content-Range, X-Request-ID"
MAX_AGE = "86400"  # seconds


def cors_headers(request: Request, origins: frozenset[str], *, preflight: bool = False) -> dict[str, str]:
    origin = request.headers.getone("origin", "")
    if origin not in origins:
        return {"Vary": "Origin"} if origins else {}
    headers = {
        "Access-Control-Allow-Origin": origin,
        "Access-Control-Allow-Credentials": "true",
        "Access-Control-Expose-Headers": EXPOSE_HEADERS,
        "Vary": "Origin",
    }
    if preflight:
        headers["Access-Control-Allow-Headers"] = ALLOW_HEADERS
        headers["Access-Control-Allow-Methods"] = "GET, HEAD, POST, PUT, DELETE, OPTIONS"
        headers["Access-Control-Max-Age"] = MAX_AGE
    return headers
