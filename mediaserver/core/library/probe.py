"""What a file is: asked of ffprobe, checked against its last packets, refused in one sentence where it is no film."""

from __future__ import annotations

import json
import os
import stat
from asyncio import to_thread
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mediaserver.contracts import AudioTrack, Finished, MediaInfo, MediaTools, SubtitleTrack, VideoStream
from mediaserver.core.library import refusals
from mediaserver.core.library.chapters import chapters, first_chapters
from mediaserver.core.library.clocks import begins_again
from mediaserver.core.library.packets import Budget, real_end
from mediaserver.core.library.refusals import ProbeFailed

__all__ = ["ProbeFailed", "probe"]

LONGEST = 24 * 3600.0  # seconds; more is a broken header or an attack: 16 KB can claim a gap of 27 h
# Together with LONGEST these bound what a small file can be blown up to. 24 empty frames/s take about 4,000 bit/s.
LEAST_BIT_RATE, LONG = 1_000.0, 600.0  # bit/s, of what is longer than so many seconds
WIDEST_PIXEL = 10  # times as wide as high, or as high as wide; anamorphic film has 2
MAX_PIXELS = 40_000_000
MAX_TAG = 500
VARIABLE = 0.02  # where average and nominal rate are further apart than this, the rate is not constant
CHAPTER_ENTRIES = "chapter=start_time,end_time:chapter_tags=title"
PROTECTED_TAGS = {"encv", "enca", "drmi", "drms"}
KEPT_TAGS = ("title", "artist", "date", "show", "season_number", "episode_sort", "description", "comment", "genre")


async def probe(tools: MediaTools, path: Path) -> MediaInfo:
    """Raises ProbeFailed with the reason, for whatever is not a film that can be played."""
    size = await to_thread(_size_of_regular_file, path)
    budget = Budget()
    raw = await _ask(tools, path, budget)
    streams: list[dict[str, Any]] = raw.get("streams", [])
    container: dict[str, Any] = raw.get("format", {})
    picture = _film(streams)
    start = _number(container.get("start_time"))
    video = _video(picture)
    told = _told_duration(picture, container, start)
    restarts = await _restarts(path, container, picture)
    duration, truncated = await real_end(
        tools, path, video, budget, start=start, told=told, size=size, restarts=restarts
    )
    _must_be_worth_its_time(duration, size)
    return MediaInfo(
        container=str(container.get("format_name", "")),
        duration=duration,
        start_time=start,
        size=size,
        video=video,
        audio=tuple(_audio(stream, start) for stream in streams if _is_sound(stream)),
        subtitles=tuple(_subtitle(stream) for stream in streams if stream.get("codec_type") == "subtitle"),
        truncated=truncated,
        restarts=restarts,
        tags=_tags(container),
        chapters=chapters(raw.get("chapters", []), start, duration),
        cover=_cover(streams),
    )


async def _restarts(path: Path, container: Mapping[str, Any], picture: Mapping[str, Any]) -> bool:
    if container.get("format_name") != "mpegts":
        return False
    try:
        return await to_thread(begins_again, path, int(str(picture.get("id", "")), 16))
    except (ValueError, OSError):  # no such number, or the file went: ffprobe has the word
        return False


def _size_of_regular_file(path: Path) -> int:
    """A FIFO would hang the prober for ever, a link may point anywhere: neither is opened."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError as error:
        raise ProbeFailed(refusals.unopened(path, error)) from error
    try:
        found = os.fstat(fd)
    finally:
        os.close(fd)
    if not stat.S_ISREG(found.st_mode):
        raise ProbeFailed("This is not a regular file, so it is not opened.")
    if found.st_size == 0:
        raise ProbeFailed("This file is empty; copy it again.")
    return found.st_size


def _must_be_worth_its_time(duration: float, size: int) -> None:
    if duration > LONGEST:
        raise ProbeFailed(f"This film claims to last {duration / 3600:.0f} hours; more than 24 are refused.")
    if duration > LONG and size * 8 / duration < LEAST_BIT_RATE:
        raise ProbeFailed(
            f"This file holds {size / 1000:.0f} kB for {duration / 60:.0f} minutes; "
            "so little is no film, and it is refused."
        )


async def _ask(tools: MediaTools, path: Path, budget: Budget) -> dict[str, Any]:
    asked, is_cut = await _shown(tools, path, budget, "-show_format", "-show_streams", "-show_chapters")
    chapters_told: list[dict[str, Any]] | None = None
    if is_cut:  # six thousand chapters, say, each with a title of a page
        told, _ = await _shown(tools, path, budget, "-show_entries", CHAPTER_ENTRIES)
        chapters_told = first_chapters(told.stdout)
        asked, is_cut = await _shown(tools, path, budget, "-show_format", "-show_streams")
    if is_cut:
        raise ProbeFailed("This file tells more about itself than any film does, so it is refused; remove its tags.")
    try:
        answer = json.loads(asked.stdout)
    except ValueError:
        answer = {}
    if asked.returncode != 0 or not answer.get("streams"):
        raise ProbeFailed(refusals.unread(asked.stderr))
    return dict(answer) if chapters_told is None else {**answer, "chapters": chapters_told}


async def _shown(tools: MediaTools, path: Path, budget: Budget, *shown: str) -> tuple[Finished, bool]:
    """What ffprobe says, and whether that is more than is kept of it."""
    flags = [part for key, value in tools.input_flags.items() for part in (f"-{key}", value)]
    arguments = ["-v", "error", *flags, "-of", "json", *shown, "-i", f"file:{path}"]
    limits = budget.limits()
    asked = await (await tools.start("ffprobe", arguments, reads=[path], workspace=None, limits=limits)).wait()
    if asked.timed_out:
        raise ProbeFailed("This file could not be read within 15 seconds; it is damaged, or its disk is too slow.")
    return asked, len(asked.stdout) >= limits.stdout


def _film(streams: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The stream that is the film: the default one, else the first; cover art is not a film."""
    if any(stream.get("codec_tag_string") in PROTECTED_TAGS for stream in streams):
        raise ProbeFailed(refusals.ENCRYPTED)
    pictures = [stream for stream in streams if stream.get("codec_type") == "video"]
    films = [stream for stream in pictures if not stream.get("disposition", {}).get("attached_pic")]
    if not films:
        sound = any(_is_sound(stream) for stream in streams)
        raise ProbeFailed(refusals.NO_FILM[(bool(pictures), sound)])
    film = next((stream for stream in films if stream.get("disposition", {}).get("default")), films[0])
    if film.get("codec_name", "unknown") in {"unknown", "none"}:
        raise ProbeFailed("The picture of this file is in a format that nothing here can read.")
    width, height = int(film.get("width") or 0), int(film.get("height") or 0)
    if width * height > MAX_PIXELS:
        raise ProbeFailed(f"The picture has {width} x {height} pixels; more than 40 million are refused.")
    if not width or not height:
        raise ProbeFailed("The picture of this file has no size: it is damaged or its start is missing.")
    return film


def _cover(streams: Sequence[Mapping[str, Any]]) -> int | None:
    covers = [stream for stream in streams if stream.get("disposition", {}).get("attached_pic")]
    return next((int(stream["index"]) for stream in covers if stream.get("codec_name") in {"mjpeg", "png"}), None)


def _is_sound(stream: Mapping[str, Any]) -> bool:
    return stream.get("codec_type") == "audio" and _number(stream.get("sample_rate")) > 0


def _video(stream: Mapping[str, Any]) -> VideoStream:
    rate, variable = _frame_rate(stream)
    return VideoStream(
        index=int(stream["index"]),
        codec=str(stream["codec_name"]),
        width=int(stream["width"]),
        height=int(stream["height"]),
        frame_rate=rate,
        variable_rate=variable,
        sample_aspect=_aspect(stream.get("sample_aspect_ratio")),
        rotation=_rotation(stream),
        pixel_format=str(stream.get("pix_fmt", "")),
        field_order=_field_order(stream),
        transfer=str(stream.get("color_transfer", "")).replace("unknown", ""),
        profile=str(stream.get("profile", "")),
        bit_rate=int(_number(stream.get("bit_rate"))) or None,
    )


def _ratio(raw: Any, otherwise: str) -> str:
    number, _, over = str(raw or "").replace(":", "/").partition("/")
    return f"{number}/{over}" if number.isdigit() and over.isdigit() and int(number) and int(over) else otherwise


def _aspect(raw: Any) -> str:
    """Square where it is missing or absurd: a picture stretched to millions of pixels is nobody's film."""
    ratio = _ratio(raw, "1/1")
    return ratio if 1 / WIDEST_PIXEL <= _value(ratio) <= WIDEST_PIXEL else "1/1"


def _frame_rate(stream: Mapping[str, Any]) -> tuple[str, bool]:
    """The nominal rate where frames come irregularly (25 where even that is absurd), else the average one."""
    average, nominal = _ratio(stream.get("avg_frame_rate"), ""), _ratio(stream.get("r_frame_rate"), "")
    if not average or not nominal:
        return average or nominal or "25/1", False
    a, n = _value(average), _value(nominal)
    interlaced = stream.get("field_order") not in {None, "progressive"}
    fields = abs(n / a - 2) < VARIABLE and interlaced  # fields are no frames
    variable = abs(a - n) / n > VARIABLE and not fields
    return (nominal if variable and n <= 61 else average), variable  # noqa: PLR2004 - 60 and what rounds to it


def _value(ratio: str) -> float:
    number, over = ratio.split("/")
    return int(number) / int(over)


def _rotation(stream: Mapping[str, Any]) -> int:
    told = [data["rotation"] for data in stream.get("side_data_list", []) if "rotation" in data]
    return round(_number(told[0]) / 90) * 90 % 360 if told else 0


def _field_order(stream: Mapping[str, Any]) -> str:
    told = str(stream.get("field_order", "unknown"))
    if told == "unknown" and stream.get("codec_name") not in {"mpeg2video", "h264", "vc1", "dvvideo"}:
        return "progressive"
    return told


def _told_duration(film: Mapping[str, Any], container: Mapping[str, Any], start: float) -> float:
    """Seconds from the container's start to the end of the picture, as the headers say; 0 where they are silent."""
    own = _number(film.get("duration")) or _clock(film.get("tags", {}).get("DURATION", ""))
    if own:
        return max(0.0, _number(film.get("start_time"), start) - start) + own
    return _number(container.get("duration"))


def _clock(text: str) -> float:
    """Matroska writes how long a track is as a tag, "00:01:02.500000000"."""
    parts = text.split(":")
    if len(parts) != 3:  # noqa: PLR2004 - hours, minutes, seconds
        return 0.0
    return _number(parts[0]) * 3600 + _number(parts[1]) * 60 + _number(parts[2])


def _audio(stream: Mapping[str, Any], start: float) -> AudioTrack:
    begin = max(0.0, _number(stream.get("start_time"), start) - start)
    length = _number(stream.get("duration")) or _clock(stream.get("tags", {}).get("DURATION", ""))
    return AudioTrack(
        index=int(stream["index"]),
        codec=str(stream.get("codec_name", "unknown")),
        channels=int(stream.get("channels") or 0),
        sample_rate=int(_number(stream.get("sample_rate"))),
        language=_language(stream),
        title=_clean(stream.get("tags", {}).get("title", "")),
        default=bool(stream.get("disposition", {}).get("default")),
        start=begin,
        end=begin + length if length else None,
    )


def _subtitle(stream: Mapping[str, Any]) -> SubtitleTrack:
    disposition = stream.get("disposition", {})
    return SubtitleTrack(
        index=int(stream["index"]),
        codec=str(stream.get("codec_name", "unknown")),
        language=_language(stream),
        title=_clean(stream.get("tags", {}).get("title", "")),
        default=bool(disposition.get("default")),
        forced=bool(disposition.get("forced")),
        sdh=bool(disposition.get("hearing_impaired") or disposition.get("captions")),
    )


def _language(stream: Mapping[str, Any]) -> str:
    language = _clean(stream.get("tags", {}).get("language", ""))[:35]
    return "" if language == "und" else language


def _tags(container: Mapping[str, Any]) -> dict[str, str]:
    tags = {str(key).lower(): _clean(value) for key, value in container.get("tags", {}).items()}
    return {key: tags[key] for key in KEPT_TAGS if tags.get(key)}


def _clean(text: Any) -> str:
    """Tags are data of a stranger: no control characters, no invisible direction marks, no novels."""
    return "".join(char for char in str(text) if char.isprintable()).strip()[:MAX_TAG]


def _number(raw: Any, otherwise: float = 0.0) -> float:
    try:
        value = float(raw)
    except (TypeError, ValueError):
        return otherwise
    return value if abs(value) < 1e12 else otherwise  # noqa: PLR2004 - neither nan nor inf passes
