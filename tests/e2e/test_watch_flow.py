"""The whole evening of an app that speaks the watch dialect, against the real thing with one small film."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin

import httpx
import pytest

from tests import media
from tests.e2e.appliance import Appliance
from tests.patience import until

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    Start = Callable[..., Awaitable[Appliance]]

pytestmark = pytest.mark.slow

ROOT = {"email": "root@example.org", "password": "a long way home"}
ADA = {"email": "ada@example.org", "password": "eight bees fly"}
PLUGINS: dict[str, dict[str, Any]] = {
    "auth_email": {
        "bcrypt_rounds": 4,
        "require_activation": False,
        "admin_email": ROOT["email"],
        "admin_password": ROOT["password"],
    },
    "hls_transcoder": {"preset": "ultrafast", "background": "off"},
    "stream_limits": {"default_limit": 1},
    "dialect_watch": {},
}


class App:
    """A client on one device."""

    def __init__(self, appliance: Appliance, device: str) -> None:
        self._appliance = appliance
        self.device = device
        self.headers: dict[str, str] = {}
        self.refresh = ""

    async def ask(self, method: str, path: str, /, **body: Any) -> httpx.Response:
        """With the Bearer; redirects are not followed, so addresses count as they are."""
        url = self._appliance.url + path
        return await self._appliance.client.request(method, url, headers=self.headers, json=body or None)

    async def told(self, status: int, method: str, path: str, /, **body: Any) -> Any:
        answer = await self.ask(method, path, **body)
        assert answer.status_code == status, (path, answer.text)
        return answer.json()

    async def arrive(self, who: dict[str, str]) -> None:
        login = await self.told(200, "POST", "/auth/login/", **who)
        self.headers = {"authorization": f"Bearer {login['access']}"}
        self.refresh = login["refresh"]
        saved = await self.told(
            201, "POST", "/api/device/", device_id=self.device, name=self.device.title(), device_type="tv"
        )
        assert saved == {"device_id": self.device, "created": True}

    async def start(self, status: int, movie: str, **more: Any) -> Any:
        return await self.told(status, "POST", "/api/playback/start/", movie_id=movie, device_id=self.device, **more)

    async def touch(self, status: int, what: str, session: int) -> Any:
        return await self.told(status, "POST", f"/api/playback/{what}/", watch_session_id=session)

    async def fetch(self, address: str, *, bearer: bool = False) -> httpx.Response:
        return await self._appliance.client.get(address, headers=self.headers if bearer else {})


async def first_segment(app: App, playlist: str, *, bearer: bool = False) -> str:
    """Follow the playlists as a player does; answers the address of the first segment, which has been fetched."""
    for _ in range(2):
        answer = await app.fetch(playlist, bearer=bearer)
        assert answer.status_code == 200, answer.text
        playlist = urljoin(playlist, next(line for line in answer.text.splitlines() if line and line[0] != "#"))

    async def made() -> bool:
        answer = await app.fetch(playlist, bearer=bearer)
        assert answer.status_code in (200, 503), answer.text
        return answer.status_code == 200 and answer.content[:1] == b"G"

    await until(made, "the first segment")
    return playlist


async def test_an_evening_with_two_devices_and_one_stream(start_appliance: Start) -> None:
    appliance = await start_appliance(plugins=PLUGINS)
    await appliance.drop(media.film("plain.mp4", seconds=9), "Bees.mp4")
    tv, phone = App(appliance, "television"), App(appliance, "telephone")

    told = await tv.told(201, "POST", "/auth/register/", **ADA, username="Ada", password_two=ADA["password"])
    assert told["user"] == {"username": "Ada", "email": ADA["email"]}
    await tv.arrive(ADA)
    await phone.arrive(ADA)

    async def listed() -> Any:
        return await tv.told(200, "GET", "/api/movie/")

    [movie] = await until(listed, "a film in the list")
    assert (movie["title"], movie["movie_id"], movie["duration"]) == ("Bees", "bees", 1)

    watching = await tv.start(201, "bees")
    segment = await first_segment(tv, watching["movie_cdn"])
    assert (await tv.touch(200, "heartbeat", watching["watch_session_id"]))["message"] == "Session touched"

    full = await phone.start(409, "bees")
    assert [each["device__device_id"] for each in full["sessions"]] == ["television"]
    instead = await phone.start(201, "bees", steal=True)
    await tv.touch(403, "heartbeat", watching["watch_session_id"])
    assert (await tv.fetch(segment)).status_code == 403
    assert (await tv.fetch(watching["movie_cdn"])).status_code == 403
    assert (await tv.fetch(movie["cdn_path"], bearer=True)).status_code == 403
    await first_segment(phone, instead["movie_cdn"])
    assert [each["id"] for each in await tv.told(200, "GET", "/api/playback/active/")] == [instead["watch_session_id"]]

    for _ in range(2):
        await phone.touch(200, "stop", instead["watch_session_id"])
    assert (await phone.fetch(instead["movie_cdn"])).status_code == 403
    await first_segment(tv, movie["cdn_path"], bearer=True)

    await phone.told(205, "POST", "/auth/logout/", refresh=phone.refresh)
    await phone.told(401, "POST", "/auth/logout/", refresh=phone.refresh)
    await phone.told(401, "POST", "/auth/token/refresh/", refresh=phone.refresh)
    assert (await tv.ask("GET", "/auth/protected_route/")).status_code == 200
