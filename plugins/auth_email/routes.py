"""`/v1/auth`: coming in, staying in, going out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mediaserver import HTTPResponse, Request, body, json, public, query, signed_in, timestamp
from mediaserver.contracts import Tokens
from mediaserver.errors import InvalidRequest, Unauthorized

from . import bodies, routes_account, routes_admin
from .clients import client_of
from .credentials import tokens_of
from .provided import accounts_of

if TYPE_CHECKING:
    from mediaserver import RouteRegistry

    from .service import AccountService

REGISTERED = "Follow the link in the mail to activate the account."
APPROVAL = "An administrator lets you in."
READY = "Sign in."
RESET = "If there is an account with this address, a mail with a link is on its way."


def register(registry: RouteRegistry) -> None:
    service = accounts_of(registry)
    for part in (_coming, _staying, _recovering, _televisions):
        part(registry, service)
    routes_account.register(registry, service)
    routes_admin.register(registry, service)


def signed(request: Request, tokens: Tokens) -> HTTPResponse:
    """The pair in the body for apps, in cookies for browsers."""
    answer = json(
        {
            "access_token": tokens.access,
            "refresh_token": tokens.refresh,
            "expires_in": tokens.expires_in,
            "user": bodies.public_user(tokens.account),
        }
    )
    accounts_of(request.app.ctx.server).cookies.set(request, answer, tokens)
    return answer


def _coming(registry: RouteRegistry, service: AccountService) -> None:
    @registry.get("/v1/auth/setup", guard=public, answer=bodies.SetupNeeded)
    async def needs_setup(_request: Request) -> HTTPResponse:
        return json({"needed": await service.setup.needed()})

    @registry.post(
        "/v1/auth/setup", guard=public, limit="auth", body=bodies.Setup, answer=bodies.Made, status=201, errors=(409,)
    )
    async def setup(request: Request) -> HTTPResponse:
        told = body(request, bodies.Setup)
        account = await service.setup.complete(told.token, told.email, told.password)
        return json({"user": bodies.public_user(account)}, status=201)

    @registry.post(
        "/v1/auth/register",
        guard=public, limit="auth", body=bodies.Register, answer=bodies.Registered, status=201, errors=(403, 409),
    )  # fmt: skip
    async def join(request: Request) -> HTTPResponse:
        told = body(request, bodies.Register)
        await service.register(told.email, told.password, told.invite)
        at_once = told.invite or not service.config.require_activation
        said = READY if at_once else APPROVAL if service.config.registration == "approval" else REGISTERED
        return json({"user": {"email": told.email}, "message": said}, status=201)

    @registry.post("/v1/auth/activate", guard=public, limit="auth", body=bodies.Activate, answer=bodies.Said)
    async def activate(request: Request) -> HTTPResponse:
        return await _activated(service, body(request, bodies.Activate))

    @registry.get("/v1/auth/activate", guard=public, query=bodies.Activate, answer=bodies.Said)
    async def activate_by_link(request: Request) -> HTTPResponse:
        return await _activated(service, query(request, bodies.Activate))

    @registry.post("/v1/auth/login", guard=public, limit="auth", body=bodies.Login, answer=bodies.LoginAnswer)
    async def login(request: Request) -> HTTPResponse:
        told = body(request, bodies.Login)
        return signed(request, await service.login(told.email, told.password, client_of(request, told.device_name)))


async def _activated(service: AccountService, told: bodies.Activate) -> HTTPResponse:
    await service.activate(told.uid, told.token)
    return json({"message": "The account is active; sign in."})


def _staying(registry: RouteRegistry, service: AccountService) -> None:
    @registry.post("/v1/auth/refresh", guard=public, limit="auth", body=bodies.Refresh, answer=bodies.LoginAnswer)
    async def refresh(request: Request) -> HTTPResponse:
        token = body(request, bodies.Refresh).refresh_token or service.cookies.refresh_token(request)
        if not token:
            raise InvalidRequest("Send the refresh_token.", fields=[{"field": "refresh_token", "problem": "missing"}])
        return signed(request, await service.refresh(token))

    @registry.post("/v1/auth/logout", guard=public, limit="auth", body=bodies.Refresh, answer=bodies.Said)
    async def logout(request: Request) -> HTTPResponse:
        shown = [*tokens_of(request), *filter(None, [body(request, bodies.Refresh).refresh_token])]
        if not shown:
            raise Unauthorized("Nobody is signed in here.")
        for token in shown:
            await service.logout(token)
        answer = json({"message": "You are signed out."})
        service.cookies.clear(request, answer)
        return answer

    @registry.get("/v1/auth/sessions", guard=signed_in, scope="account:read", answer=bodies.Sessions)
    async def sessions(request: Request) -> HTTPResponse:
        actor = request.ctx.actor
        logins = await service.logins(actor.user_id) if actor.user_id is not None else []
        return json({"sessions": [_session(login, actor.login_id) for login in logins]})

    @registry.delete("/v1/auth/sessions/<login_id:str>", guard=signed_in, scope="account:write", status=204)
    async def end(request: Request, login_id: str) -> HTTPResponse:
        await service.revoke(login_id, request.ctx.actor.user_id or 0)
        return HTTPResponse(status=204)


def _session(login: Any, current: str | None) -> dict[str, Any]:
    return {
        "id": login.id,
        "device_name": login.name,
        "address": login.address,
        "user_agent": login.user_agent,
        "created_at": timestamp(login.created_at),
        "last_used": timestamp(login.last_used),
        "current": login.id == current,
    }


def _recovering(registry: RouteRegistry, service: AccountService) -> None:
    @registry.post("/v1/auth/password-reset", guard=public, limit="auth", body=bodies.Address, answer=bodies.Said)
    async def forgot(request: Request) -> HTTPResponse:
        await service.request_reset(body(request, bodies.Address).email)
        return json({"message": RESET})

    @registry.post("/v1/auth/password-confirm", guard=public, limit="auth", body=bodies.NewPassword, answer=bodies.Said)
    async def confirm(request: Request) -> HTTPResponse:
        told = body(request, bodies.NewPassword)
        await service.confirm_reset(told.uid, told.token, told.new_password)
        return json({"message": "The password is changed; sign in with it."})

    @registry.post("/v1/auth/email-confirm", guard=public, limit="auth", body=bodies.Activate, answer=bodies.Said)
    async def confirm_address(request: Request) -> HTTPResponse:
        told = body(request, bodies.Activate)
        await service.confirm_email(told.uid, told.token)
        return json({"message": "The address is changed; sign in with it from now on."})


def _televisions(registry: RouteRegistry, service: AccountService) -> None:
    @registry.post("/v1/auth/device", guard=public, limit="auth", body=bodies.DeviceName, answer=bodies.DeviceOffer)
    async def begin(request: Request) -> HTTPResponse:
        offer = await service.television.begin(client_of(request, body(request, bodies.DeviceName).name))
        return json(
            {
                "device_code": offer.device_code,
                "user_code": offer.user_code,
                "verification_uri": offer.verification_uri,
                "verification_uri_complete": f"{offer.verification_uri}?user_code={offer.user_code}",
                "expires_in": offer.expires_in,
                "interval": offer.interval,
            }
        )

    # Asked every few seconds: counted as content, for ten a minute are fewer than RFC 8628 lets a television ask.
    @registry.post("/v1/auth/device/token", guard=public, body=bodies.DeviceCode, answer=bodies.LoginAnswer)
    async def poll(request: Request) -> HTTPResponse:
        told = body(request, bodies.DeviceCode)
        return signed(request, await service.television.poll(told.device_code, client_of(request)))

    @registry.post("/v1/auth/device/approve", guard=signed_in, limit="auth", body=bodies.UserCode, answer=bodies.Said)
    async def approve(request: Request) -> HTTPResponse:
        await service.television.approve(request.ctx.actor, body(request, bodies.UserCode).user_code)
        return json({"message": "The device is signed in within a few seconds."})
