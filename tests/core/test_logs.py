"""The log tells what failed, never what somebody typed."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pytest
from redis.exceptions import ConnectionError as RedisAway

from mediaserver.core.logs import configure

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from mediaserver.testing import RunningApp

    AppWith = Callable[..., RunningApp]

FAILS = """
import logging
from mediaserver import Plugin, body, hookimpl, public
from pydantic import BaseModel
plugin = Plugin(api="1")
class Typed(BaseModel):
    password: str
@hookimpl
def register_routes(registry):
    @registry.post("/v1/fails", guard=public)
    async def fails(request):
        told = body(request, Typed).password
        try:
            [][len(told)]
        except IndexError:
            logging.getLogger("somebody.else").exception("a library failed")
            raise
"""


@pytest.fixture
def logging_as() -> Callable[..., None]:
    """Our logs as `log.format` says."""
    return lambda form, **clock: configure("info", form, "serve", **clock)


@pytest.mark.parametrize("form", ["json", "text"])
async def test_what_was_typed_is_not_in_the_log_of_a_failure(
    app_with: AppWith,
    tmp_path: Path,
    logging_as: Callable[[str], None],
    capsys: pytest.CaptureFixture[str],
    form: str,
) -> None:
    (tmp_path / "failing.py").write_text(FAILS)
    app = await app_with(folders=(tmp_path,), failing={}).start()
    logging_as(form)
    answer = await app.post("/v1/fails", json={"password": "hush-hush"})
    said = capsys.readouterr().out
    assert answer.status_code == 500
    assert said.count("IndexError") >= 2  # ours and that of the library
    assert "failing.py" in said
    assert "hush-hush" not in said


def test_redis_that_is_away_is_one_warning_a_minute_whoever_says_it(
    logging_as: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    told: list[str] = []
    now = 0.0
    logging_as("text", clock=lambda: now)
    for now in (0.0, 1.0, 59.0, 60.0, 61.0):
        for name, said in (
            ("saq", "Upkeep task failed unexpectedly"),
            ("asyncio", "Task exception was never retrieved"),
        ):
            logging.getLogger(name).error(said, exc_info=RedisAway("Connection refused."))
        told += [f"{now:g} {line}" for line in capsys.readouterr().out.splitlines()]
    assert [line.split()[0] for line in told] == ["0", "60"]
    for line in told:
        assert "[warning" in line
        assert "Redis does not answer; jobs wait until it does (Connection refused.)" in line
