"""Upgrade at start: one process migrates, the others wait; a verified copy first; a newer database is refused.

Each migration and its record share one transaction. SQLite table rebuilds keep children, indexes and unique
constraints, which stock Tortoise 1.1.9 loses (docs/adr/0001).
"""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from contextlib import asynccontextmanager, closing
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from tortoise import Tortoise
from tortoise.connection import get_connection
from tortoise.migrations.executor import MigrationExecutor
from tortoise.migrations.graph import MigrationKey
from tortoise.migrations.schema_editor import SqliteSchemaEditor
from tortoise.transactions import in_transaction

from mediaserver.core import postgres
from mediaserver.core.db import WRITER, apps_config, connection, is_hindered
from mediaserver.core.locks import locked
from mediaserver.core.private import private_file, private_folder
from mediaserver.errors import StartError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping
    from pathlib import Path

KEPT_COPIES = 5
LOOK_SECONDS = 0.05
GIVEN_UP_STEPS = 10_000  # of SQLite's machine, between two looks whether a copy is still wanted: about 1 ms
NEWER = (
    "The database was made by a newer version ({names}). Install that version again, or restore a copy from {copies}."
)


class SafeSqliteEditor(SqliteSchemaEditor):
    """Tortoise 1.1.9 rebuilds a table without its secondary indexes and unique_together; this puts them back."""

    async def _remake_table(self, model: Any, *args: Any, **kwargs: Any) -> None:
        table = model._meta.db_table
        saved = await self.client.execute_query_dict(
            "SELECT sql FROM sqlite_master WHERE tbl_name = ? AND type = 'index' AND sql IS NOT NULL", [table]
        )
        await super()._remake_table(model, *args, **kwargs)
        deleted = kwargs.get("delete_field")
        gone = {deleted.source_field or deleted.model_field_name} if deleted is not None else set()
        for row in saved:
            if not any(f'"{column}"' in row["sql"].split("(", 1)[1] for column in gone):
                await self.client.execute_query(row["sql"])
        await self._restore_unique_together(model, table, gone)

    async def _restore_unique_together(self, model: Any, table: str, gone: set[str]) -> None:
        columns = {row["name"] for row in await self.client.execute_query_dict(f'PRAGMA table_info("{table}")')}
        for group in model._meta.unique_together or ():
            fields = self._resolve_fields_to_columns(model, tuple(group))
            if set(fields) & gone or not set(fields) <= columns:
                continue
            name = self._get_unique_constraint_name(model, list(group))
            listed = ", ".join(map(self.quote, fields))
            await self.client.execute_query(f'CREATE UNIQUE INDEX IF NOT EXISTS "{name}" ON "{table}" ({listed})')

    async def _alter_field(self, model: Any, old_field: Any, new_field: Any) -> None:
        await super()._alter_field(model, old_field, new_field)
        column = new_field.source_field or new_field.model_field_name
        index = self._generate_index_name("idx", model, [column])
        if new_field.index and not old_field.index:
            sql = f'CREATE INDEX IF NOT EXISTS "{index}" ON "{model._meta.db_table}" ("{column}")'
            await self.client.execute_query(sql)
        if old_field.index and not new_field.index:
            await self.client.execute_query(f'DROP INDEX IF EXISTS "{index}"')


class Executor(MigrationExecutor):
    """Applies one app's migrations at a time, so that one plugin's fault stays its own."""

    def _schema_editor(self, atomic: bool = True, collect_sql: bool = False) -> Any:
        if self.connection.capabilities.dialect == "sqlite":
            return SafeSqliteEditor(self.connection, atomic=atomic, collect_sql=collect_sql)
        return super()._schema_editor(atomic, collect_sql)

    async def prepare(self) -> set[MigrationKey]:
        await self.loader.build_graph()
        await self.recorder.ensure_schema(self._schema_editor(atomic=False))
        applied = set(await self.recorder.applied_migrations())
        return {key for key in applied if key.app_label in self.loader.apps_config}

    def unknown(self, applied: set[MigrationKey]) -> list[MigrationKey]:
        return sorted(applied - set(self.loader.graph.nodes))

    def pending(self, applied: set[MigrationKey]) -> list[Any]:
        return self._migration_plan(None, applied, self.loader.graph)

    async def apply(self, applied: set[MigrationKey], app: str, say: Callable[[str], None]) -> None:
        state = await self._project_state(applied)
        for step in self.pending(applied):
            key = MigrationKey(app_label=step.migration.app_label, name=step.migration.name)
            if key.app_label not in (app, "core"):
                continue
            await self._apply_one(step.migration, key, state)
            applied.add(key)
            say(f"database: {key.app_label} {key.name} applied")

    async def _apply_one(self, migration: Any, key: MigrationKey, state: Any) -> None:
        editor = self._schema_editor(atomic=True)
        try:
            async with in_transaction(WRITER) as tx:
                editor.client = tx
                await migration.apply(state, dry_run=False, schema_editor=editor)
                self.recorder.connection = tx
                await self.recorder.record_applied(key.app_label, key.name)
                if tx.capabilities.dialect == "sqlite":
                    broken = await tx.execute_query_dict("PRAGMA foreign_key_check")
                    if broken:
                        raise StartError(f"migration {key.app_label} {key.name} breaks references: {broken[:3]}")
        finally:
            self.recorder.connection = self.connection


class Upgrade:
    """One upgrade of one database. `faults` names the plugins whose migrations failed, with the reason."""

    def __init__(
        self, url: str, file: Path, models: Mapping[str, str], say: Callable[[str], None], *, copies: bool = True
    ) -> None:
        self.url = url
        self.file = file
        self.models = dict(models)
        self.faults: dict[str, str] = {}
        self._say = say
        self._copies = copies

    async def run(self) -> None:
        async with self._locked():
            if self.url == "sqlite":
                check_sqlite(self.file)
            try:
                for app in [app for app in self.models if app != "core"]:
                    await self._try(app)
                await self._upgrade(await self._executor(self.models))
            except sqlite3.DatabaseError as error:
                if is_hindered(error):
                    raise
                raise StartError(unusable(self.file, error)) from error
            finally:
                await Tortoise.close_connections()

    async def _executor(self, models: Mapping[str, str]) -> Executor:
        pragmas = {"foreign_keys": "OFF"} if self.url == "sqlite" else {}  # DROP TABLE must not cascade
        apps = apps_config(models)
        config = {"connections": {WRITER: connection(self.url, self.file, **pragmas)}, "apps": apps}
        await Tortoise.init(config=config, init_connections=False)
        return Executor(get_connection(WRITER), apps)

    async def _try(self, app: str) -> None:
        """Tortoise reads all tables and migrations at once: what it cannot read is left out before it does."""
        try:
            executor = await self._executor({"core": self.models["core"], app: self.models[app]})
            await executor.loader.build_graph()
        except Exception as error:  # noqa: BLE001 - a plugin's tables are its own fault, told by its name
            self.faults[app] = f"its tables cannot be used: {error}"
            del self.models[app]

    async def _upgrade(self, executor: Executor) -> None:
        applied = await executor.prepare()
        if unknown := executor.unknown(applied):
            names = ", ".join(f"{key.app_label} {key.name}" for key in unknown)
            raise StartError(NEWER.format(names=names, copies=self.file.parent / "copies"))
        if not executor.pending(applied):
            return
        if applied and self._copies:
            await self._copy()
        await executor.apply(applied, "core", self._say)
        for app in self.models:
            try:
                await executor.apply(applied, app, self._say)
            except Exception as error:  # a plugin's migration is its own fault, told by its name
                if is_hindered(error):
                    raise
                self.faults[app] = f"its migration failed: {error}"

    async def _copy(self) -> None:
        folder = self.file.parent / "copies"
        private_folder(folder)
        stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S%fZ")
        if self.url == "sqlite":
            copy = folder / f"{self.file.stem}-{stamp}.sqlite3"
            await _copy_unless_cancelled(self.file, copy)
        else:
            copy = folder / f"postgres-{stamp}.dump"
            await postgres.copy(self.url, copy)
        self._say(f"database: copied to {copy} before the upgrade")
        for old in sorted(folder.iterdir())[:-KEPT_COPIES]:
            old.unlink()

    @asynccontextmanager
    async def _locked(self) -> AsyncIterator[None]:
        if self.url == "sqlite":
            async with locked(self.file.with_suffix(".lock"), LOOK_SECONDS):
                yield
            return
        async with postgres.locked(self.url):
            yield


def check_sqlite(file: Path) -> None:
    """Raises StartError where the file is no database; asked first, since Tortoise's connection would never close."""
    try:
        with closing(sqlite3.connect(file)) as db:
            db.execute("PRAGMA schema_version").fetchone()
            db.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except sqlite3.Error as error:
        if is_hindered(error):
            raise
        raise StartError(unusable(file, error)) from error


async def _copy_unless_cancelled(source: Path, copy: Path) -> None:
    given_up = threading.Event()
    copying = asyncio.create_task(asyncio.to_thread(copy_sqlite, source, copy, given_up.is_set))
    try:
        await asyncio.shield(copying)
    except asyncio.CancelledError:
        given_up.set()
        await asyncio.gather(copying, return_exceptions=True)
        raise


def copy_sqlite(source: Path, copy: Path, given_up: Callable[[], bool] = lambda: False) -> None:
    """A whole copy of a living database, checked. Raises StartError where it cannot be; a full disk as such."""
    try:
        private_file(copy)
        with closing(sqlite3.connect(source)) as living:
            living.set_progress_handler(given_up, GIVEN_UP_STEPS)
            living.execute("VACUUM INTO ?", (str(copy),))
        with closing(sqlite3.connect(copy)) as copied:
            copied.set_progress_handler(given_up, GIVEN_UP_STEPS)
            verdict = copied.execute("PRAGMA integrity_check").fetchone()[0]
    except (sqlite3.Error, OSError) as error:
        _discard(copy)
        if is_hindered(error):
            raise
        raise StartError(unusable(source, error)) from error
    if verdict != "ok":
        _discard(copy)
        raise StartError(unusable(source, verdict))


def _discard(copy: Path) -> None:
    for path in (copy, copy.with_name(f"{copy.name}-journal")):  # SQLite leaves it where the disk is full
        path.unlink(missing_ok=True)


def unusable(file: Path, error: object) -> str:
    return (
        f"The database {file} cannot be used ({error}). Nothing was changed. "
        f"Put back a copy from {file.parent / 'copies'}; to begin anew, move the file away."
    )
