"""While a viewer drags, what is wanted now goes first, and what is not wanted any more is dropped."""

from __future__ import annotations

import asyncio
import os
import signal
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from plugins.hls_transcoder.segments import WISH_SECONDS
from tests import media
from tests.e2e.appliance import Appliance
from tests.patience import until

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.e2e.screen import Screen

pytestmark = pytest.mark.slow

SEGMENT = 4  # s
DRAGGED_OVER = [1, 3, 5, 7, 2, 4, 6, 9]  # segments; the last one is wanted
PAUSE = 150  # ms at each place: eight drags in 1.2 s
RUNNING = 3  # cells that may be in the making when the last one is asked for: the interactive slots of one worker


async def test_the_place_where_the_hand_stops_is_made_before_those_it_only_passed(
    start_appliance: Callable[..., Awaitable[Appliance]], screen: Screen
) -> None:
    """Nothing is made while the hand moves, so that the queue is the same on any machine."""
    source = media.film("scrubbed.mp4", seconds=40, size="1280x720", audio=False)
    options = {"background": "off", "preset": "medium", "resolutions": ["480p"]}
    appliance = await start_appliance(plugins={"hls_transcoder": options}, workers={"count": 1, "min_free_space": 1})
    await appliance.film(source, "Heavy Film.mp4")
    await screen.open(appliance.url)
    await screen.watch("Heavy Film")
    await screen.plays_from(0)

    wanted = DRAGGED_OVER[-1]
    async with screen.page.expect_request(f"**/{wanted:03d}.ts") as asked:
        standing = asyncio.create_task(stand_still(appliance))
        await screen.drag([number * SEGMENT + 1.0 for number in DRAGGED_OVER], PAUSE)
    await asked.value
    await asyncio.sleep(WISH_SECONDS + 1)  # nobody wishes for what was only passed any more
    standing.cancel()
    await asyncio.gather(standing, return_exceptions=True)

    await screen.plays_from(wanted * SEGMENT)
    await until(appliance.is_at_rest, "nobody works any more")
    order = [int(cell.stem) for cell in appliance.cells("480p")]
    passed = set(DRAGGED_OVER[1:-1])
    assert len(passed & set(order[: order.index(wanted)])) <= RUNNING
    assert passed - set(order), f"nothing was dropped, made were {order}"


async def stand_still(appliance: Appliance) -> None:
    """Until it is cancelled, no encoder gets on."""
    stopped: set[int] = set()
    try:
        while True:
            for pid in set(appliance.ffmpegs()) - stopped:
                send(pid, signal.SIGSTOP)
                stopped.add(pid)
            await asyncio.sleep(0.02)
    finally:
        for pid in stopped:
            send(pid, signal.SIGCONT)


def send(pid: int, what: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, what)
