"""How far films are, asked by a page for all of them at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.e2e.appliance import Appliance
from tests.media import film
from tests.patience import until

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable


@pytest.mark.slow
@pytest.mark.databases
async def test_titles_tell_which_of_their_segments_are_made(
    start_appliance: Callable[..., Awaitable[Appliance]],
) -> None:
    appliance = await start_appliance(plugins={"hls_transcoder": {"preset": "ultrafast"}})
    title = (await appliance.film(film("progress.mp4", seconds=6), "A Film.mp4"))["id"]
    first = await appliance.client.get(f"{await appliance.media(title)}/480p/000.ts")
    assert (first.status_code, first.content[:1]) == (200, b"\x47")

    async def ready() -> Any:
        told = (await appliance.get(f"/v1/streaming/progress?ids={title},{title},999999"))["progress"]
        return told if told[0]["status"] == "ready" else None

    (told,) = await until(ready, "every segment is made")
    assert told["content_id"] == title
    assert told["reason"] == "Every part is made."
    assert set("".join(told["renditions"].values())) == {"1"}
    for ids in ("", "x", "1,", ",".join(["1"] * 101)):
        answer = await appliance.client.get(f"{appliance.url}/v1/streaming/progress", params={"ids": ids})
        assert answer.status_code == 400
