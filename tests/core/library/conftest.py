from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from mediaserver.core.changes import ChangeLog
from mediaserver.core.db import Database
from mediaserver.core.library.service import LibraryService
from mediaserver.core.library.settings import LibrarySettings
from mediaserver.core.migrator import Upgrade
from mediaserver.core.wakeups import Wakeups
from tests.core.library.library_house import CountingProber, Films, House, make_film

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from mediaserver.contracts import MediaInfo, Metadata

MODELS = {"core": "mediaserver.models"}


@pytest.fixture(scope="session")
def films() -> Films:
    return Films(make_film().read_bytes())


@pytest.fixture
async def house(tmp_path: Path, database_url: str) -> AsyncIterator[House]:
    data = tmp_path / "data"
    data.mkdir()
    folder = tmp_path / "library"
    folder.mkdir()
    (data / "uploads").mkdir()
    file = data / "db.sqlite3"
    await Upgrade(database_url, file, MODELS, lambda _: None).run()
    db = Database(database_url, file, MODELS)
    await db.open()
    wakeups = Wakeups(data / "run")
    await wakeups.open()
    settings = LibrarySettings((folder,), data / "uploads", settle_seconds=0.5)

    async def describe(_path: Path, _info: MediaInfo) -> Metadata | None:
        return None

    try:
        yield House(
            folder,
            settings,
            db,
            ChangeLog(db, wakeups),
            wakeups,
            CountingProber(),
            data / "run",
            LibraryService(settings, db, wakeups, data / "run"),
            describe,
        )
    finally:
        await wakeups.close()
        await db.close()
