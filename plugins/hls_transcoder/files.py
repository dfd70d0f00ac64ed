"""What can be fetched under a media token: names of a closed grammar, and where each file is."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING

from mediaserver.contracts import MediaFile
from mediaserver.errors import NotFound

from . import sprites, subtitles
from .copies import COPIED
from .recipes import Recipe

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from mediaserver.contracts import MediaGrant, Storage

    from .original import Original
    from .plans import Plans
    from .segments import Segments

PLAYLIST = "application/vnd.apple.mpegurl"
SEGMENT = "video/mp2t"
TEXT = "text/vtt; charset=utf-8"
RUNG = "480p|720p|1080p"
SUBTITLE = "[a-z0-9-]{1,40}"


class MediaFiles:
    def __init__(self, plans: Plans, storage: Storage, segments: Segments, original: Original) -> None:
        self._plans = plans
        self._storage = storage
        self._segments = segments
        self._original = original
        self._forms: tuple[tuple[re.Pattern[str], Callable[..., Awaitable[MediaFile]]], ...] = (
            (re.compile(r"master\.m3u8"), self._multivariant),
            (re.compile(rf"({RUNG})/index\.m3u8"), self._playlist),
            (re.compile(rf"({RUNG})/(\d{{3,6}})\.ts"), self._segment),
            (re.compile(r"key"), self._key),
            (re.compile(rf"subtitles/({SUBTITLE})/index\.m3u8"), self._subtitle_playlist),
            (re.compile(rf"subtitles/({SUBTITLE})/text\.vtt"), self._subtitle),
            (re.compile(r"sprites\.vtt"), self._sprite_index),
            (re.compile(r"sprites/(\d{3})\.jpg"), self._sprite_sheet),
            (re.compile("original"), self._original.file),
            (re.compile(r"original/index\.m3u8"), self._copied_playlist),
            (re.compile(r"original/(\d{3,6})\.ts"), self._copied_segment),
            (re.compile(r"audio/(\d{1,2})/index\.m3u8"), self._sound_playlist),
            (re.compile(r"audio/(\d{1,2})/(\d{3,6})\.ts"), self._sound_segment),
        )

    async def find(self, grant: MediaGrant, name: str) -> MediaFile:
        """Raises NotFound, and what `Segments.get` raises."""
        for form, answer in self._forms:
            if found := form.fullmatch(name):
                return await answer(grant, *found.groups())
        raise NotFound("There is nothing here.")

    async def _multivariant(self, grant: MediaGrant) -> MediaFile:
        return await self._written(grant, "")

    async def _playlist(self, grant: MediaGrant, rung: str) -> MediaFile:
        _require_rung(grant, rung)
        return await self._written(grant, rung)

    async def _written(self, grant: MediaGrant, output: str) -> MediaFile:
        """The playlist of one output, "" for the multivariant one; of a plan whose maker was killed it is missing."""
        path = self._storage.playlist(grant.video_id, grant.plan_id, output)
        if not await asyncio.to_thread(path.exists):
            await self._plans.write_playlists(await self._plans.get(grant.plan_id))
        return MediaFile(PLAYLIST, path)

    async def _segment(self, grant: MediaGrant, rung: str, number: str) -> MediaFile:
        _require_rung(grant, rung)
        return MediaFile(SEGMENT, await self._segments.get(grant, rung, int(number)), immutable=True)

    async def _key(self, grant: MediaGrant) -> MediaFile:
        key = (await self._plans.get(grant.plan_id)).key
        if not key:
            raise NotFound("The segments of this film are not encrypted.")
        return MediaFile("application/octet-stream", data=bytes.fromhex(key))

    async def _subtitle_playlist(self, grant: MediaGrant, key: str) -> MediaFile:
        plan = await self._plans.get(grant.plan_id)
        if not await asyncio.to_thread(self._storage.subtitle(grant.video_id, key).exists):
            raise NotFound("This subtitle is gone; open the film again.")
        grid = Recipe.from_dict(plan.recipe).grid
        return MediaFile(PLAYLIST, data=subtitles.playlist(float(grid.time(grid.frames))).encode())

    async def _subtitle(self, grant: MediaGrant, key: str) -> MediaFile:
        return MediaFile(TEXT, self._storage.subtitle(grant.video_id, key), immutable=True)

    async def _sprite_index(self, grant: MediaGrant) -> MediaFile:
        return MediaFile(TEXT, self._storage.picture(grant.video_id, sprites.INDEX))

    async def _sprite_sheet(self, grant: MediaGrant, number: str) -> MediaFile:
        return MediaFile("image/jpeg", self._storage.picture(grant.video_id, f"sprites-{number}.jpg"), immutable=True)

    async def _sound_playlist(self, grant: MediaGrant, track: str) -> MediaFile:
        return await self._written(grant, f"audio-{int(track)}")

    async def _sound_segment(self, grant: MediaGrant, track: str, number: str) -> MediaFile:
        return MediaFile(SEGMENT, await self._segments.get(grant, f"audio-{int(track)}", int(number)), immutable=True)

    async def _copied_playlist(self, grant: MediaGrant) -> MediaFile:
        return MediaFile(PLAYLIST, self._storage.playlist(grant.video_id, grant.plan_id, COPIED))

    async def _copied_segment(self, grant: MediaGrant, number: str) -> MediaFile:
        path = self._storage.segment(grant.video_id, grant.plan_id, COPIED, int(number))
        return MediaFile(SEGMENT, path, immutable=True)


def _require_rung(grant: MediaGrant, rung: str) -> None:
    if rung not in grant.rungs:
        raise NotFound(f"This film has no {rung}; it has {', '.join(grant.rungs)}.")
