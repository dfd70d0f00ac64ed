"""Who asks, and whether they may: identification, guards, the guest, the limits on titles."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mediaserver.contracts import Actor, TitleLimit
from mediaserver.errors import Forbidden, Unauthorized

if TYPE_CHECKING:
    from collections.abc import Callable

    from sanic import Request

    from mediaserver.core.proxies import Proxies
    from mediaserver.core.server import Server

GUEST_ADMIN = Actor(user_id=None, roles=frozenset({"viewer", "admin"}))
GUEST_VIEWER = Actor(user_id=None, roles=frozenset({"viewer"}))
HOST = re.compile(r"([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::\d{1,5})?")  # never user@host, a path or a quote


@dataclass(frozen=True)
class Guard:
    """Who may use a route. `check` raises Unauthorized or Forbidden."""

    name: str
    check: Callable[[Actor | None], None]


def _anybody(_actor: Actor | None) -> None:
    return


def _somebody(actor: Actor | None) -> None:
    if actor is None:
        raise Unauthorized


def _administrator(actor: Actor | None) -> None:
    _somebody(actor)
    if actor is None or not actor.is_admin:
        raise Forbidden("Only an administrator may do this.")


public = Guard("public", _anybody)
signed_in = Guard("signed_in", _somebody)
admin = Guard("admin", _administrator)


class Guests:
    """What somebody without credentials is, by `server.guest`."""

    def __init__(self, setting: str, proxies: Proxies, *, accounts_named: bool, hosts: frozenset[str]) -> None:
        self._setting = ("none" if accounts_named else "loopback") if setting == "auto" else setting
        self._proxies = proxies
        self._hosts = hosts | {"localhost", "127.0.0.1", "::1"}

    @property
    def setting(self) -> str:
        return self._setting

    def actor(self, request: Request) -> Actor | None:
        if self._setting == "viewer":
            return GUEST_VIEWER
        if self._setting == "admin":
            return GUEST_ADMIN
        if self._setting == "loopback" and self._at_this_machine(request):
            return GUEST_ADMIN
        return None

    def _at_this_machine(self, request: Request) -> bool:
        """Somebody on this machine, who calls it by a name of its own (no DNS rebinding)."""
        match = HOST.fullmatch(self._proxies.host(request))
        here = is_loopback(self._proxies.client(request)) and self._proxies.is_direct(request)
        return here and match is not None and match[1].strip("[]").lower() in self._hosts


def is_loopback(address: str) -> bool:
    if address == "127.0.0.1":
        return True
    try:
        return ipaddress.ip_address(address.partition("%")[0]).is_loopback
    except ValueError:
        return False


async def identify(server: Server, request: Request) -> Actor | None:
    """The actor of a request, its guest where no plugin knows better. Raises Unauthorized for a bad credential."""
    actor: Actor | None = await server.hooks.first("identify", request=request)
    return actor or server.guests.actor(request)


async def title_limit(server: Server, actor: Actor) -> TitleLimit:
    """All that plugins say somebody may see, intersected."""
    answers: list[TitleLimit] = await server.hooks.gather("limit_titles", actor=actor)
    limit = TitleLimit()
    for answer in answers:
        limit = TitleLimit(
            max_maturity=_least(limit.max_maturity, answer.max_maturity),
            kinds=_both(limit.kinds, answer.kinds),
            hidden_tags=limit.hidden_tags | answer.hidden_tags,
        )
    return limit


def _both(one: frozenset[str] | None, other: frozenset[str] | None) -> frozenset[str] | None:
    """None allows everything, an empty set nothing."""
    if one is None or other is None:
        return other if one is None else one
    return one & other


def _least(one: int | None, other: int | None) -> int | None:
    known = [value for value in (one, other) if value is not None]
    return min(known) if known else None


async def require(server: Server, actor: Actor, action: str, target: Any) -> None:
    """Raises Forbidden with the words of the first plugin that refuses."""
    if refusal := await server.hooks.refusal("may", actor=actor, action=action, target=target):
        raise Forbidden(refusal.message, details=refusal.code if refusal.code != "FORBIDDEN" else None)


async def require_play(server: Server, actor: Actor, title_id: int, device: str | None) -> None:
    """Raises Forbidden with the words of the first plugin that refuses playback."""
    if refusal := await server.hooks.refusal("may_play", actor=actor, title_id=title_id, device=device):
        raise Forbidden(refusal.message, details=refusal.code if refusal.code != "FORBIDDEN" else None)
