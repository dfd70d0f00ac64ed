"""The watcher: hints make folders dirty, scans find the truth, complete files are taken in. Nothing is remembered here
that a kill would lose: what waits is found again by the scan at the next start.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import structlog

from mediaserver.core.db import is_hindered
from mediaserver.core.library import paths
from mediaserver.core.library.agenda import Agenda
from mediaserver.core.library.identity import LooksKnown
from mediaserver.core.library.ingest import Describe, Ingest, NotComplete, Prober
from mediaserver.core.library.lineup import LineUp
from mediaserver.core.library.mailbox import TOPIC, ScanRequests
from mediaserver.core.library.records import CANNOT_READ, Records
from mediaserver.core.library.roots import WatchedRoot
from mediaserver.core.library.scanner import Scanner
from mediaserver.core.library.settle import Look, Pending, Settler, Verdict
from mediaserver.core.statuses import tell
from mediaserver.models import Location, LocationState

if TYPE_CHECKING:
    from collections.abc import Awaitable, Sequence

    from mediaserver.contracts import Changes, Clock
    from mediaserver.core.db import Database
    from mediaserver.core.library.settings import LibrarySettings
    from mediaserver.core.wakeups import Wakeups

__all__ = ["LibraryWatcher"]

PROBES = 2  # at a time
ALIKE = "It looks like a video that is known; whether it is one is told by all its bytes, which are read."
ONCE_MORE = 5.0  # seconds until what failed is tried again: the database was away, say
TICK = 1.0  # seconds between two looks at clocks, mounts and requests


class LibraryWatcher:
    def __init__(
        self,
        settings: LibrarySettings,
        db: Database,
        changes: Changes,
        *,
        prober: Prober,
        describe: Describe,
        wakeups: Wakeups,
        clock: Clock,
        run_folder: Path,
    ) -> None:
        self._settings = settings
        self._wakeups = wakeups
        self._clock = clock
        self._run_folder = run_folder
        self._log = structlog.get_logger("library")
        self._records = Records(db, changes, clock)
        self._settler = Settler(settings.settle_seconds, self._settled, self._tell)
        self._scanner = Scanner(
            settings, db, changes, self._records, pending=self._settler.add, between=self._look_at_dirty
        )
        self._ingest = Ingest(
            db,
            changes,
            self._records,
            clock=clock,
            prober=prober,
            describe=describe,
            settle_seconds=settings.settle_seconds,
        )
        self._requests = ScanRequests(run_folder)
        self._agenda = Agenda(settings, clock, self._settler.closed, self._requests.drop)
        self._complete = LineUp()
        self._alike: asyncio.Queue[str] = asyncio.Queue()  # read whole, one by one, while others are taken in
        self._compared: set[str] = set()  # those that are, or wait for it
        self._last_status: dict[str, Any] = {}

    async def run(self, stop: asyncio.Event) -> None:
        """Until `stop`. An error that is not about one file or folder ends it, for the supervisor to begin anew."""
        self._agenda.open()
        loops = [self._settler.run(), self._keep_scanning(), self._keep_time(), self._keep_asking()]
        loops.append(self._keep_comparing())
        tasks = [asyncio.create_task(loop) for loop in (*loops, *(self._keep_ingesting() for _ in range(PROBES)))]
        stopping = asyncio.create_task(stop.wait())
        try:
            done, _ = await asyncio.wait([stopping, *tasks], return_when=asyncio.FIRST_COMPLETED)
            for task in done - {stopping}:
                task.result()
        finally:
            for task in (stopping, *tasks):
                task.cancel()
            await asyncio.gather(stopping, *tasks, return_exceptions=True)
            await asyncio.to_thread(self._agenda.roots.stop)

    # ---- scanning

    async def _keep_scanning(self) -> None:
        while not await self._edge(self._scanner.leave(), "folders that are no longer in library.folders"):
            await asyncio.sleep(ONCE_MORE)
        while True:
            await self._agenda.wait()
            await self._look_at_dirty()
            while chosen := self._agenda.next_scan():
                root, requests = chosen
                if not await self._edge(self._scan(self._agenda.roots[root]), f"scan of {paths.shown(root)}"):
                    self._agenda.add_scan_later(ONCE_MORE, root)
                self._agenda.carried_out(requests)
                await self._look_at_dirty()

    async def _scan(self, root: WatchedRoot) -> None:
        await asyncio.to_thread(self._agenda.roots.attend, root)
        result = await self._scanner.scan(root.path)
        root.scanned(result, self._clock.now(), time.monotonic())
        for unheard in await asyncio.to_thread(self._agenda.roots.unheard, self._scanner.own_folders):
            self._agenda.add_scan(unheard.path)
        self._log.info("library folder scanned", folder=paths.shown(root.path), files=result.files, new=result.new,
                       gone=result.gone, seconds=round(result.seconds, 2))  # fmt: skip
        self._tell_status()

    async def _look_at_dirty(self) -> None:
        while folders := self._agenda.next_folders():
            for root, folder, recursive in folders:
                look = self._look(root, folder, recursive=recursive)
                if not await self._edge(look, f"look at {paths.shown(root / folder)}"):
                    self._agenda.add_folder_later(ONCE_MORE, root, folder, recursive=recursive)

    async def _look(self, root: Path, folder: str, *, recursive: bool) -> None:
        result = await self._scanner.look(root, folder, recursive=recursive)
        if result.turned:
            self._agenda.roots[root].emptied = await self._scanner.emptied(root)

    async def _edge(self, work: Awaitable[object], what: str) -> bool:
        """One folder's trouble must not end the watching of the others; False where the database is away or full.

        That is tried again soon, anything else with the next scan.
        """
        try:
            await work
        except Exception as error:  # noqa: BLE001 - the watcher's edge
            if is_hindered(error):
                self._log.warning("library: waits for the database", what=what, reason=str(error))
                return False
            self._log.exception("library: failed", what=what)
        return True

    # ---- complete files

    async def _settled(self, done: Sequence[tuple[Pending, Look]]) -> None:
        if not await self._edge(self._take_settled(done), "complete files"):
            for pending, _ in done:
                asyncio.get_running_loop().call_later(ONCE_MORE, self._agenda.add_folder_of, pending.path)

    async def _take_settled(self, done: Sequence[tuple[Pending, Look]]) -> None:
        for pending, seen in done:
            if seen.verdict is Verdict.STILL:
                self._complete.add(pending.key, -pending.mtime_ns)
            elif seen.verdict is Verdict.UNREADABLE:
                sentence = f"{CANNOT_READ} ({seen.problem}); allow the server to read it (chmod a+r)."
                location = await Location.get_or_none(key=pending.key)
                if location is not None:
                    with contextlib.suppress(NotComplete):  # it has changed since: the scan that saw it waits for it
                        await self._ingest.refuse(location, sentence)
            elif seen.verdict is Verdict.GONE:
                self._agenda.add_folder_of(pending.path)
        if len(done) > PROBES:  # the others are looked at within this moment
            await self._records.probing([pending.key for pending, _ in done])

    async def _tell(self, pending: Pending, sentence: str) -> None:
        waits = self._records.waits(pending.key, pending.size, pending.mtime_ns, sentence)
        if not await self._edge(waits, "a file that is not complete"):
            pending.told = ""  # so that it is said with the next look

    async def _keep_ingesting(self) -> None:
        while True:
            async with self._complete.next() as key:
                if not await self._edge(self._take_in(key), "taking in a file"):
                    asyncio.get_running_loop().call_later(ONCE_MORE, self._complete.add, key)

    async def _keep_comparing(self) -> None:
        while True:
            key = await self._alike.get()
            if await self._edge(self._take_in(key, thorough=True), "comparing a file"):
                self._compared.discard(key)
            else:
                asyncio.get_running_loop().call_later(ONCE_MORE, self._alike.put_nowait, key)

    async def _take_in(self, key: str, *, thorough: bool = False) -> None:
        try:
            await self._ingest.ingest(key, thorough=thorough)
        except LooksKnown:
            await self._compare(key)
        except NotComplete as error:
            location = await Location.get_or_none(key=key)
            if location is not None and location.state in (LocationState.SETTLING, LocationState.PROBING):
                path = paths.absolute(location.root, location.path)
                self._settler.add(Pending(key, path, location.size, location.mtime_ns))
                if str(error):
                    await self._records.waits(key, location.size, location.mtime_ns, str(error))

    async def _compare(self, key: str) -> None:
        if key in self._compared:
            return
        location = await Location.get_or_none(key=key)
        if location is not None:
            self._compared.add(key)
            self._alike.put_nowait(key)
            await self._records.waits(key, location.size, location.mtime_ns, ALIKE)

    # ---- time, mounts, requests, status

    async def _keep_time(self) -> None:
        while True:
            now = time.monotonic()
            await asyncio.to_thread(self._agenda.roots.revive)
            for root in self._agenda.roots:
                if not self._agenda.waits_for_scan(root.path) and await asyncio.to_thread(root.wants_scan, now):
                    self._agenda.add_scan(root.path)
            self._tell_status()
            await asyncio.sleep(TICK)

    async def _keep_asking(self) -> None:
        with self._wakeups.subscribe(TOPIC) as calls:
            while True:
                for request, asked in (await asyncio.to_thread(self._requests.open)).items():
                    self._agenda.take_request(request, asked)
                await calls.wait(TICK)

    def _tell_status(self) -> None:
        status = {
            "roots": [root.status() for root in self._agenda.roots],
            "settling": len(self._settler),
            "probing": len(self._complete),
        }
        if status != self._last_status:
            with contextlib.suppress(OSError):  # a full disk: it is told as soon as there is room
                tell(self._run_folder, "watch", {**status, "at": self._clock.now().isoformat()})
                self._last_status = status
