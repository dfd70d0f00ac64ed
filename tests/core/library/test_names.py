from __future__ import annotations

import pytest

from mediaserver.core.library.names import from_path, slugify


@pytest.mark.parametrize(
    ("path", "title", "year"),
    [
        ("Heat (1995).mkv", "Heat", 1995),
        ("Heat (1995)/Heat (1995) [imdbid-tt0113277].mkv", "Heat", 1995),
        ("Heat (1995)/Heat (1995) {tmdb-949} {edition-Director's Cut}.mkv", "Heat", 1995),
        ("Heat (1995)/heat.mkv", "Heat", 1995),
        ("Holiday in Rome.mp4", "Holiday in Rome", None),
        ("The Big Short.mkv", "The Big Short", None),
        ("My_holiday_clip.mp4", "My holiday clip", None),
        ("300.mkv", "300", None),
        ("1917.mkv", "1917", None),
        ("2001 A Space Odyssey (1968).mkv", "2001 A Space Odyssey", 1968),
        ("GX010042.MP4", "GX010042", None),
        ("IMG_1234.MOV", "IMG 1234", None),
        ("2024-05-01 Birthday.mp4", "2024-05-01 Birthday", None),
        ("The.Matrix.1999.1080p.BluRay.x264-GROUP.mkv", "The Matrix", 1999),
        ("a\x00b\n c\u202e.mp4", "a b c", None),
        ("\uf7ff\uf7fe.mp4", "Untitled", None),
        (".mp4", "mp4", None),
    ],
)
def test_films_are_named_as_people_name_them(path: str, title: str, year: int | None) -> None:
    metadata = from_path(path).metadata
    assert (metadata.kind, metadata.role, metadata.title, metadata.year) == ("movie", "version", title, year)


@pytest.mark.parametrize(
    ("path", "series", "season", "episode", "title"),
    [
        ("Dark (2017)/Season 01/Dark S01E02 Lies.mkv", "Dark", 1, 2, "Lies"),
        ("Dark/Season 1/dark.s01e02.1080p.web.mkv", "Dark", 1, 2, "Episode 2"),
        ("Dark/Season 01/Dark S01E01-E02 Both.mkv", "Dark", 1, 1, "Both"),
        ("Dark/Season 00/Dark S00E01 Making of.mkv", "Dark", 0, 1, "Making of"),
        ("Dark 1x02 Lies.mkv", "Dark", 1, 2, "Lies"),
        ("Dark/Season 2/03 - Ghosts.mkv", "Dark", 2, 3, "Ghosts"),
        ("Dark/Staffel 2/Folge 4.mkv", "Dark", 2, 4, "Episode 4"),
        ("Daily News/Daily News 2024-03-01.mkv", "Daily News", 2024, 301, "2024-03-01"),
    ],
)
def test_episodes_are_recognised(path: str, series: str, season: int, episode: int, title: str) -> None:
    found = from_path(path).metadata
    assert (found.kind, found.series, found.season, found.episode, found.title) == (
        "episode",
        series,
        season,
        episode,
        title,
    )


@pytest.mark.parametrize(
    ("path", "role", "label", "position"),
    [
        ("Heat (1995)/Heat (1995) - 4K.mkv", "version", "4K", 0),
        ("Heat (1995)/Heat (1995) - Director's Cut.mkv", "version", "Director's Cut", 0),
        ("Heat (1995)/Heat (1995) cd1.avi", "part", "", 1),
        ("Heat (1995)/Heat (1995)-part2.avi", "part", "", 2),
        ("Heat (1995)/Heat (1995)-trailer.mp4", "extra", "trailer", 0),
        ("Heat (1995)/Behind The Scenes/Casting.mp4", "extra", "Casting", 0),
        ("Heat (1995)-trailer.mp4", "extra", "trailer", 0),
        ("Heat (1995) trailer.mp4", "extra", "trailer", 0),
        ("Heat (1995)/Heat (1995)-deletedscene.mp4", "extra", "deletedscene", 0),
    ],
)
def test_versions_parts_and_extras_belong_to_their_film(path: str, role: str, label: str, position: int) -> None:
    found = from_path(path).metadata
    assert (found.title, found.year) == ("Heat", 1995)
    assert (found.role, found.label, found.position) == (role, label, position)


def test_a_title_has_at_most_500_characters_and_is_never_empty() -> None:
    assert len(from_path("x" * 3000 + ".mp4").metadata.title or "") == 500
    assert from_path("....mp4").metadata.title


def test_slugs_are_plain_and_never_empty() -> None:
    assert slugify("Amélie (2001)!") == "amelie-2001"
    assert slugify("映画") == "映画"
    assert slugify("!!!") == "title"
