"""The truth about the library: what is on the disk against what is in the database."""

from __future__ import annotations

import asyncio
import os
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from mediaserver.core.library import names, paths
from mediaserver.core.library.identity import still_there
from mediaserver.core.library.records import GONE_AT_ONCE
from mediaserver.core.library.settle import Pending
from mediaserver.core.library.sidecars import SidecarScan
from mediaserver.core.library.titles import Titles
from mediaserver.core.library.walk import Entry, Listing, Walker
from mediaserver.events import LibraryScanned
from mediaserver.models import LocationState

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator
    from pathlib import Path

    from mediaserver.contracts import Changes
    from mediaserver.core.db import Database
    from mediaserver.core.library.records import Known, Records
    from mediaserver.core.library.settings import LibrarySettings

__all__ = ["Scanned", "Scanner"]

BATCH = 500  # files handed from the thread that lists folders
AWAY = "The folder {root} is missing; is its disk connected? Nothing is deleted."
UNREADABLE = "A folder it lies in cannot be read."


@dataclass(slots=True)
class Scanned:
    files: int = 0
    new: int = 0
    gone: int = 0
    seconds: float = 0.0
    online: bool = True
    emptied: str = ""  # the sentence where most files are gone at once, though the folder is there
    turned: bool = False  # whether files went offline or came back


@dataclass(slots=True)
class _Scan:
    """One look at (a part of) a root, while it goes on."""

    root: Path
    text: str
    known: dict[str, Known]
    result: Scanned = field(default_factory=Scanned)
    new: list[Entry] = field(default_factory=list)
    moved: list[tuple[Known, Entry]] = field(default_factory=list)
    back: list[Known] = field(default_factory=list)
    denied: list[tuple[Known, Entry]] = field(default_factory=list)
    unread: list[str] = field(default_factory=list)
    renamed: set[int] = field(default_factory=set)  # videos
    removed: set[int] = field(default_factory=set)  # locations


class Scanner:
    """`pending` is told of every file that waits for its copy to end; `between` gets a turn in long scans."""

    def __init__(
        self,
        settings: LibrarySettings,
        db: Database,
        changes: Changes,
        records: Records,
        *,
        pending: Callable[[Pending], None],
        between: Callable[[], Awaitable[None]],
    ) -> None:
        self._settings = settings
        self._db = db
        self._changes = changes
        self._records = records
        self._pending = pending
        self._between = between
        self._titles = Titles(changes)
        self.folders: dict[Path, set[str]] = {}  # which folders of each root have been listed
        self.linked: dict[Path, int] = {}  # how many of them are reached by way of a link

    async def scan(self, root: Path) -> Scanned:
        """Everything in a root."""
        began = time.monotonic()
        self.folders[root] = set()
        self.linked[root] = 0
        result = await self._scan(root, "", recursive=True, between=self._between)
        if result.online:
            result.emptied = await self.emptied(root)
        result.seconds = time.monotonic() - began
        async with self._db.transaction() as tx:
            await self._changes.record(LibraryScanned(paths.to_text(root), result.files, round(result.seconds, 3)), tx)
        return result

    async def leave(self) -> None:
        """Films of folders that were taken out of the settings are offline; nothing of them is lost meanwhile."""
        for root in await self._records.roots():
            if sentence := self._settings.why_left(root):
                known = (await self._records.known(root)).values()
                rows = [row for row in known if (row.state, row.reason) != (LocationState.OFFLINE, sentence)]
                await self._records.set_state(rows, LocationState.OFFLINE, sentence)

    async def emptied(self, root: Path) -> str:
        return await self._records.most_are_gone(paths.to_text(root), self._settings.missing_guard)

    def own_folders(self, root: Path) -> int:
        return len(self.folders.get(root, ())) - self.linked.get(root, 0)

    async def look(self, root: Path, folder: str, *, recursive: bool) -> Scanned:
        """One folder, the folders in it that are new, and with `recursive` all that is below it."""
        return await self._scan(root, folder, recursive=recursive, between=None)

    async def _scan(
        self, root: Path, folder: str, *, recursive: bool, between: Callable[[], Awaitable[None]] | None
    ) -> Scanned:
        text = paths.to_text(root)
        known = await self._records.known(text, folder, recursive=recursive)
        scan = _Scan(root, text, known)
        if not await asyncio.to_thread(os.path.isdir, root):
            await self._away(scan, AWAY.format(root=paths.shown(root)))
            return scan.result
        listed = self.folders.setdefault(root, set())
        beside = SidecarScan(self._db, self._changes, text)
        walker = Walker(root, self._settings.roots, self._settings.follow_symlinks)
        walk = walker.walk(folder, below=lambda path: recursive or path not in listed)
        while listings := await asyncio.to_thread(_take, walk):
            if not recursive:
                await self._know_more(scan, folder, listings)
            for listing in listings:
                if listing.linked and listing.folder not in listed:
                    self.linked[root] = self.linked.get(root, 0) + 1
                if not listing.unread:
                    listed.add(listing.folder)
                self._compare(scan, listing)
            await self._flush(scan)
            await beside.take(listings)
            if between is not None:
                await between()
        await self._gone(scan)
        away = {path.rpartition("/")[0] for path, known in scan.known.items() if known.id not in scan.removed}
        await beside.end(folder, scan.unread, away, scan.renamed, recursive=recursive)
        return scan.result

    async def _know_more(self, scan: _Scan, folder: str, listings: list[Listing]) -> None:
        for listing in listings:
            if listing.folder != folder:
                scan.known |= await self._records.known(scan.text, listing.folder, recursive=False)

    def _compare(self, scan: _Scan, listing: Listing) -> None:
        if listing.unread:
            scan.unread.append(listing.folder)
        for entry in listing.entries:
            scan.result.files += 1
            known = scan.known.pop(entry.path, None)
            if known is None:
                scan.new.append(entry)
            elif _differs(known, entry):
                scan.moved.append((known, entry))
            elif known.state == LocationState.OFFLINE:
                scan.back.append(known)
            elif known.waits:
                self._wait(scan.text, entry)
            elif known.denied:
                scan.denied.append((known, entry))

    def _wait(self, root: str, entry: Entry) -> None:
        self._pending(
            Pending(paths.key(root, entry.path), paths.absolute(root, entry.path), entry.size, entry.mtime_ns)
        )

    async def _flush(self, scan: _Scan) -> None:
        new, scan.new = scan.new, []
        moved, scan.moved = scan.moved, []
        back, scan.back = scan.back, []
        denied, scan.denied = scan.denied, []
        for known, entry in denied:
            if await asyncio.to_thread(os.access, paths.absolute(known.root, known.path), os.R_OK):
                await self._records.changed(known, entry)
                self._wait(scan.text, entry)
        if new:
            new = await self._renamed(scan, new)
            await self._records.add(scan.text, new)
            scan.result.new += len(new)
            for entry in new:
                if not entry.refused:
                    self._wait(scan.text, entry)
        if moved:
            await self._changed(scan, moved)
        if back:
            await self._back(scan, back)

    async def _renamed(self, scan: _Scan, new: list[Entry]) -> list[Entry]:
        """Entries that are no known file under another name; those that are keep their location."""
        by_id: dict[str, list[Known]] = {}
        for known in await self._records.same_files(entry.file_id for entry in new if not entry.refused):
            by_id.setdefault(known.file_id, []).append(known)
        if not by_id:
            return new
        fresh = []
        for entry in new:
            old = await self._former(entry, by_id.get(entry.file_id, []))
            if old is None or entry.refused:
                fresh.append(entry)
                continue
            by_id[entry.file_id].remove(old)
            scan.known.pop(old.path, None)
            async with self._records.turn() as tx:  # a kill between the two would leave the title its old name
                await self._records.renamed(tx, old, scan.text, entry.path)
                if old.video_id is not None:
                    await self._rename_title(tx, old, entry)
                    scan.renamed.add(old.video_id)
            if old.video_id is None or old.waits:
                self._wait(scan.text, entry)
        return fresh

    async def _former(self, entry: Entry, candidates: list[Known]) -> Known | None:
        for known in candidates:
            same = (known.size, known.mtime_ns) == (entry.size, entry.mtime_ns) and known.state != LocationState.REFUSED
            if same and (self._settings.why_left(known.root) or not await asyncio.to_thread(still_there, known)):
                return known
        return None

    async def _rename_title(self, tx: Any, old: Known, entry: Entry) -> None:
        before, after = names.from_path(old.path), names.from_path(entry.path)
        await self._titles.rename(tx, int(old.video_id or 0), before, after)

    async def _changed(self, scan: _Scan, moved: list[tuple[Known, Entry]]) -> None:
        now = await self._records.current(known.id for known, _ in moved)
        numbered: list[tuple[Known, Entry]] = []
        for known, entry in moved:
            current = now.get(known.id)
            if current is None or current.path != known.path or not _differs(current, entry):
                continue
            if _same_disk_new_number(current, entry):
                numbered.append((current, entry))
                if current.state == LocationState.OFFLINE:
                    scan.back.append(current)
                elif current.waits:
                    self._wait(scan.text, entry)
                continue
            await self._records.changed(current, entry)
            if not entry.refused:
                self._wait(scan.text, entry)
        await self._records.same_file_new_id(numbered)
        if scan.back:
            back, scan.back = scan.back, []
            await self._back(scan, back)

    async def _back(self, scan: _Scan, back: list[Known]) -> None:
        """Their disk is connected again."""
        scan.result.turned = True
        films = [known for known in back if known.video_id is not None]
        others = [known for known in back if known.video_id is None]
        await self._records.set_state(films, LocationState.DUPLICATE, "")  # one of each video becomes the first
        await self._records.set_state(others, LocationState.SETTLING, "Waiting until it is looked at again.")
        for known in others:
            self._wait(scan.text, Entry(known.path, known.file_id, known.size, known.mtime_ns))

    async def _gone(self, scan: _Scan) -> None:
        """What was not found: away with its disk, out of sight in a folder that cannot be read, or deleted."""
        hidden = [known for known in scan.known.values() if _lies_in(known.path, scan.unread)]
        out_of_sight = [known for known in hidden if known.state not in (LocationState.OFFLINE, LocationState.REFUSED)]
        await self._records.set_state(out_of_sight, LocationState.OFFLINE, UNREADABLE)
        unseen = {known.id for known in hidden}
        missing = [known for known in scan.known.values() if known.id not in unseen]
        gone = [known for known in missing if known.state != LocationState.OFFLINE]
        now = await self._records.current(known.id for known in gone)
        gone = [known for known in gone if known.id in now and now[known.id].path == known.path]
        away = [known for known in missing if known.state == LocationState.OFFLINE and not known.is_gone_at_once]
        if await self._guarded(scan, gone, away):
            return
        scan.result.gone = len(gone)
        await self._records.remove(gone)
        scan.removed |= {known.id for known in gone}

    async def _guarded(self, scan: _Scan, gone: list[Known], away: list[Known]) -> bool:
        """Whether so many are `gone` that a disk is; also says so of those `away` with the folder, which is back."""
        if not gone and not away:
            return False
        total, here = await self._records.count(scan.text)
        for rows, of in ((away, total), (gone, here)):
            if len(rows) > self._settings.missing_guard * of:
                sentence = GONE_AT_ONCE.format(gone=len(rows), all=of, root=paths.shown(scan.root))
                await self._records.set_state(rows, LocationState.OFFLINE, sentence)
                scan.result.turned = True
        return len(gone) > self._settings.missing_guard * here

    async def _away(self, scan: _Scan, sentence: str) -> None:
        scan.result.online = False
        rows = [known for known in scan.known.values() if known.state != LocationState.OFFLINE]
        await self._records.set_state(rows, LocationState.OFFLINE, sentence)


def _take(walk: Iterator[Listing]) -> list[Listing]:
    """The next folders, as many as hold about BATCH files."""
    taken: list[Listing] = []
    files = 0
    for listing in walk:
        taken.append(listing)
        files += len(listing.entries) + 1
        if files >= BATCH:
            break
    return taken


def _differs(known: Known, entry: Entry) -> bool:
    if entry.refused:
        return known.state != LocationState.REFUSED or known.reason != entry.refused
    return (known.size, known.mtime_ns, known.file_id) != (entry.size, entry.mtime_ns, entry.file_id)


def _same_disk_new_number(known: Known, entry: Entry) -> bool:
    """A disk that is mounted again may get another device number: inode, size and time stay."""
    same = (known.size, known.mtime_ns) == (entry.size, entry.mtime_ns) and not entry.refused
    return same and known.file_id.partition(":")[2] == entry.file_id.partition(":")[2]


def _lies_in(path: str, folders: list[str]) -> bool:
    return any(not folder or path.startswith(f"{folder}/") for folder in folders)
