"""The wheel, as whoever installs it has it: no checkout, an empty folder, nothing set."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import zipfile
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from tests.e2e.appliance import ROOT
from tests.media import film
from tests.patience import PATIENCE, until
from tests.ports import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.slow
SWITCHED_OFF = {"auth_proxy_header"}  # it needs a trusted proxy
ROOT_ACCOUNT = {"email": "root@example.org", "password": "a long way home"}
BUILT_IN = {path.parent.name for path in (ROOT / "plugins").glob("*/__init__.py")}


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that holds what the wheel holds; the packages it needs are those of the tests."""
    built, site = tmp_path_factory.mktemp("wheel"), tmp_path_factory.mktemp("site")
    argv = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        str(ROOT),
        "--no-deps",
        "--no-build-isolation",
        "-q",
        "-w",
        str(built),
    ]
    subprocess.run(argv, check=True, stdin=subprocess.DEVNULL)
    with zipfile.ZipFile(next(built.glob("*.whl"))) as wheel:
        wheel.extractall(site)
    return site


def environment(site: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("MEDIASERVER", "PYTHON"))}
    return kept | {"PYTHONPATH": str(site)}


def told(site: Path, folder: Path, *command: str) -> str:
    argv = [sys.executable, "-m", "mediaserver", *command]
    ended = subprocess.run(argv, cwd=folder, env=environment(site), capture_output=True, text=True, timeout=PATIENCE)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


@pytest.fixture
def running(installed: Path, tmp_path: Path) -> Iterator[str]:
    """Address of `mediaserver run` in an empty folder."""
    port = free_port()
    argv = [sys.executable, "-m", "mediaserver", "run", "--port", str(port)]
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(
            argv, cwd=tmp_path, env=environment(installed), stdin=subprocess.DEVNULL, stdout=log, stderr=log
        )
    try:
        yield f"http://localhost:{port}"
    finally:
        process.terminate()
        process.wait(PATIENCE)
        sys.stdout.write((tmp_path / "log").read_text(encoding="utf-8"))  # pytest shows it where the test failed


async def sign_in(client: httpx.AsyncClient, log: Path) -> None:
    """As the first administrator, with the link that the start printed."""

    async def printed() -> re.Match[str] | None:
        return re.search(r"/setup\?token=(\S+)", log.read_text(encoding="utf-8"))

    token = (await until(printed, "the set-up link in the log"))[1]
    made = await client.post("/v1/auth/setup", json={"token": token, **ROOT_ACCOUNT})
    assert made.status_code == httpx.codes.CREATED, made.text
    assert (await client.post("/v1/auth/login", json=ROOT_ACCOUNT)).status_code == httpx.codes.OK


async def test_a_film_plays_from_the_wheel_in_an_empty_folder(running: str, installed: Path, tmp_path: Path) -> None:
    async with httpx.AsyncClient(base_url=running, timeout=PATIENCE) as client:

        async def get(path: str) -> Any:
            try:
                answer = await client.get(path)
            except httpx.TransportError:
                return None
            return answer if answer.status_code == httpx.codes.OK else None

        async def listed() -> Any:
            return (await client.get("/v1/content/browse")).json()["content"]

        await until(lambda: get("/ready"), "readiness")
        assert (tmp_path / "config.yaml").read_text(encoding="utf-8") == (ROOT / "config.yaml").read_text("utf-8")
        shutil.copy(film("wheel.mp4", seconds=4), tmp_path / "library" / "From a Wheel.mp4")
        await sign_in(client, tmp_path / "log")
        title = (await until(listed, "the film in the list"))[0]
        manifest = (await client.get(f"/v1/streaming/{title['id']}/manifest")).json()["manifest_url"]
        segment = await until(lambda: get(manifest.replace("master.m3u8", "480p/000.ts")), "the first segment")
        assert segment.content[:1] == b"G"
        assert "<html" in (await client.get("/")).text
    assert "Traceback" not in (tmp_path / "log").read_text(encoding="utf-8")
    sources = told(installed, tmp_path, "plugins").splitlines()
    assert {line.split()[1] for line in sources} == BUILT_IN - SWITCHED_OFF
    assert all(line.startswith("✓") and str(installed / "mediaserver" / "builtin") in line for line in sources), sources
