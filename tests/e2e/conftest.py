from __future__ import annotations

import shutil
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any

import pytest

from plugins.web_ui.build_assets import bring
from tests.e2e.appliance import Appliance
from tests.e2e.screen import FLAGS, MILLISECONDS, Screen
from tests.media import alone

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
    from pathlib import Path

    from tests.postgres import Postgres
    from tests.redis_server import RedisServer

CHROMIUM = shutil.which("chromium")


@pytest.fixture
async def start_appliance(
    tmp_path: Path, database_url: str, redis_url: str | None
) -> AsyncIterator[Callable[..., Awaitable[Appliance]]]:
    """Start `mediaserver run`; `plugins` holds options by plugin name, the rest are sections of config.yaml."""
    async with AsyncExitStack() as stack:

        async def start(**settings: Any) -> Appliance:
            described = {"database": database_url, "redis": redis_url, **settings}
            return await stack.enter_async_context(Appliance(tmp_path / "appliance", **described))

        yield start


@pytest.fixture
def grown(postgres: Postgres, redis_server: RedisServer) -> Iterator[dict[str, Any]]:
    """The settings of an appliance on Postgres and Redis, both of which hold nothing yet."""
    url = postgres.database()
    yield {"database": url, "redis": redis_server.url}
    postgres.drop(url)
    redis_server.flush()


@pytest.fixture(scope="session")
def _player_parts() -> None:
    with alone("player"):
        bring()


@pytest.fixture
async def screen(_player_parts: None) -> AsyncIterator[Screen]:
    """A browser window."""
    if CHROMIUM is None:
        pytest.skip("chromium is not installed here")
    from playwright.async_api import async_playwright, expect

    expect.set_options(timeout=MILLISECONDS)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page = await browser.new_page(viewport={"width": 1280, "height": 720})
        screen = Screen(page)
        yield screen
        await browser.close()
        assert screen.faults == []
