"""What other processes tell is heard for as long as a process lives, whatever the database does meanwhile."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest

from mediaserver.events import ChangesMissed, TitleAdded
from tests.hands import Hands
from tests.patience import PATIENCE

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from mediaserver.core.server import Server
    from mediaserver.testing import RunningApp

    AppWith = Callable[..., RunningApp]

LISTENER = """
from mediaserver import Plugin, hookimpl
plugin = Plugin(api="1")
hinted = []
@hookimpl
def on_change(event):
    hinted.append(event)
"""


@asynccontextmanager
async def changes_away(server: Server) -> AsyncIterator[None]:
    """The table of changes cannot be read in this block."""
    await server.db.fetch("ALTER TABLE core_change RENAME TO core_change_away")
    try:
        yield
    finally:
        await server.db.fetch("ALTER TABLE core_change_away RENAME TO core_change")


async def until(met: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not met():
            await asyncio.sleep(0.02)


@pytest.fixture
def clock() -> Hands:
    return Hands()


@pytest.fixture
async def running(app_with: AppWith, tmp_path: Path, clock: Hands) -> RunningApp:
    (tmp_path / "listening.py").write_text(LISTENER)
    return await app_with(folders=(tmp_path,), clock=clock, listening={}).start()


def heard(running: RunningApp) -> list[Any]:
    found: list[Any] = running.server.hooks.loaded["listening"].found.module.hinted
    return found


@pytest.mark.databases
async def test_a_process_hears_again_after_the_database_was_away(
    running: RunningApp, capsys: pytest.CaptureFixture[str]
) -> None:
    async with changes_away(running.server):
        await until(lambda: heard(running).count(ChangesMissed()) >= 2)  # at each failure, so nothing is trusted long
        told_while_deaf = heard(running).count(ChangesMissed())
    await running.server.changes.record(TitleAdded(1))
    await until(lambda: TitleAdded(1) in heard(running))
    assert heard(running)[told_while_deaf] == ChangesMissed()  # and once more before what was missed
    said = capsys.readouterr().out
    assert said.count("are not heard") == said.count("heard again") == 1


async def test_a_process_that_has_heard_nothing_for_long_is_not_ready(running: RunningApp, clock: Hands) -> None:
    async with changes_away(running.server):
        await until(lambda: ChangesMissed() in heard(running))
        assert (await running.get("/ready")).status_code == 200
        clock.turn(6)
        answer = await running.get("/ready")
        assert (answer.status_code, answer.json()["changes"]) == (503, "unheard")
    await running.server.changes.record(TitleAdded(1))
    await until(lambda: TitleAdded(1) in heard(running))
    answer = await running.get("/ready")
    assert (answer.status_code, answer.json()["changes"]) == (200, "heard")


async def test_that_changes_were_missed_is_never_written_for_others(running: RunningApp) -> None:
    with pytest.raises(TypeError):
        await running.server.changes.record(ChangesMissed())
