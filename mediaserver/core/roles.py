"""The three roles of the program: serve answers requests, worker runs jobs, watch keeps the library."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
from contextlib import asynccontextmanager, suppress
from dataclasses import fields
from typing import TYPE_CHECKING, Any, Self

import structlog

from mediaserver.contracts import Metadata
from mediaserver.core.autogroups import yield_as_session
from mediaserver.core.listening import address, listen
from mediaserver.core.locks import locked
from mediaserver.core.server import Server
from mediaserver.core.statuses import tell
from mediaserver.errors import StartError

if TYPE_CHECKING:
    import socket
    from collections.abc import AsyncIterator, Callable, Coroutine
    from pathlib import Path
    from types import TracebackType

    from sanic import Sanic

    from mediaserver.contracts import MediaInfo
    from mediaserver.core.config import Loaded

log = structlog.get_logger()
DRAIN_SECONDS = 5.0
YIELDING = 10  # how nice a scan is to those who watch (benchmarks/streams_under_scan.py)
AGAIN_SECONDS = 1.0  # between two looks whether another watcher of this data folder is gone
RARELY = 50_000  # new objects between two looks of the collector: hardly anything that a start makes is garbage


def run_role(work: Coroutine[Any, Any, None]) -> None:
    """One event loop for one role; uvloop where it is installed."""
    try:
        import uvloop
    except ImportError:
        asyncio.run(work)
        return
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(work)


class Start:
    """From a role's first moment: SIGTERM or Ctrl-C cancels what it is at until it stands, and asks it to end then."""

    def __init__(self) -> None:
        self._asked = asyncio.Event()
        self._opening = asyncio.current_task()
        self._cancelled = False
        self._thresholds = gc.get_threshold()

    def __enter__(self) -> Self:
        gc.set_threshold(RARELY)
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, self._hear)
        return self

    def stands(self) -> asyncio.Event:
        """Set when the role shall end. What stands now stays: the collector need not look at it any more."""
        self._opening = None
        gc.collect()
        gc.freeze()
        gc.set_threshold(*self._thresholds)
        return self._asked

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        gc.set_threshold(*self._thresholds)
        in_order = error is None or (self._cancelled and isinstance(error, asyncio.CancelledError))
        if in_order:
            log.info("stopped")
        return in_order

    def _hear(self) -> None:
        self._asked.set()
        if self._opening is not None and not self._cancelled:  # once: what it undoes then is not for cancelling
            self._cancelled = self._opening.cancel()


async def serve(loaded: Loaded, stand: Callable[[], None] | None = None, *, looks_anew: bool = False) -> None:
    """With `stand` it opens the installation: whoever waits is called when all is well and requests are answered."""
    from mediaserver.core.app import create_app
    from mediaserver.core.opening import Opening

    section = loaded.settings.server
    with Start() as start, listen(section.host, section.port) as listening:
        opening = Opening(stand) if stand else None
        server = Server(loaded, "serve")
        server.looks_anew = looks_anew
        async with server:
            if opening:
                await opening.check(server)
            app = create_app(server)
            await server.share_quarantine()
            async with serving(app, listening):
                if opening:
                    opening.over()
                stop = start.stands()
                where = address(section.host, listening.getsockname()[1])
                with suppress(OSError):  # a full disk: links that the command line makes name the port of config.yaml
                    tell(server.data / "run", "serve", {"address": where})
                log.info(f"listening on {where}")
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

    with Start() as start:
        async with Server(loaded, "worker") as server:
            await server.tools.check()
            runner, stop = JobRunner(server, slots(loaded)), start.stands()
            log.info(f"working on {_jobs(slots(loaded))} at once")
            await runner.run(stop)


async def watch(loaded: Loaded) -> None:
    from mediaserver.core.library.probe import probe
    from mediaserver.core.library.watcher import LibraryWatcher

    with Start() as start:
        _yield_to_others()
        async with Server(loaded, "watch") as server, locked(server.data / "run" / "watch.lock", AGAIN_SECONDS, _wait):
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
            await watcher.run(start.stands())


def _wait() -> None:
    """Two watchers would each take in what they find, and a film would be two."""
    log.warning("another watch looks after this data folder; this one waits until it ends")


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


def _jobs(count: int) -> str:
    return "1 job" if count == 1 else f"{count} jobs"


def slots(loaded: Loaded) -> int:
    """How many encodes run at once here: one ffmpeg per core."""
    count = loaded.settings.workers.count
    return len(os.sched_getaffinity(0)) if count == "auto" else count
