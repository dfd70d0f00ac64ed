"""What is on its way to a player: it stops with its session, and for nothing else."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from mediaserver.contracts import Database
from mediaserver.events import PlaybackStarted
from mediaserver.models import JobRecord, Location, LocationState, TitleVideo
from tests.patience import PATIENCE

from .conftest import CELL, Cinema

pytestmark = pytest.mark.contract

LARGE = b"\x47" + b"\x00" * (188 * 200_000 - 1)  # more than fits into the buffers of a connection


async def test_what_is_being_sent_stops_with_the_session(cinema: Cinema) -> None:
    film = await cinema.film(cell=LARGE)
    started = await cinema.started(cinema.ada, film)
    address = started["manifest_url"].replace("master.m3u8", "480p/000.ts")
    async with httpx.AsyncClient(timeout=PATIENCE) as client, client.stream("GET", address) as answer:
        pieces = answer.aiter_raw(65536)
        await anext(pieces)
        await cinema.stop(cinema.ada, film, started["session_id"])
        with pytest.raises(httpx.TransportError):
            async with asyncio.timeout(PATIENCE):
                async for _ in pieces:
                    pass


async def own_file(film: str, folder: Path) -> None:
    """The film's file, large and in the library."""
    path = folder / "film.mp4"
    path.write_bytes(LARGE)
    link = await TitleVideo.get(title_id=int(film))
    await Location.create(
        key=film, root=str(folder), path=path.name, file_id="", size=len(LARGE), mtime_ns=path.stat().st_mtime_ns,
        state=LocationState.READY, reason="", video_id=link.video_id, seen_at=datetime.now(UTC),
    )  # fmt: skip


@pytest.mark.parametrize("how", ["stop", "steal"])
async def test_the_films_own_file_stops_within_itself_when_its_session_is_over(cinema: Cinema, how: str) -> None:
    film = await cinema.film()
    await own_file(film, cinema.house.app.server.library_settings.folders[0])
    started = await cinema.started(cinema.ada, film, "tv")
    async with httpx.AsyncClient(timeout=PATIENCE) as client:
        address = started["manifest_url"].replace("master.m3u8", "original")
        async with client.stream("GET", address) as answer:
            assert answer.headers["content-length"] == str(len(LARGE))
            pieces = answer.aiter_raw(65536)
            await anext(pieces)
            if how == "stop":
                await cinema.stop(cinema.ada, film, started["session_id"])
            else:
                cinema.clock.ahead(seconds=1)
                for device in ("tablet", "phone"):
                    await cinema.started(cinema.ada, film, device, steal=True)
            with pytest.raises(httpx.TransportError):
                async with asyncio.timeout(PATIENCE):
                    async for _ in pieces:
                        pass
        assert (await client.get(address, headers={"Range": "bytes=0-9"})).status_code == 403


async def test_a_database_that_fails_for_a_moment_breaks_nothing_off(
    cinema: Cinema, capsys: pytest.CaptureFixture[str]
) -> None:
    """Not even just after news of a session, which make every process ask anew."""
    film = await cinema.film(cell=LARGE)
    started = await cinema.started(cinema.ada, film)
    server = cinema.house.app.server
    database = server.services.get(Database)
    address = started["manifest_url"].replace("master.m3u8", "480p/000.ts")
    async with httpx.AsyncClient(timeout=PATIENCE) as client, client.stream("GET", address) as answer:
        pieces = answer.aiter_raw(65536)
        received = len(await anext(pieces))
        await database.fetch("ALTER TABLE stream_limits_slot RENAME TO away")
        await server.changes.record(PlaybackStarted(999, 999, int(film), None))
        said = ""
        async with asyncio.timeout(PATIENCE):
            while "who plays" not in said:
                await asyncio.sleep(0.02)
                said += capsys.readouterr().out
        await database.fetch("ALTER TABLE away RENAME TO stream_limits_slot")
        async for piece in pieces:
            received += len(piece)
    assert received == len(LARGE)


async def test_what_the_kernel_holds_for_a_slow_reader_is_thrown_away_with_the_session(cinema: Cinema) -> None:
    film = await cinema.film(cell=b"\x47" + b"\x00" * (188 * 10_000 - 1))  # fits into the buffers of the kernel
    started = await cinema.started(cinema.ada, film)
    address = urlsplit(started["manifest_url"].replace("master.m3u8", "480p/000.ts"))
    loop, got = asyncio.get_running_loop(), 0
    with socket.socket() as reader:
        reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        reader.setblocking(False)
        await loop.sock_connect(reader, (address.hostname or "", address.port or 0))
        await loop.sock_sendall(reader, f"GET {address.path} HTTP/1.1\r\nHost: {address.netloc}\r\n\r\n".encode())
        await loop.sock_recv(reader, 1024)
        assert (await cinema.beat(cinema.ada, film, started["session_id"])).status_code == 200
        await cinema.stop(cinema.ada, film, started["session_id"])
        with pytest.raises(ConnectionResetError):
            async with asyncio.timeout(PATIENCE):
                while piece := await loop.sock_recv(reader, 65536):
                    got += len(piece)
    assert got < 1_000_000


@pytest.mark.sqlite
@pytest.mark.slow  # than the seconds after which nothing is delivered blindly
async def test_a_database_that_cannot_be_written_interrupts_nothing_that_is_being_sent(cinema: Cinema) -> None:
    film = await cinema.film(cell=LARGE)
    started = await cinema.started(cinema.ada, film)
    address = started["manifest_url"].replace("master.m3u8", "480p/000.ts")
    database = cinema.house.app.server.db
    await database.fetch("PRAGMA busy_timeout = 50")
    async with httpx.AsyncClient(timeout=PATIENCE) as client, client.stream("GET", address) as answer:
        got = 0
        with closing(sqlite3.connect(database.file, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            assert (await cinema.beat(cinema.ada, film, started["session_id"])).status_code == 200
            await asyncio.sleep(5)
        async for piece in answer.aiter_raw():
            got += len(piece)
    assert got == len(LARGE)


async def test_a_cell_that_another_machine_published_is_sent_as_soon_as_it_is_seen_here(cinema: Cinema) -> None:
    """As on a network file system: no wake-up tells of it, and its name appears late."""
    manifest = await cinema.manifest(cinema.ada, await cinema.film())
    [cell] = cinema.house.app.server.storage.media.glob("*/*/480p/000.ts")
    cell.rename(cell.with_suffix(".elsewhere"))
    await JobRecord.all().delete()
    asking = asyncio.create_task(cinema.media(manifest))

    async def asked_for() -> bool:
        return await JobRecord.exists(kind="hls.cell")

    async with asyncio.timeout(PATIENCE):
        while not await asked_for():
            await asyncio.sleep(0.01)
    cell.with_suffix(".elsewhere").rename(cell)
    answer = await asking
    assert (answer.status_code, answer.content) == (200, CELL)


async def test_a_cell_whose_handle_went_stale_is_opened_anew(cinema: Cinema, monkeypatch: pytest.MonkeyPatch) -> None:
    manifest = await cinema.manifest(cinema.ada, await cinema.film())
    opened, stale = os.open, ["000.ts"]

    def open_on_nfs(path: Any, *how: Any, **more: Any) -> int:
        if stale and str(path).endswith(stale[0]):
            stale.clear()
            raise OSError(errno.ESTALE, os.strerror(errno.ESTALE), str(path))
        return opened(path, *how, **more)

    monkeypatch.setattr(os, "open", open_on_nfs)
    assert (await cinema.media(manifest)).content == CELL
    assert not stale
