"""Transactions: whatever ends one, the next one begins."""

from __future__ import annotations

import asyncio
import contextvars
import sqlite3
from contextlib import closing, suppress
from typing import TYPE_CHECKING

import pytest
from tortoise.connection import get_connection
from tortoise.exceptions import TransactionManagementError

from mediaserver.core.db import WRITER, Database
from mediaserver.core.migrator import Upgrade
from mediaserver.errors import DatabaseAway
from tests.patience import PATIENCE

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

MODELS = {"core": "mediaserver.models"}
INSERT = "INSERT INTO core_cursor (name, seq, owner, lease_until) VALUES ({}, 0, '', 0)"
MOMENTS = 40  # turns of the loop, more than a transaction takes
CROWD = 3
POOL = 10  # connections


@pytest.fixture
async def db(tmp_path: Path, database_url: str) -> AsyncIterator[Database]:
    file = tmp_path / "db.sqlite3"
    await Upgrade(database_url, file, MODELS, lambda _: None).run()
    database = Database(database_url, file, MODELS)
    await database.open()
    try:
        yield database
    finally:
        await database.close()


async def write(db: Database, *names: str) -> None:
    async with db.transaction() as tx:
        for name in names:
            await tx.execute_query_dict(insert(db), [name])


def insert(db: Database) -> str:
    return INSERT.format("?" if db.is_sqlite else "$1")


def is_at_rest(db: Database) -> bool:
    """Nobody holds the write lock, or a connection of the pool."""
    if not db.is_sqlite:
        pool = get_connection(WRITER)._pool
        return bool(pool.get_idle_size() == pool.get_size())
    with closing(sqlite3.connect(db.file, timeout=0, isolation_level=None)) as other:
        try:
            other.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError:
            return False
    return True


async def rest(db: Database) -> None:
    """A pool takes a moment to end what was cancelled in the middle of a statement."""
    while not is_at_rest(db):
        await asyncio.sleep(0.01)


async def names(db: Database) -> set[str]:
    return {row["name"] for row in await db.fetch("SELECT name FROM core_cursor")}


@pytest.mark.databases
async def test_a_task_that_is_cancelled_at_any_moment_of_a_transaction_locks_nobody_out(db: Database) -> None:
    for turns in range(MOMENTS):
        crowd = [asyncio.create_task(write(db, f"a{turns} {task}", f"b{turns} {task}")) for task in range(CROWD)]
        for _ in range(turns):
            await asyncio.sleep(0)
        for task in crowd:
            task.cancel()
        await asyncio.gather(*crowd, return_exceptions=True)
        async with asyncio.timeout(PATIENCE):
            await write(db, f"after{turns}")
            await rest(db)
    known = await names(db)
    assert {f"after{turns}" for turns in range(MOMENTS)} <= known
    assert {name[1:] for name in known if name[0] == "a" and name[1] != "f"} == {n[1:] for n in known if n[0] == "b"}


@pytest.mark.databases
async def test_a_task_whose_transaction_took_too_long_goes_on_without_it(db: Database) -> None:
    for moment in range(MOMENTS):
        with suppress(TimeoutError):
            async with asyncio.timeout(moment / 10_000):
                await write(db, f"late{moment}")
        async with asyncio.timeout(PATIENCE):
            await write(db, f"after{moment}")
            await rest(db)
    elsewhere = asyncio.create_task(names(db), context=contextvars.Context())  # nothing of this task is seen there
    assert {f"after{moment}" for moment in range(MOMENTS)} <= await elsewhere


@pytest.mark.slow
@pytest.mark.parametrize("database_url", ["postgres"], indirect=True)
async def test_a_connection_that_is_cut_costs_its_transaction_alone(db: Database) -> None:
    for number in range(POOL + 1):
        with pytest.raises(DatabaseAway) as told:  # asyncpg has many words for it
            async with db.transaction() as tx:
                await tx.execute_query_dict(insert(db), [f"cut{number}"])
                await tx.execute_query_dict("SELECT pg_terminate_backend(pg_backend_pid())")
        assert told.value.__context__ is None or "rollback" not in str(told.value)
        async with asyncio.timeout(PATIENCE):
            await write(db, f"after{number}")
    assert await names(db) == {f"after{number}" for number in range(POOL + 1)}


@pytest.mark.sqlite
async def test_a_transaction_that_found_the_database_locked_leaves_the_next_one_its_turn(db: Database) -> None:
    await db.fetch("PRAGMA busy_timeout = 1")
    with closing(sqlite3.connect(db.file, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(TransactionManagementError, match="locked"):
            await write(db, "locked out")
        other.execute("COMMIT")
    async with asyncio.timeout(PATIENCE):
        await write(db, "next")
    assert "locked out" not in await names(db)
