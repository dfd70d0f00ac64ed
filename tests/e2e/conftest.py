from __future__ import annotations

import json
import shutil
from contextlib import AsyncExitStack, ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio

from plugins.web_ui.build_assets import bring
from tests.conftest import is_grown
from tests.e2e.appliance import Appliance
from tests.e2e.screen import FLAGS, MILLISECONDS, Screen
from tests.media import alone
from tests.redis_server import RedisServer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

    from playwright.async_api import Browser

    from tests.postgres import Postgres

    Start = Callable[..., Awaitable[Appliance]]

CHROMIUM = shutil.which("chromium")
HERE = Path(__file__).parent
LONGEST = ("test_sources", "test_stream_limits", "test_kills", "test_playing", "test_schemathesis")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """One loop for all that stands here, so that tests share browsers and appliances; the longest ones come first."""
    for item in items:
        if HERE in item.path.parents and pytest_asyncio.is_async_test(item):
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)
    order = {name: number for number, name in enumerate(LONGEST)}
    items.sort(key=lambda item: order.get(item.path.stem, len(order)) if HERE in item.path.parents else len(order) + 1)


@pytest_asyncio.fixture(loop_scope="session")
async def start_appliance(tmp_path: Path, database_url: str, redis_url: str | None) -> AsyncIterator[Start]:
    """Start `mediaserver run`; `plugins` holds options by plugin name, the rest are sections of config.yaml."""
    async with AsyncExitStack() as stack:

        async def start(**settings: Any) -> Appliance:
            described = {"database": database_url, "redis": redis_url, **settings}
            return await stack.enter_async_context(Appliance(tmp_path / "appliance", **described))

        yield start


@pytest.fixture(scope="module")
def own_stores(request: pytest.FixtureRequest) -> Iterator[Callable[[], dict[str, Any]]]:
    """Settings of a database, and of a Redis, that no other test empties while a module goes on; new at each call."""
    grown = is_grown(request.config)
    postgres: Postgres | None = request.getfixturevalue("postgres") if grown else None
    with ExitStack() as stack:

        def stores() -> dict[str, Any]:
            if postgres is None:
                return {"database": "sqlite", "redis": None}
            url = postgres.database()
            stack.callback(postgres.drop, url)
            return {"database": url, "redis": stack.enter_context(RedisServer()).url}

        yield stores


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def share_appliance(
    tmp_path_factory: pytest.TempPathFactory, own_stores: Callable[[], dict[str, Any]]
) -> AsyncIterator[Start]:
    """As `start_appliance`; tests of a module that ask for the same one share it, with all that is in it."""
    async with AsyncExitStack() as stack:
        running: dict[str, Appliance] = {}

        async def share(**settings: Any) -> Appliance:
            key = json.dumps(settings, sort_keys=True)
            if key not in running:
                folder = tmp_path_factory.mktemp("shared") / "appliance"
                described = own_stores() | settings
                running[key] = await stack.enter_async_context(Appliance(folder, **described))
            return running[key]

        yield share


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


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser(_player_parts: None) -> AsyncIterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("chromium is not installed here")
    from playwright.async_api import async_playwright, expect

    expect.set_options(timeout=MILLISECONDS)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        await browser.close()


@pytest_asyncio.fixture(loop_scope="session")
async def screen(browser: Browser) -> AsyncIterator[Screen]:
    """A browser window, of somebody who was never here."""
    context = await browser.new_context(viewport={"width": 1280, "height": 720})
    screen = Screen(await context.new_page())
    yield screen
    await context.close()
    assert screen.faults == []
