"""The pages: what there is to see, and a player."""

from __future__ import annotations

from mediaserver import Plugin, RouteRegistry, Settings, hookimpl
from mediaserver.contracts import Accounts


class Config(Settings):
    """Nothing to set yet."""


plugin = Plugin(api="1", config=Config, optional=(Accounts,))


@hookimpl
def register_routes(registry: RouteRegistry) -> None:
    from . import routes

    routes.register(registry)
