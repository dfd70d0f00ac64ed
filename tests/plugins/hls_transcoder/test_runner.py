import asyncio
import os
import shutil
import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path

import pytest

from mediaserver.core.ffmpeg import FFmpegTools
from mediaserver.core.library.probe import probe
from plugins.hls_transcoder.pictures import make_poster
from plugins.hls_transcoder.runner import Cell, Control, EncodeFailed, GuardFailed, encode
from tests import media
from tests.plugins.hls_transcoder.conftest import Cells, job_for

pytestmark = pytest.mark.slow


def fields() -> Path:
    options = ("-vf", "tinterlace=interleave_top", "-flags", "+ilme+ildct", "-x264-params", "tff=1")
    return media.film("fields.mkv", seconds=6, rate="50", size="160x96", options=options)


def changing() -> Path:
    picture = "select='lt(t,1)+gte(t,1)*lt(t,3)*not(mod(n,3))+gte(t,7)'"
    return media.film("changing.mp4", seconds=9, rate="30", options=("-vf", picture, "-fps_mode", "vfr"))


def short_sound() -> Path:
    return media.make("short.mp4", *media.pictures(9), *media.sound(3), *media.X264, "-c:a", "aac")


def long_sound() -> Path:
    return media.make("long.mp4", *media.pictures(5), *media.sound(9), *media.X264, "-c:a", "aac")


def late_sound() -> Path:
    inputs = (*media.pictures(9), "-itsoffset", "5.5", *media.sound(3))
    return media.make("late.mkv", *inputs, *media.X264, "-c:a", "aac")


def ten_bits() -> Path:
    return media.make(
        "ten.mkv", *media.pictures(5), "-pix_fmt", "yuv444p10le", "-c:v", "libx264", "-preset", "ultrafast"
    )


def hdr() -> Path:
    colours = ("-color_primaries", "bt2020", "-color_trc", "smpte2084", "-colorspace", "bt2020nc")
    coded = ("-pix_fmt", "yuv420p10le", "-c:v", "libx265", "-preset", "ultrafast", "-x265-params", "log-level=none")
    return media.make("hdr.mkv", *media.pictures(1), *coded, *colours)


SOURCES: dict[str, Callable[[], Path]] = {
    "no sound": lambda: media.film("silent.mp4", seconds=5, audio=False),
    "matroska": lambda: media.copied(media.film(seconds=9), "film.mkv"),
    "not starting at zero": lambda: media.film("late.ts", seconds=9, options=("-output_ts_offset", "5000", "-g", "25")),
    "anamorphic": lambda: media.film("wide.mp4", seconds=1, size="72x58", options=("-vf", "setsar=64/45")),
    "rotated": lambda: media.copied(media.film(seconds=1), "turned.mp4", "-metadata:s:v:0", "rotate=90"),
    "one frame": lambda: media.film("one.mp4", seconds=0.04, audio=False),
    "interlaced": fields,
    "rate that changes and a picture that stands": changing,
    "sound that ends early": short_sound,
    "sound that goes on": long_sound,
    "sound that begins late": late_sound,
    "ten bits": ten_bits,
    "hdr": hdr,
    "a hundred frames a second": lambda: media.film("fast.mp4", seconds=5, rate="100"),
    "a copy that stops early": lambda: media.truncated(media.film("cut.mkv", seconds=12, gop=25), 0.6),
}


@pytest.mark.parametrize("source", SOURCES)
async def test_each_segment_can_be_made_alone_from(source: str, tools: FFmpegTools, workspace: Path) -> None:
    """Frames, times and sound packets of each cell are verified while it is made."""
    film = SOURCES[source]()
    info = await probe(tools, film)
    whole = job_for(info, film, workspace)
    for number in whole.run.numbers:
        job = job_for(info, film, workspace, number, 1)
        made = [(cell.output.name, cell.number) async for cell in encode(tools, job)]
        assert made == [(rung.name, number) for rung in whole.run.rungs]


@pytest.mark.parametrize("preset", ["ultrafast", "superfast", "medium", "slower"])
async def test_borders_are_where_they_belong_at_every_preset(preset: str, tools: FFmpegTools, workspace: Path) -> None:
    film = media.film(seconds=9, rate="30000/1001")
    info = await probe(tools, film)
    for number in (0, 1):
        job = job_for(info, film, workspace, number, 1)
        job = replace(job, run=replace(job.run, preset=preset))
        assert [cell.number for cell in await collect(encode(tools, job))] == [number]


async def test_a_film_of_any_name_is_encoded(cells: Cells, tmp_path: Path) -> None:
    odd = tmp_path / os.fsdecode(b"-new\nline: \xff 100%03d.mp4")
    shutil.copyfile(media.film(seconds=1), odd)
    assert list(await cells(odd)) == [("480p", 0)]


async def test_silence_fills_what_the_headers_did_not_say(tools: FFmpegTools, workspace: Path) -> None:
    film = short_sound()
    info = await probe(tools, film)
    unsaid = replace(info, audio=(replace(info.audio[0], end=None),))
    assert [cell.number async for cell in encode(tools, job_for(unsaid, film, workspace, 1, 1))] == [1]


async def test_cells_come_one_after_the_other(tools: FFmpegTools, workspace: Path) -> None:
    film = media.film("many.mp4", seconds=20)
    job = job_for(await probe(tools, film), film, workspace)
    assert [cell.number for cell in await collect(encode(tools, job))] == [0, 1, 2, 3, 4]


async def test_all_rungs_come_from_one_run(cells: Cells) -> None:
    made = await cells(media.film("large.mp4", seconds=1, size="1280x720"))
    assert set(made) == {("480p", 0), ("720p", 0)}


async def test_a_file_that_seeks_wrong_falls_back_to_one_straight_run(tools: FFmpegTools, workspace: Path) -> None:
    """A transport stream with a single key frame has nothing behind a seek."""
    film = media.film("single.ts", seconds=9, gop=1000)
    info = await probe(tools, film)
    with pytest.raises(GuardFailed, match="straight run"):
        await collect(encode(tools, job_for(info, film, workspace, 1, 1)))
    straight = job_for(info, film, workspace)
    assert [cell.number for cell in await collect(encode(tools, straight))] == list(straight.run.numbers)


async def test_a_file_that_is_shorter_than_planned_gives_its_whole_cells_and_then_fails(
    tools: FFmpegTools, workspace: Path
) -> None:
    film = media.film(seconds=9)
    info = replace(await probe(tools, film), duration=13.0)
    run = encode(tools, job_for(info, film, workspace))
    assert [(await anext(run)).number, (await anext(run)).number] == [0, 1]
    with pytest.raises(EncodeFailed, match="does not decode"):
        await anext(run)


async def test_what_no_viewer_waits_for_is_encoded_behind_everything_else(tools: FFmpegTools, workspace: Path) -> None:
    film = media.film(seconds=4)
    job = job_for(await probe(tools, film), film, workspace)
    assert (job.limits.nice, job.limits.idle_io) == (None, False)
    behind = replace(job, nice=7)
    assert (behind.limits.nice, behind.limits.idle_io) == (7, True)


async def test_a_file_that_is_gone_fails_in_one_sentence(tools: FFmpegTools, workspace: Path, tmp_path: Path) -> None:
    film = media.film(seconds=4)
    info = await probe(tools, film)
    with pytest.raises(EncodeFailed) as failed:
        await collect(encode(tools, job_for(info, tmp_path / "gone.mp4", workspace)))
    assert "\n" not in str(failed.value)


async def test_a_cell_comes_while_the_rest_is_still_being_made_and_leaving_then_stops_ffmpeg(
    tools: FFmpegTools, workspace: Path
) -> None:
    """From the second cell on it stands still: on no machine the rest is there before we leave."""
    film = media.film("long.mp4", seconds=40, size="854x480")
    job = job_for(await probe(tools, film), film, workspace)
    standing = asyncio.create_task(pause_once_there(workspace / "480p-001.ts", job.control))
    async with aclosing(encode(tools, replace(job, run=replace(job.run, preset="medium")))) as run:
        assert (await anext(run)).number == 0
        await standing
        assert running_in(workspace)
        assert not (workspace / "480p-009.ts").exists()
    assert not running_in(workspace)


async def pause_once_there(path: Path, control: Control) -> None:
    while not path.exists():
        await asyncio.sleep(0.01)
    control.pause()


async def test_a_paused_encode_makes_nothing_until_it_is_resumed(tools: FFmpegTools, workspace: Path) -> None:
    film = media.film("many.mp4", seconds=20)
    job = job_for(await probe(tools, film), film, workspace)
    job.control.pause()
    waiting = asyncio.ensure_future(collect(encode(tools, job)))
    done, _ = await asyncio.wait([waiting], timeout=1)
    assert not done
    assert not list(workspace.iterdir())
    job.control.resume()
    assert len(await waiting) == 5


async def test_a_poster_is_a_picture_of_the_film(tools: FFmpegTools, workspace: Path, tmp_path: Path) -> None:
    film = media.film("large.mp4", seconds=1, size="1280x720")
    poster = await make_poster(tools, await probe(tools, film), film, workspace)
    poster = poster.rename(tmp_path / "poster.jpg")  # ffprobe would take the workspace's % for a pattern
    entries = ["-show_entries", "stream=codec_name,width,height", "-of", "csv=p=0"]
    told = subprocess.run(["ffprobe", "-v", "quiet", *entries, poster], capture_output=True, check=True).stdout
    assert told.decode().strip() == "mjpeg,600,338"


async def collect(cells: AsyncIterator[Cell]) -> list[Cell]:
    return [cell async for cell in cells]


def running_in(folder: Path) -> list[str]:
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if (process / "cwd").readlink() == folder:
                found.append((process / "cmdline").read_text())
        except OSError:
            continue
    return found
