"""`/v1/admin/users` and invitations."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import BaseModel, Field

from mediaserver import HTTPResponse, Request, admin, body, json, query
from mediaserver.errors import NotFound

from . import bodies

if TYPE_CHECKING:
    from mediaserver import RouteRegistry
    from mediaserver.contracts import Account

    from .service import AccountService

LARGEST_ID = 2**31 - 1


class Paging(BaseModel):
    page: Annotated[int, Field(ge=1, le=1_000_000)] = 1
    limit: Annotated[int, Field(ge=1, le=100)] = 20


def register(registry: RouteRegistry, service: AccountService) -> None:
    _list(registry, service)
    _one(registry, service)

    @registry.post("/v1/admin/invites", guard=admin, scope="admin", body=bodies.Invite)
    async def invite(request: Request) -> HTTPResponse:
        told = body(request, bodies.Invite)
        return json({"link": await service.invite(told.email, told.role)}, status=201)


def _list(registry: RouteRegistry, service: AccountService) -> None:
    @registry.get("/v1/admin/users", guard=admin, scope="admin")
    async def users(request: Request) -> HTTPResponse:
        asked = query(request, Paging)
        page = await service.all(asked.page, asked.limit)
        pagination = {"page": page.page, "limit": page.limit, "total": page.total, "has_next": page.has_next}
        return json({"users": [bodies.listed_user(account) for account in page.items], "pagination": pagination})

    @registry.post("/v1/admin/users", guard=admin, scope="admin", body=bodies.NewUser)
    async def add(request: Request) -> HTTPResponse:
        told = body(request, bodies.NewUser)
        account = await service.add(told.email, told.password, told.role, active=told.active)
        if "stream_limit" in told.model_fields_set:
            account = await service.set_stream_limit(account.id, told.stream_limit)
        return json(bodies.listed_user(account), status=201)


def _one(registry: RouteRegistry, service: AccountService) -> None:
    @registry.get("/v1/admin/users/<ref:str>", guard=admin, scope="admin")
    async def show(_request: Request, ref: str) -> HTTPResponse:
        return json(bodies.listed_user(await service.get(number(ref))))

    @registry.put("/v1/admin/users/<ref:str>", guard=admin, scope="admin", body=bodies.User)
    async def change(request: Request, ref: str) -> HTTPResponse:
        account = await changed(service, number(ref), body(request, bodies.User))
        return json(bodies.listed_user(account))

    @registry.delete("/v1/admin/users/<ref:str>", guard=admin, scope="admin")
    async def delete(_request: Request, ref: str) -> HTTPResponse:
        await service.delete(number(ref))
        return HTTPResponse(status=204)

    @registry.post("/v1/admin/users/<ref:str>/activate", guard=admin, scope="admin")
    async def activate(_request: Request, ref: str) -> HTTPResponse:
        return json(bodies.listed_user(await service.approve(number(ref))))

    @registry.get("/v1/admin/users/<ref:str>/link", guard=admin, scope="admin")
    async def link(_request: Request, ref: str) -> HTTPResponse:
        return json({"link": await service.activation_link(number(ref))})


async def changed(service: AccountService, user_id: int, told: bodies.User) -> Account:
    account = await service.get(user_id)
    if told.role is not None:
        account = await service.set_role(user_id, told.role)
    if told.active is not None:
        account = await service.set_disabled(user_id, not told.active)
    if "stream_limit" in told.model_fields_set:
        account = await service.set_stream_limit(user_id, told.stream_limit)
    return account


def number(ref: str) -> int:
    """Raises NotFound for what is no id."""
    if not (ref.isascii() and ref.isdigit() and len(ref) <= len(str(LARGEST_ID)) and int(ref) <= LARGEST_ID):
        raise NotFound("There is no such account.")
    return int(ref)
