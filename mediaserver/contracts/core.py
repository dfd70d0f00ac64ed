"""What core provides to every plugin."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

from mediaserver.contracts.tracks import SidecarFile
from mediaserver.contracts.values import JobView, LibraryFile, MediaGrant, Page, Reason
from mediaserver.events import Event

Transaction = Any  # the database client of an open transaction, as `Database.transaction()` hands it out


class Clock(Protocol):
    def now(self) -> datetime: ...


class Changes(Protocol):
    async def record(self, event: Event, tx: Transaction) -> int:
        """Write the event in the transaction of the fact it tells; processes are woken after the commit."""
        ...

    def stream(self, after: int) -> AsyncIterator[tuple[int, Event]]: ...


class Database(Protocol):
    """Core's database, for statements that must be one; tables of one's own are reached through Tortoise models."""

    def transaction(self) -> AbstractAsyncContextManager[Transaction]:
        """A transaction that begins with the right to write."""
        ...

    def after_commit(self, callback: Callable[[], None]) -> None: ...

    async def fetch(self, sql: str, *args: Any, reading: bool = False) -> list[dict[str, Any]]:
        """Rows of one statement; `?` stands for arguments, `{now}` for the database's clock (seconds since 1970)."""
        ...


class Jobs(Protocol):
    async def enqueue(
        self,
        kind: str,
        key: str,
        args: Mapping[str, Any],
        *,
        priority: int = 0,
        delay: float = 0.0,
        wanted_for: float | None = None,
        tx: Transaction | None = None,
    ) -> int:
        """Make a job due, once per `key`: one that is due may be raised, one that runs is left. Answers its id.

        With `wanted_for` (seconds) it is dropped unless `renew_wish` or another `enqueue` asks for it again in time.
        """
        ...

    async def renew_wish(self, key: str, seconds: float) -> None: ...

    def is_gone(self, worker: str) -> bool:
        """True only for a worker of this machine that has ended; of other machines only their leases tell."""
        ...

    async def cancel(self, job_id: int) -> bool: ...

    async def retry(self, job_id: int) -> bool: ...

    async def list(self, *, state: str | None = None, page: int = 1, limit: int = 20) -> Page[JobView]: ...


class Storage(Protocol):
    """The only builder of media paths."""

    def segment(self, video_id: int, plan: int, rung: str, number: int) -> Path: ...

    def playlist(self, video_id: int, plan: int, rung: str) -> Path:
        """The media playlist of a rung; with "" the multivariant one."""
        ...

    def picture(self, video_id: int, name: str) -> Path: ...

    def subtitle(self, video_id: int, key: str) -> Path: ...

    def workspace(self) -> AbstractAsyncContextManager[Path]: ...

    def write_text(self, path: Path, text: str) -> None:
        """Write a small file so that a reader sees the old text or the new one, never a part."""
        ...

    def free_bytes(self) -> int: ...

    def internal_uri(self, path: Path) -> str:
        """Under what name nginx finds a file of ours (`server.sendfile: x-accel`)."""
        ...

    def replace(self, tmp: Path, final: Path) -> None:
        """Put `tmp` in the place of what is there, a poster that was chosen anew say. Cells are published instead."""
        ...

    def publish(self, tmp: Path, final: Path) -> bool:
        """Fsync and link `tmp` to `final`, at most once: False means somebody was first and `tmp` was dropped."""
        ...


class Library(Protocol):
    async def scan(self, path: Path | None = None) -> None:
        """Ask the watcher to look at `path`, or at everything."""
        ...

    async def why(self, path: Path) -> Reason:
        """For every path there is: a LocationState, or sidecar, ignored, unknown, folder, offline or outside."""
        ...

    async def locations(self, *, page: int = 1, limit: int = 20) -> Page[Reason]: ...

    async def source(self, video_id: int) -> Path | None:
        """The path of `file`."""
        ...

    async def file(self, video_id: int) -> LibraryFile | None:
        """A file with this content that can be read now."""
        ...

    async def damaged(self, video_id: int, ends: float | None = None) -> None:
        """Note that a film's file is damaged: all its bytes are its identity from now on, so a better copy is another.

        `ends` is after how many seconds there is nothing any more, whatever its header and its packets say.
        """
        ...

    async def beside(self, video_id: int) -> tuple[SidecarFile, ...]:
        """Subtitles and posters that stand beside the video, those too that are not to be opened, with the reason."""
        ...


class Subscription(Protocol):
    async def wait(self, timeout: float) -> bool:  # noqa: ASYNC109
        """True when one of its topics was announced since the last wait, False after `timeout` seconds."""
        ...

    def close(self) -> None: ...


class Wakeups(Protocol):
    """Hints between the processes of one machine; one may be lost, so whoever waits also looks once a second."""

    def notify(self, topic: str) -> None: ...

    def subscribe(self, *topics: str) -> Subscription: ...


class MediaGrants(Protocol):
    def issue(self, grant: MediaGrant) -> str: ...

    def seal(self, purpose: str, number: int) -> str:
        """A word that names `number` and that nobody can guess; it does not expire."""
        ...

    def unseal(self, purpose: str, word: str) -> int:
        """Raises NotFound for a word that `seal` did not make."""
        ...

    def verify(self, token: str) -> MediaGrant:
        """Raises Forbidden for a forged, foreign or expired token."""
        ...


class Mail(Protocol):
    async def send(self, template: str, to: str, about: str = "", *, tx: Transaction | None = None) -> None:
        """Queue a letter. In a worker the plugin of `template` writes it (`Registry.mail`): no token waits in a job.

        One that is already queued for the same three is not queued again. Raises LookupError where no plugin writes it.
        """
        ...

    def link(self, page: str, **query: str) -> str:
        """An address for letters: `page` is activation, password_reset, or a path of our own pages.

        Hosts come from the configuration alone: `frontend.base_url`, `server.public_url`, else localhost.
        """
        ...


class KeyRing(Protocol):
    """Secret keys of the installation, made when first asked for, readable by nobody else (0600)."""

    def current(self, name: str) -> tuple[str, bytes]:
        """The id and the 32 bytes of the key that signs now."""
        ...

    def find(self, name: str, key_id: str) -> bytes | None:
        """An older key that still verifies, or None."""
        ...

    def rotate(self, name: str) -> str:
        """Make a new key that signs from now on, also in other processes within a minute. Answers its id."""
        ...

    def retire(self, name: str, seconds: float) -> list[str]:
        """Delete keys that were replaced more than `seconds` ago. Answers their ids."""
        ...
