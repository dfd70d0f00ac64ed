"""Which picture stands for a film: one beside it, else the cover inside it, else a frame. Always encoded anew."""

from __future__ import annotations

import asyncio
import hashlib
import os
from typing import TYPE_CHECKING, Any

import ffmpeg

from mediaserver.contracts import Limits, MediaInfo, SidecarKind

from .building import SOURCE, arguments
from .extracting import bytes_of
from .outcome import postpone_if_full
from .pictures import AGAIN_SECONDS, is_jpeg
from .webvtt import NotText

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from mediaserver.contracts import MediaTools, SidecarFile, Storage

__all__ = ["MARK", "candidates", "chosen_poster", "is_current", "mark_of"]

MARK = "poster.mark"  # beside the poster: of what it was chosen
BOX = 900  # pixels, the longer side
LIMITS = Limits(wall=60, cpu=60, nice=19, idle_io=True)
LARGEST = 40_000_000  # bytes
ORDER = ("-poster", "poster", "folder", "cover", "movie", "default", "-thumb")
FORMS = ((b"\xff\xd8\xff", "jpeg_pipe"), (b"\x89PNG\r\n\x1a\n", "png_pipe"), (b"RIFF", "webp_pipe"))


def candidates(beside: Iterable[SidecarFile]) -> list[SidecarFile]:
    """Posters that may be opened, best first."""
    found = [file for file in beside if file.kind is SidecarKind.POSTER and not file.reason]
    return sorted(found, key=lambda file: (_rank(file.path.stem.lower()), os.fsencode(file.path)))


def _rank(stem: str) -> int:
    fits = (rank for rank, word in enumerate(ORDER) if stem == word or (word[0] == "-" and stem.endswith(word)))
    return next(fits, len(ORDER))


def mark_of(files: Iterable[SidecarFile]) -> str:
    told = b"\0".join(b"%s %d %d" % (os.fsencode(file.path), file.size, file.mtime_ns) for file in files)
    return hashlib.sha256(told).hexdigest()[:16]


def is_current(storage: Storage, video_id: int, mark: str) -> bool:
    """Whether the poster there is was chosen of these; one without a mark was made when there was no choice."""
    if not storage.picture(video_id, "poster.jpg").exists():
        return False
    try:
        return storage.picture(video_id, MARK).read_text(encoding="ascii") == mark
    except OSError:
        return mark == mark_of(())


async def chosen_poster(
    tools: MediaTools, info: MediaInfo, source: Path | None, files: Iterable[SidecarFile], workspace: Path
) -> Path | None:
    """A jpg in `workspace`, of the first that is a picture; None where somebody has to take a frame."""
    for file in files:
        made = await _from_file(tools, file, workspace)
        if made is not None:
            return made
    if info.cover is None or source is None:
        return None
    cover = ffmpeg.input(SOURCE, **tools.input_flags)[str(info.cover)]
    return await _encoded(tools, cover, source, workspace)


async def _from_file(tools: MediaTools, file: SidecarFile, workspace: Path) -> Path | None:
    """From our own copy, read as what its first bytes say and as nothing else."""
    try:
        data = await asyncio.to_thread(bytes_of, file, LARGEST)
    except NotText:
        return None
    form = next((form for begin, form in FORMS if data.startswith(begin)), None)
    if form is None:
        return None
    copy = workspace / "picture"
    await asyncio.to_thread(copy.write_bytes, data)
    codecs = f"{tools.input_flags['codec_whitelist']},webp"
    flags = {**tools.input_flags, "format_whitelist": form, "codec_whitelist": codecs}
    return await _encoded(tools, ffmpeg.input(SOURCE, f=form, **flags)["v:0"], copy, workspace)


async def _encoded(tools: MediaTools, picture: Any, source: Path, workspace: Path) -> Path | None:
    poster = workspace / "poster.jpg"
    box = f"min({BOX},iw)", f"min({BOX},ih)"
    picture = picture.filter("scale", *box, force_original_aspect_ratio="decrease", force_divisible_by=2)
    picture = picture.filter("format", "yuvj420p").filter("setsar", 1)
    options = {"frames:v": 1, "c:v": "mjpeg", "q:v": 4, "f": "image2", "update": 1, "map_metadata": -1}
    asked = arguments(ffmpeg.output(picture, poster.name, **options), source)
    tool = await tools.start("ffmpeg", asked, reads=[source], workspace=workspace, limits=LIMITS)
    finished = await tool.wait()
    postpone_if_full(finished, AGAIN_SECONDS)
    return poster if finished.returncode == 0 and await asyncio.to_thread(is_jpeg, poster) else None
