"""The titles people see: from file names first, listed and looked up."""

from __future__ import annotations

from typing import Any

from mediaserver import Plugin, Registry, RouteRegistry, Server, Settings, hookimpl
from mediaserver.contracts import Catalog, Pictures, Streaming
from mediaserver.events import Event


class Config(Settings):
    """Nothing to set yet."""


plugin = Plugin(api="1", config=Config, models=".models", optional=(Pictures, Streaming), provides=(Catalog,))


@hookimpl
def register(registry: Registry) -> None:
    from . import service

    service.register(registry)


@hookimpl
def register_routes(registry: RouteRegistry) -> None:
    from . import routes

    routes.register(registry)


@hookimpl
def on_change(server: Server, event: Event) -> None:
    catalog: Any = server.services.find(Catalog)
    if catalog is not None:
        catalog.heard(event)
