"""Believes a reverse proxy that signs people in: authelia, authentik, Caddy's forward_auth and their like."""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from mediaserver import Plugin, Registry, Server, Settings, hookimpl
from mediaserver.contracts import Accounts, Actor
from mediaserver.errors import ConfigError, Unauthorized

if TYPE_CHECKING:
    from mediaserver import Request


class Config(Settings):
    header: Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9-]*$")] = "Remote-Email"
    admins: list[str] = []  # addresses; where there are accounts these know better


plugin = Plugin(api="1", config=Config, optional=(Accounts,))


@hookimpl
def register(registry: Registry) -> None:
    proxies = registry.server.settings.server.trusted_proxies
    if not proxies or any(proxy.endswith("/0") for proxy in proxies):
        raise ConfigError(
            "plugins.auth_proxy_header: server.trusted_proxies must name the proxy alone, else anybody could be anyone."
        )


@hookimpl
async def identify(request: Request) -> Actor | None:
    server: Server = request.app.ctx.server
    config: Any = server.hooks.loaded["auth_proxy_header"].config
    told = request.headers.getall(config.header, [])
    if not any(told) or not server.proxies.is_trusted(request):
        return None
    email = told[0].strip().casefold()
    if len(told) > 1 or email.count("@") != 1 or not email.isprintable() or set(email) & set(" ,;"):
        raise Unauthorized("The proxy in front does not say clearly who you are.")
    return await actor_of(server, email, {admin.casefold() for admin in config.admins})


async def actor_of(server: Server, email: str, admins: set[str]) -> Actor:
    """Whom an address stands for. Raises Unauthorized where there are accounts and none that counts is theirs."""
    accounts = server.services.find(Accounts)
    if accounts is None:
        number = int.from_bytes(sha256(email.encode()).digest()[:4], "big") >> 1 or 1
        return Actor(number, email, frozenset({"viewer", "admin"} if email in admins else {"viewer"}))
    account = await accounts.find(email)
    if account is None or account.disabled or not account.active:
        raise Unauthorized("There is no account here for the address that the proxy in front tells.")
    return Actor(account.id, account.email, frozenset({"viewer", account.role}))
