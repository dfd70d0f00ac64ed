"""Tortoise backend: Postgres whose pool gets every connection back, however a transaction begins or ends.

A server that is away, or goes while it is asked, is DatabaseAway and nothing else; asyncpg has a dozen words for it.
A full disk there is told in the words of SQLite.

Tortoise's migration executor knows the dialect by the word asyncpg in this module's name.
"""

from __future__ import annotations

from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from asyncpg import InterfaceError, PostgresError
from asyncpg import exceptions as told
from tortoise.backends.asyncpg.client import AsyncpgDBClient, TransactionWrapper
from tortoise.backends.base.client import TransactionContextPooled
from tortoise.connection import get_connections
from tortoise.exceptions import OperationalError

from mediaserver.core.db import FULL
from mediaserver.errors import DatabaseAway

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tortoise.backends.base.client import TransactionalDBClient


AWAY = (
    OSError,
    told.PostgresConnectionError,
    told.CannotConnectNowError,
    told.AdminShutdownError,
    told.CrashShutdownError,
    told.TooManyConnectionsError,
    told.InternalClientError,  # of a connection that is lost between two steps of one question
)


@contextmanager
def _hindrances() -> Iterator[None]:
    try:
        yield
    except AWAY as error:
        raise DatabaseAway from error
    except told.DiskFullError as error:
        raise OperationalError(f"{FULL}: {error}") from error
    except InterfaceError as error:
        if "clos" in str(error):  # "connection is closed", "the underlying connection has been closed", …
            raise DatabaseAway from error
        raise


class TellsHindrances(AsyncpgDBClient):
    async def _translate_exceptions(self, func: Any, *args: Any, **kwargs: Any) -> Any:
        with _hindrances():
            return await super()._translate_exceptions(func, *args, **kwargs)


class ReturningTransaction(TellsHindrances, TransactionWrapper):
    """What is asked within a transaction."""


class ReturningContext(TransactionContextPooled):
    """Tortoise's own keeps the connection for ever where its task is cancelled in BEGIN: ten such requests and the
    process writes no more. It also leaves the dead transaction to a task that goes on, as one under a timeout does.
    """

    async def __aenter__(self) -> TransactionalDBClient:
        await self.ensure_connection()
        with _hindrances():
            self.client._connection = await self.client._parent._pool.acquire()  # noqa: SLF001 - as in Tortoise's own
            try:
                await self.client.begin()
            except BaseException:
                self._discard()
                raise
        self.token = get_connections().set(self.connection_name, self.client)
        return self.client

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        get_connections().reset(self.token)
        try:
            with _hindrances():
                await self._end(failed=kind is not None)
        except BaseException:
            self._discard()
            raise
        await self.client._parent._pool.release(self.client._connection)  # noqa: SLF001

    async def _end(self, *, failed: bool) -> None:
        if not failed:
            await self.client.commit()
            return
        try:
            await self.client.rollback()
        except (PostgresError, InterfaceError, OSError, DatabaseAway):
            self._discard()  # what it failed of is told, not that the server is away

    def _discard(self) -> None:
        """Nobody knows what it is in the middle of: the pool makes another one, and Postgres undoes what is open."""
        with suppress(InterfaceError):  # closed by the server it went back by itself
            self.client._connection.terminate()  # noqa: SLF001


class ReturningClient(TellsHindrances):
    def _in_transaction(self) -> Any:
        return ReturningContext(ReturningTransaction(self), self._pool_init_lock)


client_class = ReturningClient
