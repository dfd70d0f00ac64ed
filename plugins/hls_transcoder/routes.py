"""Manifest, media and pictures."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BaseModel, Field

from mediaserver import HTTPResponse, Request, absolute, json, public, query, row_id, send_file, signed_in
from mediaserver.contracts import Catalog, MediaGrants, Playback, Storage, Streaming
from mediaserver.errors import NotFound

if TYPE_CHECKING:
    from mediaserver import RouteRegistry
    from mediaserver.contracts import Actor, Encoding


MEDIA = (
    "master.m3u8",
    "<rung:480p|720p|1080p>/<name:str>",
    "audio/<track:int>/<name:str>",
    "subtitles/<key:str>/<name:str>",
    "original/<name:str>",
    "sprites.vtt",
    "sprites/<name:str>",
    "key",
)
PICTURES = {"poster.jpg": "image/jpeg"}


class Titles(BaseModel):
    ids: Annotated[str, Field(pattern=r"^[0-9]{1,10}(,[0-9]{1,10}){0,99}$")]


class WhichSession(BaseModel):
    session_id: Annotated[str, Field(pattern=r"^[0-9]{1,10}$")] | None = None


class Wish(BaseModel):
    download: str | None = None  # there or not; what it says does not count


class Progress(BaseModel):
    content_id: str
    status: str
    reason: str
    renditions: dict[str, str]


class ProgressList(BaseModel):
    progress: list[Progress]


def register(registry: RouteRegistry) -> None:
    _titles(registry, registry.services.get(Streaming))
    _files(registry, registry.services.get(Streaming))


def _titles(registry: RouteRegistry, streaming: Streaming) -> None:
    @registry.get(
        "/v1/streaming/<ref:str>/manifest",
        guard=signed_in, limit="streaming", scope="streaming", query=WhichSession, errors=(409,),
    )  # fmt: skip
    async def manifest(request: Request, ref: str) -> HTTPResponse:
        actor = request.ctx.actor
        catalog = registry.services.find(Catalog)
        title_id = await catalog.resolve(ref) if catalog else row_id(ref)
        if catalog:
            await catalog.item(title_id, actor)  # what somebody may not see they do not play
        session_id = await _session(registry, actor, title_id, query(request, WhichSession).session_id)
        made = await streaming.manifest(actor, title_id, session_id)
        return json(
            {
                "content_id": str(made.content_id),
                "manifest_url": absolute(request, made.path),
                "original_url": absolute(request, made.original) if made.original else None,
                "drm_license_url": absolute(request, made.drm_license_url) if made.drm_license_url else None,
                "subtitles": [{**each, "url": absolute(request, each["url"])} for each in made.subtitles],
                "audio_tracks": [
                    {**each, "url": absolute(request, each["url"]) if each["url"] else None}
                    for each in made.audio_tracks
                ],
            }
        )

    # Not counted: a page asks it with the news, for everything that is in work.
    @registry.get(
        "/v1/streaming/progress", guard=signed_in, limit=None, scope="streaming", query=Titles, answer=ProgressList
    )
    async def progress(request: Request) -> HTTPResponse:
        catalog = registry.services.find(Catalog)
        found = []
        for number in dict.fromkeys(query(request, Titles).ids.split(",")):
            with suppress(NotFound):  # what somebody may not see, or has no video, is left out
                title_id = row_id(number)
                if catalog:
                    await catalog.item(title_id, request.ctx.actor)
                found.append(_progress(title_id, await streaming.progress(title_id)))
        return json({"progress": found})


def _files(registry: RouteRegistry, streaming: Streaming) -> None:
    grants, storage = registry.services.get(MediaGrants), registry.services.get(Storage)

    async def media(request: Request, token: str, **_: str | int) -> None:
        """No login: the token is the credential, bound to one title and session, and expiring."""
        name = request.path.partition(f"/{token}/")[2]  # looked up in a closed grammar, never a path
        await streaming.send(request, grants.verify(token), name)

    for form in MEDIA:
        registry.get(f"/v1/media/<token:str>/{form}", guard=public, limit=None, errors=(403, 409))(media)
    own = "/v1/media/<token:str>/original"
    registry.get(own, guard=public, limit=None, query=Wish, errors=(403, 409, 503))(media)

    @registry.get("/v1/pictures/<key:str>/<name:str>", guard=public, limit=None)
    async def picture(request: Request, key: str, name: str) -> None:
        """No login: img tags cannot send one, and the key cannot be guessed."""
        if name not in PICTURES:
            raise NotFound("There is nothing here.")
        path = storage.picture(grants.unseal("pictures", key), name)
        await send_file(request, path, content_type=PICTURES[name], cache_control="private, max-age=3600")


async def _session(registry: RouteRegistry, actor: Actor, title_id: int, told: str | None) -> int | None:
    """The playback session that a manifest is for; without one that of the login, which takes its slot later.

    Raises NotFound for one of somebody else or of another title, SessionOver for one that is over.
    """
    playback = registry.services.find(Playback)
    if playback is None:
        return None
    if told is None:
        return await playback.implicit(actor, title_id)
    session = await playback.get(actor, row_id(told))
    if session.title_id != title_id and not session.implicit:
        raise NotFound("This playback session plays another title.")
    return (await playback.beat(actor, session.id)).id


def _progress(title_id: int, encoding: Encoding) -> dict[str, Any]:
    return {
        "content_id": str(title_id),
        "status": encoding.state.value,
        "reason": encoding.reason,
        "renditions": {name: "".join("01"[made] for made in cells) for name, cells in encoding.rungs.items()},
    }
