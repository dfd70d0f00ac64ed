"""The cookies of a login: two that no script can read, and one that front ends look for."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any

from .clients import client_of

if TYPE_CHECKING:
    from mediaserver import HTTPResponse, Request
    from mediaserver.contracts import Client, Tokens

    from . import CookieConfig

ACCESS, REFRESH, CSRF = "access_token", "refresh_token", "csrftoken"


class BrowserCookies:
    """Implements `mediaserver.contracts.LoginCookies`."""

    def __init__(self, config: CookieConfig) -> None:
        self._config = config

    def set(self, request: Request, response: HTTPResponse, tokens: Tokens) -> None:
        """`csrftoken` is only read by front ends before they sign out; its value is never checked."""
        self._add(request, response, ACCESS, tokens.access, tokens.expires_in)
        self._add(request, response, REFRESH, tokens.refresh, tokens.refresh_expires_in)
        self._add(request, response, CSRF, secrets.token_urlsafe(24), tokens.refresh_expires_in)

    def clear(self, request: Request, response: HTTPResponse) -> None:
        for name in (ACCESS, REFRESH, CSRF):
            self._add(request, response, name, "", 0)

    def refresh_token(self, request: Request) -> str | None:
        token: str | None = request.cookies.get(REFRESH)
        return token or None

    def client(self, request: Request, name: str = "") -> Client:
        return client_of(request, name)

    def _add(self, request: Request, response: HTTPResponse, name: str, value: str, max_age: int) -> None:
        """Secure by `auto`: what came over https is for https alone; for other sites (samesite none) it has to be.

        Those are partitioned too (CHIPS): browsers that keep no cookies of other sites keep these, and the login of
        one front end is never sent along from another page.
        """
        from mediaserver import absolute  # workers know this class too, and never load Sanic

        elsewhere = self._config.samesite == "none"
        secure = self._config.secure
        if secure == "auto":
            secure = absolute(request, "/").startswith("https:") or elsewhere
        samesite: Any = self._config.samesite.capitalize()
        cookie = response.add_cookie(
            name, value, path="/", httponly=name != CSRF, max_age=max_age, secure=secure, samesite=samesite
        )
        cookie.partitioned = elsewhere  # said later: Sanic takes it at once only with the prefix __Host-
