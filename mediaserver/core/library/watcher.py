"""The watcher: hints make folders dirty, scans find the truth, complete files are taken in. Nothing is remembered here
that a kill would lose: what waits is found again by the scan at the next start.
"""

from __future__ import annotations

import asyncio
import contextlib
import heapq
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import structlog
from watchdog.events import DirMovedEvent, FileClosedEvent, FileMovedEvent, FileSystemEvent

from mediaserver.core.library import paths
from mediaserver.core.library.ignore import IGNORE_FILE
from mediaserver.core.library.ingest import Describe, Ingest, NotComplete, Prober
from mediaserver.core.library.mailbox import TOPIC, ScanRequests, write_status
from mediaserver.core.library.observing import event_path
from mediaserver.core.library.records import CANNOT_READ, Records
from mediaserver.core.library.roots import Roots, WatchedRoot
from mediaserver.core.library.scanner import Scanner
from mediaserver.core.library.settle import Look, Pending, Settler, Verdict
from mediaserver.errors import DatabaseAway
from mediaserver.models import Location, LocationState

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from mediaserver.contracts import Changes, Clock
    from mediaserver.core.db import Database
    from mediaserver.core.library.settings import LibrarySettings
    from mediaserver.core.wakeups import Wakeups

__all__ = ["LibraryWatcher"]

PROBES = 2  # at a time
DEBOUNCE = 0.1  # seconds
AGAIN = 1.0  # seconds until a folder that came as a whole is looked at once more
ONCE_MORE = 5.0  # seconds until what failed is tried again: the database was away, say
TICK = 1.0  # seconds between two looks at clocks, mounts and requests
MANY = 100  # dirty folders of one root that are looked at one by one


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
        self._roots = Roots(settings, clock, self._heard, self._trouble)
        self._requests = ScanRequests(run_folder)
        self._dirty: dict[tuple[Path, str], bool] = {}  # (root, folder): with all that is below
        self._scans: dict[Path, list[Path]] = {}  # root to scan: the requests that asked for it
        self._complete: list[tuple[int, str]] = []  # newest first: (-mtime, key)
        self._queued: set[str] = set()
        self._news = asyncio.Event()
        self._ready = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._last_status: dict[str, Any] = {}

    async def run(self, stop: asyncio.Event) -> None:
        """Until `stop`. An error that is not about one file or folder ends it, for the supervisor to begin anew."""
        self._loop = asyncio.get_running_loop()
        await asyncio.to_thread(self._settings.upload_folder.mkdir, parents=True, exist_ok=True)
        self._roots.start()
        self._scans = {root.path: [] for root in self._roots}
        self._news.set()
        loops = [self._settler.run(), self._keep_scanning(), self._keep_time(), self._keep_asking()]
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
            await asyncio.to_thread(self._roots.stop)

    # ---- hints (called from watchdog's threads)

    def _heard(self, event: FileSystemEvent) -> None:
        self._call(self._mark, event)

    def _trouble(self, sentence: str) -> None:
        self._call(self._lost_events, sentence)

    def _call(self, function: Callable[..., None], *args: object) -> None:
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):  # the loop has just ended
                self._loop.call_soon_threadsafe(function, *args)

    def _mark(self, event: FileSystemEvent) -> None:
        for raw in filter(None, (event.src_path, event.dest_path)):
            path = event_path(raw)
            root = self._roots.of(path)
            inside = paths.inside(root.path, path) if root else None
            if root is None or not inside:
                continue
            root.last_event = self._clock.now()
            if isinstance(event, FileClosedEvent) or (isinstance(event, FileMovedEvent) and raw == event.dest_path):
                self._settler.closed(paths.key(paths.to_text(root.path), inside))
            self._dirty_folder(root, inside, event)

    def _dirty_folder(self, root: WatchedRoot, inside: str, event: FileSystemEvent) -> None:
        parent, _, name = inside.rpartition("/")
        self._make_dirty(root.path, parent, recursive=name == IGNORE_FILE)
        if event.is_directory and (isinstance(event, DirMovedEvent) or event.event_type != "modified"):
            self._make_dirty(root.path, inside, recursive=True)
            if event.event_type in {"created", "moved"} and self._loop is not None:
                self._loop.call_later(AGAIN, self._make_dirty, root.path, inside, True)

    def _make_dirty(self, root: Path, folder: str, recursive: bool) -> None:
        self._dirty[(root, folder)] = recursive or self._dirty.get((root, folder), False)
        self._news.set()

    def _lost_events(self, sentence: str) -> None:
        self._log.warning("library events were lost, everything is looked at", reason=sentence)
        for root in self._roots:
            if root.hears:
                self._ask_scan(root.path)

    def _ask_scan(self, root: Path, *requests: Path) -> None:
        self._scans.setdefault(root, []).extend(requests)
        self._news.set()

    # ---- scanning

    async def _keep_scanning(self) -> None:
        while True:
            await self._news.wait()
            self._news.clear()
            if not self._scans:
                await asyncio.sleep(DEBOUNCE)
            await self._look_at_dirty()
            while self._scans:
                root = next(iter(self._scans))
                requests = self._scans.pop(root)
                if not await self._edge(self._scan(self._roots[root]), f"scan of {paths.shown(root)}"):
                    asyncio.get_running_loop().call_later(ONCE_MORE, self._ask_scan, root)
                self._carried_out(requests)
                await self._look_at_dirty()

    async def _scan(self, root: WatchedRoot) -> None:
        await asyncio.to_thread(self._roots.attend, root)
        result = await self._scanner.scan(root.path)
        root.scanned(result, self._clock.now(), time.monotonic())
        for unheard in await asyncio.to_thread(self._roots.unheard, self._scanner.own_folders):
            self._ask_scan(unheard.path)
        self._log.info("library folder scanned", folder=paths.shown(root.path), files=result.files, new=result.new,
                       gone=result.gone, seconds=round(result.seconds, 2))  # fmt: skip
        self._tell_status()

    async def _look_at_dirty(self) -> None:
        while self._dirty:
            dirty, self._dirty = self._dirty, {}
            for root in {root for root, _ in dirty}:
                folders = {folder: deep for (of, folder), deep in dirty.items() if of == root}
                if len(folders) > MANY:
                    self._ask_scan(root)
                    continue
                for folder, recursive in _outermost(folders):
                    look = self._scanner.look(root, folder, recursive=recursive)
                    if not await self._edge(look, f"look at {paths.shown(root / folder)}") and self._loop is not None:
                        self._loop.call_later(ONCE_MORE, self._make_dirty, root, folder, recursive)

    async def _edge(self, work: Awaitable[object], what: str) -> bool:
        """One folder's trouble must not end the watching of the others; False where the database is away.

        That is tried again soon, anything else with the next scan.
        """
        try:
            await work
        except DatabaseAway as away:
            self._log.warning("library: waits for the database", what=what, reason=str(away))
            return False
        except Exception:  # noqa: BLE001 - the watcher's edge
            self._log.exception("library: failed", what=what)
        return True

    # ---- complete files

    async def _settled(self, done: Sequence[tuple[Pending, Look]]) -> None:
        for pending, seen in done:
            if seen.verdict is Verdict.STILL and pending.key not in self._queued:
                self._line_up(pending.key, -pending.mtime_ns)
            elif seen.verdict is Verdict.UNREADABLE:
                sentence = f"{CANNOT_READ} ({seen.problem}); allow the server to read it (chmod a+r)."
                location = await Location.get_or_none(key=pending.key)
                if location is not None:
                    await self._ingest.refuse(location, sentence)
            elif seen.verdict is Verdict.GONE:
                self._make_dirty_by_path(pending.path)
        if len(done) > PROBES:  # the others are looked at within this moment
            await self._records.probing([pending.key for pending, _ in done])

    def _line_up(self, key: str, place: int = 0) -> None:
        self._queued.add(key)
        heapq.heappush(self._complete, (place, key))
        self._ready.set()

    def _make_dirty_by_path(self, path: Path) -> None:
        root = self._roots.of(path)
        inside = paths.inside(root.path, path) if root else None
        if root is not None and inside:
            self._make_dirty(root.path, inside.rpartition("/")[0], recursive=False)

    async def _tell(self, pending: Pending, sentence: str) -> None:
        await self._records.waits(pending.key, pending.size, pending.mtime_ns, sentence)

    async def _keep_ingesting(self) -> None:
        while True:
            if not self._complete:
                self._ready.clear()
                await self._ready.wait()
                continue
            _, key = heapq.heappop(self._complete)
            self._queued.discard(key)
            if not await self._edge(self._take_in(key), "taking in a file"):
                asyncio.get_running_loop().call_later(ONCE_MORE, self._line_up, key)

    async def _take_in(self, key: str) -> None:
        try:
            await self._ingest.ingest(key)
        except NotComplete as error:
            location = await Location.get_or_none(key=key)
            if location is not None and location.state in (LocationState.SETTLING, LocationState.PROBING):
                path = paths.absolute(location.root, location.path)
                self._settler.add(Pending(key, path, location.size, location.mtime_ns))
                if str(error):
                    await self._records.waits(key, location.size, location.mtime_ns, str(error))

    # ---- time, mounts, requests, status

    async def _keep_time(self) -> None:
        while True:
            now = time.monotonic()
            await asyncio.to_thread(self._roots.revive)
            for root in self._roots:
                if root.path not in self._scans and await asyncio.to_thread(root.wants_scan, now):
                    self._ask_scan(root.path)
            self._tell_status()
            await asyncio.sleep(TICK)

    async def _keep_asking(self) -> None:
        with self._wakeups.subscribe(TOPIC) as calls:
            while True:
                for request, asked in (await asyncio.to_thread(self._requests.open)).items():
                    self._take_request(request, asked)
                await calls.wait(TICK)

    def _take_request(self, request: Path, asked: str) -> None:
        """A request for a folder or file looks there only; the scan of a root answers for all of it."""
        if any(request in requests for requests in self._scans.values()):
            return
        path = Path(paths.to_path(asked)) if asked else None
        root = self._roots.of(path) if path else None
        inside = paths.inside(root.path, path) if root and path else None
        if root is not None and path is not None and inside:
            folder = inside if path.is_dir() else inside.rpartition("/")[0]
            self._make_dirty(root.path, folder, recursive=True)
            request.unlink(missing_ok=True)
            return
        for each in [root] if root else list(self._roots):
            self._ask_scan(each.path, request)

    def _carried_out(self, requests: list[Path]) -> None:
        for request in requests:
            if not any(request in others for others in self._scans.values()):
                request.unlink(missing_ok=True)

    def _tell_status(self) -> None:
        status = {
            "roots": [root.status() for root in self._roots],
            "settling": len(self._settler),
            "probing": len(self._complete),
        }
        if status != self._last_status:
            self._last_status = status
            write_status(self._run_folder, {**status, "at": self._clock.now().isoformat()})


def _outermost(folders: dict[str, bool]) -> list[tuple[str, bool]]:
    """Without those that lie in one that is looked at with all below it."""
    deep = [folder for folder, recursive in folders.items() if recursive]
    covered = {
        folder
        for folder in folders
        if any(folder != outer and (not outer or folder.startswith(f"{outer}/")) for outer in deep)
    }
    return sorted((folder, recursive) for folder, recursive in folders.items() if folder not in covered)
