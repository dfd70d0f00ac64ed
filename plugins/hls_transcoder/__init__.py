"""Turns every film into a grid of segments and resolutions: playable at once, encoded ahead and on demand."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from mediaserver import Plugin, Registry, RouteRegistry, Server, Settings, hookimpl
from mediaserver.contracts import Catalog, Pictures, Playback, Streaming, Transcoding
from mediaserver.events import Event, SidecarsChanged, VideoProbed, VideoReady


class Config(Settings):
    resolutions: Annotated[list[Literal["480p", "720p", "1080p"]], Field(min_length=1)] = ["480p", "720p", "1080p"]
    segment_seconds: Annotated[float, Field(ge=1, le=10)] = 4
    chunk_segments: Annotated[int, Field(ge=1, le=64)] = 4  # segments that one ffmpeg makes at all resolutions
    preset: Literal["ultrafast", "superfast", "veryfast", "faster", "fast", "medium"] = "veryfast"
    crf: Annotated[int, Field(ge=16, le=40)] = 23
    encoder: Literal[
        "libx264", "auto", "h264_nvenc", "h264_qsv", "h264_vaapi", "h264_amf", "h264_videotoolbox", "h264_v4l2m2m"
    ] = "libx264"  # hardware, where a trial says that it works; else libx264
    encryption: Literal["none", "aes-128"] = "none"  # of segments, with a key that only a media token gives out
    background: Literal["all", "first_chunks", "off"] = "all"  # how much is made ahead of the viewers
    original: bool = True  # whoever may play a film may fetch its own file too
    copy_original: bool = False  # its own pictures as a further quality, where players can take them


plugin = Plugin(
    api="1",
    config=Config,
    models=".models",
    optional=(Catalog, Playback),
    provides=(Streaming, Transcoding, Pictures),
)


@hookimpl
def register(registry: Registry) -> None:
    from . import service

    service.register(registry)


@hookimpl
def register_routes(registry: RouteRegistry) -> None:
    from . import routes

    routes.register(registry)


@hookimpl
async def startup(server: Server) -> None:
    if server.role == "worker":
        from . import service

        await service.begin(server)


@hookimpl
async def on_change(server: Server, event: Event) -> None:
    if isinstance(event, VideoProbed):
        from . import service

        await service.changed(server, event)


@hookimpl
async def on_event(server: Server, event: Event) -> None:
    if isinstance(event, VideoProbed | SidecarsChanged | VideoReady):
        from . import service

        await service.heard(server, event)
