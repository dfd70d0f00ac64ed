from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from mediaserver.core.library.ignore import NO_RULES, is_candidate, unwanted_file, unwanted_folder

if TYPE_CHECKING:
    from pathlib import Path

    from tests.core.library.library_house import House


@pytest.mark.parametrize("name", ["a.mp4", "A.MKV", "b.m2ts", "c d.webm", "e.VOB", "~tilde.mov", "f.mxf"])
def test_videos_are_candidates(name: str) -> None:
    assert is_candidate(name)
    assert unwanted_file(name) is None


@pytest.mark.parametrize(
    ("name", "part"),
    [
        (".hidden.mp4", "begins with a dot"),
        ("film.mp4.part", "still under way"),
        ("film.mp4.crdownload", "still under way"),
        ("film.mp4.!qB", "still under way"),
        (".film.mp4.Ab3dE9", "begins with a dot"),
        (".fuse_hidden0001", "still under way"),
        ("~syncthing~film.mp4.tmp", "still under way"),
        ("film.mp4~", "still under way"),
        ("list.m3u8", "points to other files"),
        ("list.strm", "points to other files"),
        ("poster.jpg", "The ending .jpg is not that of a video"),
        ("README", "A name without an ending"),
        ("mp4", "A name without an ending"),
    ],
)
def test_what_is_no_media_has_a_sentence(name: str, part: str) -> None:
    assert not is_candidate(name)
    assert part in (unwanted_file(name) or "")


@pytest.mark.parametrize("name", ["@eaDir", "#recycle", "$RECYCLE.BIN", "lost+found", ".snapshot", ".git"])
def test_folders_of_storage_devices_are_left_out(name: str) -> None:
    assert unwanted_folder(name)


def test_an_inner_ignore_file_overrides_an_outer_one(tmp_path: Path) -> None:
    (tmp_path / "inner").mkdir()
    (tmp_path / ".ignore").write_text("*.avi\n/private/\n")
    (tmp_path / "inner" / ".ignore").write_text("!keep.avi\n")
    outer = NO_RULES.enter(tmp_path, "")
    inner = outer.enter(tmp_path / "inner", "inner")
    assert outer.refusal("a.avi") == "The file .ignore leaves it out."
    assert outer.refusal("private", folder=True)
    assert outer.refusal("inner/private", folder=True) is None
    assert inner.refusal("inner/keep.avi") is None
    assert inner.refusal("inner/other.avi")


def test_an_ignore_file_that_is_a_pipe_is_never_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / ".ignore")
    assert NO_RULES.enter(tmp_path, "") == NO_RULES


@pytest.mark.parametrize(
    ("line", "path"),
    [
        ("*a" * 13 + "b", "a" * 200),
        ("a**" * 20 + "b", "a" * 200),
        ("?*" * 20 + "b", "a" * 200),
        ("a/**/" * 20 + "b", "a/" * 100 + "c"),
        ("**/a*/" * 20 + "b", "a/" * 100 + "c"),
        ("a/**/*a*a/**/" * 12 + "b", f"{'a' * 60}/" * 50 + "c"),
    ],
)
def test_no_line_takes_for_ever_to_decide(tmp_path: Path, line: str, path: str) -> None:
    """Thirteen stars against 200 letters would take the regular expression of pathspec 10¹⁴ steps."""
    (tmp_path / ".ignore").write_text(f"{line}\n")
    rules = NO_RULES.enter(tmp_path, "")
    assert rules.refusal(path) is None
    assert rules.refusal("a/aa/" * 60 + "b" if "/" in line else f"{path}b") is not None


@pytest.mark.parametrize("line", ["!", "\\", "[z-a]", "[", "/", "//", "# a.mp4"])
def test_a_line_that_says_nothing_decides_nothing(tmp_path: Path, line: str) -> None:
    (tmp_path / ".ignore").write_text(f"{line}\nb.mp4\n")
    rules = NO_RULES.enter(tmp_path, "")
    assert (rules.refusal("a.mp4"), rules.refusal("b.mp4") is None) == (None, False)


@pytest.mark.parametrize(
    ("line", "left_out", "taken"),
    [
        ("*.avi", ["a.avi", "x/y/a.avi"], ["a.avi.mp4", "avi"]),
        ("a*b*c.mp4", ["abc.mp4", "aXbbYcc.mp4", "x/abxc.mp4"], ["ab/c.mp4", "acb.mp4"]),
        ("/a*/b?.mp4", ["a/b1.mp4", "axy/b2.mp4"], ["x/a/b1.mp4", "a/b.mp4", "a/b12.mp4"]),
        ("**/a/*b*.mp4", ["a/b.mp4", "x/y/a/xbx.mp4"], ["a/x/b.mp4", "xa/b.mp4"]),
        ("a/**/b/**/c.mp4", ["a/b/c.mp4", "a/x/b/b/y/c.mp4", "a/xb/b/c.mp4"], ["x/a/b/c.mp4", "a/xb/c.mp4"]),
        ("**/a/**/b*/c.mp4", ["a/b/c.mp4", "x/a/a/y/bz/c.mp4"], ["xa/b/c.mp4", "a/b/x/c.mp4"]),
        ("a/**", ["a/b.mp4", "a/b/c.mp4"], ["a.mp4", "b/a/c.mp4"]),
        ("[!a-c]*.mp4", ["d.mp4", "x/dd.mp4"], ["a.mp4", "cd.mp4"]),
        (r"\*.mp4", ["*.mp4"], ["a.mp4"]),
    ],
)
def test_lines_mean_what_they_mean_to_git(tmp_path: Path, line: str, left_out: list[str], taken: list[str]) -> None:
    (tmp_path / ".ignore").write_text(f"{line}\n")
    rules = NO_RULES.enter(tmp_path, "")
    assert [path for path in [*left_out, *taken] if rules.refusal(path)] == left_out


async def test_every_path_has_a_reason(house: House, tmp_path: Path) -> None:
    (house.folder / "dir" / "@eaDir").mkdir(parents=True)
    (house.folder / "new.mp4").touch()
    asked = {
        house.folder / "gone.mp4": ("unknown", "no such file"),
        house.folder / "new.mp4": ("unknown", "not been found yet"),
        house.folder / "a.jpg": ("ignored", "not that of a video"),
        house.folder / "dir" / "@eaDir" / "x.mp4": ("ignored", "belongs to the storage device"),
        house.folder / "dir": ("folder", "a folder of the library"),
        house.folder: ("folder", "a library folder"),
        tmp_path / "elsewhere.mp4": ("outside", "not in the library"),
    }
    for path, (state, part) in asked.items():
        reason = await house.service.why(path)
        assert (reason.state, part in reason.sentence) == (state, True), reason
