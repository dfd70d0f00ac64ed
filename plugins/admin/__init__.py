"""What an administrator sees and does: how far a film is, files and their reasons, jobs."""

from __future__ import annotations

from mediaserver import Plugin, RouteRegistry, Settings, hookimpl
from mediaserver.contracts import Catalog, Streaming


class Config(Settings):
    """Nothing to set yet."""


plugin = Plugin(api="1", config=Config, requires=(Catalog, Streaming))


@hookimpl
def register_routes(registry: RouteRegistry) -> None:
    from . import routes

    routes.register(registry)
