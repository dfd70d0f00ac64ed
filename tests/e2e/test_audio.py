"""Another language is chosen in the player, and heard."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests import media
from tests.e2e.appliance import Appliance
from tests.patience import until

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from tests.e2e.screen import Screen

    Start = Callable[..., Awaitable[Appliance]]

pytestmark = pytest.mark.slow
LISTEN = """video => {
    const context = new AudioContext();
    const analyser = new AnalyserNode(context, {fftSize: 4096, smoothingTimeConstant: 0});
    context.createMediaElementSource(video).connect(analyser).connect(context.destination);
    const bins = new Float32Array(analyser.frequencyBinCount);
    window.loudest = async () => {
        await context.resume();
        analyser.getFloatFrequencyData(bins);
        return bins.indexOf(Math.max(...bins)) * context.sampleRate / analyser.fftSize;
    };
}"""


def two_languages() -> Path:
    """English is a low tone, German a high one."""
    tones = [part for hertz in (400, 1600) for part in ("-f", "lavfi", "-i", f"sine=f={hertz}:r=48000:d=14")]
    mapped = ("-map", "0", "-map", "1", "-map", "2", *media.X264, "-g", "25", "-c:a", "aac")
    told = ("-metadata:s:a:0", "language=eng", "-metadata:s:a:1", "language=ger", "-disposition:a:0", "default")
    return media.make("languages.mkv", *media.pictures(14), *tones, *mapped, *told)


@pytest.mark.parametrize("background", ["all", "off"])
async def test_another_language_is_chosen_and_heard(start_appliance: Start, screen: Screen, background: str) -> None:
    appliance = await start_appliance(plugins={"hls_transcoder": {"preset": "ultrafast", "background": background}})
    film = await appliance.film(two_languages(), "Two Languages.mkv")
    told = await appliance.get(f"/v1/streaming/{film['id']}/manifest")
    assert [(track["language"], track["label"], bool(track["url"])) for track in told["audio_tracks"]] == [
        ("en", "English", False),
        ("de", "German", True),
    ]
    await screen.open(appliance.url)
    await screen.watch("Two Languages")
    await screen.plays_from(0)
    await screen.begins_anew(True)
    await screen.page.locator("video").evaluate(LISTEN)

    async def hears(hertz: float) -> None:
        async def loudest() -> bool:
            return abs(float(await screen.page.evaluate("window.loudest()")) - hertz) < 30

        await until(loudest, f"a tone of {hertz} Hz")

    await hears(400)
    await screen.choose("Audio", "German")
    await hears(1600)
    await screen.begins_anew(False)
    at_end = await screen.ends()
    assert len(at_end["buffered"]) == 1
    await screen.choose("Audio", "English")
    await screen.seek(2)
    await screen.page.get_by_role("button", name="Play", exact=False).first.click()
    await hears(400)
    await screen.page.set_viewport_size({"width": 390, "height": 844})
    await screen.page.mouse.move(195, 300)
    await screen.page.get_by_role("button", name="Audio").click()
    menu = await screen.page.get_by_role("menu", name="Audio").bounding_box()
    assert menu is not None
    assert menu["x"] >= 0
    assert menu["x"] + menu["width"] <= 390
