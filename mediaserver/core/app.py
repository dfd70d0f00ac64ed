"""The web side of a server: routes of core and plugins on Sanic, each request through fixed phases."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import structlog
from sanic import Sanic
from sanic.application.state import ApplicationServerInfo
from sanic.exceptions import MethodNotAllowed, SanicException
from sanic.http.constants import HTTP
from sanic.response import HTTPResponse, empty

from mediaserver.core import actors, http
from mediaserver.core.answers import JsonAnswer
from mediaserver.core.corsheaders import cors_headers
from mediaserver.core.db import is_hindered
from mediaserver.core.discovery import PluginFault, deadline
from mediaserver.core.pages import register_core_routes
from mediaserver.core.routes import SAFE, Route, RouteRegistry, admitted
from mediaserver.errors import InvalidRequest, Unauthorized

if TYPE_CHECKING:
    from sanic import Request

    from mediaserver.core.server import Server

log = structlog.get_logger()
REGISTER_SECONDS = 10
INTERNAL = 500


def create_app(server: Server) -> Sanic[Any, Any]:
    """Raises StartError where a plugin that is needed cannot register its routes."""
    app: Sanic[Any, Any] = Sanic("mediaserver", configure_logging=False, request_class=http.Asked)
    Sanic.unregister_app(app)  # Sanic's list of apps is for its own manager and allows a name once per process
    app.config.update(
        REQUEST_MAX_SIZE=http.MAX_BODY,
        REQUEST_TIMEOUT=20,  # seconds for the headers and the body of a request
        RESPONSE_TIMEOUT=300,  # a player that is paused in the middle of a segment reads on later
        KEEP_ALIVE_TIMEOUT=75,
        FALLBACK_ERROR_FORMAT="json",
        ACCESS_LOG=False,
        AUTO_EXTEND=False,  # sanic-ext, where it is installed, would add its own CORS and docs
        MOTD=False,
    )
    # As `Sanic.prepare` would tell it: who speaks one version of HTTP alone sends no empty `alt-svc`.
    app.state.server_info.append(ApplicationServerInfo({"version": HTTP.VERSION_1}))
    app.ctx.server = server
    web = Web(server, app)
    web.add_routes()
    app.exception(Exception)(web.render)
    app.register_middleware(web.prepare, "request")
    app.register_middleware(web.finish, "response")  # type: ignore[arg-type]
    return app


class Web:
    def __init__(self, server: Server, app: Sanic[Any, Any]) -> None:
        self._server = server
        self._app = app
        self._base = server.settings.server.base_path
        self._origins = frozenset(server.settings.server.cors_origins)
        self._writers = self._origins | http.own_origin(server.settings.server.public_url)
        self._renderers: list[tuple[str, Any]] = []
        self.routes: dict[tuple[str, str], Route] = {}

    # ---- routes --------------------------------------------------------------------------------------------

    def add_routes(self) -> None:
        core = RouteRegistry(self._server, None)
        register_core_routes(core)
        self._add(core)
        for plugin in list(self._server.hooks.loaded.values()):
            registry = RouteRegistry(self._server, plugin)
            try:
                with deadline(REGISTER_SECONDS, "register_routes"):
                    for each in self._server.hooks.each("register_routes", registry=registry):
                        if each.plugin == plugin.name:
                            each.run()
                self._check(registry)
            except Exception as error:  # whatever its code raises is its own fault, told by its name
                if is_hindered(error):
                    raise
                self._server.quarantine(plugin.name, f"its routes: {error}")
            else:
                self._add(registry)
        self._server.routes = list(self.routes.values())

    def _check(self, registry: RouteRegistry) -> None:
        known = dict(self.routes)
        for route in registry.routes:
            taken = known.setdefault(route.shape, route)
            if taken is not route:
                raise PluginFault(f"{route.method} {route.path} is a route of {taken.plugin}")

    def _add(self, registry: RouteRegistry) -> None:
        self._renderers += registry.error_renderers
        self._renderers.sort(key=lambda each: len(each[0]), reverse=True)
        for route in registry.routes:
            self.routes[route.shape] = route
            methods = ["GET", "HEAD"] if route.method == "GET" else [route.method]
            name = f"{route.plugin}_{route.method}_{len(self.routes)}"
            path = self._base + route.path
            # Told the format of errors, Sanic does not parse the handler's source for it.
            self._app.add_route(self._guarded(route), path, methods=methods, name=name, error_format="json")

    def _guarded(self, route: Route) -> Any:
        """The phases of a request after its route is found: origin, identify, limit, guard, handler."""
        server = self._server
        has_before = server.hooks.has("before_request")
        writes = route.method not in SAFE

        async def handle(request: Request, **parameters: Any) -> HTTPResponse | None:
            request.ctx.route = route
            if writes:
                http.check_origin(request, self._writers, server.proxies.host(request))
            refused: Unauthorized | None = None
            try:
                request.ctx.actor = await actors.identify(server, request)
            except Unauthorized as error:  # of nobody: guessed credentials are counted like other requests
                refused = error
            if has_before:
                early = await server.hooks.first("before_request", request=request)
                if early is not None:
                    return early  # type: ignore[no-any-return]
            if refused is not None and route.guard is not actors.public:  # a stale cookie never blocks login or refresh
                raise refused
            request.ctx.actor = admitted(route, request.ctx.actor)
            try:
                return await route.handler(request, **parameters)
            except asyncio.CancelledError:
                http.forget_if_gone(request)
                raise

        return handle

    # ---- around a request ------------------------------------------------------------------------------------

    async def prepare(self, request: Request) -> HTTPResponse | None:
        http.request_id(request)
        request.ctx.route = request.ctx.actor = None
        hosts = request.headers.getall("host", [""])
        if len(hosts) > 1 or (hosts[0] and not actors.HOST.fullmatch(hosts[0])):  # addresses are built from it
            raise InvalidRequest("The Host header is not the name of a host.")
        if request.method == "OPTIONS":
            return empty(204, headers=cors_headers(request, self._origins, preflight=True))
        return None

    async def finish(self, request: Request, response: HTTPResponse) -> None:
        headers = response.headers
        headers["X-Request-ID"] = http.request_id(request)
        if type(response) is not JsonAnswer:  # which has the standard ones by itself
            http.harden(response)
        if self._origins:
            headers.update(cors_headers(request, self._origins))
        if self._server.hooks.has("after_response"):
            await self._server.hooks.notify("after_response", request=request, response=response)

    def _allowed(self, path: str) -> list[str]:
        """The methods of a path; Sanic itself knows them only where no parameter is in it."""
        found = []
        for method in ("GET", "HEAD", "POST", "PUT", "DELETE"):
            with suppress(SanicException):
                self._app.router.get(path, method, None)
                found.append(method)
        return found

    async def render(self, request: Request, error: Exception) -> HTTPResponse:
        """The only place where an error becomes an answer."""
        told = http.as_server_error(error)
        if isinstance(error, MethodNotAllowed):
            told.headers["Allow"] = ", ".join(self._allowed(request.path))
        if told is not error and not isinstance(error, SanicException):
            ours = error if told.status == INTERNAL else None  # a busy database is nobody's fault
            log.error(
                "a request failed",
                message=told.message,
                request=http.request_id(request),
                path=request.path,
                exc_info=ours,
            )
        for prefix, renderer in self._renderers:
            if f"{request.path}/".startswith(f"{self._base}{prefix}/"):
                return renderer(request, told)  # type: ignore[no-any-return]
        return http.envelope(request, told, self._server.clock)
