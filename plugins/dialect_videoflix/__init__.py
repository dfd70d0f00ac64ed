"""What Videoflix front ends speak: cookies, bare lists, playlists by number. It translates, and rules nothing."""

from __future__ import annotations

import re

from pydantic import field_validator

from mediaserver import Plugin, Registry, RouteRegistry, Settings, hookimpl
from mediaserver.contracts import Accounts, Catalog, LoginCookies, Playback, Streaming

ACCESS_MINUTES = 21
PREFIX = re.compile(r"(/[A-Za-z0-9_-]+)+")


class Config(Settings):
    prefix: str = "/api"

    @field_validator("prefix")
    @classmethod
    def _path(cls, value: str) -> str:
        if not PREFIX.fullmatch(value):
            raise ValueError("should begin with a slash and not end with one, with letters, digits, - and _ in between")
        return value


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
