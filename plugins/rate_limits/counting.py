"""Who a request is counted for, and what the answer tells of it."""

from __future__ import annotations

import ipaddress
import math
from typing import TYPE_CHECKING

from mediaserver.contracts import Clock, RateLimits
from mediaserver.errors import RateLimited

if TYPE_CHECKING:
    from mediaserver import HTTPResponse, Request

LONGEST = 64  # characters of what a trusted proxy calls an address


async def count(request: Request) -> None:
    """Raises RateLimited."""
    group = request.ctx.route.limit
    if group is None:
        return
    server = request.app.ctx.server
    actor = request.ctx.actor
    if actor is None or actor.user_id is None:
        subject = network(server.proxies.client(request))
    else:
        subject = f"user {actor.user_id}"
    window = await server.services.get(RateLimits).hit(group, subject)
    request.ctx.rate_window = window
    if window is not None and not window.allowed:
        left = max(1, math.ceil(window.reset - server.services.get(Clock).now().timestamp()))
        said = f"Too many requests; go on in {left} s."
        raise RateLimited(said, headers={"Retry-After": str(left)})


def network(address: str) -> str:
    """An IPv4 address, or the /64 of an IPv6 one: whoever has one of its addresses has all of them."""
    if ":" not in address:
        return address[:LONGEST]
    try:
        parsed = ipaddress.IPv6Address(address.partition("%")[0])
    except ValueError:
        return address[:LONGEST]
    mapped = parsed.ipv4_mapped
    return str(mapped) if mapped else str(ipaddress.IPv6Address(int(parsed) >> 64 << 64)) + "/64"


def tell(request: Request, response: HTTPResponse) -> None:
    window = getattr(request.ctx, "rate_window", None)
    if window is not None:
        headers = response.headers
        headers["X-RateLimit-Limit"] = str(window.limit)
        headers["X-RateLimit-Remaining"] = str(window.remaining)
        headers["X-RateLimit-Reset"] = str(window.reset)
