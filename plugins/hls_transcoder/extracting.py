"""Subtitles made: texts of tracks by one reading of the film, files beside it read with care."""

from __future__ import annotations

import asyncio
import os
import stat
from typing import TYPE_CHECKING

import ffmpeg

from mediaserver.contracts import Limits
from mediaserver.errors import JobPostponed

from . import webvtt
from .building import SOURCE, arguments
from .outcome import MOVED, disk_trouble, postpone_if_full, postpone_if_hindered
from .runner import DiskTrouble
from .webvtt import NotText

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from mediaserver.contracts import Finished, MediaTools, SidecarFile

    from .subtitles import Wanted

__all__ = ["bytes_of", "from_file", "from_tracks"]

WHOLE_FILM = Limits(wall=4 * 3600, cpu=1800, file_size=64 << 20, nice=19, idle_io=True)  # 60 GB at 5 MB/s
ONE_FILE = Limits(wall=30, cpu=30, file_size=64 << 20, nice=19, idle_io=True)
SCRIPTS = frozenset({"ass", "ssa"})
LARGEST = 10_000_000  # bytes of a file beside a film
AGAIN_SECONDS = 10.0
TOO_LARGE = f"Its text is larger than {LARGEST // 1_000_000} MB."
UNREADABLE = "This track cannot be read; it is damaged."


async def from_tracks(
    tools: MediaTools, source: Path, tracks: Sequence[Wanted], workspace: Path
) -> dict[str, str | NotText]:
    """WebVTT by key, or why there is none. Times count from the film's own start, whatever its file calls that.

    Raises DiskTrouble where the film could not be read to its end, and JobPostponed.
    """
    finished = await _read(tools, source, tracks, workspace)
    if finished.timed_out:
        return {each.key: NotText("Reading the film for it took too long.") for each in tracks}
    if finished.returncode == 0:
        return {each.key: await asyncio.to_thread(_made, workspace / f"{each.key}.vtt") for each in tracks}
    return await _without_culprits(tools, source, tracks, workspace)


async def _without_culprits(
    tools: MediaTools, source: Path, tracks: Sequence[Wanted], workspace: Path
) -> dict[str, str | NotText]:
    """One track that ended the run has cut off all others: those are read again without it."""
    large = [each for each in tracks if await asyncio.to_thread(_is_too_large, workspace / f"{each.key}.vtt")]
    if not large and len(tracks) == 1:
        return {tracks[0].key: NotText(UNREADABLE)}
    texts: dict[str, str | NotText] = {each.key: NotText(TOO_LARGE) for each in large}
    others = [each for each in tracks if each.key not in texts]
    for together in [others] if large and others else [[each] for each in others]:
        texts |= await from_tracks(tools, source, together, workspace)
    return texts


async def _read(tools: MediaTools, source: Path, tracks: Sequence[Wanted], workspace: Path) -> Finished:
    film = ffmpeg.input(SOURCE, **tools.input_flags)
    outputs = [
        ffmpeg.output(
            film[str(each.track.index)], f"{each.key}.vtt",
            **{"c:s": "webvtt", "f": "webvtt", "map_metadata": -1, "map_chapters": -1, "avoid_negative_ts": "disabled"},
        )
        for each in tracks
        if each.track is not None
    ]  # fmt: skip
    asked = arguments(ffmpeg.merge_outputs(*outputs), source)
    tool = await tools.start("ffmpeg", asked, reads=[source], workspace=workspace, limits=WHOLE_FILM)
    finished = await tool.wait()
    await postpone_if_hindered(finished, source, AGAIN_SECONDS)
    trouble = disk_trouble(finished)
    if trouble is not None:
        raise DiskTrouble(trouble)
    return finished


async def from_file(tools: MediaTools, file: SidecarFile, workspace: Path) -> str | NotText:
    try:
        data = await asyncio.to_thread(bytes_of, file)
        text = webvtt.decoded(data, file.language)
        if file.format in SCRIPTS:
            text = await _from_script(tools, text, workspace)
        return await asyncio.to_thread(lambda: _verified(webvtt.written(webvtt.read(text))))
    except NotText as failure:
        return failure


async def _from_script(tools: MediaTools, text: str, workspace: Path) -> str:
    """Our own copy is what ffmpeg reads, and as nothing but such a script."""
    copy, made = workspace / "script.ass", workspace / "script.vtt"
    copy.write_text(text, encoding="utf-8")
    flags = {**tools.input_flags, "format_whitelist": "ass"}
    output = ffmpeg.output(ffmpeg.input(SOURCE, f="ass", **flags), made.name, f="webvtt")
    tool = await tools.start("ffmpeg", arguments(output, copy), reads=[copy], workspace=workspace, limits=ONE_FILE)
    postpone_if_full(await tool.wait(), AGAIN_SECONDS)
    if not made.exists():
        raise NotText("It is no subtitle script that can be read.")
    return made.read_bytes().decode("utf-8", "replace")


def _made(path: Path) -> str | NotText:
    """What ffmpeg wrote, read again and written by ourselves: it escapes nothing."""
    try:
        if _is_too_large(path):
            return NotText(TOO_LARGE)
        return _verified(webvtt.written(webvtt.read(path.read_bytes().decode("utf-8", "replace"))))
    except NotText as failure:
        return failure
    except OSError:
        return NotText(UNREADABLE)


def _is_too_large(path: Path) -> bool:
    try:
        return path.stat().st_size > 4 * LARGEST
    except OSError:
        return False


def _verified(text: str) -> str:
    """What is published is read once more as a player will. Raises NotText."""
    if webvtt.written(webvtt.read(text)) != text:
        raise NotText("Its text cannot be written so that it is read the same again.")
    return text


def bytes_of(file: SidecarFile, largest: int = LARGEST) -> bytes:
    """Raises NotText. Never waits for a pipe, follows no link, and reads no more than is allowed."""
    try:
        descriptor = os.open(file.path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError as error:
        raise JobPostponed(MOVED, AGAIN_SECONDS) from error
    except OSError as error:
        raise NotText(f"It cannot be read ({error.strerror}); allow the server to read it (chmod a+r).") from error
    with os.fdopen(descriptor, "rb") as opened:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise NotText("This is not a regular file, so it is not opened.")
        data = opened.read(largest + 1)
    if len(data) > largest:
        raise NotText(f"It has more than {largest // 1_000_000} MB.")
    return data
