"""The fixtures of `mediaserver.testing`, whether the package is installed (its entry point has them) or not."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from mediaserver import testing

if TYPE_CHECKING:
    from collections.abc import Generator

# Run by test_what_root_may_read_is_tested_without_that_right instead.
RUN_ELSEWHERE = "this user may read everything"


def pytest_configure(config: pytest.Config) -> None:
    if not config.pluginmanager.is_registered(testing):
        config.pluginmanager.register(testing, "mediaserver")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A lane that cannot run in CI is a failure there, not a skip."""
    report = yield
    if os.environ.get("CI") and report.skipped and RUN_ELSEWHERE not in str(report.longrepr):
        report.outcome = "failed"
        report.longrepr = f"skipped, which CI does not allow: {report.longrepr}"
    return report
