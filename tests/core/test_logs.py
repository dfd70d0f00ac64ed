"""The log tells what failed, never what somebody typed."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pytest
import structlog
from redis.exceptions import ConnectionError as RedisAway

from mediaserver.core.logs import configure

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
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
def logging_as() -> Iterator[Callable[[str], None]]:
    """Our logs as `log.format` says, and what stood before them afterwards."""
    root, kept = logging.getLogger(), structlog.get_config()
    handlers, level = root.handlers[:], root.level
    yield lambda form: configure("info", form, "serve")
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.configure(**kept)


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


def test_redis_that_is_away_is_told_in_a_line_by_whichever_library(
    logging_as: Callable[[str], None], capsys: pytest.CaptureFixture[str]
) -> None:
    logging_as("text")
    logging.getLogger("saq").error("Upkeep task failed unexpectedly", exc_info=RedisAway("Connection refused."))
    [line] = capsys.readouterr().out.splitlines()
    assert "Upkeep task failed unexpectedly: Redis does not answer (Connection refused.)" in line
