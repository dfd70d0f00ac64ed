"""The words of the "Netflix backend" that DRF clients speak: sign-in, devices, movies, playback, at its addresses."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from mediaserver import Plugin, RouteRegistry, Settings, hookimpl
from mediaserver.contracts import Accounts, Catalog, Devices, LoginCookies, Playback, Streaming


class Config(Settings):
    prefix: Annotated[str, Field(pattern=r"^(/[A-Za-z0-9_-]+)*$")] = ""  # put before every address: /films


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
