"""The fixtures of `mediaserver.testing`, whether the package is installed (its entry point has them) or not."""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING

import pytest
import structlog
from tortoise.backends.base.executor import EXECUTOR_CACHE

from mediaserver import testing
from tests.postgres import Postgres, find_programs
from tests.redis_server import RedisServer

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

# Run by test_what_root_may_read_is_tested_without_that_right instead.
RUN_ELSEWHERE = "this user may read everything"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--column",
        choices=("default", "grown"),
        default="default",
        help="what tests stand on that name nothing else: SQLite and its broker, or (grown) Postgres and Redis",
    )


def pytest_configure(config: pytest.Config) -> None:
    if not config.pluginmanager.is_registered(testing):
        config.pluginmanager.register(testing, "mediaserver")


def pytest_report_header(config: pytest.Config) -> str | None:
    return "column: Postgres and Redis; tests marked `sqlite` are left out" if is_grown(config) else None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """What is about SQLite itself is left out of the grown column, and counted as deselected."""
    if is_grown(config) and (left_out := [item for item in items if item.get_closest_marker("sqlite")]):
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in set(left_out)]


def is_grown(config: pytest.Config) -> bool:
    return bool(config.getoption("column") == "grown")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test marked `databases` runs once on each, wherever what it asks for stands on one."""
    if is_grown(metafunc.config):
        return
    if "database_url" in metafunc.fixturenames and metafunc.definition.get_closest_marker("databases"):
        on_postgres = pytest.param("postgres", marks=pytest.mark.slow)
        metafunc.parametrize("database_url", ["sqlite", on_postgres], indirect=True)


@pytest.fixture(autouse=True)
def logs_as_they_were() -> Iterator[None]:
    """Commands that are called here configure the logs of their process, ours, for the output they have then."""
    root, kept = logging.getLogger(), structlog.get_config()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.configure(**kept)


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    programs = find_programs()
    if programs is None:
        pytest.skip("postgresql is not installed here")
    with Postgres(programs) as server:
        yield server


@pytest.fixture
def database_url(request: pytest.FixtureRequest) -> Iterator[str]:
    """SQLite, or the address of a fresh database on Postgres, with all our tables."""
    of_column = "postgres" if is_grown(request.config) else "sqlite"
    if getattr(request, "param", of_column) == "sqlite":
        yield "sqlite"
        return
    EXECUTOR_CACHE.clear()  # Tortoise keeps statements by table, written as the first database of a process wants them
    server: Postgres = request.getfixturevalue("postgres")
    url = server.database()
    yield url
    server.drop(url)
    EXECUTOR_CACHE.clear()


@pytest.fixture(scope="session")
def redis_server() -> Iterator[RedisServer]:
    with RedisServer() as server:
        yield server


@pytest.fixture
def redis_url(request: pytest.FixtureRequest) -> Iterator[str | None]:
    """None, or in the grown column the address of a Redis that holds nothing."""
    if not is_grown(request.config):
        yield None
        return
    server: RedisServer = request.getfixturevalue("redis_server")
    yield server.url
    server.flush()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A lane that cannot run in CI is a failure there, not a skip."""
    report = yield
    if os.environ.get("CI") and report.skipped and RUN_ELSEWHERE not in str(report.longrepr):
        report.outcome = "failed"
        report.longrepr = f"skipped, which CI does not allow: {report.longrepr}"
    return report
