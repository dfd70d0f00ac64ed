"""What core and plugins offer each other. Value objects are frozen; a change here has a line in the changelog."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import asdict, dataclass, field
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any, Generic, Literal, Protocol, TypeVar

from mediaserver.events import Event

__all__ = [
    "Actor",
    "AudioTrack",
    "BrowseQuery",
    "Catalog",
    "Changes",
    "Clock",
    "Database",
    "Encoding",
    "EncodingState",
    "Finished",
    "Item",
    "JobView",
    "Jobs",
    "Library",
    "Limits",
    "Manifest",
    "MediaFile",
    "MediaGrant",
    "MediaGrants",
    "MediaInfo",
    "MediaTools",
    "Metadata",
    "Page",
    "Pictures",
    "Reason",
    "Refusal",
    "Rung",
    "RunningTool",
    "Storage",
    "Streaming",
    "Subscription",
    "SubtitleTrack",
    "TitleLimit",
    "Transaction",
    "Transcoding",
    "VideoStream",
    "Wakeups",
]

T_co = TypeVar("T_co", covariant=True)
Transaction = Any  # the database client of an open transaction, as `Database.transaction()` hands it out


# ---- who ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Actor:
    """Who asks. `user_id` is None for a guest; `scopes` None means all that the roles allow."""

    user_id: int | None
    email: str = ""
    roles: frozenset[str] = frozenset()
    login_id: str | None = None
    profile_id: int | None = None
    scopes: frozenset[str] | None = None

    @property
    def is_admin(self) -> bool:
        return "admin" in self.roles


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why somebody may not; `message` is shown to them."""

    message: str
    code: str = "FORBIDDEN"


@dataclass(frozen=True, slots=True)
class TitleLimit:
    """What somebody may see, as plain data that goes into SQL. None means no limit of that sort."""

    max_maturity: int | None = None
    kinds: frozenset[str] | None = None
    hidden_tags: frozenset[str] = frozenset()


# ---- what a file is ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class VideoStream:
    """The picture. `frame_rate` is the source's as "num/den"; `width`, `height` are coded pixels before rotation."""

    index: int
    codec: str
    width: int
    height: int
    frame_rate: str
    variable_rate: bool
    sample_aspect: str  # "num/den", "1/1" for square pixels
    rotation: int  # degrees, 0 90 180 270
    pixel_format: str
    field_order: str  # "progressive" or the fields' order
    transfer: str  # color_transfer, "" where unsaid
    profile: str = ""
    bit_rate: int | None = None  # bit/s


@dataclass(frozen=True, slots=True)
class AudioTrack:
    index: int
    codec: str
    channels: int
    sample_rate: int  # Hz
    language: str  # ISO 639-2 as tagged, "" where unsaid
    title: str
    default: bool
    start: float = 0.0  # seconds after MediaInfo.start_time, as the headers say
    end: float | None = None  # the same, None where unsaid


@dataclass(frozen=True, slots=True)
class SubtitleTrack:
    index: int
    codec: str
    language: str
    title: str
    default: bool
    forced: bool


@dataclass(frozen=True, slots=True)
class MediaInfo:
    """What probing found. Times are seconds; `duration` is counted from packets where headers lie."""

    container: str
    duration: float
    start_time: float
    size: int  # bytes
    video: VideoStream
    audio: tuple[AudioTrack, ...]
    subtitles: tuple[SubtitleTrack, ...]
    truncated: bool = False  # packets end before the header says
    tags: Mapping[str, str] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    @staticmethod
    def from_dict(raw: Mapping[str, Any]) -> MediaInfo:
        return MediaInfo(
            **{
                **raw,
                "video": VideoStream(**raw["video"]),
                "audio": tuple(AudioTrack(**track) for track in raw["audio"]),
                "subtitles": tuple(SubtitleTrack(**track) for track in raw["subtitles"]),
            }
        )


@dataclass(frozen=True, slots=True)
class Metadata:
    """What somebody knows about a file; None means no opinion."""

    title: str | None = None
    kind: str | None = None  # movie | episode
    year: int | None = None
    series: str | None = None
    season: int | None = None
    episode: int | None = None
    role: str | None = None  # version | part | extra
    label: str | None = None
    position: int | None = None


@dataclass(frozen=True, slots=True)
class Reason:
    """State of a file and why, in one sentence."""

    path: str
    state: str
    sentence: str
    title_id: int | None = None


# ---- lists -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Page(Generic[T_co]):
    items: tuple[T_co, ...]
    page: int
    limit: int
    total: int

    @property
    def has_next(self) -> bool:
        return self.page * self.limit < self.total


@dataclass(frozen=True, slots=True)
class BrowseQuery:
    type: str | None = None
    sort: str = "-created"
    page: int = 1
    limit: int = 20


@dataclass(frozen=True, slots=True)
class Item:
    """A title as every list shows it."""

    id: int
    slug: str
    title: str
    type: str
    genre: tuple[str, ...]
    rating: str
    duration: float
    release_year: int | None
    thumbnail_url: str
    description: str
    cast: tuple[str, ...]
    director: str
    language: str
    seasons: int
    episodes: int
    created_at: datetime
    playable: bool


# ---- media -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Rung:
    """One resolution of a plan. `name` is 480p, 720p or 1080p; rates are bit/s."""

    name: str
    width: int
    height: int
    max_rate: int
    buffer_size: int


@dataclass(frozen=True, slots=True)
class MediaGrant:
    """What a media token allows: these rungs of this plan, until `expires` (seconds since 1970)."""

    session_id: int | None
    title_id: int
    video_id: int
    plan_id: int
    rungs: tuple[str, ...]
    expires: int


@dataclass(frozen=True, slots=True)
class Manifest:
    content_id: int
    path: str  # of the multivariant playlist, from the root of this server
    drm_license_url: str | None = None
    subtitles: tuple[Mapping[str, str], ...] = ()
    audio_tracks: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True, slots=True)
class MediaFile:
    """What to send: a file on disk, or `text` made on the spot."""

    content_type: str
    path: Path | None = None
    text: str | None = None
    immutable: bool = False


class EncodingState(StrEnum):
    PENDING = "pending"
    PROCESSING = "processing"
    READY = "ready"
    PARTIAL = "partial"
    FAILED = "failed"
    OFFLINE = "offline"


@dataclass(frozen=True, slots=True)
class Encoding:
    """How far a title's grid is, the same numbers everywhere. `eta` is seconds, None where unknown."""

    state: EncodingState
    done: int
    total: int
    reason: str = ""
    eta: float | None = None
    rungs: Mapping[str, tuple[bool, ...]] = field(default_factory=dict)  # per rung: which segments are made
    picture: bool = False  # the poster exists

    @property
    def percent(self) -> float:
        return 100.0 * self.done / self.total if self.total else 0.0


@dataclass(frozen=True, slots=True)
class JobView:
    id: int
    kind: str
    key: str
    state: str
    progress: float
    attempt: int
    worker: str
    error: str


# ---- core provides -----------------------------------------------------------------------------------------


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

    def workspace(self) -> AbstractAsyncContextManager[Path]: ...

    def write_text(self, path: Path, text: str) -> None:
        """Write a small file so that a reader sees the old text or the new one, never a part."""
        ...

    def free_bytes(self) -> int: ...

    def internal_uri(self, path: Path) -> str:
        """Under what name nginx finds a file of ours (`server.sendfile: x-accel`)."""
        ...

    def publish(self, tmp: Path, final: Path) -> bool:
        """Fsync and link `tmp` to `final`, at most once: False means somebody was first and `tmp` was dropped."""
        ...


class Library(Protocol):
    async def scan(self, path: Path | None = None) -> None:
        """Ask the watcher to look at `path`, or at everything."""
        ...

    async def why(self, path: Path) -> Reason:
        """For every path there is: `state` is a LocationState, or ignored, unknown, folder, offline or outside."""
        ...

    async def locations(self, *, page: int = 1, limit: int = 20) -> Page[Reason]: ...

    async def source(self, video_id: int) -> Path | None:
        """A file with this content that can be read now."""
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


# ---- running ffmpeg ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Limits:
    """What one program may use: seconds and bytes. Paused time does not count for `wall`."""

    wall: float
    cpu: int
    address_space: int = 3 << 30
    file_size: int = 2 << 30
    open_files: int = 64
    stdout: int = 16 << 20  # what is kept of the output; the rest is dropped
    nice: int | None = None
    idle_io: bool = False


@dataclass(frozen=True, slots=True)
class Finished:
    """How a program ended. A negative `returncode` is a signal; `stderr` is the last of what it said."""

    returncode: int
    stdout: bytes
    stderr: str
    cpu_seconds: float
    max_rss: int  # bytes
    timed_out: bool = False


class RunningTool(Protocol):
    """A program in its sandbox, with a process group of its own. It dies with the process that started it."""

    @property
    def pid(self) -> int: ...

    def lines(self) -> AsyncIterator[bytes]:
        """Every line of its output as soon as it is written, without the line end."""
        ...

    async def wait(self) -> Finished:
        """Cancelling this stops the whole group."""
        ...

    def pause(self) -> None: ...

    def resume(self) -> None: ...

    async def stop(self) -> None:
        """SIGTERM, two seconds, SIGKILL; returns when it is gone."""
        ...


class MediaTools(Protocol):
    """ffmpeg and ffprobe, started only in a sandbox."""

    @property
    def build(self) -> str:
        """Identity of the build: cells of different builds are not mixed in one plan."""
        ...

    @property
    def has_zscale(self) -> bool:
        """The build can turn HDR into SDR."""
        ...

    @property
    def input_flags(self) -> Mapping[str, str]:
        """The options that must stand in front of every `-i` of a file somebody else made."""
        ...

    async def start(
        self,
        tool: Literal["ffmpeg", "ffprobe"],
        arguments: Sequence[str],
        *,
        reads: Sequence[Path],
        workspace: Path | None,
        limits: Limits,
    ) -> RunningTool:
        """Run `tool` in `workspace`, the only folder it may write; input paths need the prefix `file:`."""
        ...


# ---- plugins provide ---------------------------------------------------------------------------------------


class Catalog(Protocol):
    async def resolve(self, ref: str) -> int:
        """The title an id or a slug names; raises NotFound."""
        ...

    async def item(self, title_id: int, actor: Actor) -> Item: ...

    async def browse(self, query: BrowseQuery, actor: Actor) -> Page[Item]: ...


class Transcoding(Protocol):
    async def plan(self, video_id: int) -> int:
        """The plan new sessions get, made where there is none. Answers its id; raises NotFound."""
        ...

    async def retry(self, video_id: int) -> bool: ...

    async def overwrite(self, video_id: int) -> int:
        """Begin a new plan; the old one serves those who watch. Answers the new plan's number."""
        ...


class Pictures(Protocol):
    def address(self, video_id: int, name: str) -> str:
        """Path of a picture from the root of this server; "" where it is not made yet."""
        ...


class Streaming(Protocol):
    async def manifest(self, actor: Actor, title_id: int) -> Manifest:
        """Raises NotFound, Forbidden, or Unavailable with the reason where it cannot be played."""
        ...

    async def file(self, grant: MediaGrant, name: str) -> MediaFile:
        """`name` is master.m3u8, 480p/index.m3u8 or 480p/000.ts; waits up to 8 s for a cell, then raises NotYet."""
        ...

    async def progress(self, title_id: int) -> Encoding: ...
