"""Upgrades at the start: everybody at once, rows kept, copies made, faults confined."""

from __future__ import annotations

import ast
import errno
import fcntl
import os
import re
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from mediaserver.core.migrator import Upgrade, copy_sqlite
from mediaserver.errors import StartError

if TYPE_CHECKING:
    from collections.abc import Callable

    from mediaserver.testing import RunningApp

    AppWith = Callable[..., RunningApp]

ROOT = Path(__file__).parents[2]
MODELS = """
from tortoise import fields
from tortoise.models import Model

class Shelf(Model):
    id = fields.IntField(primary_key=True)
    name = fields.CharField(max_length=20)
    place = fields.IntField(default=0, db_index=True)

    class Meta:
        table = "shelf"
        unique_together = (("name", "place"),)

class Book(Model):
    id = fields.IntField(primary_key=True)
    shelf = fields.ForeignKeyField("{app}.Shelf", related_name="books", on_delete=fields.CASCADE)

    class Meta:
        table = "book"
"""
FIRST = """
from tortoise import fields, migrations
from tortoise.fields.base import OnDelete
from tortoise.migrations import operations as ops

class Migration(migrations.Migration):
    dependencies = [("core", "0001_initial")]
    initial = True
    operations = [
        ops.CreateModel(
            name="Shelf",
            fields=[
                ("id", fields.IntField(generated=True, primary_key=True, unique=True, db_index=True)),
                ("name", fields.CharField(max_length=10)),
                ("place", fields.IntField(default=0, db_index=True)),
            ],
            options={{"table": "shelf", "app": "{app}", "unique_together": (("name", "place"),), "pk_attr": "id"}},
            bases=["Model"],
        ),
        ops.CreateModel(
            name="Book",
            fields=[
                ("id", fields.IntField(generated=True, primary_key=True, unique=True, db_index=True)),
                ("shelf", fields.ForeignKeyField(
                    "{app}.Shelf", source_field="shelf_id", db_constraint=True, to_field="id",
                    related_name="books", on_delete=OnDelete.CASCADE)),
            ],
            options={{"table": "book", "app": "{app}", "pk_attr": "id"}},
            bases=["Model"],
        ),
    ]
"""
SECOND = """
from tortoise import fields, migrations
from tortoise.migrations import operations as ops

class Migration(migrations.Migration):
    dependencies = [("{app}", "0001_initial")]
    operations = [
        ops.AlterField(model_name="Shelf", name="name", field=fields.CharField(max_length=20)),
    ]
"""
BROKEN = SECOND.replace('model_name="Shelf"', 'model_name="Nothing"')
PROGRAM = """
import asyncio, sys
from pathlib import Path
from mediaserver.core.migrator import Upgrade
models = {"core": "mediaserver.models", sys.argv[2]: f"{sys.argv[2]}.models"}
upgrade = Upgrade("sqlite", Path(sys.argv[1]), models, print)
asyncio.run(upgrade.run())
assert not upgrade.faults, upgrade.faults
"""


def package(folder: Path, app: str, **steps: str) -> None:
    migrations = folder / app / "migrations"
    migrations.mkdir(parents=True, exist_ok=True)
    (folder / app / "__init__.py").write_text(
        'from mediaserver import Plugin\nplugin = Plugin(api="1", models=".models")\n'
    )
    (folder / app / "models.py").write_text(MODELS.format(app=app))
    (migrations / "__init__.py").write_text("")
    for name, source in steps.items():
        (migrations / f"{name.removeprefix('m')}.py").write_text(source.format(app=app))


def query(file: Path, sql: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(file)) as db:
        rows = db.execute(sql).fetchall()
        db.commit()
    return rows


async def upgrade(file: Path, app: str | None = None) -> Upgrade:
    models = {"core": "mediaserver.models"} | ({app: f"{app}.models"} if app else {})
    made = Upgrade("sqlite", file, models, lambda _: None)
    await made.run()
    return made


@pytest.mark.slow
@pytest.mark.sqlite
async def test_five_processes_upgrade_at_once_and_no_row_is_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    file = tmp_path / "db.sqlite3"
    package(tmp_path, "shelves_five", m0001_initial=FIRST)
    command = [sys.executable, "-c", PROGRAM, str(file), "shelves_five"]
    env = {"PYTHONPATH": f"{ROOT}:{tmp_path}", "PATH": "/usr/bin:/bin"}
    subprocess.run(command, env=env, check=True, timeout=300)
    query(file, "INSERT INTO shelf (name, place) VALUES ('films', 1)")
    query(file, "INSERT INTO book (shelf_id) VALUES (1)")
    package(tmp_path, "shelves_five", m0001_initial=FIRST, m0002_longer=SECOND)
    running = [subprocess.Popen(command, env=env, stdout=subprocess.PIPE, text=True) for _ in range(5)]
    said = [process.communicate(timeout=300)[0] for process in running]
    assert [process.returncode for process in running] == [0] * 5
    assert sum("0002_longer applied" in each for each in said) == 1
    assert query(file, "SELECT name, place FROM shelf") == [("films", 1)]
    assert query(file, "SELECT shelf_id FROM book") == [(1,)]
    indexes = query(file, "SELECT name FROM pragma_index_list('shelf')")
    assert len(indexes) >= 2
    with pytest.raises(sqlite3.IntegrityError):
        query(file, "INSERT INTO shelf (name, place) VALUES ('films', 1)")
    [copy] = (tmp_path / "copies").iterdir()
    assert (copy.stat().st_mode | (tmp_path / "copies").stat().st_mode) & 0o077 == 0  # nobody else reads it
    assert query(copy, "SELECT shelf_id FROM book") == [(1,)]


@pytest.mark.sqlite
async def test_a_first_start_makes_no_copy_and_a_second_changes_nothing(tmp_path: Path) -> None:
    file = tmp_path / "db.sqlite3"
    await upgrade(file)
    before = query(file, "SELECT * FROM tortoise_migrations")
    await upgrade(file)
    assert query(file, "SELECT * FROM tortoise_migrations") == before
    assert not (tmp_path / "copies").exists()


@pytest.mark.sqlite
async def test_a_broken_file_is_refused_and_left_as_it_was(tmp_path: Path) -> None:
    file = tmp_path / "db.sqlite3"
    file.write_bytes(b"x" * 5000)
    with pytest.raises(StartError, match="cannot be used"):
        await upgrade(file)
    assert file.read_bytes() == b"x" * 5000


@pytest.mark.sqlite
async def test_a_copy_of_a_damaged_database_is_not_kept(tmp_path: Path) -> None:
    file = tmp_path / "db.sqlite3"
    await upgrade(file)
    query(file, "PRAGMA wal_checkpoint(TRUNCATE)")
    raw = bytearray(file.read_bytes())
    raw[4096 : len(raw)] = b"\x5a" * (len(raw) - 4096)
    file.write_bytes(raw)
    with pytest.raises(StartError, match="Nothing was changed"):
        copy_sqlite(file, tmp_path / "copy.sqlite3")
    assert not (tmp_path / "copy.sqlite3").exists()


@pytest.mark.sqlite
async def test_a_disk_without_locks_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def none(_descriptor: int, _operation: int) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", none)
    with pytest.raises(StartError, match=r"db\.lock cannot be locked \(No locks available\)"):
        await upgrade(tmp_path / "db.sqlite3")


@pytest.mark.sqlite
async def test_a_copy_that_is_given_up_is_not_kept(tmp_path: Path) -> None:
    """As when a start is stopped in the middle of it."""
    file = tmp_path / "db.sqlite3"
    query(
        file,
        "CREATE TABLE many AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n LIMIT 9999) SELECT i FROM n",
    )
    asked = iter([False, True])
    with pytest.raises(StartError, match="interrupted"):
        copy_sqlite(file, tmp_path / "copy.sqlite3", lambda: next(asked))
    assert [path.name for path in tmp_path.iterdir()] == ["db.sqlite3"]


@pytest.mark.parametrize(
    "fault",
    [BROKEN, "def", SECOND.replace("0001_initial", "0000_nothing"), SECOND.replace("[(", "[('nobody', '0001'), (")],
    ids=["fails", "no Python", "after nothing", "after a stranger"],
)
async def test_a_bad_migration_costs_its_plugin_alone(
    app_with: AppWith, tmp_path: Path, fault: str, request: pytest.FixtureRequest
) -> None:
    app = f"shelves_{re.sub(r'[^a-z]', '_', request.node.callspec.id.lower())}"
    package(tmp_path, app, m0001_initial=FIRST, m0002_bad=fault)
    running = app_with(folders=(tmp_path,), **{app: {}, "catalog": {}})
    assert (await running.get("/v1/content/browse")).status_code == 200
    assert list(running.server.hooks.faults) == [app]


async def test_a_plugin_in_a_folder_of_its_own_has_its_tables(app_with: AppWith, tmp_path: Path) -> None:
    package(tmp_path, "shelves_sound", m0001_initial=FIRST, m0002_longer=SECOND)
    running = await app_with(folders=(tmp_path,), shelves_sound={}).start()
    assert running.server.hooks.faults == {}
    assert await running.server.db.fetch("SELECT count(*) AS n FROM book") == [{"n": 0}]


# ---- what every plugin keeps to --------------------------------------------------------------------------------


@pytest.mark.parametrize("first", sorted(ROOT.glob("plugins/*/migrations/0001_*.py")), ids=lambda path: path.parts[-3])
def test_a_plugins_first_migration_follows_cores_first(first: Path) -> None:
    core = min(path.stem for path in (ROOT / "mediaserver/core/migrations").glob("0*.py"))
    assert re.search(rf'dependencies = \[\("core", "{core}"\)', first.read_text())


@pytest.mark.parametrize("models", sorted(ROOT.glob("plugins/*/models.py")), ids=lambda path: path.parts[-2])
def test_a_models_module_imports_no_other_tables_when_it_runs(models: Path) -> None:
    for node in ast.parse(models.read_text()).body:  # what stands below TYPE_CHECKING is not at the top
        if isinstance(node, ast.ImportFrom):
            assert node.module != "mediaserver.models"
            assert not (node.module or "").startswith("plugins")


LATER = [path for place in ("mediaserver/core", "plugins/*") for path in ROOT.glob(f"{place}/migrations/0*.py")]


@pytest.mark.parametrize("migration", sorted(LATER), ids=lambda path: f"{path.parts[-3]}-{path.stem}")
def test_a_column_added_later_says_what_older_rows_have_in_it(migration: Path) -> None:
    """`default` is for objects that Python makes; rows that are there need `db_default` or `null`."""
    for call in (node for node in ast.walk(ast.parse(migration.read_text())) if isinstance(node, ast.Call)):
        if getattr(call.func, "attr", "") == "AddField":
            field = next(word.value for word in call.keywords if word.arg == "field")
            assert isinstance(field, ast.Call)
            assert {word.arg for word in field.keywords} & {"db_default", "null"}
