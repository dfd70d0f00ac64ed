"""Every hook a plugin can implement, in the order in which the server calls them.

A hook may be a plain function or a coroutine function and takes only the arguments it names.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pluggy import HookimplMarker, HookspecMarker

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from sanic import HTTPResponse, Request

    from mediaserver.contracts import Actor, MediaInfo, Metadata, Refusal, TitleLimit
    from mediaserver.core.registry import Registry
    from mediaserver.core.routes import RouteRegistry
    from mediaserver.core.server import Server
    from mediaserver.events import Event

PROJECT = "mediaserver"
hookspec = HookspecMarker(PROJECT)
hookimpl = HookimplMarker(PROJECT)

# Whoever implements one of these guards something: a fault in that plugin stops the start.
GUARDING = frozenset({"before_request", "identify", "may", "may_play", "limit_titles"})


@hookspec
def register(registry: Registry) -> None:
    """Contribute services, jobs, timers, letters, commands and health checks. Called once, in every role."""


@hookspec
def register_routes(registry: RouteRegistry) -> None:
    """Contribute routes and pages. Called once, in `serve` only."""


@hookspec
def startup(server: Server) -> Awaitable[None] | None:
    """Begin to work: the database is open, requests and jobs follow. All are called, in load order."""


@hookspec
def shutdown(server: Server) -> Awaitable[None] | None:
    """Stop working. All are called, in reverse order."""


@hookspec
def before_request(request: Request) -> Awaitable[HTTPResponse | None] | HTTPResponse | None:
    """Look at a request whose actor is known, before its guard; the first answer is sent instead of the handler's."""


@hookspec
def after_response(request: Request, response: HTTPResponse) -> Awaitable[None] | None:
    """Look at an answer before it is sent; all are called."""


@hookspec
def identify(request: Request) -> Awaitable[Actor | None] | Actor | None:
    """Say who asks: None without a credential of yours, Unauthorized where it is bad. The first answer counts."""


@hookspec
def may(actor: Actor, action: str, target: Any) -> Awaitable[Refusal | None] | Refusal | None:
    """Refuse an action or have no opinion. All are asked; raising, or taking over a second, is a refusal."""


@hookspec
def may_play(actor: Actor, title_id: int, device: str | None) -> Awaitable[Refusal | None] | Refusal | None:
    """Refuse playback or have no opinion. All are asked; raising, or taking over a second, is a refusal."""


@hookspec
def limit_titles(actor: Actor) -> Awaitable[TitleLimit | None] | TitleLimit | None:
    """Narrow what somebody may see. All answers are intersected and applied in SQL."""


@hookspec
def describe(server: Server, path: str, probe: MediaInfo) -> Awaitable[Metadata | None] | Metadata | None:
    """Say what a file of the library is; `path` is relative to its folder. All are asked, earlier plugins win."""


@hookspec
def on_event(server: Server, event: Event) -> Awaitable[None] | None:
    """React to a fact, in one worker of the installation, at least once. A failure is logged, not felt."""


@hookspec
def on_change(server: Server, event: Event) -> Awaitable[None] | None:
    """Hear of a fact in every process, best effort, to drop what is remembered."""
