import os
import subprocess
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import pytest

from mediaserver.contracts import AudioTrack, MediaInfo, VideoStream
from plugins.hls_transcoder.command import Run, audio_span, poster_arguments, segments_arguments
from plugins.hls_transcoder.ladder import codecs, ladder, rung_for
from plugins.hls_transcoder.plan import plan
from tests import media
from tests.plugins.hls_transcoder.conftest import Cells

VIDEO = VideoStream(2, "h264", 1920, 1080, "25/1", False, "1/1", 0, "yuv420p", "progressive", "")
SOUND = AudioTrack(5, "aac", 2, 44100, "eng", "", True, start=0.0, end=60.0)
INFO = MediaInfo("mov", 60.0, 0.0, 1_000_000, VIDEO, (SOUND,), ())
SOURCE = Path("/films/a b.mp4")


def built(
    info: MediaInfo = INFO, first: int = 4, count: int = 4, source: Path = SOURCE, *, tonemap: bool = True
) -> list[str]:
    run = Run(info, plan(info), ladder(info), first, count)
    return segments_arguments(run, source, flags={"protocol_whitelist": "file"}, tonemap=tonemap)


def test_the_worked_example_of_the_design_is_built() -> None:
    """25 fps, segments 4..7 of 4 s; the cut itself is in frames, since the time base is a frame there."""
    arguments = built()
    graph = arguments[arguments.index("-filter_complex") + 1]
    assert arguments[arguments.index("-ss") + 1] == "15.500000"
    assert "trim=end_pts=800:start_pts=400" in graph
    assert "first_pts=760832" in graph
    assert "atrim=end_pts=1536000" in graph
    assert "noise=drop='lte(n,4)+gt(n,754)'" in arguments
    files = arguments[-2].split("|")
    assert ["segment_frames=100,200,300:" in file for file in files] == [True] * 3
    assert [file.partition(":")[0] for file in files] == ["[select=0,a", "[select=1,a", "[select=2,a"]
    assert arguments.count("-map") == 4
    assert "[0:2]" in graph
    assert "[0:5]" in graph


def test_safety_flags_stand_in_front_of_the_source() -> None:
    arguments = built()
    source = arguments.index(f"file:{SOURCE}")
    assert arguments[source - 1] == "-i"
    assert arguments.index("-protocol_whitelist") < source


def test_the_first_run_does_not_seek_and_the_last_one_holds_its_last_frame() -> None:
    assert "-ss" not in built(first=0)
    assert "start_time=0" in " ".join(built(first=0))
    assert "tpad" not in " ".join(built(first=0))
    assert "tpad=stop_duration=0.500000:stop_mode=clone" in " ".join(built(first=12, count=3))


def test_a_film_of_a_day_is_said_in_arguments_the_system_takes() -> None:
    day = replace(INFO, duration=86_400.0)
    longest = max(built(day, first=0, count=plan(day).segments), key=len)
    assert len(longest) < 128 * 1024
    assert longest.count("segment_time=") == len(ladder(day))


def test_a_transport_stream_is_sought_further_back() -> None:
    arguments = built(replace(INFO, container="mpegts"))
    assert arguments[arguments.index("-ss") + 1] == "13.000000"


def test_interlaced_and_hdr_sources_are_converted_where_the_build_can() -> None:
    hdr = replace(INFO, video=replace(VIDEO, transfer="smpte2084", field_order="tt"))
    assert "bwdif" in " ".join(built(hdr))
    assert "tonemap" in " ".join(built(hdr))
    assert "tonemap" not in " ".join(built(hdr, tonemap=False))
    assert "bwdif" not in " ".join(built())


def test_a_silent_film_has_no_sound_and_a_run_behind_the_sound_is_silence() -> None:
    assert "anullsrc" not in " ".join(built(replace(INFO, audio=())))
    short = replace(INFO, audio=(replace(SOUND, end=10.0),))
    assert "[0:5]" not in " ".join(built(short))
    assert "anullsrc" in " ".join(built(short))


def test_the_default_track_is_heard() -> None:
    second = replace(SOUND, index=7)
    assert "[0:7]" in " ".join(built(replace(INFO, audio=(replace(SOUND, default=False), second))))


def test_names_of_any_bytes_reach_the_program_unchanged() -> None:
    name = os.fsdecode(b"/films/\xff\n-%03d:.mp4")
    assert f"file:{name}" in built(source=Path(name))


@pytest.mark.parametrize("rate", ["25/1", "24000/1001", "30000/1001"])
def test_audio_borders_meet_whatever_the_runs_are(rate: str) -> None:
    grid = plan(replace(INFO, video=replace(VIDEO, frame_rate=rate)))
    ends = [grid.bounds(number) for number in range(grid.segments)]
    spans = [audio_span(grid, *bounds) for bounds in ends]
    assert all(before.end == after.first for before, after in pairwise(spans))
    assert sum(span.packets for span in spans) == audio_span(grid, 0, grid.frames).packets
    assert abs(spans[-1].end * 1024 / 48_000 - float(grid.duration)) < 0.022


def test_a_poster_is_never_wider_than_asked_nor_than_the_film() -> None:
    flags = {"protocol_whitelist": "file"}
    wide = poster_arguments(INFO, SOURCE, at=6, width=600, flags=flags, tonemap=True)
    assert "scale=600:338" in " ".join(wide)
    small = replace(INFO, video=replace(VIDEO, width=320, height=180))
    assert "scale=320:180" in " ".join(poster_arguments(small, SOURCE, at=0, width=600, flags=flags, tonemap=True))


@pytest.mark.slow
@pytest.mark.parametrize("rate", ["25", "30", "60"])
async def test_the_codecs_of_the_playlist_are_those_of_the_stream(cells: Cells, rate: str, tmp_path: Path) -> None:
    made = await cells(media.film(seconds=1, rate=rate, size="854x480"))
    cell = tmp_path / "cell.ts"
    cell.write_bytes(made["480p", 0])
    entries = ["-select_streams", "v", "-show_entries", "stream=profile,level,has_b_frames", "-of", "csv=p=0"]
    told = subprocess.run(["ffprobe", "-v", "quiet", *entries, cell], capture_output=True, check=True).stdout.decode()
    info = replace(INFO, video=replace(VIDEO, width=854, height=480))
    level = int(codecs(rung_for(ladder(info), "480p"), Fraction(rate), audio=False)[-2:], 16)
    assert set(told.split()) == {f"High,2,{level}"}
