"""What a person sees and does in the browser."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from playwright.async_api import expect

from tests.patience import PATIENCE, until

if TYPE_CHECKING:
    from playwright.async_api import Locator, Page

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--mute-audio",
]
PLAYER = """video => ({
    position: video.currentTime, duration: video.duration, ended: video.ended, paused: video.paused,
    seeking: video.seeking, ready: video.readyState, width: video.videoWidth, height: video.videoHeight,
    buffered: Array.from({length: video.buffered.length}, (_, i) => [video.buffered.start(i), video.buffered.end(i)]),
})"""
ENOUGH = 3  # HTMLMediaElement.HAVE_FUTURE_DATA
MILLISECONDS = PATIENCE * 1000


class Screen:
    """`faults` collects uncaught errors and what the content security policy refused."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.faults: list[str] = []
        page.set_default_timeout(MILLISECONDS)
        page.on("pageerror", lambda error: self.faults.append(str(error)))
        page.on("console", lambda line: self._note(line.text))

    def _note(self, line: str) -> None:
        if "Content Security Policy" in line:
            self.faults.append(line)

    async def open(self, url: str) -> None:
        await self.page.goto(url)

    def poster(self, title: str) -> Locator:
        return self.page.get_by_role("link", name=title)

    async def watch(self, title: str) -> None:
        await expect(self.poster(title)).to_be_visible()
        await self.poster(title).click()

    async def player(self) -> dict[str, Any]:
        state: dict[str, Any] = await self.page.locator("video").evaluate(PLAYER)
        return state

    async def plays_from(self, start: float) -> None:
        """The picture moves on after `start`."""
        now: dict[str, Any] = {}

        async def moves() -> bool:
            now.update(await self.player())
            return bool(now["position"] > start + 0.2 and not now["seeking"] and not now["paused"])

        try:
            await until(moves, f"a picture that moves on from {start} s")
        except AssertionError as error:
            said = await self.page.locator("watch-page .doing").all_inner_texts()
            raise AssertionError(f"{error}; the player is {now}, the page says {said}") from None

    async def ends(self, speed: float = 2.0) -> dict[str, Any]:
        """Watched faster than it was filmed: nobody waits for it."""
        await self.goes(speed)

        async def ended() -> dict[str, Any] | None:
            now = await self.player()
            return now if now["ended"] else None

        state: dict[str, Any] = await until(ended, "the end of the film")
        return state

    async def goes(self, speed: float) -> None:
        await self.page.locator("video").evaluate("(video, speed) => { video.playbackRate = speed }", speed)

    async def begins_anew(self, wanted: bool) -> None:
        """At its end, so that it plays for as long as the test takes."""
        await self.page.locator("video").evaluate("(video, wanted) => { video.loop = wanted }", wanted)

    async def goes_on(self) -> None:
        """The picture moves, wherever it is."""
        before = (await self.player())["position"]

        async def moves() -> bool:
            now = await self.player()
            return bool(now["position"] != before and not now["seeking"] and not now["paused"])

        await until(moves, "a picture that moves")

    async def seek(self, seconds: float) -> None:
        await self.page.locator("video").evaluate("(video, to) => { video.currentTime = to }", seconds)

    async def drag(self, seconds: list[float], pause: float) -> None:
        """Press on the seek bar and pull over these places, `pause` ms at each, as a hand looks for a scene."""
        bar = await self.page.locator("seek-bar").bounding_box()
        assert bar is not None
        duration = (await self.player())["duration"]
        mouse = self.page.mouse
        for number, second in enumerate(seconds):
            await mouse.move(bar["x"] + bar["width"] * second / duration, bar["y"] + bar["height"] / 2)
            if number == 0:
                await mouse.down()
            await self.page.wait_for_timeout(pause)
        await mouse.up()

    async def choose_quality(self, name: str) -> None:
        await self.choose("Quality", name)

    async def choose(self, menu: str, name: str) -> None:
        await self.page.mouse.move(640, 300)
        await self.page.get_by_role("button", name=menu, exact=True).click()
        await self.page.get_by_role("menuitemradio", name=name).click()
