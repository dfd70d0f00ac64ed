from __future__ import annotations

import shutil
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any

import pytest

from plugins.web_ui.build_assets import bring
from tests.e2e.appliance import Appliance
from tests.e2e.screen import FLAGS, Screen

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path

CHROMIUM = shutil.which("chromium")


@pytest.fixture
async def start_appliance(tmp_path: Path, database_url: str) -> AsyncIterator[Callable[..., Awaitable[Appliance]]]:
    """Start `mediaserver run`; `plugins` holds options by plugin name, the rest are sections of config.yaml."""
    async with AsyncExitStack() as stack:

        async def start(**settings: Any) -> Appliance:
            described = {"database": database_url, **settings}
            return await stack.enter_async_context(Appliance(tmp_path / "appliance", **described))

        yield start


@pytest.fixture(scope="session")
def _player_parts() -> None:
    bring()


@pytest.fixture
async def screen(_player_parts: None) -> AsyncIterator[Screen]:
    """A browser window."""
    if CHROMIUM is None:
        pytest.skip("chromium is not installed here")
    from playwright.async_api import async_playwright

    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page = await browser.new_page(viewport={"width": 1280, "height": 720})
        screen = Screen(page)
        yield screen
        await browser.close()
        assert screen.faults == []
