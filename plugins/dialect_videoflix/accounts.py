"""Coming in, staying in, going out, and another password."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from mediaserver import HTTPResponse, Request, body, json, public, query
from mediaserver.contracts import Accounts, LoginCookies
from mediaserver.errors import Conflict, InvalidRequest

from . import bodies
from .errors import BadLink

if TYPE_CHECKING:
    from mediaserver import RouteRegistry

REGISTERED = "Registration successful. Where the account needs it, a mail with a link to activate it is on its way."
ACTIVATED = "Account successfully activated."
SIGNED_OUT = "Logout successful! All tokens will be deleted. Refresh token is now invalid."
RESET = "An email has been sent to reset your password."
CHANGED = "Your Password has been successfully reset."
NO_COOKIE = "There is no refresh token; sign in first."
UNLIKE = "The passwords do not match."


def register(registry: RouteRegistry) -> None:
    desk, prefix = AccountDesk(registry), registry.config.prefix
    post = partial(registry.post, guard=public, limit="auth")
    for base in (prefix, f"{prefix}/auth"):
        post(f"{base}/register", body=bodies.Register, answer=bodies.Registered, status=201)(desk.join)
        post(f"{base}/login", body=bodies.Login, answer=bodies.SignedIn)(desk.sign_in)
        post(f"{base}/token/refresh", answer=bodies.Renewed)(desk.renew)
        post(f"{base}/logout", answer=bodies.Said)(desk.sign_out)
    activation = f"{prefix}/activate/<uid:str>"
    registry.get(f"{activation}/<token:str>", guard=public, answer=bodies.Activated)(desk.activate)
    registry.get(activation, guard=public, query=bodies.Link, answer=bodies.Activated)(desk.activate_by_query)
    for word in ("password", "passwort"):
        post(f"{prefix}/{word}_reset", body=bodies.Address, answer=bodies.Said)(desk.forgot)
        path = f"{prefix}/{word}_confirm/<uid:str>/<token:str>"
        post(path, body=bodies.NewPassword, answer=bodies.Said)(desk.set_password)


class AccountDesk:
    def __init__(self, registry: RouteRegistry) -> None:
        self._accounts = registry.services.get(Accounts)
        self._cookies = registry.services.get(LoginCookies)

    async def join(self, request: Request) -> HTTPResponse:
        told = body(request, bodies.Register)
        _alike(told.password, told.confirmed_password, "confirmed_password")
        try:
            receipt = await self._accounts.register(told.email, told.password)
        except Conflict as error:  # told only where no activation is asked for
            raise _wrong("email", error.message) from error
        user = {"id": receipt.number, "email": told.email}
        return json({"user": user, "token": receipt.token, "detail": REGISTERED}, status=201)

    async def activate(self, _request: Request, uid: str, token: str) -> HTTPResponse:
        try:
            await self._accounts.activate(uid, token)
        except InvalidRequest as error:
            raise BadLink(error.message) from error
        return json({"message": ACTIVATED, "detail": ACTIVATED})

    async def activate_by_query(self, request: Request, uid: str) -> HTTPResponse:
        try:
            token = query(request, bodies.Link).token
        except InvalidRequest as error:
            raise BadLink("The link lacks its token; open the one of the mail.") from error
        return await self.activate(request, uid, token)

    async def sign_in(self, request: Request) -> HTTPResponse:
        told = body(request, bodies.Login)
        tokens = await self._accounts.login(told.email, told.password, self._cookies.client(request))
        user = {"id": tokens.account.id, "username": tokens.account.email}
        answer = json({"detail": "Login successful", "user": user})
        self._cookies.set(request, answer, tokens)
        return answer

    async def renew(self, request: Request) -> HTTPResponse:
        tokens = await self._accounts.refresh(self._refresh_token(request))
        answer = json({"detail": "Token refreshed", "access": tokens.access})
        self._cookies.set(request, answer, tokens)
        return answer

    async def sign_out(self, request: Request) -> HTTPResponse:
        """A refresh token that is not good any more is no error: nobody is signed in afterwards."""
        await self._accounts.logout(self._refresh_token(request))
        answer = json({"detail": SIGNED_OUT})
        self._cookies.clear(request, answer)
        return answer

    async def forgot(self, request: Request) -> HTTPResponse:
        await self._accounts.request_reset(body(request, bodies.Address).email)
        return json({"detail": RESET})

    async def set_password(self, request: Request, uid: str, token: str) -> HTTPResponse:
        told = body(request, bodies.NewPassword)
        _alike(told.new_password, told.confirm_password, "confirm_password")
        await self._accounts.confirm_reset(uid, token, told.new_password)
        return json({"detail": CHANGED})

    def _refresh_token(self, request: Request) -> str:
        token = self._cookies.refresh_token(request)
        if token is None:
            raise InvalidRequest(NO_COOKIE)
        return token


def _alike(password: str, repeated: str, field: str) -> None:
    if password != repeated:
        raise _wrong(field, UNLIKE)


def _wrong(field: str, problem: str) -> InvalidRequest:
    return InvalidRequest(problem, fields=[{"field": field, "problem": problem}])
