"""Subtitles in a browser: chosen by the menu or a key, at the right time, as text and nothing else."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from playwright.async_api import expect

from tests import media
from tests.patience import until
from tests.plugins.hls_transcoder.test_subtitles import copy, fixed

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from tests.e2e.appliance import Appliance
    from tests.e2e.screen import Screen

pytestmark = pytest.mark.slow

HOSTILE = "Evil <script>document.title='pwned'</script><img src=x onerror=\"document.title='pwned'\"> words"
SHOWN = "Evil document.title='pwned' words"
CHAPTERS = ";FFMETADATA1\n" + "".join(
    f"[CHAPTER]\nTIMEBASE=1/1\nSTART={start}\nEND={start + 6}\ntitle={title}\n"
    for start, title in ((0, "First"), (6, "Second"))
)


def film() -> Path:
    """A text each second inside; it starts at 700 s by its own clock and has two chapters."""
    texts = "".join(f"{n + 1}\n00:00:{n:02d},000 --> 00:00:{n:02d},950\nSecond {n}\n\n" for n in range(12))
    inputs = ("-i", media.film(seconds=12), "-i", fixed("seconds.srt", texts), "-i", fixed("two.txt", CHAPTERS))
    told = ("-map", "0", "-map", "1", "-map_chapters", "2", "-c", "copy", "-metadata:s:s:0", "language=eng")
    return media.make("texts.mkv", *inputs, *told, "-output_ts_offset", "700")


async def words(screen: Screen) -> dict[str, Any]:
    """What is read now, and where the film is, in one moment."""
    seen: dict[str, Any] = await screen.page.evaluate(
        "() => ({text: document.querySelector('subtitle-text').innerText.trim(),"
        " at: document.querySelector('video').currentTime})"
    )
    return seen


async def test_subtitles_switch_in_the_player_and_stand_at_their_times(
    start_appliance: Callable[..., Awaitable[Appliance]], screen: Screen
) -> None:
    appliance = await start_appliance(plugins={"hls_transcoder": {"preset": "ultrafast"}})
    (appliance.library / "Film.de.srt").write_text(f"1\n00:00:00,000 --> 00:00:12,000\n{HOSTILE}\n")
    copy(film(), appliance.library / "Film.mkv")

    async def ready() -> bool:
        answer = await appliance.client.get(f"{appliance.url}/v1/content/film")
        told = answer.json() if answer.status_code == 200 else {}
        return len(told.get("subtitles", ())) == 2 and bool(told["sprites"])

    await until(ready, "subtitles and pictures to seek by")
    await screen.open(appliance.url)
    await screen.watch("Film")
    await screen.plays_from(0)
    assert (await words(screen))["text"] == ""

    await choose(screen, "English")
    for place in (7.5, 3.5):
        await screen.page.evaluate("() => document.querySelector('video').pause()")
        await screen.seek(place)
        await until(partial(says, screen, f"Second {int(place)}"), f"the text of second {int(place)}")
        assert int((await words(screen))["at"]) == int(place)

    await choose(screen, "German")
    await until(lambda: says(screen, SHOWN), "the other language")
    assert await screen.page.title() == "Film"
    assert await screen.page.locator("subtitle-text :is(script, img)").count() == 0

    await screen.page.keyboard.press("c")
    await until(lambda: says(screen, ""), "no text any more")
    await screen.page.keyboard.press("c")
    await until(lambda: says(screen, SHOWN), "the text again")

    bar = await screen.page.locator("seek-bar").bounding_box()
    assert bar is not None
    await screen.page.mouse.move(bar["x"] + bar["width"] * 0.75, bar["y"] + bar["height"] / 2)
    await expect(screen.page.locator("seek-bar .name")).to_have_text("Second")
    await expect(screen.page.locator("seek-bar .picture")).to_be_visible()
    assert await screen.page.locator("seek-bar .marks i").count() == 1

    await screen.page.reload()
    await until(lambda: begins(screen), "a film that plays")
    await until(lambda: says(screen, SHOWN), "the choice of last time")


async def begins(screen: Screen) -> bool:
    """A page that nobody has touched may not begin by itself."""
    await screen.page.locator("video").evaluate("video => video.readyState >= 3 && video.play()")
    return bool((await screen.player())["position"] > 0)


async def says(screen: Screen, text: str) -> bool:
    return bool(" ".join((await words(screen))["text"].split()) == text)


async def choose(screen: Screen, name: str) -> None:
    await screen.page.mouse.move(640, 300)
    await screen.page.get_by_role("button", name="Subtitles (C)").click()
    await screen.page.get_by_role("menuitemradio", name=name).click()
