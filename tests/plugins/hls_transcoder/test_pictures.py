"""Posters that people bring, and pictures to seek by."""

from __future__ import annotations

import re
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from tests import media
from tests.patience import until
from tests.plugins.hls_transcoder.test_subtitles import copy
from tests.plugins.hls_transcoder.theatre import Theatre, open_theatre

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from mediaserver.testing import RunningApp

pytestmark = pytest.mark.slow

COLOURS = {"red": (254, 0, 0), "blue": (0, 0, 254), "lime": (0, 255, 1)}


def picture(name: str, colour: str, size: str = "300x400") -> Path:
    return media.make(name, "-f", "lavfi", "-i", f"color={colour}:s={size}:d=0.04", "-frames:v", "1")


def plain() -> Path:
    return media.film("plain-4.mp4", seconds=4, options=("-bf", "0"))


def pixels(data: bytes) -> bytes:
    """What is seen, three bytes a pixel, not which bytes the file has."""
    argv = ["ffmpeg", "-v", "error", "-i", "pipe:0", "-frames:v", "1", "-f", "rawvideo", "-pix_fmt", "rgb24", "pipe:1"]
    return subprocess.run(argv, input=data, capture_output=True, check=True).stdout


def colour_of(data: bytes) -> str | None:
    """None for a picture of more than one colour."""
    seen = pixels(data)
    for name, rgb in COLOURS.items():
        if all(abs(seen[at] - rgb[at % 3]) < 12 for at in range(0, len(seen), 997)):
            return name
    return None


async def poster(theatre: Theatre) -> bytes:
    answer = await theatre.app.get("/v1/content/film")
    address = answer.json().get("thumbnail_url") if answer.status_code == 200 else ""
    return (await theatre.app.get(address)).content if address else b""


async def poster_is(theatre: Theatre, colour: str | None) -> bytes:
    async def so() -> bytes:
        data = await poster(theatre)
        if not data:
            return b""
        return data if colour_of(data) == colour else b""

    found: bytes = await until(so, f"a {colour} poster")
    return found


async def test_a_picture_beside_the_film_wins_over_a_frame_comes_later_and_goes(
    app_with: Callable[..., RunningApp], tmp_path: Path
) -> None:
    async with open_theatre(app_with, tmp_path / "library") as theatre:
        folder = theatre.library / "Film"
        folder.mkdir()
        copy(plain(), folder / "Film.mp4")
        await poster_is(theatre, None)
        copy(picture("large.png", "blue", "1200x1600"), folder / "folder.jpg")  # a png by its bytes
        blue = await poster_is(theatre, "blue")
        assert blue.startswith(b"\xff\xd8")
        assert size_of(blue) == (674, 900)
        copy(picture("small.webp", "red"), folder / "Film-poster.webp")
        await poster_is(theatre, "red")
        (folder / "Film-poster.webp").write_bytes(b"<svg onload=alert(1)>")
        await poster_is(theatre, "blue")
        (folder / "Film-poster.webp").unlink()
        (folder / "folder.jpg").unlink()
        await poster_is(theatre, None)


def size_of(data: bytes) -> tuple[int, int]:
    argv = ["ffprobe", "-v", "error", "-show_entries", "stream=width,height", "-of", "csv=p=0", "-i", "pipe:0"]
    told = subprocess.run(argv, input=data, capture_output=True, check=True).stdout.decode()
    width, height = told.strip().split(",")
    return int(width), int(height)


async def test_the_cover_inside_a_film_wins_over_a_frame(app_with: Callable[..., RunningApp], tmp_path: Path) -> None:
    cover = ("-map", "0", "-map", "1", "-c", "copy", "-disposition:v:1", "attached_pic")
    covered = media.make("covered.mp4", "-i", plain(), "-i", picture("cover.jpg", "lime"), *cover)
    async with open_theatre(app_with, tmp_path / "library") as theatre:
        copy(covered, theatre.library / "Film.mp4")
        await poster_is(theatre, "lime")


async def test_a_series_shows_the_poster_of_its_first_episode(
    app_with: Callable[..., RunningApp], tmp_path: Path
) -> None:
    async with open_theatre(app_with, tmp_path / "library") as theatre:
        season = theatre.library / "Film" / "Season 01"
        season.mkdir(parents=True)
        for number, colour in ((1, "lime"), (2, "blue")):
            copy(media.film(f"episode{number}.mp4", seconds=number), season / f"Film S01E0{number}.mp4")
            copy(picture(f"{colour}.png", colour), season / f"Film S01E0{number}-thumb.png")
        await poster_is(theatre, "lime")
        assert (await theatre.app.get("/v1/content/film")).json()["episodes"] == 2


async def sprites(theatre: Theatre, path: str = "film") -> str:
    async def made() -> Any:
        answer = await theatre.app.get(f"/v1/content/{path}")
        return answer.status_code == 200 and answer.json()["sprites"]

    await until(made, "pictures to seek by")
    answer = await theatre.file(path, "sprites.vtt")
    assert answer.headers["content-type"] == "text/vtt; charset=utf-8"
    return answer.text


async def test_pictures_to_seek_by_cover_the_film_in_order(app_with: Callable[..., RunningApp], tmp_path: Path) -> None:
    """Red for 100 s, then blue for 50; a key frame each second."""
    parts = ("-f", "lavfi", "-i", "color=red:s=160x120:r=5:d=100", "-f", "lavfi", "-i", "color=blue:s=160x120:r=5:d=50")
    joined = ("-filter_complex", "[0][1]concat=n=2", *media.X264, "-g", "5")
    async with open_theatre(app_with, tmp_path / "library") as theatre:
        copy(media.make("red-and-blue.mp4", *parts, *joined), theatre.library / "Film.mp4")
        text = await sprites(theatre)
        cues = re.findall(r"(\S+) --> (\S+)\n(\S+)#xywh=(\d+),(\d+),(\d+),(\d+)", text)
        assert len(cues) == 60
        assert cues[0][0] == "00:00:00.000"
        assert cues[-1][1] == "00:02:30.000"
        assert [each[1] for each in cues[:-1]] == [each[0] for each in cues[1:]]
        assert cues[11][2:] == ("sprites/000.jpg", "120", "90", "120", "90")
        sheet = await theatre.file("film", "sprites/000.jpg")
        assert sheet.headers["content-type"] == "image/jpeg"
        seen = pixels(sheet.content)
        middles = [(int(x) + 60, int(y) + 45) for _, _, _, x, y, _, _ in cues]
        assert [tile(seen, 1200, *middle) for middle in middles] == ["red"] * 40 + ["blue"] * 20
        for name in ("sprites/001.jpg", "sprites/0.jpg", "sprites/..%2fposter.jpg", "sprites/000.png"):
            assert (await theatre.file("film", name)).status_code == 404


def tile(seen: bytes, width: int, x: int, y: int) -> str:
    at = 3 * (y * width + x)
    return "red" if seen[at] > seen[at + 2] else "blue"


async def test_a_film_with_one_key_frame_and_no_index_has_them_too(
    app_with: Callable[..., RunningApp], tmp_path: Path
) -> None:
    lone = media.film("lone.ts", seconds=4, options=("-output_ts_offset", "900"))
    async with open_theatre(app_with, tmp_path / "library") as theatre:
        copy(lone, theatre.library / "Film.ts")
        assert (await sprites(theatre)).count("-->") >= 4
