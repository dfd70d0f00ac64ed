"""A house with accounts, films whose segments are there, and a clock that stands still."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from mediaserver.contracts import MediaInfo, Storage, Transcoding
from mediaserver.core.library.probe import probe
from mediaserver.models import Title, TitleKind, TitleVideo, Video
from tests import media
from tests.plugins.auth_email.conftest import ADA, House, open_house

if TYPE_CHECKING:
    from collections.abc import Callable

    import httpx

__all__ = ["open_house"]
BOB = {"email": "bob@example.org", "password": "eight bees fly"}
CELL = b"\x47" + b"\x00" * 187
PLUGINS: dict[str, dict[str, Any]] = {"stream_limits": {}, "hls_transcoder": {"background": "off"}, "catalog": {}}


class Cinema:
    """Ada and Bob are viewers; `ada` and `bob` are tokens of a login of each."""

    def __init__(self, house: House, probed: MediaInfo) -> None:
        self.house = house
        self._probed = probed
        self.clock = house.clock
        self.ada = self.bob = ""
        self.ids: dict[str, int] = {}

    async def open(self) -> Cinema:
        for who in (ADA, BOB):
            self.ids[who["email"]] = await self.house.add(who)
        self.ada, self.bob = await self.login(ADA), await self.login(BOB)
        return self

    async def login(self, who: dict[str, str]) -> str:
        return str((await self.house.sign_in(who))["access_token"])

    async def film(self, name: str = "Film", cell: bytes = CELL) -> str:
        """A film of one resolution; its first segments are `cell`."""
        video = await Video.create(fingerprint=name, size=1, duration=12.0, probe=self._probed.as_dict())
        title = await Title.create(kind=TitleKind.MOVIE, title=name, slug=name.lower())
        await TitleVideo.create(title=title, video=video)
        services = self.house.app.server.services
        plan = await services.get(Transcoding).plan(video.id)
        for number in range(3):
            path = services.get(Storage).segment(video.id, plan, "480p", number)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(cell)
        return str(title.id)

    async def start(self, token: str, film: str, device: str | None = None, **told: Any) -> httpx.Response:
        named = {} if device is None else {"device_id": device}
        return await self.house.post(f"/v1/streaming/{film}/start", token, **named, **told)

    async def started(self, token: str, film: str, device: str | None = None, **told: Any) -> dict[str, Any]:
        answer = await self.start(token, film, device, **told)
        assert answer.status_code == 201, answer.text
        found: dict[str, Any] = answer.json()
        return found

    async def beat(self, token: str, film: str, session: str, position: float = 1.0) -> httpx.Response:
        told = {"session_id": session, "position": position, "duration": 12.0}
        return await self.house.request("PUT", f"/v1/streaming/{film}/progress", token, json=told)

    async def stop(self, token: str, film: str, session: str, **told: Any) -> httpx.Response:
        return await self.house.post(f"/v1/streaming/{film}/stop", token, session_id=session, **told)

    async def sessions(self, token: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = (await self.house.get("/v1/streaming/sessions", token)).json()["sessions"]
        return found

    async def manifest(self, token: str, film: str, **query: str) -> str:
        answer = await self.house.request("GET", f"/v1/streaming/{film}/manifest", token, params=query)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["manifest_url"])

    async def media(self, manifest_url: str, name: str = "480p/000.ts") -> httpx.Response:
        """Without any login: the address is the credential."""
        return await self.house.app.get(manifest_url.removesuffix("master.m3u8") + name)


@pytest.fixture(scope="session")
def probed() -> MediaInfo:
    return asyncio.run(probe(media.tools(), media.film(seconds=12)))


@pytest.fixture
async def cinema(open_cinema: Callable[..., Any]) -> Cinema:
    opened: Cinema = await open_cinema()
    return opened


@pytest.fixture
async def open_cinema(open_house: Callable[..., Any], probed: MediaInfo) -> Callable[..., Any]:
    """`await open_cinema(**options of stream_limits)`."""

    async def opened(**options: Any) -> Cinema:
        return await Cinema(await open_house(PLUGINS | {"stream_limits": options}), probed).open()

    return opened
