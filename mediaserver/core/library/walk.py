"""The disk's side of a scan: folders listed one by one, each file judged without being opened."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mediaserver.core.library.ignore import NO_RULES, Rules, is_candidate, unwanted_folder
from mediaserver.core.library.paths import shown, to_path, to_text
from mediaserver.core.library.sidecar_names import sidecar_kind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from mediaserver.core.library.settings import FollowSymlinks

__all__ = ["Entry", "Listing", "Walker", "file_id", "file_time"]

EARLIEST, LATEST = -(1 << 63), (1 << 63) - 1  # ns since 1970 that a column of a database holds: 1677 to 2262
DEEPEST = 64  # folders; more is a chain of links


@dataclass(frozen=True, slots=True)
class Entry:
    """A file that may be media, or (with the sentence `refused`) something a person would wonder about."""

    path: str  # inside the root, as database text
    file_id: str
    size: int
    mtime_ns: int
    refused: str = ""


@dataclass(frozen=True, slots=True)
class Listing:
    """One folder. `unread` says that nothing is known about what is below it."""

    folder: str
    entries: list[Entry]
    unread: bool = False
    linked: bool = False  # reached by way of a link
    sidecars: list[Entry] = field(default_factory=list)


@dataclass(slots=True)
class _Folder:
    path: str  # as the file system has it
    inside: str  # as database text
    rules: Rules
    above: tuple[tuple[int, int], ...] = field(default=())  # device and inode of the folders above
    linked: bool = False


def file_id(found: os.stat_result) -> str:
    return f"{found.st_dev}:{found.st_ino}"


def file_time(found: os.stat_result) -> int:
    """What is recorded and compared everywhere: file systems know times that no database can hold."""
    return max(EARLIEST, min(LATEST, found.st_mtime_ns))


class Walker:
    """Lists one root. `roots` are all of them: what links may point into, and none of them is walked twice."""

    def __init__(self, root: Path, roots: tuple[Path, ...], follow: FollowSymlinks) -> None:
        self.root = root
        self._follow = follow
        self._others = {os.fspath(other) for other in roots if other != root}
        self._real = tuple(os.path.realpath(folder) for folder in roots)

    def walk(self, inside: str = "", *, below: Callable[[str], bool]) -> Iterator[Listing]:
        """The folder `inside`, and those below it that `below` asks for. Blocks: run it in a thread."""
        start = self._start(inside)
        if start is None:
            return
        todo = [start]
        while todo:
            folder = todo.pop()
            entries: list[Entry] = []
            sidecars: list[Entry] = []
            try:
                with os.scandir(folder.path) as found:
                    folder.above = (*folder.above, _identity(os.stat(folder.path)))  # noqa: PTH116
                    for item in found:
                        if sidecar_kind(item.name) and not _is_folder(item):
                            self._judge_sidecar(item, folder, sidecars)
                        else:
                            self._judge(item, folder, entries, todo, below)
            except (FileNotFoundError, NotADirectoryError):
                continue
            except OSError as error:
                yield self._unread(folder, error)
                continue
            yield Listing(folder.inside, entries, linked=folder.linked, sidecars=sidecars)

    def _start(self, inside: str) -> _Folder | None:
        """The folder with the rules of all folders above it; None where one of them is left out."""
        current = _Folder(os.fspath(self.root), "", NO_RULES.enter(self.root, ""))
        for name in filter(None, inside.split("/")):
            path = os.path.join(current.path, to_path(name))  # noqa: PTH118
            below = f"{current.inside}/{name}" if current.inside else name
            if unwanted_folder(name) or current.rules.refusal(below, folder=True):
                return None
            if os.path.islink(path) and self._refused_link(path, current):  # noqa: PTH114
                return None
            current = _Folder(
                path, below, current.rules.enter(path, below), (*current.above, *_identities(current.path))
            )
        return None if current.rules.leaves_all_out else current

    def _judge(
        self,
        item: os.DirEntry[str],
        folder: _Folder,
        entries: list[Entry],
        todo: list[_Folder],
        below: Callable[[str], bool],
    ) -> None:
        if _is_folder(item):
            self._judge_folder(item, folder, entries, todo, below)
        elif is_candidate(item.name):
            path = _below(folder, item.name)
            if not folder.rules.specs or folder.rules.refusal(path) is None:
                self._judge_file(item, path, folder, entries)

    def _judge_sidecar(self, item: os.DirEntry[str], folder: _Folder, sidecars: list[Entry]) -> None:
        path = _below(folder, item.name)
        if not folder.rules.specs or folder.rules.refusal(path) is None:
            self._judge_file(item, path, folder, sidecars)

    def _judge_folder(
        self,
        item: os.DirEntry[str],
        folder: _Folder,
        entries: list[Entry],
        todo: list[_Folder],
        below: Callable[[str], bool],
    ) -> None:
        path = _below(folder, item.name)
        if unwanted_folder(item.name) or item.path in self._others or folder.rules.refusal(path, folder=True):
            return
        if item.is_symlink() and (refused := self._refused_link(item.path, folder)):
            entries.append(_refusal(path, item.stat(follow_symlinks=False), refused))
            return
        if below(path) and len(folder.above) < DEEPEST:
            rules = folder.rules.enter(item.path, path)
            if not rules.leaves_all_out:
                todo.append(_Folder(item.path, path, rules, folder.above, folder.linked or item.is_symlink()))

    def _judge_file(self, item: os.DirEntry[str], path: str, folder: _Folder, entries: list[Entry]) -> None:
        try:
            own = item.stat(follow_symlinks=False)
            if stat.S_ISLNK(own.st_mode):
                if refused := self._refused_link(item.path, folder):
                    entries.append(_refusal(path, own, refused))
                    return
                own = item.stat()
        except FileNotFoundError:
            return
        except OSError as error:
            entries.append(Entry(path, "", 0, 0, f"It cannot be looked at ({error.strerror})."))
            return
        if stat.S_ISREG(own.st_mode):
            entries.append(Entry(path, file_id(own), own.st_size, file_time(own)))
        else:
            entries.append(_refusal(path, own, "This is not a regular file, so it is never opened."))

    def _refused_link(self, path: str, folder: _Folder) -> str | None:
        if self._follow == "never":
            return "This is a symbolic link, and library.follow_symlinks is never; put the file itself here."
        real = os.path.realpath(path)
        try:
            target = os.stat(real)  # noqa: PTH116
        except OSError:
            return "This symbolic link points to nothing that can be reached."
        if self._follow == "inside" and not any(real == root or real.startswith(f"{root}/") for root in self._real):
            return (
                f"This symbolic link points out of the library, to {shown(real)}; "
                "set library.follow_symlinks to anywhere, or add that folder to library.folders."
            )
        if stat.S_ISDIR(target.st_mode) and _identity(target) in folder.above:
            return "This symbolic link points to a folder it lies in, so following it would never end."
        return None

    @staticmethod
    def _unread(folder: _Folder, error: OSError) -> Listing:
        sentence = f"This folder cannot be read ({error.strerror}); allow the server to read it (chmod a+rx)."
        return Listing(folder.inside, [Entry(folder.inside, "", 0, 0, sentence)] if folder.inside else [], unread=True)


def _is_folder(item: os.DirEntry[str]) -> bool:
    try:
        return item.is_dir()
    except OSError:  # links in a circle
        return False


def _below(folder: _Folder, name: str) -> str:
    text = to_text(name)
    return f"{folder.inside}/{text}" if folder.inside else text


def _identity(found: os.stat_result) -> tuple[int, int]:
    return found.st_dev, found.st_ino


def _identities(path: str) -> tuple[tuple[int, int], ...]:
    try:
        return (_identity(os.stat(path)),)  # noqa: PTH116
    except OSError:
        return ()


def _refusal(path: str, found: os.stat_result, sentence: str) -> Entry:
    return Entry(path, file_id(found), found.st_size, file_time(found), sentence)
