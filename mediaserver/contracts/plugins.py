"""What our own plugins provide; a third party's may take the place of any of them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from mediaserver.contracts.values import (
    Account,
    Actor,
    BrowseQuery,
    Client,
    Encoding,
    Item,
    Login,
    Manifest,
    MediaFile,
    MediaGrant,
    Page,
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

    async def register(self, email: str, password: str, invite: str = "") -> str:
        """Answers a receipt that tells nothing. A known address is answered like a new one; raises InvalidRequest.

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

    async def stream_limit(self, user_id: int, default: int | None) -> int | None:
        """The account's own limit, else `default`."""
        ...


class RateLimits(Protocol):
    async def hit(self, group: str, subject: str) -> Window | None:
        """Count one; None where the group is not limited."""
        ...


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
