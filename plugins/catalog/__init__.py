"""The titles people see: from file names first, listed and looked up."""

from __future__ import annotations

from mediaserver import Plugin, Registry, RouteRegistry, Settings, hookimpl
from mediaserver.contracts import Catalog, Pictures, Streaming


class Config(Settings):
    """Nothing to set yet."""


plugin = Plugin(api="1", config=Config, optional=(Pictures, Streaming), provides=(Catalog,))


@hookimpl
def register(registry: Registry) -> None:
    from . import service

    service.register(registry)


@hookimpl
def register_routes(registry: RouteRegistry) -> None:
    from . import routes

    routes.register(registry)
