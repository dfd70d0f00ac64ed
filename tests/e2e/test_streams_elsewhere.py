"""Two `serve` processes: what ends in one gets no byte from the other."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import httpx
import pytest
import pytest_asyncio

from plugins.stream_limits.permissions import FRESH_SECONDS
from tests import media
from tests.e2e.appliance import another_serve
from tests.e2e.test_revocation import PLUGINS, Doors, delete, disable, reset, sign_out
from tests.patience import PATIENCE, until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from tests.e2e.appliance import Appliance

pytestmark = pytest.mark.slow
LARGE = 188 * 300_000  # bytes of a segment that takes half a minute to fetch at the speed below
PIECE, PAUSE = 65536, 0.03
TOLD = FRESH_SECONDS * 3 / 4  # a player is asked about anew after that, which must not stand in for the news
SMALL: dict[str, Any] = {"stream_limits": {}, "hls_transcoder": {"preset": "ultrafast", "resolutions": ["480p"]}}


class Cinema:
    """Ada plays a film; `address` is its first segment, behind the other door."""

    def __init__(self, doors: Doors, title: str) -> None:
        self.doors = doors
        self.title = title
        self.session = self.address = ""

    async def start(self, device: str, **told: Any) -> dict[str, Any]:
        path, token = f"/v1/streaming/{self.title}/start", self.doors.ada["access_token"]
        started: dict[str, Any] = await self.doors.done(self.doors.one, "POST", path, token, device_id=device, **told)
        return started

    async def play(self) -> None:
        started = await self.start("tv")
        self.session = started["session_id"]
        path = urlsplit(started["manifest_url"]).path.replace("master.m3u8", "480p/000.ts")
        self.address = self.doors.other + path
        assert await self.status() == 200

    async def status(self) -> int:
        return (await self.doors.appliance.client.get(self.address)).status_code


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def cinema(share_appliance: Callable[..., Awaitable[Appliance]]) -> AsyncIterator[Cinema]:
    appliance = await share_appliance(plugins=PLUGINS | SMALL, mail={"backend": "directory"})
    async with another_serve(appliance) as other:
        doors = Doors(appliance, other)
        await doors.move_in("first")
        await appliance.drop(media.film(seconds=4), "Film.mp4")

        async def made() -> list[dict[str, Any]]:
            told = await doors.done(doors.one, "GET", "/v1/content/browse", doors.ada["access_token"])
            return told["content"] if appliance.cells() else []

        [film] = await until(made, "a film that is made")
        yield Cinema(doors, film["id"])


async def stop(cinema: Cinema) -> None:
    path, token = f"/v1/streaming/{cinema.title}/stop", cinema.doors.ada["access_token"]
    await cinema.doors.done(cinema.doors.one, "POST", path, token, session_id=cinema.session)


async def steal(cinema: Cinema) -> None:
    await cinema.start("one")
    await cinema.start("two", steal=True)


async def end_by_an_administrator(cinema: Cinema) -> None:
    path = f"/v1/streaming/sessions/{cinema.session}"
    await cinema.doors.done(cinema.doors.one, "DELETE", path, cinema.doors.root["access_token"])


async def forbid_to_play(cinema: Cinema) -> None:
    doors = cinema.doors
    path, told = f"/v1/admin/users/{doors.ada_id}", {"stream_limit": 0}
    await doors.done(doors.one, "PUT", path, doors.root["access_token"], **told)


ENDINGS: dict[str, Callable[[Cinema], Awaitable[None]]] = {
    "stop": stop,
    "steal": steal,
    "an administrator ends it": end_by_an_administrator,
    "may not play any more": forbid_to_play,
    "sign out": lambda cinema: sign_out(cinema.doors),
    "password reset": lambda cinema: reset(cinema.doors),
    "account disabled": lambda cinema: disable(cinema.doors),
    "account deleted": lambda cinema: delete(cinema.doors),
}


async def test_what_ends_behind_one_door_is_refused_behind_the_other(cinema: Cinema) -> None:
    for number, (name, end) in enumerate(ENDINGS.items()):
        await cinema.doors.move_in(f"ada{number}")
        await cinema.play()
        await end(cinema)

        async def refused() -> bool:
            return await cinema.status() == 403

        await until(refused, f"403 after: {name}", TOLD)


async def test_what_is_under_way_behind_the_other_door_breaks_off(cinema: Cinema) -> None:
    await cinema.doors.move_in("slow")
    await cinema.play()
    cell = cinema.doors.appliance.cells()[0]
    cell.unlink()
    cell.write_bytes(b"\x47" * LARGE)
    got = 0
    async with httpx.AsyncClient(timeout=PATIENCE) as client, client.stream("GET", cinema.address) as answer:
        assert answer.headers["content-length"] == str(LARGE)
        pieces = answer.aiter_raw(PIECE)
        got += len(await anext(pieces))
        await stop(cinema)
        with pytest.raises(httpx.TransportError):
            async for piece in pieces:
                got += len(piece)
                await asyncio.sleep(PAUSE)  # a slow line: the rest of it would take half a minute
    assert got < LARGE / 2, "it broke off, but not for the news"
