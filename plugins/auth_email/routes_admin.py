"""`/v1/admin/users` and invitations."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import BaseModel, Field

from mediaserver import HTTPResponse, Request, admin, body, json, query, row_id
from mediaserver.errors import Forbidden

from . import bodies

if TYPE_CHECKING:
    from mediaserver import RouteRegistry
    from mediaserver.contracts import Account

    from .service import AccountService


class Paging(BaseModel):
    page: Annotated[int, Field(ge=1, le=1_000_000)] = 1
    limit: Annotated[int, Field(ge=1, le=100)] = 20


def register(registry: RouteRegistry, service: AccountService) -> None:
    _list(registry, service)
    _one(registry, service)

    @registry.post("/v1/admin/invites", guard=admin, scope="admin", body=bodies.Invite, answer=bodies.Link, status=201)
    async def invite(request: Request) -> HTTPResponse:
        told = body(request, bodies.Invite)
        _only_a_person(request, told.role)
        return json({"link": await service.invite(told.email, told.role)}, status=201)


def _list(registry: RouteRegistry, service: AccountService) -> None:
    @registry.get("/v1/admin/users", guard=admin, scope="admin", query=Paging, answer=bodies.Users)
    async def users(request: Request) -> HTTPResponse:
        asked = query(request, Paging)
        page = await service.all(asked.page, asked.limit)
        pagination = {"page": page.page, "limit": page.limit, "total": page.total, "has_next": page.has_next}
        return json({"users": [bodies.listed_user(account) for account in page.items], "pagination": pagination})

    @registry.post(
        "/v1/admin/users",
        guard=admin, scope="admin", body=bodies.NewUser, answer=bodies.ListedUser, status=201, errors=(409,),
    )  # fmt: skip
    async def add(request: Request) -> HTTPResponse:
        told = body(request, bodies.NewUser)
        _only_a_person(request, told.role)
        account = await service.add(told.email, told.password, told.role, active=told.active)
        if told.stream_limit != "default":
            account = await service.set_stream_limit(account.id, told.stream_limit)
        return json(bodies.listed_user(account), status=201)


def _one(registry: RouteRegistry, service: AccountService) -> None:
    @registry.get("/v1/admin/users/<ref:str>", guard=admin, scope="admin", answer=bodies.ListedUser)
    async def show(_request: Request, ref: str) -> HTTPResponse:
        return json(bodies.listed_user(await service.get(row_id(ref))))

    @registry.put(
        "/v1/admin/users/<ref:str>",
        guard=admin, scope="admin", body=bodies.User, answer=bodies.ListedUser, errors=(409,),
    )  # fmt: skip
    async def change(request: Request, ref: str) -> HTTPResponse:
        told = body(request, bodies.User)
        _only_a_person(request, told.role)
        account = await changed(service, row_id(ref), told)
        return json(bodies.listed_user(account))

    @registry.delete("/v1/admin/users/<ref:str>", guard=admin, scope="admin", status=204, errors=(409,))
    async def delete(_request: Request, ref: str) -> HTTPResponse:
        await service.delete(row_id(ref))
        return HTTPResponse(status=204)

    @registry.post(
        "/v1/admin/users/<ref:str>/activate", guard=admin, scope="admin", answer=bodies.ListedUser, errors=(409,)
    )
    async def activate(_request: Request, ref: str) -> HTTPResponse:
        return json(bodies.listed_user(await service.approve(row_id(ref))))

    @registry.get("/v1/admin/users/<ref:str>/link", guard=admin, scope="admin", answer=bodies.Link, errors=(409,))
    async def link(_request: Request, ref: str) -> HTTPResponse:
        return json({"link": await service.activation_link(row_id(ref))})


async def changed(service: AccountService, user_id: int, told: bodies.User) -> Account:
    account = await service.get(user_id)
    if told.role is not None:
        account = await service.set_role(user_id, told.role)
    if told.active is not None:
        account = await service.set_disabled(user_id, not told.active)
    if told.stream_limit == "default":
        account = await service.reset_stream_limit(user_id)
    elif "stream_limit" in told.model_fields_set:
        account = await service.set_stream_limit(user_id, told.stream_limit)
    return account


def _only_a_person(request: Request, role: str | None) -> None:
    """A script's key makes no administrators: who finds it could make it last. Raises Forbidden."""
    if role == "admin" and request.ctx.actor.scopes is not None:
        raise Forbidden("An API key makes nobody an administrator; sign in to do this.")
