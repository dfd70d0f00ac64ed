"""The cookies of a login: two that no script can read, and one that front ends look for."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any

from mediaserver import absolute

from .provided import accounts_of

if TYPE_CHECKING:
    from mediaserver import HTTPResponse, Request
    from mediaserver.contracts import Tokens

    from . import CookieConfig

ACCESS, REFRESH, CSRF = "access_token", "refresh_token", "csrftoken"


def set_cookies(request: Request, response: HTTPResponse, tokens: Tokens) -> None:
    """`csrftoken` is only read by front ends before they sign out; its value is never checked."""
    _add(request, response, ACCESS, tokens.access, tokens.expires_in)
    _add(request, response, REFRESH, tokens.refresh, tokens.refresh_expires_in)
    _add(request, response, CSRF, secrets.token_urlsafe(24), tokens.refresh_expires_in)


def clear_cookies(request: Request, response: HTTPResponse) -> None:
    for name in (ACCESS, REFRESH, CSRF):
        _add(request, response, name, "", 0)


def _add(request: Request, response: HTTPResponse, name: str, value: str, max_age: int) -> None:
    """Secure by `auto`: what came over https is for https alone; for other sites (samesite none) it has to be.

    Those are partitioned too (CHIPS): browsers that keep no cookies of other sites keep these, and the login of one
    front end is never sent along from another page.
    """
    config: CookieConfig = accounts_of(request.app.ctx.server).config.cookie
    elsewhere = config.samesite == "none"
    secure = config.secure
    if secure == "auto":
        secure = absolute(request, "/").startswith("https:") or elsewhere
    samesite: Any = config.samesite.capitalize()
    cookie = response.add_cookie(
        name, value, path="/", httponly=name != CSRF, max_age=max_age, secure=secure, samesite=samesite
    )
    cookie.partitioned = elsewhere  # said later: Sanic takes it at once only with the prefix __Host-
