"""A Videoflix front end: it keeps cookies as a browser does, and knows nothing but `/api`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.plugins.auth_email.conftest import ADA, House, open_house

if TYPE_CHECKING:
    from collections.abc import Callable

    import httpx

__all__ = ["open_house"]  # a fixture

PLUGINS: dict[str, dict[str, Any]] = {"hls_transcoder": {}, "catalog": {}, "dialect_videoflix": {}}


class FrontEnd:
    def __init__(self, house: House) -> None:
        self.house = house
        self.prefix = "/api"

    async def ask(self, method: str, path: str, **options: Any) -> httpx.Response:
        return await self.house.app.request(method, self.prefix + path, **options)

    async def get(self, path: str, **options: Any) -> httpx.Response:
        return await self.ask("GET", path, **options)

    async def post(self, path: str, **body: Any) -> httpx.Response:
        return await self.ask("POST", path, json=body)

    def forget_cookies(self) -> None:
        self.house.app.forget_cookies()

    async def register(self, who: dict[str, str] = ADA, **more: Any) -> httpx.Response:
        return await self.post("/register/", **who, confirmed_password=who["password"], **more)

    async def link(self, to: str) -> tuple[str, str]:
        """Uid and token of the newest letter to an address."""
        link = await self.house.link(to)
        return link["uid"], link["token"]

    async def sign_in(self, who: dict[str, str] = ADA) -> httpx.Response:
        """Who has no account yet is given one."""
        if await self.house.accounts.find(who["email"]) is None:
            await self.house.add(who)
        answer = await self.post("/login/", **who)
        assert answer.status_code == 200, answer.text
        return answer


@pytest.fixture
async def open_front_end(open_house: Callable[..., Any]) -> Callable[..., Any]:
    """`await open_front_end(plugins={…}, settings={…}, **options of auth_email)`."""

    async def opened(plugins: dict[str, Any] | None = None, **options: Any) -> FrontEnd:
        return FrontEnd(await open_house(plugins=PLUGINS | (plugins or {}), **options))

    return opened


@pytest.fixture
async def front_end(open_front_end: Callable[..., Any]) -> FrontEnd:
    found: FrontEnd = await open_front_end()
    return found
