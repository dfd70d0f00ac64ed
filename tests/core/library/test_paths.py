from __future__ import annotations

import os
from pathlib import Path

import pytest

from mediaserver.core.library import paths


@pytest.mark.parametrize(
    "raw",
    [
        b"plain",
        "ü 映画".encode(),
        b"\xff\xfe",
        "\uf7ff".encode(),
        b"\xef\x9f",
        b"a\xc3",
        b"new\nline",
        b"\x80\xef\x9f\xbf",
    ],
)
def test_every_name_returns_from_the_database_byte_for_byte(raw: bytes) -> None:
    text = paths.to_text(os.fsdecode(raw))
    assert text.encode("utf-8")
    assert os.fsencode(paths.to_path(text)) == raw


def test_two_names_never_become_one() -> None:
    odd, private = os.fsdecode(b"\xff"), "\uf7ff"
    assert paths.to_text(odd) != paths.to_text(private)
    assert paths.key("/a", "b/c") != paths.key("/a/b", "c")


def test_only_what_lies_inside_is_inside() -> None:
    assert paths.inside(Path("/lib"), Path("/lib/a/b")) == "a/b"
    assert paths.inside(Path("/lib"), Path("/lib")) == ""
    assert paths.inside(Path("/lib"), Path("/library/a")) is None
