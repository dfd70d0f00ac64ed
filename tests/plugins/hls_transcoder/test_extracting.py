"""Subtitles inside films are read by an ffmpeg, which may be killed."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from mediaserver.core.library.probe import probe
from mediaserver.errors import JobPostponed
from plugins.hls_transcoder import webvtt
from plugins.hls_transcoder.extracting import from_tracks
from plugins.hls_transcoder.runner import DiskTrouble
from plugins.hls_transcoder.subtitles import wanted
from tests import media
from tests.bad_disk import bad_disk
from tests.e2e.appliance import processes
from tests.sources import subtitled

if TYPE_CHECKING:
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


def cue(at: int, text: str) -> str:
    """`at` so many milliseconds of the first minute, for less than a second."""
    begin, end = (f"00:00:{time // 1000:02},{time % 1000:03}" for time in (at, at + 800))
    return f"1\n{begin} --> {end}\n{text}\n\n"


def twenty() -> str:
    return "".join(cue(number * 1000 + 100, f"line {number}") for number in range(20))


def with_texts(path: Path, *texts: str) -> Path:
    """A film of 20 seconds with these subtitles, SRT each."""
    inputs: list[str | Path] = ["-i", media.film(seconds=20, gop=25)]
    mapped = ["-map", "0"]
    for number, text in enumerate(texts, 1):
        written = path.with_name(f"{number}.srt")
        written.write_text(text)
        inputs += ["-i", written]
        mapped += ["-map", str(number)]
    command = ["ffmpeg", "-v", "error", *map(str, inputs), *mapped, "-c", "copy", str(path)]
    subprocess.run(command, check=True)
    return path


@pytest.mark.slow
async def test_a_track_that_is_too_large_cuts_no_other_off(tools: FFmpegTools, workspace: Path, tmp_path: Path) -> None:
    large = "".join(cue(number * 9, "x" * 40_000) for number in range(2000))
    film = with_texts(tmp_path / "film.mkv", twenty(), large, twenty())
    first, second, third = wanted(await probe(tools, film), ())
    texts = await from_tracks(tools, film, [first, second, third], workspace)
    assert "larger than 10 MB" in str(texts[second.key])
    for each in (first, third):
        text = texts[each.key]
        assert isinstance(text, str)
        assert len(webvtt.read(text)) == 20


@pytest.mark.slow
@pytest.mark.skipif(os.geteuid() != 0 or not Path("/dev/fuse").exists(), reason="mounts a disk of its own")
async def test_half_a_text_is_not_taken_from_a_disk_that_fails(
    tools: FFmpegTools, workspace: Path, tmp_path: Path
) -> None:
    (tmp_path / "sound").mkdir()
    film = with_texts(tmp_path / "sound" / "film.mkv", twenty())
    tracks = wanted(await probe(tools, film), ())
    with bad_disk(film.parent, tmp_path / "bad", 0.5, 0.51) as bad, pytest.raises(DiskTrouble, match="output error"):
        await from_tracks(tools, bad / "film.mkv", tracks, workspace)
    [made] = (await from_tracks(tools, film, tracks, workspace)).values()
    assert isinstance(made, str)
    assert len(webvtt.read(made)) == 20
