import os
import random
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from mediaserver.contracts import MediaInfo
from mediaserver.core.ffmpeg import FFmpegTools
from mediaserver.core.library.probe import ProbeFailed, probe
from tests import media

pytestmark = pytest.mark.slow
Make = Callable[[Path], Path]


@pytest.fixture
def tools() -> FFmpegTools:
    return media.tools()


async def test_a_film_is_described(tools: FFmpegTools) -> None:
    info = await probe(tools, media.film(seconds=2, rate="24000/1001"))
    assert info.video.codec == "h264"
    assert (info.video.width, info.video.height, info.video.frame_rate) == (160, 90, "24000/1001")
    assert info.duration == pytest.approx(2.0, abs=0.05)
    assert (info.audio[0].codec, info.audio[0].sample_rate, info.audio[0].channels) == ("aac", 48000, 2)
    assert not info.truncated
    assert MediaInfo.from_dict(info.as_dict()) == info


async def test_rotation_aspect_and_interlacing_are_told(tools: FFmpegTools) -> None:
    upright = media.film(seconds=1)
    turned = await probe(tools, media.copied(upright, "turned.mp4", "-metadata:s:v:0", "rotate=90"))
    assert turned.video.rotation in {90, 270}
    wide = await probe(tools, media.film("wide.mp4", seconds=1, size="72x58", options=("-vf", "setsar=64/45")))
    assert wide.video.sample_aspect == "64/45"
    fields = ("-vf", "tinterlace=interleave_top", "-flags", "+ilme+ildct", "-x264-params", "tff=1")
    interlaced = await probe(tools, media.film("fields.ts", seconds=1, rate="50", size="160x96", options=fields))
    assert interlaced.video.field_order in {"tt", "tb"}
    assert interlaced.video.frame_rate == "25/1"
    assert not interlaced.video.variable_rate


async def test_a_rate_that_changes_is_variable(tools: FFmpegTools) -> None:
    changing = ("-vf", "select='lt(t,1)+not(mod(n,3))'", "-fps_mode", "vfr")
    info = await probe(tools, media.film("changing.mp4", seconds=4, rate="30", options=changing))
    assert info.video.variable_rate
    assert info.video.frame_rate == "30/1"


async def test_a_start_that_is_not_zero_is_not_part_of_the_duration(tools: FFmpegTools) -> None:
    info = await probe(tools, media.film("late.ts", seconds=3, options=("-output_ts_offset", "5000")))
    assert info.start_time == pytest.approx(5000, abs=2)
    assert info.duration == pytest.approx(3, abs=0.1)


async def test_key_frames_far_apart_do_not_cut_the_end_off(tools: FFmpegTools) -> None:
    info = await probe(tools, media.film("sparse.mp4", seconds=12, gop=250))
    assert info.duration == pytest.approx(12, abs=0.01)


async def test_the_duration_is_that_of_the_picture(tools: FFmpegTools) -> None:
    longer = (*media.pictures(2), *media.sound(4), *media.X264, "-c:a", "aac")
    info = await probe(tools, media.make("longer.mp4", *longer))
    assert info.duration == pytest.approx(2, abs=0.05)
    assert info.audio[0].end == pytest.approx(4, abs=0.05)


async def test_a_missing_duration_is_counted_from_the_packets(tools: FFmpegTools) -> None:
    streamed = media.copied(media.film(seconds=3), "streamed.mkv", "-live", "1")
    info = await probe(tools, streamed)
    assert info.duration == pytest.approx(3, abs=0.1)
    assert not info.truncated


async def test_a_duration_that_lies_is_corrected_from_the_packets(tools: FFmpegTools, tmp_path: Path) -> None:
    film = media.copied(media.film(seconds=3), "lies.mkv")
    lying = tmp_path / "lying.mkv"
    honest = film.read_bytes()
    for tag in (b"00:00:03", b"00:00:02"):
        honest = honest.replace(tag, b"40:00:03")
    lying.write_bytes(honest)
    assert (await probe(tools, lying)).duration == pytest.approx(3, abs=0.1)


async def test_a_copy_that_stops_early_is_planned_from_its_packets(tools: FFmpegTools) -> None:
    whole = media.film("faststart.mp4", seconds=10, options=("-movflags", "+faststart", "-g", "25"))
    info = await probe(tools, media.truncated(whole, 0.6))
    assert info.truncated
    assert 4 < info.duration < 8


async def test_tags_lose_control_characters_and_length(tools: FFmpegTools) -> None:
    odd = media.copied(media.film(seconds=1), "odd.mkv", "-metadata", "title=A\x1b[31m\nfilm\u202e" + "x" * 900)
    title = (await probe(tools, odd)).tags["title"]
    assert title.startswith("A[31mfilmx")
    assert len(title) == 500


async def test_subtitles_and_languages_are_listed(tools: FFmpegTools, tmp_path: Path) -> None:
    text = tmp_path / "text.srt"
    text.write_text("1\n00:00:00,100 --> 00:00:01,000\nHello\n")
    film = media.film(seconds=1)
    told = ("-map", "0", "-map", "1", "-c", "copy", "-c:s", "ass", "-metadata:s:s:0", "language=deu")
    made = media.make("subtitled.mkv", "-i", film, "-f", "srt", "-i", text, *told)
    info = await probe(tools, made)
    assert [(track.codec, track.language) for track in info.subtitles] == [("ass", "deu")]


def cover(folder: Path) -> Path:
    return media.make("cover.png", "-f", "lavfi", "-i", "color=red:s=64x64:d=0.04", "-frames:v", "1")


def only_sound(folder: Path) -> Path:
    return media.make("sound.m4a", *media.sound(1), "-c:a", "aac")


def only_sound_mp3(folder: Path) -> Path:
    return media.make("sound.mp3", *media.sound(1))


def sound_with_cover(folder: Path) -> Path:
    inputs = ("-i", only_sound(folder), "-i", cover(folder), "-map", "0", "-map", "1", "-c", "copy")
    return media.make("covered.m4a", *inputs, "-disposition:v:0", "attached_pic")


def gif(folder: Path) -> Path:
    return media.make("moving.gif", *media.pictures(0.4, "5"))


def unknown_codec(folder: Path) -> Path:
    return media.make("magic.avi", *media.pictures(0.4), "-c:v", "magicyuv")


def too_large(folder: Path) -> Path:
    return media.make("large.mp4", *media.pictures(0.04, size="8192x5120"), *media.X264)


def protected(folder: Path) -> Path:
    keys = ("-encryption_scheme", "cenc-aes-ctr", "-encryption_key", "00" * 16, "-encryption_kid", "11" * 16)
    return media.copied(media.film(seconds=1), "protected.mp4", *keys)


def written(name: str, data: bytes) -> Make:
    def write(folder: Path) -> Path:
        path = folder / name
        path.write_bytes(data)
        return path

    return write


def fifo(folder: Path) -> Path:
    path = folder / "pipe.mkv"
    os.mkfifo(path)
    return path


def link(folder: Path) -> Path:
    path = folder / "passwd.mkv"
    path.symlink_to("/etc/passwd")
    return path


def folder_named_like_a_film(folder: Path) -> Path:
    path = folder / "film.mkv"
    path.mkdir()
    return path


def hls(folder: Path) -> Path:
    text = f"#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXTINF:4,\nfile://{private()}\n#EXT-X-ENDLIST\n"
    return written("hls.mp4", text.encode())(folder)


def concat(folder: Path) -> Path:
    return written("concat.mkv", f"ffconcat version 1.0\nfile {private()}\n".encode())(folder)


def dash(folder: Path) -> Path:
    text = (
        '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" mediaPresentationDuration="PT4S"'
        ' profiles="urn:mpeg:dash:profile:isoff-on-demand:2011"><Period><AdaptationSet mimeType="video/mp4">'
        f'<Representation id="1" bandwidth="1000"><BaseURL>file://{private()}</BaseURL><SegmentBase/></Representation>'
        "</AdaptationSet></Period></MPD>"
    )
    return written("dash.mp4", text.encode())(folder)


def private() -> Path:
    return media.copied(media.film(seconds=1), "private.ts")


REFUSED = [
    (only_sound, "only sound"),
    (only_sound_mp3, "only sound"),
    (sound_with_cover, "cover picture"),
    (cover, "still picture"),
    (gif, "still picture"),
    (unknown_codec, "codec magicyuv"),
    (too_large, "more than 40 million|no size"),
    (protected, "encrypted"),
    (fifo, "not a regular file"),
    (link, "symbolic link"),
    (folder_named_like_a_film, "not a regular file"),
    (written("empty.mp4", b""), "empty"),
    (written("random.mp4", random.Random(1).randbytes(100_000)), "damaged"),
    (written("text.mkv", b"not a video\n" * 50), "not a video"),
    (hls, "playlist|not a video"),
    (concat, "playlist|not a video"),
    (dash, "playlist|not a video"),
]


@pytest.mark.parametrize(("make", "reason"), REFUSED, ids=lambda value: getattr(value, "__name__", None))
@pytest.mark.parametrize("landlock", [True, False])
async def test_what_is_no_film_is_refused_in_one_sentence(
    make: Make, reason: str, landlock: bool, tmp_path: Path
) -> None:
    with pytest.raises(ProbeFailed, match=reason) as refused:
        await probe(media.tools(landlock=landlock), make(tmp_path))
    assert refused.value.reason.endswith(".")
    assert "\n" not in refused.value.reason


async def test_a_file_that_is_gone_is_refused(tools: FFmpegTools, tmp_path: Path) -> None:
    with pytest.raises(ProbeFailed, match="gone"):
        await probe(tools, tmp_path / "gone.mp4")


NAMES = [
    b"12:30 x.mp4",
    b"-i.mp4",
    b"concat:a.mp4",
    b"100%03d.mp4",
    b"a|b.mp4",
    b"?#x.mp4",
    b"new\nline.mp4",
    b"\xff.mp4",
    b"quo'te\"$(touch pwned).mp4",
]


@pytest.mark.parametrize("name", NAMES)
async def test_names_are_never_read_as_anything_but_names(name: str, tools: FFmpegTools, tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(name)
    shutil.copyfile(media.film(seconds=1), path)
    assert (await probe(tools, path)).duration == pytest.approx(1, abs=0.05)


async def test_chapters_are_told_in_the_film_s_own_time(tools: FFmpegTools, tmp_path: Path) -> None:
    told = tmp_path / "chapters.txt"
    rows = [(0, 1000, "One\u202e"), (1000, 2000, ""), (90000, 95000, "Behind the end")]
    texts = [f"[CHAPTER]\nTIMEBASE=1/1000\nSTART={a}\nEND={b}\ntitle={title}\n" for a, b, title in rows]
    told.write_text(";FFMETADATA1\n" + "".join(texts))
    made = ("-i", media.film(seconds=2), "-i", told, "-map_metadata", "1", "-map_chapters", "1", "-c", "copy")
    info = await probe(tools, media.make("chapters.mkv", *made))
    assert [(each.start, each.end, each.title) for each in info.chapters] == [
        (0.0, 1.0, "One"),
        (1.0, pytest.approx(2.0, abs=0.05), ""),
    ]


async def test_a_film_of_more_chapters_than_can_be_read_is_a_film_all_the_same(
    tools: FFmpegTools, tmp_path: Path
) -> None:
    told = tmp_path / "chapters.txt"
    title = "long title " * 400
    parts = [f"[CHAPTER]\nTIMEBASE=1/500\nSTART={at}\nEND={at + 1}\ntitle={at} {title}" for at in range(6000)]
    told.write_text("\n".join([";FFMETADATA1", *parts]))
    film = tmp_path / "film.mkv"
    made = ("-i", media.film(seconds=2), "-i", told, "-map_chapters", "1", "-c", "copy")
    subprocess.run(["ffmpeg", "-v", "error", *map(str, made), str(film)], check=True)
    info = await probe(tools, film)
    assert info.duration == pytest.approx(2.0, abs=0.1)
    assert len(info.chapters) == 500
    assert info.chapters[7].title.startswith("7 long title")


async def test_what_was_probed_before_there_were_chapters_is_still_read(tools: FFmpegTools) -> None:
    info = await probe(tools, media.film(seconds=1))
    old = info.as_dict()
    del old["chapters"]
    old["subtitles"] = [{"index": 2, "codec": "ass", "language": "deu", "title": "", "default": True, "forced": False}]
    assert MediaInfo.from_dict(old).subtitles[0].sdh is False
