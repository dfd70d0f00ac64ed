"""What a route declares about itself, in one place; a route without a guard is refused."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mediaserver.core.actors import Guard, public
from mediaserver.core.discovery import PluginFault
from mediaserver.core.services import PluginServices
from mediaserver.errors import Forbidden, NotFound

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from pydantic import BaseModel
    from sanic import HTTPResponse, Request

    from mediaserver.contracts import Actor
    from mediaserver.core.plugins import Loaded
    from mediaserver.core.server import Server

    Handler = Callable[..., Awaitable[HTTPResponse | None]]
    ErrorRenderer = Callable[[Request, Exception], HTTPResponse]

LIMITS = frozenset({"auth", "content", "streaming", "analytics"})
SCOPES = frozenset(
    {"account:read", "account:write", "catalog:read", "streaming", "library:read", "library:write", "admin"}
)
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
ROW_ID = re.compile(r"[0-9]{1,10}")
LARGEST_ID = 2**31 - 1
PARAMETER = re.compile(r"<(\w+)(?::([^>]+))?>")


@dataclass(frozen=True)
class Route:
    """What core, plugins and documents know of a route; `body` and `answer` are pydantic models for OpenAPI.

    `limit` is the rate group, None for what is not counted; `scope` is what an API key must hold, None closes the
    route to keys that have scopes; `query` is a model of flat values, `status` that of success; `errors` are statuses
    that documents list beside those that follow from the rest.
    """

    plugin: str
    method: str
    path: str
    handler: Handler
    guard: Guard
    limit: str | None
    body: type[BaseModel] | None
    answer: type[BaseModel] | None
    stream: bool
    scope: str | None
    query: type[BaseModel] | None
    status: int
    errors: tuple[int, ...]

    @property
    def shape(self) -> tuple[str, str]:
        """What Sanic tells routes apart by: names of parameters and the slash at the end do not count."""
        path = PARAMETER.sub(lambda match: f"<{match[2] or 'str'}>", self.path)
        return self.method, path.rstrip("/")


class RouteRegistry:
    """Handed to `register_routes`; `config` and `services` are the plugin's own."""

    def __init__(self, server: Server, plugin: Loaded | None) -> None:
        self.server = server
        self.plugin = plugin.name if plugin else "core"
        self.config: Any = plugin.config if plugin else None
        requires = plugin.found.declared.requires if plugin else ()
        optional = plugin.found.declared.optional if plugin else ()
        provides = plugin.found.declared.provides if plugin else ()
        self.services = PluginServices(server.services, self.plugin, (*requires, *provides), optional)
        self.routes: list[Route] = []
        self.error_renderers: list[tuple[str, ErrorRenderer]] = []

    def get(self, path: str, **declared: Any) -> Callable[[Handler], Handler]:
        return self._route("GET", path, **declared)

    def post(self, path: str, **declared: Any) -> Callable[[Handler], Handler]:
        return self._route("POST", path, **declared)

    def put(self, path: str, **declared: Any) -> Callable[[Handler], Handler]:
        return self._route("PUT", path, **declared)

    def delete(self, path: str, **declared: Any) -> Callable[[Handler], Handler]:
        return self._route("DELETE", path, **declared)

    def errors(self, prefix: str, render: ErrorRenderer) -> None:
        """Errors at `prefix` and below are told in a dialect's own words; of several the longest prefix counts."""
        self.error_renderers.append((prefix, render))

    def _route(
        self,
        method: str,
        path: str,
        *,
        guard: Guard | None = None,
        limit: str | None = "content",
        body: type[BaseModel] | None = None,
        answer: type[BaseModel] | None = None,
        stream: bool = False,
        scope: str | None = None,
        query: type[BaseModel] | None = None,
        status: int = 200,
        errors: tuple[int, ...] = (),
    ) -> Callable[[Handler], Handler]:
        if not isinstance(guard, Guard):
            raise PluginFault(f"{method} {path} names no guard (public, signed_in or admin)")
        if limit is not None and limit not in LIMITS:
            raise PluginFault(f"{method} {path}: there is no rate group {limit}")
        if scope is not None and scope not in SCOPES:
            raise PluginFault(f"{method} {path}: there is no scope {scope}")
        if not path.startswith("/"):
            raise PluginFault(f"{method} {path}: a path begins with a slash")
        for _, kind in PARAMETER.findall(path):
            _check_parameter(f"{method} {path}", kind)

        def add(handler: Handler) -> Handler:
            said = (guard, limit, body, answer, stream, scope, query, status, errors)
            self.routes.append(Route(self.plugin, method, path, handler, *said))
            return handler

        return add


def admitted(route: Route, actor: Actor | None) -> Actor | None:
    """Who the handler meets. Raises Unauthorized or Forbidden.

    To a public route somebody whose scopes do not reach it is nobody: open as ever, and nothing more.
    """
    if actor is not None and actor.scopes is not None and route.scope not in actor.scopes:
        if route.guard is public:
            return None
        missing = f"the scope {route.scope}" if route.scope else "a login: no scope opens this"
        raise Forbidden(f"This key may not do this; it takes {missing}.")
    route.guard.check(actor)
    return actor


def row_id(text: str) -> int:
    """The number of a row that a path names. Raises NotFound for what cannot be one."""
    if not ROW_ID.fullmatch(text) or int(text) > LARGEST_ID:
        raise NotFound("There is nothing of this number.")
    return int(text)


def _check_parameter(route: str, kind: str) -> None:
    """`kind` is one of Sanic's words for a parameter, or a regular expression."""
    if kind == "path":
        raise PluginFault(f"{route}: a path is never a parameter")
    try:
        re.compile(kind)
    except re.error as error:
        raise PluginFault(f"{route}: {kind} is no regular expression ({error})") from error
