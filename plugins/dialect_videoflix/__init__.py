"""What Videoflix front ends speak: cookies, bare lists, playlists by number. It translates, and rules nothing."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from mediaserver import Plugin, Registry, RouteRegistry, Settings, hookimpl
from mediaserver.contracts import Accounts, Catalog, LoginCookies, Playback, Streaming

ACCESS_MINUTES = 21


class Config(Settings):
    prefix: Annotated[str, Field(pattern=r"^(/[A-Za-z0-9_-]+)+$")] = "/api"


plugin = Plugin(api="1", config=Config, requires=(Accounts, LoginCookies, Catalog, Streaming), optional=(Playback,))


@hookimpl
def register(registry: Registry) -> None:
    registry.services.get(Accounts).require_access(
        ACCESS_MINUTES, "front ends of plugins.dialect_videoflix renew a login every 20 minutes"
    )


@hookimpl
def register_routes(registry: RouteRegistry) -> None:
    from . import accounts, errors, videos

    accounts.register(registry)
    videos.register(registry)
    registry.errors(registry.config.prefix, errors.told)
