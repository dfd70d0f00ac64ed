"""How players are offered the audio tracks of a film: the one in the pictures, and those that can be heard instead."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mediaserver import language_name, language_tag

from .ladder import default_audio, further_audio
from .playlists import Rendition, distinct

if TYPE_CHECKING:
    from mediaserver.contracts import AudioTrack, MediaInfo

STEREO = 2  # channels: what every track is made to


def renditions(info: MediaInfo) -> list[Rendition]:
    """Lines of the multivariant playlist; none for a film with one track, which needs no choice."""
    offered = _offered(info)
    if len(offered) < 2:  # noqa: PLR2004 - a choice is between two
        return []
    return [
        Rendition("AUDIO", name, language_tag(track.language), address, default=not address, channels=STEREO)
        for track, name, address in offered
    ]


def in_manifest(info: MediaInfo, base: str) -> tuple[dict[str, Any], ...]:
    """As `GET manifest` tells them; `codec` is the source's, `url` None for the one that is in the pictures."""
    return tuple(
        {
            "language": language_tag(track.language),
            "label": name,
            "codec": track.codec,
            "url": f"{base}/{address}" if address else None,
        }
        for track, name, address in _offered(info)
    )


def _offered(info: MediaInfo) -> list[tuple[AudioTrack, str, str]]:
    """Each track, its name, which none shares, and the address of its playlist."""
    muxed = default_audio(info)
    if muxed is None:
        return []
    by_index = {track.index: track for track in info.audio}
    tracks = [(muxed, ""), *((by_index[each.index], f"audio/{each.index}/index.m3u8") for each in further_audio(info))]
    names = distinct([_name(track) for track, _ in tracks])
    return [(track, name, address) for (track, address), name in zip(tracks, names, strict=True)]


def _name(track: AudioTrack) -> str:
    """For people: English, Commentary, German · Director."""
    language = language_name(language_tag(track.language)) if language_tag(track.language) else ""
    title = track.title if track.title.casefold() != language.casefold() else ""
    return " \u00b7 ".join(part for part in (language, title) if part) or "Audio"
