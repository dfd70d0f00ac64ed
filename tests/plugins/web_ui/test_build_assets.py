from __future__ import annotations

import base64
import hashlib
import io
import json
import re
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from plugins.web_ui import build_assets

if TYPE_CHECKING:
    from collections.abc import Iterable

LOCK = (Path(build_assets.__file__).with_name("package-lock.json")).read_text()


def tarball(folder: Path, members: Iterable[str]) -> Path:
    path = folder / "hls.tgz"
    with tarfile.open(path, "w:gz") as archive:
        for name in members:
            entry = tarfile.TarInfo(name)
            entry.size = len(name)
            archive.addfile(entry, io.BytesIO(name.encode()))
    return path


def test_the_lock_file_pins_a_hash_and_names_no_host() -> None:
    packages = json.loads(LOCK)["packages"]
    assert all(package["integrity"].startswith("sha512-") for name, package in packages.items() if name)
    assert not re.search(r"resolved|https?:", LOCK)


def test_what_is_not_what_the_lock_pins_is_refused(tmp_path: Path) -> None:
    path = tarball(tmp_path, build_assets.WANTED)
    right = base64.b64encode(hashlib.sha512(path.read_bytes()).digest()).decode()
    build_assets.verify(path, f"sha512-{right}")
    path.write_bytes(path.read_bytes() + b"\0")
    with pytest.raises(build_assets.AssetsFailed, match="nothing was kept"):
        build_assets.verify(path, f"sha512-{right}")


def test_only_the_wanted_files_are_unpacked(tmp_path: Path) -> None:
    vendor = tmp_path / "vendor"
    vendor.mkdir()
    build_assets.unpack(tarball(tmp_path, [*build_assets.WANTED, "package/../../evil", "package/package.json"]), vendor)
    assert {path.name for path in vendor.iterdir()} == set(build_assets.WANTED.values())
    assert not (tmp_path / "evil").exists()


def test_what_is_there_already_is_not_brought_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    locked = json.loads(LOCK)["packages"]["node_modules/hls.js"]["integrity"]
    for name in build_assets.WANTED.values():
        (tmp_path / name).write_text("here")
    (tmp_path / build_assets.STAMP).write_text(locked)
    monkeypatch.setenv("PATH", "")
    assert build_assets.bring(tmp_path) is False


def test_an_interrupted_bringing_is_not_taken_for_a_whole_one(tmp_path: Path) -> None:
    assert not build_assets.is_there(tmp_path, "sha512-x")
    for name in build_assets.WANTED.values():
        (tmp_path / name).write_text("here")
    assert not build_assets.is_there(tmp_path, "sha512-x")
