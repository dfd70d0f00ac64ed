"""What our own plugins provide; a third party's may take the place of any of them."""

from __future__ import annotations

from typing import Protocol

from mediaserver.contracts.values import Actor, BrowseQuery, Encoding, Item, Manifest, MediaFile, MediaGrant, Page


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
