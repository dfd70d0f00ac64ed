"""The film's own pictures as a further quality: where they are safe, and what is said where they are not."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

from mediaserver.contracts import Limits
from mediaserver.core.library.probe import probe
from plugins.hls_transcoder.copies import Copy, Unfit, copy_arguments, require_fit
from plugins.hls_transcoder.ladder import ladder
from tests import media
from tests.patience import until
from tests.plugins.hls_transcoder.test_subtitles import copy
from tests.plugins.hls_transcoder.theatre import Theatre, open_theatre

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from mediaserver.core.ffmpeg import FFmpegTools
    from mediaserver.testing import RunningApp

pytestmark = pytest.mark.slow
X264 = ("-c:v", "libx264", "-preset", "veryfast", "-pix_fmt", "yuv420p")


def film(
    name: str = "own.mp4", *options: str, codec: tuple[str, ...] = X264, aac: tuple[str, ...] = (), seconds: int = 20
) -> Path:
    """At 44.1 kHz, a key frame each 2.4 s; with B-frames."""
    heard = ("-f", "lavfi", "-i", f"sine=f=440:r=44100:d={seconds}", "-c:a", "aac", "-ac", "2", *aac)
    return media.make(name, *media.pictures(seconds), *heard, *codec, "-g", "60", *options)


async def made_copy(tools: FFmpegTools, source: Path, workspace: Path) -> Copy:
    info = await probe(tools, source)
    require_fit(info, ladder(info))
    asked = copy_arguments(info, source, flags=tools.input_flags)
    tool = await tools.start("ffmpeg", asked, reads=[source], workspace=workspace, limits=Limits(wall=60, cpu=60))
    finished = await tool.wait()
    assert finished.returncode == 0, finished.stderr
    made = Copy(info)
    for part in sorted(workspace.glob("*.ts")):
        made.add(part.read_bytes())
    made.finish(ladder(info))
    return made


@pytest.mark.parametrize("name", ["own.mp4", "own.mkv", "own.ts"])
async def test_segments_of_a_copy_hold_what_its_playlist_says(tools: FFmpegTools, workspace: Path, name: str) -> None:
    made = await made_copy(tools, film(name), workspace)
    durations = [float(duration) for duration in made.durations]
    assert durations == pytest.approx([4.8, 4.8, 2.4, 4.8, 3.2], abs=0.001)
    assert made.attributes.endswith('CODECS="avc1.64000b,mp4a.40.2",RESOLUTION=160x90,FRAME-RATE=25.000')


async def refused(tools: FFmpegTools, source: Path, workspace: Path) -> str:
    with pytest.raises(Unfit) as reason:
        await made_copy(tools, source, workspace)
    return str(reason.value)


REFUSED: dict[str, tuple[Callable[[], Path], str]] = {
    "key frames far apart": (
        lambda: film("far.mp4", "-g", "250", "-keyint_min", "250", "-sc_threshold", "0"),
        "its key frames are more than 6 seconds apart",
    ),
    "open groups": (
        lambda: film("open.ts", "-x264-params", "open-gop=1:bframes=3:keyint=50:min-keyint=50"),
        "its groups of pictures are open: some pictures of one need those of the one before",
    ),
    "HE-AAC's sound in MP3": (lambda: film("mp3.mp4", aac=("-c:a", "libmp3lame")), "its sound is no AAC"),
    "10 bit": (
        lambda: film("ten.mkv", codec=("-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p10le")),
        "its pictures are no H.264 in High or Main profile",
    ),
    "not square": (lambda: film("wide.mp4", "-vf", "setsar=4/3"), "its pixels are not square"),
    "interlaced": (
        lambda: film("laced.mp4", "-vf", "scale=160:96", "-flags", "+ilme+ildct", "-x264opts", "tff=1"),
        "it is interlaced",
    ),
    "large": (
        lambda: film("large.mp4", "-b:v", "4M", "-minrate", "4M", "-maxrate", "4M", "-bufsize", "1M",
                     "-x264-params", "nal-hrd=cbr:force-cfr=1"),
        "it takes more than half as much again as the largest resolution",
    ),
    "AVI": (lambda: film("own.avi"), "its container does not tell the times of pictures"),
}  # fmt: skip


@pytest.mark.parametrize("sort", list(REFUSED))
async def test_what_players_could_stumble_over_is_not_offered(tools: FFmpegTools, workspace: Path, sort: str) -> None:
    make, reason = REFUSED[sort]
    assert await refused(tools, make(), workspace) == reason


async def master(theatre: Theatre) -> str:
    return (await theatre.file("film", "master.m3u8")).text


@pytest.mark.parametrize("encryption", ["none", "aes-128"])
async def test_the_copy_is_offered_when_it_is_complete(
    app_with: Callable[..., RunningApp], tmp_path: Path, encryption: str
) -> None:
    options: dict[str, Any] = {
        "background": "all",
        "preset": "ultrafast",
        "copy_original": True,
        "encryption": encryption,
    }
    async with open_theatre(app_with, tmp_path / "library", **options) as theatre:
        copy(film(seconds=7), theatre.library / "Film.mp4")

        async def offered() -> Any:
            answer = await theatre.app.get("/v1/content/film")
            return answer.status_code == 200 and "original/index.m3u8" in (await master(theatre))

        await until(offered, "the copy")
        playlist = (await theatre.file("film", "original/index.m3u8")).text
        assert ("#EXT-X-KEY" in playlist) == (encryption != "none")
        spans = [float(span) for span in re.findall(r"#EXTINF:([\d.]+),", playlist)]
        assert sum(spans) == pytest.approx(7, abs=0.01)
        first = await theatre.file("film", "original/000.ts")
        assert (first.status_code, first.headers["content-type"]) == (200, "video/mp2t")
        assert first.content.startswith(b"\x47") == (encryption == "none")
        assert (await theatre.file("film", f"original/{len(spans):03d}.ts")).status_code == 404
        own = await theatre.file("film", "original")
        assert own.status_code == (200 if encryption == "none" else 404)
