"""How far films are, asked by a page for all of them at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.e2e.appliance import Appliance, until
from tests.media import film

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.slow
async def test_titles_tell_which_of_their_segments_are_made(tmp_path: Path) -> None:
    async with Appliance(tmp_path, plugins={"hls_transcoder": {"preset": "ultrafast"}}) as appliance:
        title = (await appliance.film(film("progress.mp4", seconds=6), "A Film.mp4"))["id"]

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
