"""A server that speaks the watch dialect, and the people who come with its clients."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from mediaserver.contracts import Accounts, Catalog, ExternalTitle
from mediaserver.models import Title, TitleKind, TitleVideo, Video
from tests.hands import Hands

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    import httpx

    from mediaserver.testing import RunningApp

ADMIN = {"email": "root@example.org", "password": "a long way home"}
PASSWORD = "eight bees fly"
URL = "https://cdn.example.org/far/master.m3u8"
PROBE: dict[str, Any] = {
    "container": "mp4", "duration": 90.0, "start_time": 0.0, "size": 1, "audio": (), "subtitles": (),
    "video": {
        "index": 0, "codec": "h264", "width": 1280, "height": 720, "frame_rate": "25/1", "variable_rate": False,
        "sample_aspect": "1/1", "rotation": 0, "pixel_format": "yuv420p", "field_order": "progressive",
        "transfer": "",
    },
}  # fmt: skip


class Client:
    """An app of somebody who is signed in, or of nobody; it keeps no cookies."""

    def __init__(self, app: RunningApp, token: str = "", refresh: str = "") -> None:
        self.app = app
        self.headers = {"authorization": f"Bearer {token}"} if token else {}
        self.token = token
        self.refresh = refresh

    async def request(self, method: str, path: str, **options: Any) -> httpx.Response:
        answer = await self.app.request(method, path, headers=self.headers | options.pop("headers", {}), **options)
        self.app.forget_cookies()
        return answer

    async def post(self, path: str, body: Any = None, /, **fields: Any) -> httpx.Response:
        return await self.request("POST", path, json=fields if body is None else body)

    async def get(self, path: str) -> httpx.Response:
        return await self.request("GET", path)

    async def device(self, name: str) -> str:
        answer = await self.post("/api/device/", device_id=name, name=f"The {name}", device_type="tv")
        assert answer.status_code == 201, answer.text
        return name

    async def start(self, movie: str = "far", device: str = "tv", **more: Any) -> httpx.Response:
        return await self.post("/api/playback/start/", movie_id=movie, device_id=device, **more)

    async def started(self, movie: str = "far", device: str = "tv", **more: Any) -> int:
        answer = await self.start(movie, device, **more)
        assert answer.status_code == 201, answer.text
        number: int = answer.json()["watch_session_id"]
        return number

    async def touch(self, what: str, session: Any) -> httpx.Response:
        return await self.post(f"/api/playback/{what}/", watch_session_id=session)


class House:
    def __init__(self, app: RunningApp, clock: Hands) -> None:
        self.app = app
        self.clock = clock
        self.nobody = Client(app)

    @property
    def accounts(self) -> Any:
        return self.app.server.services.get(Accounts)

    @property
    def catalog(self) -> Catalog:
        return self.app.server.services.get(Catalog)

    async def address(self) -> str:
        return str((await self.app.get("/ready")).url).removesuffix("/ready")

    async def sign_in(self, email: str, password: str = PASSWORD) -> Client:
        answer = await self.nobody.post("/auth/login/", email=email, password=password)
        assert answer.status_code == 200, answer.text
        return Client(self.app, answer.json()["access"], answer.json()["refresh"])

    async def admin(self) -> Client:
        return await self.sign_in(**ADMIN)

    async def viewer(self, name: str = "ada") -> Client:
        """An account of their own, signed in."""
        await self.accounts.add(f"{name}@example.org", PASSWORD)
        return await self.sign_in(f"{name}@example.org")

    async def far(self, slug: str = "far", **values: Any) -> int:
        """A title that plays from elsewhere."""
        told: dict[str, Any] = {"slug": slug, "title": slug.title(), "url": URL, "duration": 5400.0} | values
        external = ExternalTitle(**told)
        return (await self.catalog.add_external(external)).id

    async def film(self, slug: str = "ours", **values: Any) -> Title:
        """A title of the library."""
        told = {"kind": TitleKind.MOVIE, "title": slug.title(), "slug": slug} | values
        title = await Title.create(**told)
        video = await Video.create(fingerprint=slug, size=1, duration=90.0, probe=PROBE)
        await TitleVideo.create(title=title, video=video)
        return title


@pytest.fixture
def open_house(app_with: Callable[..., RunningApp]) -> Callable[..., Awaitable[House]]:
    """`await open_house(limit=1, prefix="/films", **options of auth_email)`."""

    async def opened(
        *, limit: int | None = 2, prefix: str = "", plugins: dict[str, Any] | None = None, **options: Any
    ) -> House:
        clock = Hands()
        config = {"bcrypt_rounds": 4, "admin_email": ADMIN["email"], "admin_password": ADMIN["password"], **options}
        sections = {"server": {"port": 0}, "mail": {"backend": "directory"}}
        app = app_with(
            settings=sections, clock=clock, auth_email=config, catalog={}, hls_transcoder={},
            stream_limits={"default_limit": limit}, dialect_watch={"prefix": prefix}, **(plugins or {}),
        )  # fmt: skip
        return House(await app.start(), clock)

    return opened


@pytest.fixture
async def house(open_house: Callable[..., Awaitable[House]]) -> House:
    return await open_house()
