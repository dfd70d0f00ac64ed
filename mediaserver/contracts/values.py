"""Value objects that contracts hand around: who asks, what lists and players are shown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any, Generic, TypeVar

T_co = TypeVar("T_co", covariant=True)


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


@dataclass(frozen=True, slots=True)
class Client:
    """What somebody signs in with: a name for the list of logins, and where the request came from."""

    name: str = ""
    address: str = ""
    user_agent: str = ""


@dataclass(frozen=True, slots=True)
class Account:
    """`stream_limit` None is unlimited, 0 may not play; it counts only where `has_own_limit` is true."""

    id: int
    email: str
    role: str
    active: bool
    disabled: bool
    has_own_limit: bool
    stream_limit: int | None
    created_at: datetime
    last_seen: datetime | None

    @property
    def subscription_tier(self) -> str:
        if not self.has_own_limit:
            return "standard"
        return "unlimited" if self.stream_limit is None else "custom"


@dataclass(frozen=True, slots=True)
class Receipt:
    """Of a wish for an account. Neither part tells whether the address was known, and neither lets anybody in."""

    token: str
    number: int


@dataclass(frozen=True, slots=True)
class Tokens:
    """A login's pair. `access` is good for `expires_in` seconds, `refresh` for `refresh_expires_in`."""

    access: str
    refresh: str
    expires_in: int
    refresh_expires_in: int
    login_id: str
    account: Account


@dataclass(frozen=True, slots=True)
class Login:
    """Where somebody is signed in."""

    id: str
    name: str
    address: str
    user_agent: str
    created_at: datetime
    last_used: datetime


# ---- mail --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Letter:
    """A mail; `link` stands in both texts, and alone on its line where mail goes to the console."""

    subject: str
    text: str
    html: str
    link: str = ""


# ---- counting ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Window:
    """A rate limit as one subject finds it; `reset` is in seconds since 1970."""

    allowed: bool
    limit: int
    remaining: int
    reset: int


# ---- what a file is ----------------------------------------------------------------------------------------


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
class SeriesName:
    slug: str
    title: str


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
    published: bool = True
    folder: str = ""  # directly below the library, where it holds more than this title
    external_url: str = ""  # where a title that is not in the library plays from
    series: SeriesName | None = None  # of episodes, as the two that follow
    season: int | None = None
    episode: int | None = None


@dataclass(frozen=True, slots=True)
class ExternalTitle:
    """A title that plays from elsewhere; `duration` in seconds."""

    slug: str
    title: str
    url: str
    duration: float
    published: bool = True


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
    """What a media token allows: these rungs of this plan, until `expires` (seconds since 1970).

    Only while the playback session lives; `session_id` None is not bound to one (guests, or no plugin counts streams).
    """

    session_id: int | None
    title_id: int
    video_id: int
    plan_id: int
    rungs: tuple[str, ...]
    expires: int


@dataclass(frozen=True, slots=True)
class Manifest:
    content_id: int
    path: str  # of the multivariant playlist, from the root of this server; of an external title its whole address
    rungs: tuple[str, ...] = ()  # the resolutions it has; each is `<rung>/index.m3u8` beside the multivariant playlist
    drm_license_url: str | None = None
    subtitles: tuple[Mapping[str, Any], ...] = ()  # language, label, url, kind, default, forced, sdh
    audio_tracks: tuple[Mapping[str, Any], ...] = ()
    original: str | None = None  # path of the film's own file, where it is handed out


@dataclass(frozen=True, slots=True)
class MediaFile:
    """What to send: a file on disk, or `data` made on the spot.

    `own_name` and `file_id` are set for the film itself, which lies in the library and not in the store: its name, for
    people, and which file it is, as `LibraryFile` has it.
    """

    content_type: str
    path: Path | None = None
    data: bytes | None = None
    immutable: bool = False
    own_name: str = ""
    file_id: str = ""


@dataclass(frozen=True, slots=True)
class LibraryFile:
    """A film's file. `path` has its links resolved, `name` is the one the library knows it by.

    `file_id` is device:inode. Whoever may write to the library can put another file at `path` at any moment, or a link
    to one that is none of his business: what is opened to be handed out is held against it (`send_file`).
    """

    path: Path
    name: str
    file_id: str


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
