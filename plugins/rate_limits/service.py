"""The contract `RateLimits`: fixed windows, each of which begins with the first request of its subject."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from mediaserver.contracts import Clock, RateLimits, Window

from .memory import MemoryCounts
from .rates import Rate, rate

if TYPE_CHECKING:
    from mediaserver import Registry, Server

GROUPS = ("auth", "content", "streaming", "analytics")


class Counts(Protocol):
    async def add(self, group: str, subject: str, now: int, seconds: int) -> tuple[int, int]: ...

    async def close(self) -> None: ...


class FixedWindows:
    def __init__(self, rates: dict[str, Rate], clock: Clock, counts: Counts) -> None:
        self._rates = rates
        self._clock = clock
        self._counts = counts

    async def hit(self, group: str, subject: str) -> Window | None:
        allowed = self._rates.get(group)
        if allowed is None:
            return None
        now = int(self._clock.now().timestamp())
        count, ends = await self._counts.add(group, subject, now, allowed.seconds)
        return Window(count <= allowed.amount, allowed.amount, max(0, allowed.amount - count), ends)

    async def close(self) -> None:
        await self._counts.close()


def register(registry: Registry) -> None:
    config = registry.config
    rates = {group: rate(getattr(config, group)) for group in GROUPS} if config.enabled else {}
    registry.provide(RateLimits, FixedWindows(rates, registry.services.get(Clock), counts(registry.server)))


def counts(server: Server) -> Counts:
    """Shared where there is Redis. Only `serve` pays for the library: 6 MB and a quarter of a second."""
    if server.settings.redis is None or server.role != "serve":
        return MemoryCounts()
    from .shared import SharedCounts

    return SharedCounts(server.settings.redis, MemoryCounts())


async def close(server: Server) -> None:
    provider = server.services.find(RateLimits)
    if isinstance(provider, FixedWindows):
        await provider.close()
