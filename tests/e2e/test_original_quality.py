"""The film's own pictures, chosen in the player among those that were made of them."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from tests import media
from tests.e2e.appliance import Appliance
from tests.patience import until

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from tests.e2e.screen import Screen

HOLE = 0.2  # s, which players step over
pytestmark = pytest.mark.slow


def own() -> Path:
    """720p at 44.1 kHz, with B-frames and a key frame each 2.4 s, so that no border is one of the grid."""
    heard = ("-f", "lavfi", "-i", "sine=f=440:r=44100:d=14", "-c:a", "aac", "-ac", "2")
    pictures = media.pictures(14, size="1280x720")
    rate = ("-b:v", "1M", "-maxrate", "1M", "-bufsize", "1M")
    return media.make("own-720.mp4", *pictures, *heard, *media.X264, "-bf", "2", "-g", "60", *rate)


async def test_original_is_a_quality_and_one_may_go_to_it_and_back(
    start_appliance: Callable[..., Awaitable[Appliance]], screen: Screen
) -> None:
    options = {"preset": "ultrafast", "copy_original": True, "resolutions": ["480p"]}
    appliance = await start_appliance(plugins={"hls_transcoder": options})
    film = await appliance.film(own(), "Own Film.mp4")
    base = await appliance.media(film["id"])

    async def offered() -> bool:
        return "original/index.m3u8" in (await appliance.client.get(f"{base}/master.m3u8")).text

    await until(offered, "the copy")
    await screen.open(appliance.url)
    await screen.watch("Own Film")
    await screen.plays_from(0)
    await screen.begins_anew(True)

    async def shows(width: int) -> None:
        async def so() -> bool:
            return bool((await screen.player())["width"] == width)

        await until(so, f"pictures {width} pixels wide")

    for name, width in (("Original", 1280), ("480p", 854), ("Original", 1280)):
        await screen.choose("Quality", name)
        await shows(width)
        await screen.goes_on()
    await screen.begins_anew(False)
    at_end = await screen.ends()
    # Where borders differ hls.js empties from one and fills from the other: a few frames may be missing there.
    assert all(later[0] - earlier[1] < HOLE for earlier, later in pairwise(at_end["buffered"]))
    assert at_end["position"] == pytest.approx(14, abs=0.15)
