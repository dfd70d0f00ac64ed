"""Subtitles inside films are read by an ffmpeg, which may be killed."""

from __future__ import annotations

import asyncio
import os
import signal
from contextlib import suppress
from typing import TYPE_CHECKING

from mediaserver.core.library.probe import probe
from mediaserver.errors import JobPostponed
from plugins.hls_transcoder.extracting import from_tracks
from plugins.hls_transcoder.subtitles import wanted
from tests.e2e.appliance import processes
from tests.sources import subtitled

if TYPE_CHECKING:
    from pathlib import Path

    from mediaserver.core.ffmpeg import FFmpegTools


def children() -> set[int]:
    return {pid for pid, parent, _ in processes() if parent == os.getpid()}


async def test_a_killed_reading_says_nothing_about_the_film(tools: FFmpegTools, workspace: Path) -> None:
    film = subtitled("srt.mkv", "srt")()
    tracks = wanted(await probe(tools, film), ())
    before = children()  # a database, say
    said = ""
    while not said:  # it may be through before it is hit
        reading = asyncio.create_task(from_tracks(tools, film, tracks, workspace))
        while not (mine := children() - before) and not reading.done():
            await asyncio.sleep(0)
        for pid in mine:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        try:
            await reading
        except JobPostponed as postponed:
            said = str(postponed)
    assert "ended from outside" in said
    assert "Hello" in str(await from_tracks(tools, film, tracks, workspace))
