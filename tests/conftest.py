"""The fixtures of `mediaserver.testing`, whether the package is installed (its entry point has them) or not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mediaserver import testing

if TYPE_CHECKING:
    import pytest


def pytest_configure(config: pytest.Config) -> None:
    if not config.pluginmanager.is_registered(testing):
        config.pluginmanager.register(testing, "mediaserver")
