"""The database: Tortoise for core and plugins, on SQLite or Postgres, and raw SQL for what must be one statement."""

from __future__ import annotations

import contextvars
import errno
import re
import sqlite3
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, unquote, urlsplit

from tortoise import Tortoise
from tortoise.backends.base.client import TransactionalDBClient
from tortoise.connection import get_connection
from tortoise.exceptions import OperationalError, TransactionManagementError
from tortoise.transactions import in_transaction

from mediaserver.errors import DatabaseAway

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping
    from pathlib import Path

WRITER = "default"
READER = "reader"
SQLITE_PRAGMAS = {
    "journal_mode": "WAL",
    "synchronous": "NORMAL",
    "busy_timeout": 15000,  # milliseconds
    "foreign_keys": "ON",
}
REFUSALS = (OperationalError, TransactionManagementError, sqlite3.OperationalError)  # a commit raises SQLite's own
FULL, BUSY = "disk is full", "database is locked"  # what SQLite says; core/postgres_asyncpg.py says the first as well
HINDRANCES = (FULL, BUSY, "disk I/O error", "readonly database", "unable to open database file")
NO_ROOM = (errno.ENOSPC, errno.EDQUOT)
DISK_AWAY = (errno.EROFS, errno.EIO, errno.ESTALE, errno.ENODEV, errno.ENXIO)
_committing: contextvars.ContextVar[list[Callable[[], None]] | None] = contextvars.ContextVar(
    "committing", default=None
)


class ReadsBeside:
    """Tortoise router: reads go to their own connection, except inside a transaction, which must see its own writes."""

    def db_for_read(self, _model: Any) -> str:
        return WRITER if isinstance(get_connection(WRITER), TransactionalDBClient) else READER

    def db_for_write(self, _model: Any) -> str:
        return WRITER


def is_full(error: BaseException) -> bool:
    """Whether a disk is: the database's, or that of a file which was written."""
    if isinstance(error, OSError):
        return error.errno in NO_ROOM
    return isinstance(error, REFUSALS) and FULL in str(error)


def is_disk_away(error: BaseException) -> bool:
    """Whether a disk cannot be used at all: read-only, failing, or a share that is gone."""
    return isinstance(error, OSError) and error.errno in DISK_AWAY


def is_busy(error: BaseException) -> bool:
    return isinstance(error, REFUSALS) and BUSY in str(error)


def is_hindered(error: BaseException) -> bool:
    """Whether the machine is at fault, and not who asked: the database is away, a disk full or another writes for long.

    What failed of it may do when it is tried again.
    """
    if isinstance(error, REFUSALS):
        return any(words in str(error) for words in HINDRANCES)
    return is_full(error) or isinstance(error, DatabaseAway)


def connection(url: str, sqlite_file: Path, **pragmas: Any) -> dict[str, Any]:
    """Tortoise's description of one connection; `url` is "sqlite" or postgres://…"""
    if url == "sqlite":
        return {
            "engine": "mediaserver.core.sqlite_immediate",
            "credentials": {"file_path": str(sqlite_file), **SQLITE_PRAGMAS, **pragmas},
        }
    parts = urlsplit(url)
    return {
        "engine": "mediaserver.core.postgres_asyncpg",
        "credentials": {
            "host": parts.hostname or "localhost",
            "port": parts.port or 5432,
            "user": unquote(parts.username or ""),
            "password": unquote(parts.password or ""),
            "database": parts.path.lstrip("/"),
            "min_size": 0,  # asyncpg writes tracebacks where it cannot keep more than that open
            "max_size": 10,
            **({"ssl": mode[-1]} if (mode := parse_qs(parts.query).get("sslmode")) else {}),
        },
    }


def apps_config(models: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    """`models` maps an app's label to its models module; migrations stand beside it."""
    return {
        label: {
            "models": [module],
            "migrations": migrations_module(label, module),
            "default_connection": WRITER,
        }
        for label, module in models.items()
    }


def migrations_module(label: str, module: str) -> str:
    return "mediaserver.core.migrations" if label == "core" else f"{module.rpartition('.')[0]}.migrations"


class Database:
    """One process's way to the database. `models` maps app labels to modules, core's first."""

    def __init__(self, url: str, sqlite_file: Path, models: Mapping[str, str]) -> None:
        self.url = url
        self.file = sqlite_file
        self.models = dict(models)
        self.is_sqlite = url == "sqlite"
        # Leases are compared with one clock, the database's: seconds since 1970 with a fraction.
        self.now_sql = (
            "((julianday('now') - 2440587.5) * 86400.0)"
            if self.is_sqlite
            else "extract(epoch from clock_timestamp())::float8"
        )

    async def open(self) -> None:
        names = (WRITER, READER) if self.is_sqlite else (WRITER,)
        await Tortoise.init(
            config={
                "connections": {name: connection(self.url, self.file) for name in names},
                "apps": apps_config(self.models),
                "routers": [ReadsBeside] if self.is_sqlite else [],
                "use_tz": True,
                "timezone": "UTC",
            },
            _enable_global_fallback=True,
        )

    async def close(self) -> None:
        await Tortoise.close_connections()

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[TransactionalDBClient]:
        """A transaction that begins with the right to write; what `after_commit` was given runs when it is through."""
        outer = _committing.get()
        if outer is not None:
            async with in_transaction(WRITER) as tx:
                yield tx
            return
        callbacks: list[Callable[[], None]] = []
        token = _committing.set(callbacks)
        try:
            async with in_transaction(WRITER) as tx:
                yield tx
        finally:
            _committing.reset(token)
        for callback in dict.fromkeys(callbacks):
            callback()

    def after_commit(self, callback: Callable[[], None]) -> None:
        """Run `callback` once when the open transaction is committed; at once where none is open."""
        callbacks = _committing.get()
        if callbacks is None:
            callback()
        else:
            callbacks.append(callback)

    async def fetch(self, sql: str, *args: Any, reading: bool = False) -> list[dict[str, Any]]:
        """Rows of one statement; write `?` for arguments and `{now}` for the database's clock.

        `reading` takes the connection for reads, which never waits for a writer of this process.
        """
        name = READER if reading and self.is_sqlite else WRITER
        sql = sql.replace("{now}", self.now_sql)
        rows = await get_connection(name).execute_query_dict(sql if self.is_sqlite else numbered(sql), list(args))
        return [dict(row) for row in rows]

    async def reachable(self) -> bool:
        await self.fetch("SELECT 1", reading=True)
        return True


def numbered(sql: str) -> str:
    """Question marks as Postgres counts them: $1, $2, …"""
    counter = iter(range(1, 1000))
    return re.sub(r"\?", lambda _: f"${next(counter)}", sql)
