"""A server whose letters are tried again at once."""

from __future__ import annotations

import json
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from mediaserver.core import jobs as records
from mediaserver.core import worker
from mediaserver.core.config import load
from mediaserver.core.server import Server
from tests.core.mail.mail_house import PLUGIN, Post

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.core.mail.mail_house import House


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, database_url: str, redis_url: str | None) -> House:
    monkeypatch.setattr(worker, "RECONCILE_SECONDS", 0.1)
    monkeypatch.setattr(records, "BACKOFF_SECONDS", (0.05, 0.05))

    @asynccontextmanager
    async def opened(**settings: Any) -> AsyncIterator[Post]:
        (tmp_path / "writer.py").write_text(PLUGIN)
        config = tmp_path / "config.yaml"
        stands_on = {"database": database_url, "redis": redis_url, "plugin_folders": [str(tmp_path)]}
        config.write_text(json.dumps(stands_on | {"plugins": {"writer": {}}} | settings))
        async with Server(load(config, {}), "worker") as server:
            yield Post(server)

    return opened
