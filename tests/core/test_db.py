"""Transactions: whatever ends one, the next one begins."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing, suppress
from typing import TYPE_CHECKING

import pytest
from tortoise.exceptions import TransactionManagementError

from mediaserver.core.db import Database
from mediaserver.core.migrator import Upgrade

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

MODELS = {"core": "mediaserver.models"}
INSERT = "INSERT INTO core_cursor (name, seq, owner, lease_until) VALUES (?, 0, '', 0)"
MOMENTS = 40  # turns of the loop, more than a transaction takes


@pytest.fixture
async def db(tmp_path: Path) -> AsyncIterator[Database]:
    file = tmp_path / "db.sqlite3"
    await Upgrade("sqlite", file, MODELS, lambda _: None).run()
    database = Database("sqlite", file, MODELS)
    await database.open()
    try:
        yield database
    finally:
        await database.close()


async def write(db: Database, *names: str) -> None:
    async with db.transaction() as tx:
        for name in names:
            await tx.execute_query_dict(INSERT, [name])


async def names(db: Database) -> set[str]:
    return {row["name"] for row in await db.fetch("SELECT name FROM core_cursor")}


async def test_a_task_that_is_cancelled_at_any_moment_of_a_transaction_locks_nobody_out(db: Database) -> None:
    for turns in range(MOMENTS):
        task = asyncio.create_task(write(db, f"a{turns}", f"b{turns}"))
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        async with asyncio.timeout(10):
            await write(db, f"after{turns}")
        with closing(sqlite3.connect(db.file, timeout=0, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
    known = await names(db)
    assert {f"after{turns}" for turns in range(MOMENTS)} <= known
    assert all((f"a{turns}" in known) == (f"b{turns}" in known) for turns in range(MOMENTS))


async def test_a_transaction_that_found_the_database_locked_leaves_the_next_one_its_turn(db: Database) -> None:
    await db.fetch("PRAGMA busy_timeout = 1")
    with closing(sqlite3.connect(db.file, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(TransactionManagementError, match="locked"):
            await write(db, "locked out")
        other.execute("COMMIT")
    async with asyncio.timeout(10):
        await write(db, "next")
    assert "locked out" not in await names(db)
