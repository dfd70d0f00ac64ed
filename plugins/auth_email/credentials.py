"""Bearer first, then the cookie, then an API key."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mediaserver.errors import Unauthorized

from .api_keys import PREFIX
from .cookies import ACCESS, REFRESH

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from mediaserver import Request
    from mediaserver.contracts import Actor

    from .service import AccountService

KEY_HEADER = "x-api-key"


def actor_of(request: Request, service: AccountService) -> Awaitable[Actor] | Actor | None:
    """None without a credential of ours. Raises Unauthorized, at once or when awaited."""
    scheme, _, token = request.headers.getone("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return service.sessions.actor(token.strip())
    if "cookie" in request.headers and (cookie := request.cookies.get(ACCESS)):
        return service.sessions.actor(cookie)
    key = request.headers.getone(KEY_HEADER, "")
    if not key:
        return None
    if not key.startswith(PREFIX):
        raise Unauthorized("This API key is not valid.")
    return service.sessions.actor_of_key(key)


def tokens_of(request: Request) -> list[str]:
    """What a request shows of a login, for signing out."""
    scheme, _, token = request.headers.getone("authorization", "").partition(" ")
    shown = [token.strip()] if scheme.lower() == "bearer" else []
    return [*shown, *(cookie for name in (ACCESS, REFRESH) if (cookie := request.cookies.get(name)))]
