"""The SQLite file of a broker: one connection in one thread, each call one short statement."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, TypeVar

import structlog

from mediaserver.core.db import is_busy, is_full, is_hindered
from mediaserver.errors import StartError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

T = TypeVar("T")
log = structlog.get_logger()
OPENING_SECONDS = 10
UNUSABLE = (
    "The queues in {path} cannot be used ({error}). Delete the file while nothing runs here: what is due stands in the "
    "database."
)

SCHEMA = """
create table if not exists jobs (
  key text primary key, queue text not null, job text not null, status text not null,
  priority integer not null default 0, scheduled real not null, expire_at real
) without rowid;
create index if not exists jobs_in_turn on jobs (queue, status, priority, scheduled);
create table if not exists workers (
  id text, queue text, info text not null, expire_at real not null, primary key (id, queue)
);
create table if not exists locks (name text primary key, until real not null);
"""


class BrokerFile:
    """What is asked of it before `open` or after `close` is a ConnectionError."""

    def __init__(self, path: Path, name: str) -> None:
        self._path = path
        self._name = name
        self._thread: ThreadPoolExecutor | None = None
        self._connection: sqlite3.Connection | None = None

    @property
    def is_open(self) -> bool:
        return self._thread is not None

    async def open(self) -> None:
        """Raises StartError where the file cannot be used, and as it came what may be over at another start."""
        self._thread = ThreadPoolExecutor(1, f"queue-{self._name}")
        try:
            await self._in_thread(self._connect)
        except BaseException as error:  # a start that is stopped too
            await self.close()
            if isinstance(error, sqlite3.Error | OSError) and not is_hindered(error):
                raise StartError(UNUSABLE.format(path=self._path, error=error)) from error
            raise

    async def close(self) -> None:
        """What runs already comes to its end."""
        thread, self._thread = self._thread, None
        if thread is not None:
            await asyncio.get_running_loop().run_in_executor(thread, self._disconnect)
            thread.shutdown()

    async def rows(self, sql: str, *values: Any) -> list[Any]:
        return await self._in_thread(lambda: self._execute(sql, *values))

    async def rows_if_writable(self, sql: str, *values: Any) -> list[Any]:
        """Nothing on a full disk: a queue only carries ids, and what is due is sent again."""
        return await self._in_thread(lambda: self._execute_if_writable(sql, *values))

    async def rows_if_any(self, question: str, asked: tuple[Any, ...], statement: str, *values: Any) -> list[Any]:
        """The rows of `statement` where `question` finds any: it mostly finds none, and then nothing locks the file."""
        return await self._in_thread(
            lambda: self._execute_if_writable(statement, *values) if self._execute(question, *asked) else []
        )

    def _connect(self) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        connection = sqlite3.connect(self._path, timeout=OPENING_SECONDS, isolation_level=None, check_same_thread=False)
        self._connection = connection
        _patiently(lambda: connection.execute("pragma journal_mode = wal").fetchall())
        connection.execute("pragma synchronous = normal")  # a power cut may lose ids; the reconciler brings them back
        _patiently(lambda: connection.executescript(SCHEMA))

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _execute(self, sql: str, *values: Any) -> list[Any]:
        if self._connection is None:
            raise self._away
        return self._connection.execute(sql, values).fetchall()

    def _execute_if_writable(self, sql: str, *values: Any) -> list[Any]:
        try:
            return self._execute(sql, *values)
        except sqlite3.OperationalError as error:
            if not is_full(error):
                raise
            log.warning("the queue cannot be written; its jobs wait", queue=self._name, reason=str(error))
            return []

    async def _in_thread(self, work: Callable[[], T]) -> T:
        if self._thread is None:
            raise self._away
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    @property
    def _away(self) -> ConnectionError:
        return ConnectionError(f"The queue {self._name} is not connected.")


def _patiently(work: Callable[[], object]) -> None:
    """Several processes create the file at once: SQLite refuses the change to WAL without waiting."""
    end = time.monotonic() + OPENING_SECONDS
    while True:
        try:
            work()
        except sqlite3.OperationalError as error:
            if not is_busy(error) or time.monotonic() > end:
                raise
            time.sleep(0.01)
        else:
            return
