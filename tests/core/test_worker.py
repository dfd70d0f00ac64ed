"""What a worker does round after round, beside its jobs."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from mediaserver.core.worker import every
from tests.patience import PATIENCE

if TYPE_CHECKING:
    import pytest


async def test_what_a_worker_cannot_do_for_a_while_is_said_once_and_that_it_works_again_too(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The database is away for minutes, say, and some rounds begin every second."""
    results: list[Exception | None] = [OSError("away"), OSError("away"), OSError("gone"), None, None, OSError("again")]
    through = asyncio.Event()

    async def work() -> None:
        if not results:
            through.set()
            await asyncio.Event().wait()
        if error := results.pop(0):
            raise error

    rounds = asyncio.create_task(every(0, "telling the news", work))
    await asyncio.wait_for(through.wait(), PATIENCE)
    rounds.cancel()
    said = [line.partition("telling the news")[2].strip() for line in capsys.readouterr().out.splitlines()]
    assert [" ".join(line.split()[:2]) for line in said] == ["failed and", "works again", "failed and"]
