"""`/auth`: signing up, in and out, with tokens in the body and no cookies; and `/ping`."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from mediaserver import HTTPResponse, Request, body, json, public, signed_in
from mediaserver.contracts import Accounts, LoginCookies
from mediaserver.errors import Conflict, InvalidRequest, NotFound, RateLimited, Unauthorized

from . import bodies

if TYPE_CHECKING:
    from mediaserver import RouteRegistry
    from mediaserver.contracts import Account, Tokens

NO_ACCOUNT = "No active account found with the given credentials"
STALE = "Token is invalid or expired"


def register(registry: RouteRegistry, prefix: str) -> None:
    accounts, cookies = registry.services.get(Accounts), registry.services.get(LoginCookies)
    _coming(registry, prefix, accounts, cookies)
    _staying(registry, prefix, accounts)


def _coming(registry: RouteRegistry, prefix: str, accounts: Accounts, cookies: LoginCookies) -> None:
    @registry.post(
        f"{prefix}/auth/register",
        guard=public,
        limit="auth",
        body=bodies.Register,
        answer=bodies.Registered,
        status=201,
    )
    async def join(request: Request) -> HTTPResponse:
        told = body(request, bodies.Register)
        if told.password != told.password_two:
            raise _wrong("password_two", "The two passwords are not the same.")
        before = await accounts.find(told.email)
        try:
            await accounts.register(told.email, told.password)
        except Conflict as error:
            raise _wrong("email", error.message) from error
        tokens = None
        if not (before and before.active) and await _is_active(accounts, told.email):
            with suppress(Unauthorized, RateLimited):
                tokens = await accounts.login(told.email, told.password, cookies.client(request))
        user = {"username": told.username, "email": told.email}
        pair = {"access": tokens and tokens.access, "refresh": tokens and tokens.refresh}
        return json({"user": user, **pair}, status=201)

    @registry.post(f"{prefix}/auth/login", guard=public, limit="auth", body=bodies.Login, answer=bodies.SignedIn)
    async def login(request: Request) -> HTTPResponse:
        told = body(request, bodies.Login)
        try:
            tokens = await accounts.login(told.email, told.password, cookies.client(request))
        except Unauthorized as error:
            raise Unauthorized(NO_ACCOUNT) from error
        return json(_signed_in(tokens))


def _staying(registry: RouteRegistry, prefix: str, accounts: Accounts) -> None:
    @registry.get(f"{prefix}/ping", guard=public, answer=bodies.Said)
    async def ping(_request: Request) -> HTTPResponse:
        return json({"message": "Pong"})

    @registry.get(f"{prefix}/auth/protected_route", guard=signed_in, scope="account:read", answer=bodies.Said)
    async def protected(_request: Request) -> HTTPResponse:
        return json({"message": "Accessed protected route!"})

    @registry.post(f"{prefix}/auth/token/refresh", guard=public, limit="auth", body=bodies.Refresh, answer=bodies.Pair)
    async def refresh(request: Request) -> HTTPResponse:
        token = body(request, bodies.Refresh).refresh
        try:
            tokens = await accounts.refresh(token, rotate=False)
        except Unauthorized as error:
            raise Unauthorized(STALE, code="token_not_valid") from error
        return json({"access": tokens.access, "refresh": token})

    @registry.post(
        f"{prefix}/auth/logout", guard=signed_in, limit="auth", body=bodies.Refresh, answer=bodies.Said, status=205
    )
    async def logout(request: Request) -> HTTPResponse:
        """Both logins end, that of the Bearer and that of `refresh`, which are one as a rule."""
        actor = request.ctx.actor
        if not await accounts.logout(body(request, bodies.Refresh).refresh):
            raise _wrong("refresh", STALE)
        if actor.login_id is not None and actor.user_id is not None:
            with suppress(NotFound):
                await accounts.revoke(actor.login_id, actor.user_id)
        return json({"message": "Logout Successful!"}, status=205)


async def _is_active(accounts: Accounts, email: str) -> bool:
    account = await accounts.find(email)
    return account is not None and account.active


def _signed_in(tokens: Tokens) -> dict[str, Any]:
    """The pair under the names of both kinds of clients."""
    return {
        "access": tokens.access,
        "refresh": tokens.refresh,
        "access_token": tokens.access,
        "refresh_token": tokens.refresh,
        "expires_in": tokens.expires_in,
        "user": _user(tokens.account),
    }


def _user(account: Account) -> dict[str, str]:
    return {
        "id": str(account.id),
        "email": account.email,
        "subscription_tier": account.subscription_tier,
        "role": account.role,
    }


def _wrong(field: str, problem: str) -> InvalidRequest:
    return InvalidRequest(problem, fields=[{"field": field, "problem": problem}])
