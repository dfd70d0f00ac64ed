"""How long tests wait for what must happen: a machine may be slow, and busy with others."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

PATIENCE = 120  # s until something that must happen is believed not to


async def until(condition: Callable[[], Awaitable[Any]], what: str, seconds: float = PATIENCE) -> Any:
    """The first true answer of `condition`; fails with `what` where there is none in time."""
    try:
        async with asyncio.timeout(seconds):
            while not (answer := await condition()):
                await asyncio.sleep(0.05)
    except TimeoutError:
        raise AssertionError(f"in {seconds} s there was never: {what}") from None
    return answer
