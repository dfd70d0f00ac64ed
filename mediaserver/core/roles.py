"""The three roles of the program: serve answers requests, worker runs jobs, watch keeps the library."""

from __future__ import annotations

import asyncio
import errno
import gc
import os
import signal
import socket
from contextlib import asynccontextmanager, suppress
from dataclasses import fields
from typing import TYPE_CHECKING

import structlog

from mediaserver.contracts import Metadata
from mediaserver.core.autogroups import yield_as_session
from mediaserver.core.server import Server
from mediaserver.errors import StartError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine
    from pathlib import Path
    from typing import Any

    from sanic import Sanic

    from mediaserver.contracts import MediaInfo
    from mediaserver.core.config import Loaded

log = structlog.get_logger()
DRAIN_SECONDS = 5.0
YIELDING = 10  # how nice a scan is to those who watch (benchmarks/streams_under_scan.py)
PORT_OF_RANGE = 65535


def run_role(work: Coroutine[Any, Any, None]) -> None:
    """One event loop for one role; uvloop where it is installed."""
    try:
        import uvloop
    except ImportError:
        asyncio.run(work)
        return
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(work)


def stop_on_signals() -> asyncio.Event:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    return stop


async def serve(loaded: Loaded, stand: Callable[[], None] | None = None) -> None:
    """With `stand` it opens the installation: whoever waits is called when all is well and requests are answered."""
    from mediaserver.core.app import create_app
    from mediaserver.core.opening import Opening

    stop = stop_on_signals()
    section = loaded.settings.server
    with listen(section.host, section.port) as listening:
        opening = Opening(stand) if stand else None
        server = Server(loaded, "serve")
        server.opens = opening is not None
        async with server:
            if opening:
                await opening.check(server)
            app = create_app(server)
            await server.share_quarantine()
            async with serving(app, listening):
                if opening:
                    opening.over()
                settle_memory()
                log.info(f"listening on {address(section.host, listening.getsockname()[1])}")
                await stop.wait()
                server.ready = False


@asynccontextmanager
async def serving(app: Sanic[Any, Any], listening: socket.socket) -> AsyncIterator[None]:
    """Answer requests until the end of the block; then what is being answered has a few seconds."""
    os.environ["SANIC_IGNORE_PRODUCTION_WARNING"] = "1"  # on a terminal it advises --debug, which we do not have
    running = await app.create_server(sock=listening, return_asyncio_server=True, access_log=False)
    if running is None:
        raise StartError("The web server did not start.")
    await running.startup()  # type: ignore[no-untyped-call]
    await running.start_serving()  # type: ignore[no-untyped-call]
    try:
        yield
    finally:
        await _drain(running)


async def _drain(running: Any) -> None:
    """No new connections; what is being answered has a few seconds, then the connection is cut."""
    running.close()
    end = asyncio.get_running_loop().time() + DRAIN_SECONDS
    for connection in list(running.connections):
        connection.close_if_idle()
    while running.connections and asyncio.get_running_loop().time() < end:
        await asyncio.sleep(0.05)
    for connection in list(running.connections):
        connection.abort()
    await asyncio.sleep(0)


async def worker(loaded: Loaded) -> None:
    from mediaserver.core.worker import JobRunner

    stop = stop_on_signals()
    async with Server(loaded, "worker") as server:
        await server.tools.check()
        settle_memory()
        await JobRunner(server, slots(loaded)).run(stop)


async def watch(loaded: Loaded) -> None:
    from mediaserver.core.library.probe import probe
    from mediaserver.core.library.watcher import LibraryWatcher

    stop = stop_on_signals()
    _yield_to_others()
    async with Server(loaded, "watch") as server:
        await server.tools.check()

        watcher = LibraryWatcher(
            server.library_settings,
            db=server.db,
            changes=server.changes,
            prober=lambda path: probe(server.tools, path),
            describe=lambda path, info: described(server, path, info),
            wakeups=server.wakeups,
            clock=server.clock,
            run_folder=server.data / "run",
        )
        settle_memory()
        await watcher.run(stop)


def settle_memory() -> None:
    """What stands now stays: the collector, which hardly looked during the start, need not look at it any more."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(700)


def _yield_to_others() -> None:
    """Those who watch come first: a scan gets what they leave, and never takes a core from them when it wakes up."""
    os.nice(YIELDING)
    if os.getsid(0) == os.getpid():  # else it is a terminal's
        yield_as_session(os.getpid(), YIELDING, lambda: False)
    if hasattr(os, "SCHED_BATCH"):
        with suppress(OSError):  # not granted, to a container say, or to who yields even more already
            os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))


async def described(server: Server, path: Path, info: MediaInfo) -> Metadata | None:
    """What plugins say of a file, field by field; the plugin that stands first in config.yaml wins."""
    answers: list[Metadata] = await server.hooks.gather("describe", server=server, path=str(path), probe=info)
    if not answers:
        return None
    merged: dict[str, Any] = {}
    for answer in answers:
        for field in fields(answer):
            value = getattr(answer, field.name)
            if value is not None:
                merged.setdefault(field.name, value)
    return Metadata(**merged)


def slots(loaded: Loaded) -> int:
    """How many encodes run at once here: one ffmpeg per core."""
    count = loaded.settings.workers.count
    return len(os.sched_getaffinity(0)) if count == "auto" else count


def listen(host: str, port: int) -> socket.socket:
    """A listening socket. Raises StartError where the address is taken or not ours."""
    try:
        family, _, _, _, where = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        sock = socket.socket(family, socket.SOCK_STREAM)
    except OSError as error:
        raise StartError(f"server.host {host} is no address of this machine ({error}).") from error
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(where)
        sock.listen(512)
    except OSError as error:
        sock.close()
        raise StartError(_cannot_listen(host, port, error)) from error
    sock.setblocking(False)
    return sock


def _cannot_listen(host: str, port: int, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        other = port + 1 if port < PORT_OF_RANGE else 8000
        return f"Port {port} is taken by another program. Stop it, or choose another port: make run PORT={other}"
    if error.errno == errno.EACCES:
        return f"Port {port} may not be used by this user. Choose one from 1024 up: make run PORT=8000"
    return f"server.host {host}, port {port}: cannot listen there ({error.strerror})."


def address(host: str, port: int) -> str:
    shown = "localhost" if host in ("127.0.0.1", "0.0.0.0", "::", "::1") else host  # noqa: S104 (to be shown)
    return f"http://{shown}:{port}"
