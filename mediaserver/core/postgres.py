"""What an upgrade needs of Postgres: one process at a time, and a copy first."""

from __future__ import annotations

import os
import shutil
import socket
from asyncio import create_subprocess_exec
from asyncio.subprocess import DEVNULL, PIPE
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from mediaserver.core.private import private_file
from mediaserver.errors import StartError, StartLater

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

ADVISORY_LOCK = 0x6D656469  # any constant of ours
PASSING = ("No space left on device", "Disk quota exceeded", "connection to server", "server closed the connection")
UNREAD = (socket.gaierror, ValueError)  # of a name that is none, and of what is no address
UNCODED = " In its password @, : and / are written %40, %3A and %2F."
WITHOUT = "or upgrade without a copy, which cannot be undone: mediaserver migrate --no-copy"


@asynccontextmanager
async def locked(url: str) -> AsyncIterator[None]:
    """The server frees it if we die. Raises StartLater where it cannot be reached."""
    import asyncpg

    try:
        session = await asyncpg.connect(url)
    except (OSError, ValueError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise StartLater(
            f"The database {shown(url)} cannot be reached ({_problem(error)}). Start it, or correct `database`."
            f"{UNCODED if isinstance(error, UNREAD) else ''}"
        ) from error
    try:
        await session.execute("SELECT pg_advisory_lock($1)", ADVISORY_LOCK)
        yield
    finally:
        await session.close()


async def copy(url: str, file: Path) -> None:
    """As `pg_restore` reads it, whole or not at all. Raises StartError."""
    program = shutil.which("pg_dump")
    if program is None:
        raise StartError(
            f"pg_dump is not installed, so no copy can be made before the upgrade. Install postgresql-client, {WITHOUT}"
        )
    private_file(file)
    try:
        await _dump(program, url, file)
    except BaseException:  # a start that is stopped too
        file.unlink(missing_ok=True)
        raise


async def _dump(program: str, url: str, file: Path) -> None:
    password = urlsplit(url).password  # not an argument: those of every process can be read by everybody
    dump = await create_subprocess_exec(
        *(program, "--format=custom", f"--file={file}", f"--dbname={_without_password(url)}"),
        env=os.environ | {"LC_ALL": "C"} | ({"PGPASSWORD": unquote(password)} if password else {}),
        stdin=DEVNULL,
        stdout=DEVNULL,
        stderr=PIPE,
    )
    try:
        _, said = await dump.communicate()
    finally:
        if dump.returncode is None:
            dump.kill()
            await dump.wait()
    if dump.returncode:
        reason = said.decode(errors="replace").strip()[-300:]
        passing = any(sign in reason for sign in PASSING)
        raise (StartLater if passing else StartError)(
            f"pg_dump failed, so nothing was upgraded ({reason}). Remove the cause, {WITHOUT}"
        )


def shown(url: str) -> str:
    """For people: without the password, even one that is not encoded and makes the address another one."""
    scheme, _, rest = url.partition("://")
    who, at, where = rest.rpartition("@")
    return f"{scheme}://{who.partition(':')[0]}@{where}" if at else url


def _problem(error: Exception) -> str:
    """What is no address is not told word by word: a part of the password may stand in it."""
    return "this is no address" if isinstance(error, ValueError) else str(error)


def _without_password(url: str) -> str:
    parts = urlsplit(url)
    user, _, where = parts.netloc.rpartition("@")
    name = user.partition(":")[0]
    return parts._replace(netloc=f"{name}@{where}" if name else where).geturl()
