"""So many requests and no more: per user, or per address where nobody is signed in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mediaserver import Plugin, Registry, Server, Settings, hookimpl
from mediaserver.contracts import RateLimits

from . import counting
from .rates import RateText

if TYPE_CHECKING:
    from mediaserver import HTTPResponse, Request


class Config(Settings):
    enabled: bool = True
    auth: RateText = "10/minute"  # signing in and up, resets: every write of an account
    content: RateText = "1000/hour"  # all that has no group of its own
    streaming: RateText = "100/minute"
    analytics: RateText = "500/hour"


plugin = Plugin(api="1", config=Config, provides=(RateLimits,))


@hookimpl
def register(registry: Registry) -> None:
    from . import service

    service.register(registry)


@hookimpl
async def shutdown(server: Server) -> None:
    from . import service

    await service.close(server)


@hookimpl
async def before_request(request: Request) -> None:
    await counting.count(request)


@hookimpl
def after_response(request: Request, response: HTTPResponse) -> None:
    counting.tell(request, response)
