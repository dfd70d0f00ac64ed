"""Facts that have happened, in the past tense. Events are frozen and carry ids, never rows."""

from __future__ import annotations

import dataclasses
import re
from dataclasses import dataclass
from typing import Any, ClassVar

__all__ = [
    "AccountChanged",
    "ChangesMissed",
    "EncodingProgressed",
    "Event",
    "LibraryScanned",
    "LocationChanged",
    "LoginEnded",
    "PictureMade",
    "PlaybackProgressed",
    "PlaybackStarted",
    "PlaybackStopped",
    "PluginQuarantined",
    "SidecarsChanged",
    "TitleAdded",
    "TitleChanged",
    "TracksChanged",
    "UserDeleted",
    "VideoFailed",
    "VideoOffline",
    "VideoOnline",
    "VideoPlayable",
    "VideoProbed",
    "VideoReady",
]


@dataclass(frozen=True, slots=True)
class Event:
    """A fact. Subclasses are frozen dataclasses of JSON values; `kind` is the class name in snake case."""

    types: ClassVar[dict[str, type[Event]]] = {}
    kind: ClassVar[str] = "event"

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super(Event, cls).__init_subclass__(**kwargs)
        cls.kind = re.sub(r"(?<!^)(?=[A-Z])", "_", cls.__name__).lower()
        Event.types[cls.kind] = cls  # a slotted dataclass is made twice; the second one stays

    def payload(self) -> dict[str, Any]:
        return dataclasses.asdict(self)

    @staticmethod
    def load(kind: str, payload: dict[str, Any]) -> Event | None:
        """The event a change row tells, or None where its plugin is switched off or its form has changed."""
        known = Event.types.get(kind)
        if known is None:
            return None
        names = {field.name for field in dataclasses.fields(known)}
        try:
            return known(**{name: value for name, value in payload.items() if name in names})
        except TypeError:
            return None


@dataclass(frozen=True, slots=True)
class LocationChanged(Event):
    """A file of the library has another state (see `mediaserver.models.LocationState`)."""

    location_id: int
    state: str


@dataclass(frozen=True, slots=True)
class LibraryScanned(Event):
    folder: str
    files: int
    seconds: float


@dataclass(frozen=True, slots=True)
class VideoProbed(Event):
    """New content: its frames and streams are known, its title exists."""

    video_id: int
    title_id: int


@dataclass(frozen=True, slots=True)
class VideoPlayable(Event):
    """The grid is planned and the playlists exist: it plays from now on."""

    video_id: int


@dataclass(frozen=True, slots=True)
class VideoReady(Event):
    """Every cell of the grid is made."""

    video_id: int


@dataclass(frozen=True, slots=True)
class VideoFailed(Event):
    video_id: int
    reason: str


@dataclass(frozen=True, slots=True)
class VideoOffline(Event):
    """No file with this content can be reached any more; nothing is deleted."""

    video_id: int


@dataclass(frozen=True, slots=True)
class VideoOnline(Event):
    """A file with this content can be reached again."""

    video_id: int


@dataclass(frozen=True, slots=True)
class PictureMade(Event):
    """A picture of the video exists now; `name` is its file, poster.jpg say."""

    video_id: int
    name: str


@dataclass(frozen=True, slots=True)
class SidecarsChanged(Event):
    """A subtitle or picture beside the video came, changed or went, or the video stands beside others now."""

    video_id: int


@dataclass(frozen=True, slots=True)
class TracksChanged(Event):
    """Other subtitles can be chosen, or there are pictures to seek by: whoever opens the film now is offered them."""

    video_id: int


@dataclass(frozen=True, slots=True)
class TitleAdded(Event):
    title_id: int


@dataclass(frozen=True, slots=True)
class TitleChanged(Event):
    title_id: int


@dataclass(frozen=True, slots=True)
class EncodingProgressed(Event):
    """`done` of `total` cells of the video's current plan are made."""

    video_id: int
    done: int
    total: int


@dataclass(frozen=True, slots=True)
class AccountChanged(Event):
    """Role, limit, state or address of an account are other ones: what is remembered of it is void."""

    user_id: int


@dataclass(frozen=True, slots=True)
class ChangesMissed(Event):
    """The database could not be read for a while: whatever a process remembers of it is void.

    Each process tells it to itself by `on_change`, when reading fails and again when it works; it is never recorded.
    """


@dataclass(frozen=True, slots=True)
class LoginEnded(Event):
    """Somebody signed out, or was signed out: the login's tokens are void."""

    login_id: str
    user_id: int


@dataclass(frozen=True, slots=True)
class PlaybackStarted(Event):
    """A session holds a slot from now on; `user_id` 0 is a guest."""

    session_id: int
    user_id: int
    title_id: int
    profile_id: int | None


@dataclass(frozen=True, slots=True)
class PlaybackStopped(Event):
    """A session gave its slot back; `state` is a `SessionState`, `position` (seconds) 0.0 where it never told one."""

    session_id: int
    user_id: int
    title_id: int
    profile_id: int | None
    state: str
    position: float


@dataclass(frozen=True, slots=True)
class PlaybackProgressed(Event):
    """A heartbeat told how far a session is (seconds). `on_change` of that process hears it; never stored."""

    session_id: int
    user_id: int
    title_id: int
    profile_id: int | None
    position: float
    duration: float


@dataclass(frozen=True, slots=True)
class UserDeleted(Event):
    user_id: int


@dataclass(frozen=True, slots=True)
class PluginQuarantined(Event):
    plugin: str
    reason: str
