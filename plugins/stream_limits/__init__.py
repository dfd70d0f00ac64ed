"""Devices, playback sessions, and how many of them an account may have at once: exactly, and down to the segment."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from mediaserver import Plugin, Registry, RouteRegistry, Server, Settings, hookimpl
from mediaserver.contracts import Accounts, Catalog, Devices, Playback, Streaming

if TYPE_CHECKING:
    from mediaserver.events import Event


class Config(Settings):
    default_limit: Annotated[int, Field(ge=0, le=1000)] | None = 2  # streams at once per account; null: any number
    max_devices: Annotated[int, Field(ge=1, le=1000)] | None = None  # known per account; null: any number
    session_timeout_seconds: Annotated[int, Field(ge=10, le=3600)] = 240  # without a heartbeat or a request for media


plugin = Plugin(
    api="1",
    config=Config,
    models=".models",
    optional=(Accounts, Catalog, Streaming),
    provides=(Playback, Devices),
)


@hookimpl
def register(registry: Registry) -> None:
    from . import service

    service.register(registry)


@hookimpl
def register_routes(registry: RouteRegistry) -> None:
    from . import routes, routes_devices

    routes.register(registry)
    routes_devices.register(registry)


@hookimpl
async def startup(server: Server) -> None:
    if server.role == "serve":
        from . import service

        service.playback_of(server).pulse.open()


@hookimpl
async def shutdown(server: Server) -> None:
    if server.role == "serve":
        from . import service

        playback = service.playback_of(server)
        await playback.permissions.close()
        await playback.pulse.close()


@hookimpl
async def on_event(server: Server, event: Event) -> None:
    from . import news

    await news.settle(server, event)


@hookimpl
async def on_change(server: Server, event: Event) -> None:
    if server.role == "serve":
        from . import news

        await news.hear(server, event)
