"""How all pages answer: a page, a way on, an error in words; and who it is that looks at them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mediaserver import HTTPResponse, html
from mediaserver.errors import ServerError

from . import forms
from .markup import POLICY
from .provided import accounts_of

if TYPE_CHECKING:
    from mediaserver import Request, RouteRegistry
    from mediaserver.contracts import Actor, Tokens

TOLD = ("Retry-After", "Allow")  # headers of errors that mean something to a browser


class PageAnswers:
    def __init__(self, registry: RouteRegistry) -> None:
        self._accounts = accounts_of(registry)
        self.to = forms.Addresses(registry.server)

    def page(self, content: str, status: int = 200, error: ServerError | None = None) -> HTTPResponse:
        headers = {key: value for key, value in (error.headers if error else {}).items() if key in TOLD}
        # With no-referrer, core's default, browsers post forms with the origin `null`, which may not write.
        headers |= {"Content-Security-Policy": POLICY, "Referrer-Policy": "same-origin"}
        return html(content, error.status if error else status, headers)

    def go(self, address: str) -> HTTPResponse:
        return HTTPResponse(status=303, headers={"Location": address})

    def failed(self, _request: Request, error: Exception) -> HTTPResponse:
        """What nobody caught: a foreign origin, too many requests, a method that is not offered, our own faults."""
        known = error if isinstance(error, ServerError) else ServerError("Something went wrong here.")
        return self.page(forms.failed(self.to, known.status, known.message), error=known)

    def signed_in(self, request: Request) -> Actor | None:
        """Who signed in with a password: guests have no account, and an API key is good for the API alone."""
        actor: Actor | None = request.ctx.actor
        return actor if actor is not None and actor.login_id is not None else None

    def ask_who(self, path: str) -> HTTPResponse:
        return self.go(self.to.to("/login", next=self.to.to(path)))

    def let_in(self, request: Request, tokens: Tokens, address: str) -> HTTPResponse:
        answer = self.go(address or self.to.home)
        self._accounts.cookies.set(request, answer, tokens)
        return answer
