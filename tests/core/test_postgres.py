"""Upgrades on Postgres, by the command that makes them: everybody at once, a copy first, one line where it is away."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml
from asyncpg.exceptions import InternalClientError

from mediaserver.cli import CANNOT_GO_ON, TRY_AGAIN
from mediaserver.core.db import Database
from mediaserver.core.postgres_asyncpg import ReturningClient
from mediaserver.errors import DatabaseAway
from mediaserver.events import TitleAdded
from tests.core.test_migrator import FIRST, SECOND, package
from tests.patience import PATIENCE
from tests.postgres import PASSWORD

if TYPE_CHECKING:
    from collections.abc import Callable

    from mediaserver.testing import RunningApp
    from tests.postgres import Postgres

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]
OURS = sorted(path.parents[1].name for path in ROOT.glob("plugins/*/migrations/__init__.py"))


class House:
    """An installation on Postgres with a plugin that has tables of its own."""

    def __init__(self, folder: Path, url: str, plugins: list[str]) -> None:
        self.folder = folder
        self.url = url
        self.copies = folder / "data" / "copies"
        described = {
            "database": url,
            "plugin_folders": [str(folder / "theirs")],
            "plugins": {name: {} for name in plugins},
        }
        folder.mkdir(exist_ok=True)
        (folder / "config.yaml").write_text(yaml.safe_dump(described))

    def begin(self, *command: str, **environment: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "mediaserver", "--config", str(self.folder / "config.yaml"), *command],
            env=os.environ | {"PYTHONPATH": str(ROOT)} | environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, *command: str, **environment: str) -> tuple[int, str]:
        process = self.begin(*command, **environment)
        said = process.communicate(timeout=300)[0]
        assert PASSWORD not in said
        assert "Traceback" not in said, said
        return process.returncode, said


@pytest.fixture
def house(tmp_path: Path, postgres: Postgres) -> House:
    """Two rows are in its plugin's tables."""
    house = House(tmp_path / "house", postgres.empty(), ["shelves"])
    package(house.folder / "theirs", "shelves", m0001_initial=FIRST)
    assert house.run("migrate")[0] == 0
    assert not house.copies.exists()  # of nothing
    postgres.rows(house.url, "INSERT INTO shelf (name, place) VALUES ('films', 1)")
    postgres.rows(house.url, "INSERT INTO book (shelf_id) VALUES (1)")
    package(house.folder / "theirs", "shelves", m0002_longer=SECOND)
    return house


def test_processes_that_start_at_once_make_each_table_once(tmp_path: Path, postgres: Postgres) -> None:
    house = House(tmp_path / "house", postgres.empty(), OURS)
    running = [house.begin("migrate", MEDIASERVER_LOG__LEVEL="info") for _ in range(3)]
    said = [process.communicate(timeout=300)[0] for process in running]
    assert [process.returncode for process in running] == [0] * 3, said
    for app in ("core", *OURS):
        assert sum(each.count(f"database: {app} 0001_initial applied") for each in said) == 1
    assert int(postgres.rows(house.url, "SELECT count(*) FROM tortoise_migrations")[0]) >= len(OURS) + 1
    assert house.run("migrate") == (0, "The database is up to date.\n")


def test_an_upgrade_copies_first_and_the_copy_can_be_put_back(house: House, postgres: Postgres) -> None:
    code, said = house.run("migrate")
    assert (code, "shelves 0002_longer applied" in said) == (0, True), said
    assert postgres.rows(house.url, "SELECT name, place FROM shelf") == ["films|1"]
    [copy] = house.copies.iterdir()
    assert str(copy) in said
    assert (copy.stat().st_mode | house.copies.stat().st_mode) & 0o077 == 0  # nobody else reads it
    before = postgres.restore(copy)
    assert postgres.rows(before, "SELECT name, shelf_id FROM shelf JOIN book ON book.shelf_id = shelf.id") == [
        "films|1"
    ]
    assert postgres.rows(before, "SELECT name FROM tortoise_migrations WHERE app = 'shelves'") == ["0001_initial"]


def test_without_pg_dump_nothing_is_upgraded_until_no_copy_is_said(house: House, postgres: Postgres) -> None:
    code, said = house.run("migrate", PATH="/nowhere")
    assert code == 78
    assert "pg_dump is not installed" in said
    assert "mediaserver migrate --no-copy" in said
    applied = "SELECT name FROM tortoise_migrations WHERE app = 'shelves' ORDER BY name"
    assert postgres.rows(house.url, applied) == ["0001_initial"]
    code, said = house.run("migrate", "--no-copy", PATH="/nowhere")
    assert (code, postgres.rows(house.url, applied)) == (0, ["0001_initial", "0002_longer"]), said
    assert list(house.copies.iterdir()) == []


@pytest.mark.parametrize(
    ("reason", "code"),
    [
        ("server version mismatch", CANNOT_GO_ON),
        ("could not write to output file: No space left on device", TRY_AGAIN),
    ],
)
def test_a_copy_that_fails_stops_the_upgrade_and_leaves_no_half(
    house: House, postgres: Postgres, tmp_path: Path, reason: str, code: int
) -> None:
    broken = tmp_path / "bin" / "pg_dump"
    broken.parent.mkdir()
    broken.write_text(f'#!/bin/sh\necho "pg_dump: error: {reason}" >&2\nexit 1\n')
    broken.chmod(0o755)
    ended, said = house.run("migrate", PATH=f"{broken.parent}:/usr/bin:/bin")
    assert ended == code
    assert reason in said
    assert list(house.copies.iterdir()) == []
    assert postgres.rows(house.url, "SELECT count(*) FROM tortoise_migrations WHERE app = 'shelves'") == ["1"]


def test_a_stop_during_the_copy_leaves_no_half(house: House, postgres: Postgres, tmp_path: Path) -> None:
    slow, begun = tmp_path / "bin" / "pg_dump", tmp_path / "begun"
    os.mkfifo(begun)
    slow.parent.mkdir()
    slow.write_text(f"#!/bin/sh\necho > '{begun}'\nexec sleep 600\n")
    slow.chmod(0o755)
    process = house.begin("serve", "--port", "0", PATH=f"{slow.parent}:{os.environ['PATH']}")
    assert begun.read_text() == "\n"
    process.terminate()
    said = process.communicate(timeout=300)[0]
    assert (process.returncode, "Traceback" in said) == (0, False), said
    assert list(house.copies.iterdir()) == []
    assert postgres.rows(house.url, "SELECT count(*) FROM tortoise_migrations WHERE app = 'shelves'") == ["1"]


@pytest.mark.parametrize("wrong", ["postgres://films@127.0.0.1:1/films", "another password"])
def test_a_database_that_is_away_is_one_line_and_may_come_back(tmp_path: Path, postgres: Postgres, wrong: str) -> None:
    url = postgres.empty().replace(":p%40ss", ":wrong") if wrong == "another password" else wrong
    code, said = House(tmp_path / "house", url, []).run("migrate")
    assert code == 75
    [line] = said.splitlines()
    assert "cannot be reached" in line


@pytest.mark.parametrize("password", ["sesame@street", "sesame/street", "se@same/street", "sesame?street"])
def test_a_password_that_is_not_encoded_is_hinted_at_and_never_shown(tmp_path: Path, password: str) -> None:
    code, said = House(tmp_path / "house", f"postgres://films:{password}@127.0.0.1:1/films", []).run("migrate")
    assert code == 75
    [line] = said.splitlines()
    assert "postgres://films@127.0.0.1:1/films cannot be reached" in line
    assert "@, : and / are written %40, %3A and %2F" in line
    assert "street" not in line


@pytest.mark.parametrize("database_url", ["postgres"], indirect=True)
async def test_a_server_works_on_once_its_database_is_back(
    app_with: Callable[..., RunningApp], postgres: Postgres, caplog: pytest.LogCaptureFixture
) -> None:
    app = await app_with(catalog={}).start()

    async def until_ready(status: int) -> None:
        async with asyncio.timeout(PATIENCE):
            while (await app.get("/ready")).status_code != status:
                await asyncio.sleep(0.05)

    await until_ready(200)
    postgres.stop()
    try:
        await until_ready(503)
    finally:
        postgres.start()  # by this thread: it ends with the one that started it
    await until_ready(200)
    for _ in range(20):  # more than the pool has connections, all of which were cut
        await app.server.changes.record(TitleAdded(1))
    assert "Traceback" not in caplog.text


async def test_encryption_that_is_demanded_is_not_left_out(postgres: Postgres, tmp_path: Path) -> None:
    database = Database(f"{postgres.empty()}?sslmode=require", tmp_path / "none", {"core": "mediaserver.models"})
    await database.open()
    try:
        with pytest.raises(DatabaseAway) as refused:
            await database.reachable()
    finally:
        await database.close()
    assert "SSL" in str(refused.value.__cause__)


async def test_a_connection_that_is_lost_within_a_question_means_that_the_database_is_away() -> None:
    """Seen once in hundreds of stops of a server: it depends on the step that asyncpg was in."""

    async def asked(_client: object) -> None:
        raise InternalClientError("cannot switch to state 12; another operation (2) is in progress")

    client = object.__new__(ReturningClient)
    with pytest.raises(DatabaseAway):
        await client._translate_exceptions(asked)
