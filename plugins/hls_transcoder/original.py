"""The film's own file: sent as it lies in the library, under the grant that its segments need."""

from __future__ import annotations

import asyncio
from pathlib import PurePath
from typing import TYPE_CHECKING, Self

from tortoise.exceptions import BaseORMException

from mediaserver.contracts import MediaFile
from mediaserver.errors import Forbidden, NotFound, SessionOver, Unavailable
from mediaserver.models import Video

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from types import TracebackType

    from mediaserver import Request
    from mediaserver.contracts import Library, MediaGrant

    Again = Callable[[], Awaitable[None]]

__all__ = ["AWAY", "Original", "Vigil"]

AWAY = "Its file cannot be reached right now: it was removed, or its disk is not connected."
AGAIN_SECONDS = 30.0  # a film takes hours to send; a session that is silent for four minutes is over
TYPES = {
    ".mp4": "video/mp4", ".m4v": "video/mp4", ".mov": "video/quicktime", ".mkv": "video/x-matroska",
    ".webm": "video/webm", ".ts": "video/mp2t", ".m2ts": "video/mp2t", ".mts": "video/mp2t", ".avi": "video/x-msvideo",
    ".wmv": "video/x-ms-wmv", ".flv": "video/x-flv", ".ogv": "video/ogg", ".ogg": "video/ogg", ".3gp": "video/3gpp",
    ".mpg": "video/mpeg", ".mpeg": "video/mpeg", ".vob": "video/mpeg", ".mxf": "application/mxf",
}  # fmt: skip
CONTAINERS = {
    "mov": "video/mp4", "matroska": "video/x-matroska", "mpegts": "video/mp2t", "avi": "video/x-msvideo",
    "asf": "video/x-ms-wmv", "flv": "video/x-flv", "ogg": "video/ogg", "mpeg": "video/mpeg", "mxf": "application/mxf",
}  # fmt: skip


class Original:
    def __init__(self, library: Library, *, given: bool) -> None:
        """`given`: whether this server gives files away (`plugins.hls_transcoder.original`)."""
        self._library = library
        self.given = given

    async def file(self, grant: MediaGrant) -> MediaFile:
        """Raises NotFound where files are not given away or the film is gone, Unavailable while its disk is away."""
        if not self.given:
            raise NotFound("This server hands out no files of films (plugins.hls_transcoder.original, or encryption).")
        video = await Video.get_or_none(id=grant.video_id)
        if video is None:
            raise NotFound("This film is gone.")
        film = await self._library.file(video.id)
        if film is None:
            raise Unavailable(AWAY)
        kind = _type(film.name, str(video.probe["container"]))
        return MediaFile(kind, film.path, own_name=_name(film.name), file_id=film.file_id)

    async def send(self, request: Request, found: MediaFile, cut: Callable[[], None], again: Again) -> None:
        """By ourselves, behind nginx too: it need not see the library, and only we can break off within a file."""
        from mediaserver import send_file  # workers know this class too, and never load Sanic

        if found.path is None:
            raise NotFound("There is nothing here.")
        wanted = "download" in request.get_args(keep_blank_values=True)
        async with Vigil(again, cut) as vigil:
            await send_file(
                request,
                found.path,
                content_type=found.content_type,
                cache_control="private, no-cache",
                download_name=found.own_name if wanted else None,
                flows=vigil.flows,
                file_id=found.file_id,
            )


class Vigil:
    """As long as something flows, asks `again` every `seconds` whether it may, which tells that somebody watches too.

    A reader that takes nothing is not asked for: its session ends by itself. `cut` is called on a no.
    """

    def __init__(self, again: Again, cut: Callable[[], None], seconds: float = AGAIN_SECONDS) -> None:
        self._again = again
        self._cut = cut
        self._seconds = seconds
        self._flowed = asyncio.Event()
        self._watching: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._watching = asyncio.create_task(self._watch())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.gather(self._watching, return_exceptions=True)

    def flows(self) -> None:
        self._flowed.set()

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(self._seconds)
            await self._flowed.wait()
            self._flowed.clear()
            try:
                await self._again()
            except (Forbidden, NotFound, SessionOver):
                self._cut()
                return
            except (BaseORMException, OSError, Unavailable):  # a locked database breaks nothing off
                continue


def _type(name: str, container: str) -> str:
    """By the ending where it is known: MP4 and QuickTime, or Matroska and WebM, are one container to ffprobe."""
    known = TYPES.get(PurePath(name).suffix.lower())
    return known or CONTAINERS.get(container.partition(",")[0], "application/octet-stream")


def _name(name: str) -> str:
    """For people and for a header: whole characters, none that controls anything or turns the text around."""
    return "".join(char if char.isprintable() else "_" for char in name)
