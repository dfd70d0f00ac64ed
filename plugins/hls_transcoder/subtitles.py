"""Which subtitles a video should have, what they are called, and how players are offered them."""

from __future__ import annotations

import hashlib
import math
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mediaserver import language_name, language_tag
from mediaserver.contracts import MediaInfo, SidecarKind
from mediaserver.contracts import Subtitle as Told

from .ladder import default_audio
from .models import Subtitle
from .playlists import Rendition, distinct

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from mediaserver.contracts import SidecarFile, SubtitleTrack

FORM = 1  # of what is written; another one makes all anew
TEXTS = frozenset({"subrip", "srt", "ass", "ssa", "mov_text", "webvtt", "text"})
IMAGES = frozenset({"hdmv_pgs_subtitle", "dvd_subtitle", "dvb_subtitle", "xsub", "sub", "sup"})
IMAGE = "It is made of pictures, which players in browsers cannot show as text; a subtitle file beside the film can."
FOR_THE_DEAF = "public.accessibility.transcribes-spoken-dialog,public.accessibility.describes-music-and-sound"
MOST = 64  # of one video


@dataclass(frozen=True, slots=True)
class Wanted:
    """A subtitle somebody brought. `key` names its content: what changes gets another one.

    `track` or `file` is where it is; `reason` says why it cannot be shown, as far as can be said without reading it.
    """

    key: str
    language: str
    title: str
    default: bool
    forced: bool
    sdh: bool
    reason: str = ""
    track: SubtitleTrack | None = None
    file: SidecarFile | None = None

    @property
    def label(self) -> str:
        """For people: English, German (forced), Commentary · English (SDH)."""
        name = language_name(self.language) if self.language else ""
        said = self.title if self.title.casefold() != name.casefold() else ""
        flags = [word for word, so in (("forced", self.forced), ("SDH", self.sdh)) if so]
        flags = [word for word in flags if word.casefold() not in said.casefold()]
        told = " · ".join(part for part in (name, said) if part) or "Unknown language"
        return f"{told} ({', '.join(flags)})" if flags else told


def wanted(info: MediaInfo, beside: Iterable[SidecarFile]) -> list[Wanted]:
    """Those beside the video first: somebody put them there on purpose."""
    files = [_from_file(file) for file in beside if file.kind is SidecarKind.SUBTITLE]
    return [*files, *(_from_track(track) for track in info.subtitles)][:MOST]


def _from_file(file: SidecarFile) -> Wanted:
    identity = b"\0".join([os.fsencode(file.path), b"%d" % file.size, b"%d" % file.mtime_ns, file.reason.encode()])
    key = f"s{hashlib.sha256(identity).hexdigest()[:12]}-{FORM}"
    reason = file.reason or (IMAGE if file.format in IMAGES else "")
    return Wanted(key, file.language, file.title, file.default, file.forced, file.sdh, reason, file=file)


def _from_track(track: SubtitleTrack) -> Wanted:
    """A muxer marks the first subtitle as default by itself; only of a forced one that is somebody's word."""
    reason = IMAGE if track.codec in IMAGES else ""
    if not reason and track.codec not in TEXTS:
        reason = f"Its format ({track.codec}) is not read here; a subtitle file beside the film is."
    return Wanted(
        f"e{track.index}-{FORM}", language_tag(track.language), track.title, track.default and track.forced,
        track.forced, track.sdh, reason, track=track,
    )  # fmt: skip


def labelled(chosen: Sequence[Wanted]) -> dict[str, str]:
    """A label for each key, none twice."""
    return dict(zip((each.key for each in chosen), distinct([each.label for each in chosen]), strict=True))


async def told(video_id: int) -> tuple[Told, ...]:
    rows = await Subtitle.filter(video_id=video_id).order_by("position", "id")
    return tuple(
        Told(row.key, row.label, row.language, row.default, row.forced, row.sdh,
             "sidecar" if row.key.startswith("s") else "embedded", not row.reason, row.reason)
        for row in rows
    )  # fmt: skip


def _default(offered: Sequence[Told], info: MediaInfo) -> str:
    """The key of what is on at first: what somebody chose, else the forced one for those who know what is spoken."""
    heard = default_audio(info)
    spoken = _primary(language_tag(heard.language)) if heard else ""
    chosen = (each.key for each in offered if each.default)
    forced = (each.key for each in offered if each.forced and spoken and _primary(each.language) == spoken)
    return next(chosen, "") or next(forced, "")


def _primary(language: str) -> str:
    return language.partition("-")[0]


async def renditions(video_id: int, info: MediaInfo) -> list[Rendition]:
    """Lines of the multivariant playlist; at most one is the default."""
    offered = [each for each in await told(video_id) if each.available]
    default = _default(offered, info)
    return [
        Rendition(
            "SUBTITLES",
            each.label,
            each.language,
            f"subtitles/{each.key}/index.m3u8",
            each.key == default,
            each.forced,
            FOR_THE_DEAF if each.sdh else "",
        )
        for each in offered
    ]


def in_manifest(subtitles: Iterable[Told], info: MediaInfo, base: str) -> tuple[dict[str, Any], ...]:
    """As `GET manifest` tells them; `kind` is what a track element of HTML calls it."""
    offered = [each for each in subtitles if each.available]
    default = _default(offered, info)
    return tuple(
        {
            "language": each.language,
            "label": each.label,
            "url": f"{base}/subtitles/{each.key}/text.vtt",
            "kind": "captions" if each.sdh else "subtitles",
            "default": each.key == default,
            "forced": each.forced,
            "sdh": each.sdh,
        }
        for each in offered
    )


def playlist(duration: float) -> str:
    """One segment as long as the film."""
    return (
        f"#EXTM3U\n#EXT-X-VERSION:6\n#EXT-X-TARGETDURATION:{max(1, math.ceil(duration))}\n#EXT-X-MEDIA-SEQUENCE:0\n"
        f"#EXT-X-PLAYLIST-TYPE:VOD\n#EXTINF:{duration:.6f},\ntext.vtt\n#EXT-X-ENDLIST\n"
    )
