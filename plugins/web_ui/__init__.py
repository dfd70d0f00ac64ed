"""The pages: what there is to see, and a player."""

from __future__ import annotations

from mediaserver import Plugin, RouteRegistry, Settings, hookimpl


class Config(Settings):
    """Nothing to set yet."""


plugin = Plugin(api="1", config=Config)


@hookimpl
def register_routes(registry: RouteRegistry) -> None:
    from . import routes

    routes.register(registry)
