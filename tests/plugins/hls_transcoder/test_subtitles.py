"""Subtitles inside films and beside them, as players are offered them."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any

import pytest

from tests import media
from tests.patience import until
from tests.plugins.hls_transcoder.theatre import open_theatre

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from mediaserver.testing import RunningApp

pytestmark = pytest.mark.slow

SRT = """1
00:00:01,000 --> 00:00:02,000
Hello <b>you</b> <script>alert(1)</script> & me

2
00:00:02,500 --> 00:00:03,250
Two
"""
ASS = """[Script Info]
ScriptType: v4.00+
[V4+ Styles]
Format: Name, Fontname, Fontsize, PrimaryColour, Bold, Italic, Alignment, Encoding
Style: Default,Arial,20,&H00FFFFFF,0,0,2,1
[Events]
Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text
Dialogue: 0,0:00:01.00,0:00:02.00,Default,,0,0,0,,{\\i1}Hallo{\\i0} Dü\\Nda <img src=x onerror=alert(1)>
Dialogue: 0,0:00:02.00,0:00:03.00,Default,,0,0,0,,{\\p1}m 0 0 l 100 0 100 100{\\p0}
"""
TIMES = re.compile(r"(\d\d):(\d\d):(\d\d\.\d{3}) --> ")


def fixed(name: str, text: str) -> Path:
    return media.kept(name, text.encode())


def subtitled(name: str, *codecs: str, options: tuple[str, ...] = ()) -> Path:
    """A film with both texts as tracks, in these codecs."""
    texts = [fixed("texts.srt", SRT), fixed("texts.ass", ASS)][: len(codecs)]
    inputs = [part for text in texts for part in ("-i", text)]
    maps = [part for number in range(len(texts) + 1) for part in ("-map", str(number))]
    kinds = [part for number, codec in enumerate(codecs) for part in (f"-c:s:{number}", codec)]
    plain = media.film("plain-4.mp4", seconds=4, options=("-bf", "0"))
    return media.make(name, "-i", plain, *inputs, *maps, "-c", "copy", *kinds, *options)


def starts(text: str) -> list[float]:
    return [int(h) * 3600 + int(m) * 60 + float(s) for h, m, s in TIMES.findall(text)]


def copy(source: Path, to: Path) -> None:
    tmp = to.with_name(f".{to.name}")
    tmp.write_bytes(source.read_bytes())
    tmp.replace(to)


def tags(*said: str) -> tuple[str, ...]:
    return tuple(part for number, each in enumerate(said) for part in (f"-metadata:s:s:{number}", each))


LATE = ("-output_ts_offset", "500")
FILMS: dict[str, Callable[[], Path]] = {
    "srt and ass in mkv": lambda: subtitled("a.mkv", "srt", "ass", options=tags("language=eng", "language=ger")),
    "srt and ass in an mkv that starts at 500 s": lambda: subtitled(
        "b.mkv", "srt", "ass", options=(*tags("language=eng", "language=ger"), *LATE)
    ),
    "mov_text in mp4": lambda: subtitled("c.mp4", "mov_text", "mov_text", options=tags("language=eng", "language=ger")),
    "webvtt in webm": lambda: subtitled("d.mkv", "webvtt", "webvtt", options=tags("language=eng", "language=ger")),
}


@pytest.mark.parametrize("source", FILMS.values(), ids=FILMS.keys())
async def test_texts_inside_a_film_are_offered_at_the_film_s_own_times(
    app_with: Callable[..., RunningApp], tmp_path: Path, source: Callable[[], Path]
) -> None:
    file = source()
    async with open_theatre(app_with, tmp_path / "library") as theatre:
        copy(file, theatre.library / f"Film{file.suffix}")
        told = await theatre.subtitles("film", 2)
        assert [(each["language"], each["label"], each["available"]) for each in told] == [
            ("en", "English", True),
            ("de", "German", True),
        ]
        texts = await theatre.texts("film")
    assert starts(texts["English"]) == pytest.approx([1.0, 2.5], abs=0.05)
    assert starts(texts["German"]) == pytest.approx([1.0], abs=0.05)
    assert "Hello <b>you</b>" in texts["English"]
    assert "<i>Hallo</i> Dü\nda" in texts["German"]
    assert not re.search(r"<(?:script|img)", "".join(texts.values()))
    assert all("X-TIMESTAMP-MAP=MPEGTS:900000,LOCAL:00:00:00.000" in text for text in texts.values())


async def test_subtitles_beside_a_film_come_and_go_with_their_files(
    app_with: Callable[..., RunningApp], tmp_path: Path
) -> None:
    async with open_theatre(app_with, tmp_path / "library") as theatre:
        library = theatre.library
        (library / "Film.de.sdh.srt").write_bytes(SRT.replace("Two", "Zwölf").encode("cp1252"))
        copy(media.film("plain-4.mp4", seconds=4, options=("-bf", "0")), library / "Film.mp4")
        [german] = await theatre.subtitles("film", 1)
        assert (german["label"], german["sdh"], german["source"]) == ("German (SDH)", True, "sidecar")
        assert "Zwölf" in (await theatre.texts("film"))["German (SDH)"]

        (library / "Film.en.forced.ass").write_text(ASS)
        (library / "Film.en.srt").write_text("nothing")
        (library / "Film.fr.sub").write_bytes(b"\x00\x00\x01\xba")
        told = {each["label"]: each for each in await theatre.subtitles("film", 4)}
        assert told["English (forced)"]["available"]
        assert told["English"]["reason"] == "There is no text with times in it."
        assert "made of pictures" in told["French"]["reason"]
        await playlists_name(theatre, ["German (SDH)", "English (forced)"])

        (library / "Film.de.sdh.srt").unlink()
        (library / "Film.en.srt").write_text(SRT)
        await playlists_name(theatre, ["English", "English (forced)"])
        why = await theatre.get(f"/v1/admin/library/why?path={library / 'Film.en.srt'}")
        assert why["reason"] == "It is a subtitle of Film.mp4 (English)."


async def test_what_is_forced_in_the_language_that_is_spoken_is_on_from_the_start(
    app_with: Callable[..., RunningApp], tmp_path: Path
) -> None:
    german = media.copied(media.film("plain-4.mp4", seconds=4), "german.mkv", "-metadata:s:a:0", "language=deu")
    async with open_theatre(app_with, tmp_path / "library") as theatre:
        (theatre.library / "Film.en.forced.srt").write_text(SRT)
        (theatre.library / "Film.de.forced.srt").write_text(SRT)
        copy(german, theatre.library / "Film.mkv")
        await theatre.subtitles("film", 2)
        await playlists_name(theatre, ["English (forced)", "German (forced)"])
        manifest = await theatre.get("/v1/streaming/film/manifest")
        assert {each["label"]: each["default"] for each in manifest["subtitles"]} == {
            "English (forced)": False,
            "German (forced)": True,
        }
        lines = (await theatre.file("film", "master.m3u8")).text.splitlines()
        assert [
            line for line in lines if "TYPE=SUBTITLES" in line and "DEFAULT=YES" in line and 'LANGUAGE="de"' in line
        ]


async def playlists_name(theatre: Any, labels: list[str]) -> None:
    async def so() -> bool:
        playlist = (await theatre.file("film", "master.m3u8")).text
        return set(re.findall(r'TYPE=SUBTITLES.*?NAME="([^"]+)"', playlist)) == set(labels)

    await until(so, f"a playlist with {labels}")


async def test_playlists_flag_what_subtitles_are(app_with: Callable[..., RunningApp], tmp_path: Path) -> None:
    odd = 'A "quote", <b> and more'
    dispositions = ("-disposition:s:0", "forced+default", "-disposition:s:1", "default+hearing_impaired")
    told = (*tags("language=eng", f"title={odd}"), *dispositions)
    async with open_theatre(app_with, tmp_path / "library") as theatre:
        copy(subtitled("flags.mkv", "srt", "ass", options=told), theatre.library / "Film.mkv")
        await theatre.subtitles("film", 2)
        await playlists_name(theatre, ["English (forced)", "A 'quote', <b> and more (SDH)"])
        playlist = (await theatre.file("film", "master.m3u8")).text
        forced, deaf = [line for line in playlist.splitlines() if "TYPE=SUBTITLES" in line]
        assert all(flag in forced for flag in ('LANGUAGE="en"', "DEFAULT=YES", "AUTOSELECT=YES", "FORCED=YES"))
        assert "DEFAULT=NO" in deaf
        assert "FORCED=NO" in deaf
        assert "public.accessibility.transcribes-spoken-dialog" in deaf
        assert all('SUBTITLES="subtitles"' in line for line in playlist.splitlines() if "STREAM-INF" in line)
        address = re.search(r'URI="([^"]+)"', forced)
        assert address
        medium = await theatre.file("film", address[1])
        assert medium.headers["content-type"] == "application/vnd.apple.mpegurl"
        [(length, name)] = re.findall(r"#EXTINF:([\d.]+),\n(.*)", medium.text)
        assert float(length) == pytest.approx(4, abs=0.05)
        assert name == "text.vtt"
        text = await theatre.file("film", address[1].replace("index.m3u8", "text.vtt"))
        assert text.headers["content-type"] == "text/vtt; charset=utf-8"
        assert text.headers["x-content-type-options"] == "nosniff"
        for name in ("subtitles/none/text.vtt", "subtitles/none/index.m3u8", "subtitles/..%2f..%2fx/text.vtt"):
            assert (await theatre.file("film", name)).status_code == 404


async def test_hostile_files_beside_a_film_are_named_and_keep_nobody_busy(
    app_with: Callable[..., RunningApp], tmp_path: Path
) -> None:
    secret = tmp_path / "secret.srt"
    secret.write_text(SRT)
    async with open_theatre(app_with, tmp_path / "library") as theatre:
        library = theatre.library
        (library / "Film.en.srt").symlink_to(secret)
        os.mkfifo(library / "Film.de.srt")
        (library / "Film.fr.srt").write_text(f"#EXTM3U\n#EXTINF:4,\nfile://{secret}\n")
        (library / "Film.it.ass").write_text(f"ffconcat version 1.0\nfile {secret}\n")
        (library / "Film.es.vtt").write_bytes(os.urandom(200_000))
        with (library / "Film.pl.srt").open("wb") as huge:
            huge.truncate(2_000_000_000)
        copy(media.film("plain-4.mp4", seconds=4, options=("-bf", "0")), library / "Film.mp4")
        told = {each["language"]: each for each in await theatre.subtitles("film", 6)}
        assert not any(each["available"] for each in told.values())
        assert "points out of the library" in told["en"]["reason"]
        assert "not a regular file" in told["de"]["reason"]
        assert "2,000 MB" in told["pl"]["reason"]
        for language in ("fr", "it", "es"):
            assert told[language]["reason"].endswith("."), told[language]
