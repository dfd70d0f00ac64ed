"""The only builder of media paths, and the only way a file becomes visible: verified, synced, linked once."""

from __future__ import annotations

import errno
import fcntl
import os
import secrets
import shutil
import time
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from mediaserver.core.processes import is_gone, machine, own_name
from mediaserver.errors import StartLater

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


FORGOTTEN_SECONDS = 3600.0  # a workspace of another machine that nobody has written to


class MediaStorage:
    """Implements `mediaserver.contracts.Storage` below `data`, or in `media`, which machines may share."""

    def __init__(self, data: Path, media: Path | None = None) -> None:
        self.shared = media
        self.media = media or data / "media"
        self.work = media / ".work" if media else data / "work"  # a link never leaves its file system

    def prepare(self) -> None:
        """Raises StartLater where a folder that was named is not there: it is not mounted yet, say."""
        if self.shared and not self.shared.is_dir():
            raise StartLater(f"The media folder {self.shared} is not there. Mount or make it, or correct `media`.")
        for folder in (self.media, self.work):
            folder.mkdir(parents=True, exist_ok=True)

    def video(self, video_id: int) -> Path:
        return self.media / str(video_id)

    def plan(self, video_id: int, plan: int) -> Path:
        return self.video(video_id) / str(plan)

    def segment(self, video_id: int, plan: int, rung: str, number: int) -> Path:
        return self.plan(video_id, plan) / rung / f"{number:03d}.ts"

    def playlist(self, video_id: int, plan: int, rung: str) -> Path:
        """The media playlist of a rung; with "" the multivariant one."""
        return self.plan(video_id, plan) / rung / "index.m3u8" if rung else self.plan(video_id, plan) / "master.m3u8"

    def picture(self, video_id: int, name: str) -> Path:
        return self.video(video_id) / "pictures" / name

    def subtitle(self, video_id: int, key: str) -> Path:
        return self.video(video_id) / "subtitles" / f"{key}.vtt"

    def internal_uri(self, path: Path) -> str:
        """`location /internal-media/ { internal; alias <data>/media/; }` of nginx, or the folder of `media`."""
        return f"/internal-media/{path.relative_to(self.media)}"

    def free_bytes(self) -> int:
        return shutil.disk_usage(self.media).free

    @asynccontextmanager
    async def workspace(self) -> AsyncIterator[Path]:
        """An empty directory on the same file system as the media, gone afterwards; its name tells whose it is.

        Links are resolved, since a sandbox reads nothing by one.
        """
        path = self.work / f"{own_name()}:{secrets.token_hex(6)}".replace(":", "=")  # which every file system takes
        path.mkdir(parents=True)
        try:
            yield path.resolve()
        finally:
            shutil.rmtree(path, ignore_errors=True)

    def sweep_workspaces(self) -> None:
        """Remove what killed processes of this machine have left, and what one of another left an hour ago."""
        with suppress(FileNotFoundError):
            for path in self.work.iterdir():
                owner = path.name.rpartition("=")[0].replace("=", ":")
                if is_gone(owner) or not (owner.startswith(f"{machine()}:") or _is_written(path)):
                    shutil.rmtree(path, ignore_errors=True)

    def publish(self, tmp: Path, final: Path) -> bool:
        """Sync `tmp` and give it its final name; whoever is first wins (with rename both of two believed they had)."""
        final.parent.mkdir(parents=True, exist_ok=True)
        _sync(tmp)
        won = True
        try:
            os.link(tmp, final)
        except FileExistsError:
            won = False
        except OSError as error:
            if error.errno not in (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK):
                raise
            won = _rename_once(tmp, final)
        tmp.unlink(missing_ok=True)
        if won:
            _sync(final.parent)
        return won

    def replace(self, tmp: Path, final: Path) -> None:
        """Sync `tmp` and put it in the place of what is there, for what may be made another way later."""
        final.parent.mkdir(parents=True, exist_ok=True)
        _sync(tmp)
        tmp.replace(final)

    def write_text(self, path: Path, text: str) -> None:
        """Write a small file so that a reader sees the old text or the new one, never a part."""
        path.parent.mkdir(parents=True, exist_ok=True)
        tmp = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
        try:
            tmp.write_text(text, encoding="utf-8")
            _sync(tmp)
            tmp.replace(path)
        except OSError:  # a full disk: nobody else would remove it
            tmp.unlink(missing_ok=True)
            raise


def _is_written(folder: Path) -> bool:
    """Something in it changed within the last hour."""
    with suppress(OSError):
        newest = max(path.stat().st_mtime for path in (folder, *folder.rglob("*")))
        return time.time() - newest < FORGOTTEN_SECONDS
    return True  # it is being written or removed right now


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _rename_once(tmp: Path, final: Path) -> bool:
    """For file systems without links: one publisher at a time in a folder. The kernel frees its lock if it dies."""
    folder = os.open(final.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        if final.exists():
            return False
        tmp.replace(final)
        return True
    finally:
        os.close(folder)
