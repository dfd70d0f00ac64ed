"""Accounts by e-mail address: registering, signing in, and who it is that asks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, SecretStr

from mediaserver import Plugin, Registry, RouteRegistry, Server, Settings, hookimpl
from mediaserver.contracts import Accounts, LoginCookies
from mediaserver.events import AccountChanged, ChangesMissed, Event, LoginEnded, UserDeleted

from .provided import accounts_of

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from mediaserver import Request
    from mediaserver.contracts import Actor


class CookieConfig(Settings):
    secure: Literal["auto"] | bool = "auto"  # auto: only over https where it was set over https
    samesite: Literal["lax", "strict", "none"] = "lax"  # none, for a front end on another site, wants https


class Config(Settings):
    registration: Literal["open", "approval", "invite", "closed"] = "open"
    require_activation: bool = True  # by a link that is mailed
    admin_email: str | None = None  # the first administrator; without one a set-up link is printed
    admin_password: SecretStr | None = None
    access_minutes: Annotated[int, Field(ge=1, le=1440)] = 60
    refresh_days: Annotated[int, Field(ge=1, le=365)] = 30
    bcrypt_rounds: Annotated[int, Field(ge=4, le=15)] = 12  # one more doubles the time of a sign-in
    cookie: CookieConfig = CookieConfig()


plugin = Plugin(api="1", config=Config, models=".models", provides=(Accounts, LoginCookies))


@hookimpl
def register(registry: Registry) -> None:
    from . import commands, service

    service.register(registry)
    commands.register(registry)


@hookimpl
def register_routes(registry: RouteRegistry) -> None:
    from . import pages, routes

    routes.register(registry)
    pages.register(registry)


@hookimpl
async def startup(server: Server) -> None:
    if server.role == "serve":
        from . import opening

        await opening.first_administrator(server)


@hookimpl
async def shutdown(server: Server) -> None:
    await accounts_of(server).close()


@hookimpl
def identify(request: Request) -> Awaitable[Actor] | Actor | None:
    from .credentials import actor_of

    return actor_of(request, accounts_of(request.app.ctx.server))


@hookimpl
def on_change(server: Server, event: Event) -> None:
    if isinstance(event, LoginEnded):
        accounts_of(server).sessions.forget_logins(event.login_id)
    elif isinstance(event, AccountChanged | UserDeleted):
        accounts_of(server).settle(event.user_id)
    elif isinstance(event, ChangesMissed):
        accounts_of(server).sessions.forget_everything()
