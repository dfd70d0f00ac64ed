"""The words of the "Netflix backend" that DRF clients speak: sign-in, devices, movies, playback, at its addresses."""

from __future__ import annotations

import re

from pydantic import field_validator

from mediaserver import Plugin, RouteRegistry, Settings, hookimpl
from mediaserver.contracts import Accounts, Catalog, Devices, LoginCookies, Playback, Streaming

PREFIX = re.compile(r"(/[A-Za-z0-9_-]+)*")


class Config(Settings):
    prefix: str = ""  # put before every address: /films

    @field_validator("prefix")
    @classmethod
    def _path(cls, value: str) -> str:
        if not PREFIX.fullmatch(value):
            raise ValueError(
                "should be empty, or begin with a slash and not end with one, with letters, digits, - and _ in between"
            )
        return value


plugin = Plugin(
    api="1",
    config=Config,
    requires=(Accounts, Catalog, Devices, LoginCookies, Playback, Streaming),
)


@hookimpl
def register_routes(registry: RouteRegistry) -> None:
    from . import accounts, devices, movies, playing, wording

    for part in (wording, accounts, devices, movies, playing):
        part.register(registry, registry.config.prefix)
