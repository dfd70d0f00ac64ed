"""The real program, started as a user starts it, in a folder of its own."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import httpx
import yaml

ROOT = Path(__file__).resolve().parents[2]
T = TypeVar("T")
PLUGINS: dict[str, Any] = {"hls_transcoder": {"preset": "ultrafast"}, "catalog": {}, "admin": {}}


class Appliance:
    """`mediaserver run` with its own config.yaml, library/ and data/."""

    def __init__(self, folder: Path, settings: dict[str, Any] | None = None) -> None:
        self.folder = folder
        self.library = folder / "library"
        self.data = folder / "data"
        self.log = folder / "log.txt"
        self.port = free_port()
        self.url = f"http://localhost:{self.port}"
        self.http = httpx.Client(base_url=self.url, timeout=30)
        self.process: subprocess.Popen[bytes] | None = None
        described = {"server": {"port": self.port}, "plugins": PLUGINS, "workers": {"min_free_space": 0}}
        described |= settings or {}
        self.library.mkdir(parents=True, exist_ok=True)
        (folder / "config.yaml").write_text(yaml.safe_dump(described), encoding="utf-8")

    def start(self) -> None:
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "default"}
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "mediaserver", "run"],
                cwd=self.folder, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
            )  # fmt: skip
        self.until(self.is_ready, "the server is ready", 60)

    def stop(self) -> int:
        if self.process is None:
            return 0
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(30)
        self.process = None
        return code

    def is_ready(self) -> bool:
        assert self.process is None or self.process.poll() is None, self.said()
        try:
            return self.http.get("/ready").status_code == 200
        except httpx.HTTPError:
            return False

    def said(self) -> str:
        return self.log.read_text(encoding="utf-8", errors="replace")

    def until(self, condition: Callable[[], T], what: str, seconds: float = 60) -> T:
        """Wait for a condition; tells what it was and what the program said when it never came."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if answer := condition():
                return answer
            time.sleep(0.05)
        raise AssertionError(f"not within {seconds} s: {what}\n{self.said()[-4000:]}")

    # ---- the ways in ---------------------------------------------------------------------------------------

    def get(self, path: str) -> Any:
        """JSON of a route; {} while the server is away."""
        try:
            answer = self.http.get(path)
        except httpx.HTTPError:
            return {}
        return answer.json() if answer.status_code == 200 else {}

    def titles(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.get("/v1/content/browse?limit=100").get("content", [])
        return found

    def status(self, title: str) -> dict[str, Any]:
        found: dict[str, Any] = self.get(f"/v1/admin/content/{title}/processing-status")
        return found

    def media(self, title: str) -> str:
        """Address of a title's media, without the last part."""
        answer = self.http.get(f"/v1/streaming/{title}/manifest")
        assert answer.status_code == 200, answer.text
        return str(answer.json()["manifest_url"]).removesuffix("/master.m3u8")

    def cells(self) -> list[Path]:
        return sorted((self.data / "media").glob("*/*/*/*.ts"))

    def roles(self) -> dict[str, int]:
        """The processes of the three roles by name."""
        assert self.process is not None
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        found = {}
        for pid in children:
            command = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
            for role in ("serve", "worker", "watch"):
                if role.encode() in command:
                    found[role] = int(pid)
        return found

    def ffmpegs(self) -> list[int]:
        """Encoders and probers that this appliance runs now."""
        mine = set(self.roles().values())
        found = []
        for path in Path("/proc").glob("[0-9]*"):
            try:
                command = (path / "cmdline").read_bytes()
                parent = int((path / "stat").read_text().rpartition(")")[2].split()[1])
            except (OSError, ValueError, IndexError):
                continue
            if parent in mine and b"ffmpeg\0" in command:
                found.append(int(path.name))
        return found


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


@contextmanager
def running(folder: Path, settings: dict[str, Any] | None = None) -> Iterator[Appliance]:
    """An appliance that is ready; it must stop in order and have said nothing that looks like a crash."""
    appliance = Appliance(folder, settings)
    try:
        appliance.start()
        yield appliance
        assert appliance.stop() == 0, appliance.said()
    finally:
        if appliance.process is not None:
            appliance.process.kill()
            appliance.process.wait()
        appliance.http.close()
    assert "Traceback" not in appliance.said(), appliance.said()


def frames(media: bytes) -> int:
    """Video frames of a cell or of cells put together, counted by ffprobe."""
    told = subprocess.run(
        ["ffprobe", "-v", "error", "-select_streams", "v", "-count_packets", "-show_entries", "stream=nb_read_packets",
         "-of", "json", "-"],
        input=media, capture_output=True, check=True,
    )  # fmt: skip
    return int(json.loads(told.stdout)["streams"][0]["nb_read_packets"])
