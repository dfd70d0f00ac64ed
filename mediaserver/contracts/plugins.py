"""What our own plugins provide; a third party's may take the place of any of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol

from mediaserver.contracts.playback import Device, DeviceIn, Session, SessionState, Started
from mediaserver.contracts.tracks import Tracks
from mediaserver.contracts.values import (
    Account,
    Actor,
    BrowseQuery,
    Client,
    Encoding,
    ExternalTitle,
    Item,
    Login,
    Manifest,
    MediaFile,
    MediaGrant,
    Page,
    Receipt,
    Tokens,
    Window,
)


class Accounts(Protocol):
    async def get(self, user_id: int) -> Account:
        """Raises NotFound."""
        ...

    async def exists(self, ids: Iterable[int]) -> set[int]: ...

    async def find(self, email: str) -> Account | None:
        """However it is written; also one that is disabled or not active yet."""
        ...

    async def register(self, email: str, password: str, invite: str = "") -> Receipt:
        """A known address is answered like a new one; raises InvalidRequest.

        Forbidden where registration is closed, Conflict for a known address where no activation is asked for.
        """
        ...

    async def activate(self, uid: str, token: str) -> Account:
        """Again is no error. Raises InvalidRequest."""
        ...

    async def login(self, email: str, password: str, client: Client) -> Tokens:
        """Raises Unauthorized (one text for unknown, wrong, inactive and disabled) or RateLimited."""
        ...

    async def refresh(self, token: str, *, rotate: bool = True) -> Tokens:
        """Raises Unauthorized. A spent token is answered for a minute with its successors, later it ends the login."""
        ...

    async def logout(self, token: str) -> bool:
        """End the login of an access or refresh token, spent ones too. False for none of ours."""
        ...

    async def request_reset(self, email: str) -> None:
        """The same for known and unknown."""
        ...

    async def confirm_reset(self, uid: str, token: str, password: str) -> None:
        """Ends all logins. Raises InvalidRequest; a refused password leaves the token valid."""
        ...

    async def logins(self, user_id: int) -> list[Login]: ...

    async def revoke(self, login_id: str, user_id: int) -> None:
        """Raises NotFound for a login that is not this user's."""
        ...

    async def revoke_all(self, user_id: int) -> None: ...

    async def set_role(self, user_id: int, role: str) -> Account:
        """Raises Conflict for the last administrator."""
        ...

    async def set_stream_limit(self, user_id: int, limit: int | None) -> Account:
        """None is unlimited."""
        ...

    async def delete(self, user_id: int) -> None:
        """With all that is theirs; plugins hear UserDeleted. Raises Conflict for the last administrator."""
        ...

    def require_access(self, minutes: int, why: str) -> None:
        """Raises ConfigError, which names the setting, where an access token is good for less than so many minutes."""
        ...

    async def stream_limit(self, user_id: int, default: int | None) -> int | None:
        """The account's own limit, else `default`."""
        ...


class LoginCookies(Protocol):
    """The cookies of a login, on an answer of whatever dialect; how they are set is one plugin's configuration."""

    def set(self, request: Any, response: Any, tokens: Tokens) -> None:
        """`request` and `response` are Sanic's."""
        ...

    def clear(self, request: Any, response: Any) -> None: ...

    def refresh_token(self, request: Any) -> str | None:
        """The one a browser sent."""
        ...

    def client(self, request: Any, name: str = "") -> Client:
        """Who signs in, for `Accounts.login`."""
        ...


class RateLimits(Protocol):
    async def hit(self, group: str, subject: str) -> Window | None:
        """Count one; None where the group is not limited."""
        ...


class Catalog(Protocol):
    async def resolve(self, ref: str) -> int:
        """The title an id or a slug names; raises NotFound."""
        ...

    async def item(self, title_id: int, actor: Actor) -> Item:
        """Raises NotFound too for what the actor may not see."""
        ...

    async def named(self, ref: str, actor: Actor) -> Item:
        """The same for an id or a slug."""
        ...

    async def browse(self, query: BrowseQuery, actor: Actor) -> Page[Item]: ...

    async def playable(self, actor: Actor, *, external: bool = False) -> list[Item]:
        """Every film and episode that can be played, newest first; an episode as `Series S01E02 Title`.

        With `external` also the titles that play from elsewhere. What is not published is left out, for administrators
        too.
        """
        ...

    async def add_external(self, external: ExternalTitle) -> Item:
        """Raises Conflict where the slug is taken, InvalidRequest with the `fields` of `external` that are wrong."""
        ...

    async def external_url(self, title_id: int) -> str:
        """Where the title plays from; "" for one of the library."""
        ...


class Transcoding(Protocol):
    async def plan(self, video_id: int) -> int:
        """The plan new sessions get, made where there is none. Answers its id; raises NotFound."""
        ...

    async def retry(self, video_id: int) -> bool: ...

    async def overwrite(self, video_id: int) -> int:
        """Begin a new plan; the old one serves those who watch. Answers the new plan's number."""
        ...

    async def copy(self, video_id: int, *, again: bool = True) -> None:
        """Queue a copy of the film's own pictures as a further quality, where it is ready and the settings ask for it.

        Without `again` only where nobody tried yet.
        """
        ...


class Pictures(Protocol):
    def address(self, video_id: int, name: str) -> str:
        """Path of a picture from the root of this server; "" where it is not made yet."""
        ...


class Streaming(Protocol):
    async def manifest(self, actor: Actor, title_id: int, session_id: int | None = None) -> Manifest:
        """The addresses of a title, good as long as the session lives, and a day at most.

        Raises NotFound, Forbidden, Conflict for a series, Unavailable while its file is away, or Gone with the reason
        where it can never be played.
        """
        ...

    async def grant(self, actor: Actor, title_id: int, session_id: int | None) -> MediaGrant:
        """What a session may fetch of a title of the library; the same plan as long as the session plays it.

        Raises as `manifest`.
        """
        ...

    async def file(self, grant: MediaGrant, name: str) -> MediaFile:
        """`name` is master.m3u8, 480p/index.m3u8, 480p/000.ts, subtitles/<key>/index.m3u8, subtitles/<key>/text.vtt,
        sprites.vtt, sprites/000.jpg, original (the film's own file), original/index.m3u8 or original/000.ts (its copy).

        Waits up to 8 s for a cell, then raises NotYet; Gone for one that cannot be made, NotFound for any other name.
        """
        ...

    async def send(self, request: Any, grant: MediaGrant, name: str, *, cache: str | None = None) -> None:
        """Answer Sanic's `request` with `file(grant, name)`, for as long as the grant's session lives.

        With `?download` in its address `original` is sent to be kept under its own name.

        `cache` is the Cache-Control of segments where it is not that of `/v1/media`. Raises as `file`, Forbidden with
        the state in `details` for a session that is over, and what else `Playback.delivering` raises.
        """
        ...

    async def progress(self, title_id: int) -> Encoding:
        """Raises NotFound for a title without a video."""
        ...

    async def tracks(self, title_id: int) -> Tracks:
        """What stands beside the pictures of the title: subtitles, those too that cannot be shown, chapters, …

        Raises NotFound for a title without a video.
        """
        ...


class Devices(Protocol):
    async def upsert(self, actor: Actor, device: DeviceIn) -> tuple[Device, bool]:
        """The device and whether it is new; without a name it keeps the one it has, and is called by its id at first.

        Raises Conflict where the account has as many as it may, with the one not seen for longest in `details`.
        """
        ...

    async def find(self, user_id: int, client_id: str) -> Device | None: ...

    async def of(self, user_id: int) -> list[Device]:
        """Last seen first."""
        ...

    async def change(self, user_id: int, client_id: str, *, name: str | None, type: str | None) -> Device:  # noqa: A002
        """None stays as it is. Raises NotFound."""
        ...

    async def remove(self, user_id: int, client_id: str) -> None:
        """What plays on it ends. Raises NotFound."""
        ...


class Playback(Protocol):
    """Who plays what, within the streams that an account may have at once. Expiry holds wherever one looks.

    All guests are one account here, number 0, whose streams are not counted. While nobody can be asked who plays,
    `implicit`, `get`, `beat` and `delivering` raise Unavailable.
    """

    async def start(
        self,
        actor: Actor,
        title_id: int,
        device: Device | None = None,
        *,
        steal: bool = False,
        profile_id: int | None = None,
    ) -> Started:
        """Take a slot. The same device (without one, the same login) takes its own slot over.

        `steal` takes that of the oldest heartbeat where all are held. `profile_id` None is the actor's. Raises
        StreamLimitReached with those who hold them, Forbidden for an account or a title that may not play, NotFound,
        and what `Streaming.manifest` raises where the title cannot be played.
        """
        ...

    async def implicit(self, actor: Actor, title_id: int) -> int | None:
        """The number of the session for a client that starts none: the one its login has, or a new one.

        A new one takes its slot when it is first delivered to. None for a guest. Raises NotFound for what the actor may
        not see, Forbidden for what may not be played.
        """
        ...

    async def get(self, actor: Actor, session_id: int) -> Session:
        """In any state. Raises NotFound for one of somebody else, an administrator asking or not."""
        ...

    async def beat(
        self, actor: Actor, session_id: int, position: float | None = None, duration: float | None = None
    ) -> Session:
        """A heartbeat, and how far it is (seconds). An idle or expired session takes a slot where one is free.

        Raises NotFound for one of somebody else, SessionOver with the state for one that is over or finds no free slot
        (EXPIRED), and Forbidden where the account may not play any more.
        """
        ...

    async def stop(self, actor: Actor, session_id: int, position: float | None = None) -> Session:
        """In any state; what is over stays as it is. Raises NotFound for one of somebody else."""
        ...

    async def active(self, actor: Actor | None = None) -> list[Session]:
        """Those that hold a slot, the actor's own or (None) all, oldest first."""
        ...

    async def end(self, session_id: int, state: SessionState) -> None:
        """Whosever it is: the caller has asked who may. What is over stays as it is. Raises NotFound."""
        ...

    def delivering(self, session_id: int, title_id: int, cut: Callable[[], None]) -> AbstractAsyncContextManager[None]:
        """Media of a title goes to a session, which is a heartbeat. `cut` is called when the session ends meanwhile.

        Raises SessionOver, StreamLimitReached where an idle or expired session finds no free slot, or Forbidden where
        the account may not play, or not see the title, any more.
        """
        ...
