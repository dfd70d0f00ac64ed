"""`/v1/users/me` and `/v1/auth/api-keys`: what is mine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mediaserver import SCOPES, HTTPResponse, Request, body, json, row_id, signed_in
from mediaserver.errors import Forbidden, InvalidRequest

from . import bodies
from .addresses import normalised

if TYPE_CHECKING:
    from mediaserver import RouteRegistry

    from .service import AccountService


def owner(request: Request) -> int:
    """The account that asks. Raises Forbidden for a guest, who has none."""
    user_id: int | None = request.ctx.actor.user_id
    if user_id is None:
        raise Forbidden("You are here as a guest; sign in with an account.")
    return user_id


def register(registry: RouteRegistry, service: AccountService) -> None:
    _me(registry, service)
    _keys(registry, service)


def _me(registry: RouteRegistry, service: AccountService) -> None:
    @registry.get("/v1/users/me", guard=signed_in, scope="account:read", answer=bodies.OwnUser)
    async def show(request: Request) -> HTTPResponse:
        return json(bodies.own_user(await service.get(owner(request))))

    @registry.put("/v1/users/me", guard=signed_in, limit="auth", body=bodies.Me, answer=bodies.OwnUser)
    async def change(request: Request) -> HTTPResponse:
        told, user_id = body(request, bodies.Me), owner(request)
        address = normalised(told.email) if told.email is not None else None
        if address is not None and told.password is None:
            await service.prove(request.ctx.actor, told.current_password)
        if told.password is not None:
            if told.current_password is None:
                problem = "Your current password is needed to choose another."
                raise InvalidRequest(problem, fields=[{"field": "current_password", "problem": problem}])
            await service.change_password(user_id, told.current_password, told.password, request.ctx.actor.login_id)
        if address is not None:
            await service.request_email(user_id, address)
        return json(bodies.own_user(await service.get(user_id)))

    @registry.delete("/v1/users/me", guard=signed_in, limit="auth", body=bodies.Leaving, status=204, errors=(409,))
    async def delete(request: Request) -> HTTPResponse:
        user_id = owner(request)
        await service.prove(request.ctx.actor, body(request, bodies.Leaving).current_password)
        await service.delete(user_id)
        answer = HTTPResponse(status=204)
        service.cookies.clear(request, answer)
        return answer


def _keys(registry: RouteRegistry, service: AccountService) -> None:
    """A key makes no keys: who finds one cannot make it last."""

    @registry.get("/v1/auth/api-keys", guard=signed_in, answer=bodies.Keys)
    async def keys(request: Request) -> HTTPResponse:
        return json({"api_keys": [bodies.listed_key(key) for key in await service.api_keys.of(owner(request))]})

    @registry.post(
        "/v1/auth/api-keys",
        guard=signed_in, limit="auth", body=bodies.NewKey, answer=bodies.MadeKey, status=201, errors=(409,),
    )  # fmt: skip
    async def make(request: Request) -> HTTPResponse:
        told, user_id = body(request, bodies.NewKey), owner(request)
        if unknown := sorted(set(told.scopes) - SCOPES):
            problem = f"There is no scope {', '.join(unknown)}; there are {', '.join(sorted(SCOPES))}."
            raise InvalidRequest(problem, fields=[{"field": "scopes", "problem": problem}])
        key, secret = await service.api_keys.make(user_id, told.name, list(set(told.scopes)))
        return json(bodies.listed_key(key) | {"key": secret}, status=201)

    @registry.delete("/v1/auth/api-keys/<key_id:str>", guard=signed_in, limit="auth", status=204)
    async def delete(request: Request, key_id: str) -> HTTPResponse:
        await service.api_keys.delete(owner(request), row_id(key_id))
        return HTTPResponse(status=204)
