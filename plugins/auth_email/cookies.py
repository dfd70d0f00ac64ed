"""The cookies of a login: two that no script can read, and one that front ends look for."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any

from mediaserver import absolute
from mediaserver.contracts import Accounts

if TYPE_CHECKING:
    from mediaserver import HTTPResponse, Request
    from mediaserver.contracts import Tokens

    from . import CookieConfig
    from .service import AccountService

ACCESS, REFRESH, CSRF = "access_token", "refresh_token", "csrftoken"


def set_cookies(request: Request, response: HTTPResponse, tokens: Tokens) -> None:
    """`csrftoken` is only read by front ends before they sign out; its value is never checked."""
    shared = _shared(request)
    response.add_cookie(ACCESS, tokens.access, httponly=True, max_age=tokens.expires_in, **shared)
    response.add_cookie(REFRESH, tokens.refresh, httponly=True, max_age=tokens.refresh_expires_in, **shared)
    response.add_cookie(CSRF, secrets.token_urlsafe(24), httponly=False, max_age=tokens.refresh_expires_in, **shared)


def clear_cookies(request: Request, response: HTTPResponse) -> None:
    for name in (ACCESS, REFRESH, CSRF):
        response.add_cookie(name, "", httponly=name != CSRF, max_age=0, **_shared(request))


def _shared(request: Request) -> dict[str, Any]:
    """Secure by `auto`: what came over https is for https alone; for other sites (samesite none) it has to be."""
    config: CookieConfig = service_of(request).config.cookie
    secure = config.secure
    if secure == "auto":
        secure = absolute(request, "/").startswith("https:") or config.samesite == "none"
    return {"path": "/", "secure": secure, "samesite": config.samesite.capitalize()}


def service_of(request: Request) -> AccountService:
    service: AccountService = request.app.ctx.server.services.get(Accounts)
    return service
