"""The real thing: `mediaserver run` as a process of its own, in a folder of its own."""

from __future__ import annotations

import asyncio
import os
import secrets
import shutil
import signal
import sys
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import httpx
import yaml

from tests.patience import PATIENCE, until
from tests.ports import free_port

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

ROOT = Path(__file__).resolve().parents[2]
PLUGINS: dict[str, dict[str, Any]] = {"hls_transcoder": {}, "catalog": {}, "admin": {}, "web_ui": {}}


class Appliance:
    """Started with `async with`; it is stopped by SIGTERM and must leave a log without a traceback."""

    def __init__(
        self, folder: Path, *, plugins: dict[str, dict[str, Any]] | None = None, bare: bool = False, **sections: Any
    ) -> None:
        self.folder = folder
        self.library = folder / "library"
        self.port = free_port()  # a fixed one: a killed `serve` comes back where it was
        self.url = f"http://localhost:{self.port}"
        self.settings: dict[str, Any] = {
            "data": "data",
            "library": {"folders": ["library"], "settle_seconds": 0.5},
            "workers": {"min_free_space": 100_000_000},
            **sections,
            "plugins": {} if bare else PLUGINS | (plugins or {}),
        }
        self._process: asyncio.subprocess.Process | None = None
        self.client = httpx.AsyncClient(timeout=PATIENCE)

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def media_folder(self) -> Path:
        return self.folder / str(self.settings.get("media", "data/media"))

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text(encoding="utf-8")

    async def __aenter__(self) -> Self:
        self.library.mkdir(parents=True)
        try:
            await self.start()
        except BaseException:
            await self._end()
            raise
        return self

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            if kind is None:
                await self.stop()
            else:
                await self._end()
        finally:
            await self.client.aclose()

    async def start(self) -> None:
        config = self.folder / "config.yaml"
        config.write_text(yaml.safe_dump(self.settings), encoding="utf-8")
        with (self.folder / "log").open("wb") as log:
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "mediaserver", "--config", str(config), "run", "--port", str(self.port)),
                cwd=self.folder,
                env=os.environ | {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"},
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        try:
            await until(self._is_ready, "readiness")
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.log}") from None

    async def stop(self) -> None:
        """A killed one has nothing left to stop, and its log may break off anywhere."""
        if self._process is not None:
            assert await self._end() == 0, self.log
            assert "Traceback" not in self.log, self.log

    async def kill(self) -> None:
        """End the supervisor as an out-of-memory killer does, without a word."""
        assert self._process is not None
        self._process.kill()
        await self._process.wait()
        self._process = None

    async def _end(self) -> int | None:
        process, self._process = self._process, None
        if process is None or process.returncode is not None:
            return process.returncode if process else None
        process.send_signal(signal.SIGTERM)
        try:
            return await asyncio.wait_for(process.wait(), PATIENCE)
        except TimeoutError:
            process.kill()
            await process.wait()
            raise AssertionError(f"it did not stop in {PATIENCE} s:\n{self.log}") from None

    async def _is_ready(self) -> bool:
        assert self._process is not None
        assert self._process.returncode is None, self.log
        try:
            answer = await self.client.get(f"{self.url}/ready")
        except httpx.TransportError:
            return False
        return answer.status_code == httpx.codes.OK and bool(answer.json()["library"])

    # ---- what a user does ----------------------------------------------------------------------------------

    async def get(self, path: str) -> Any:
        answer = await self.client.get(self.url + path)
        assert answer.status_code == httpx.codes.OK, answer.text
        return answer.json()

    async def drop(self, source: Path, name: str) -> None:
        """Copy a film into the library, as a file manager does."""
        await asyncio.to_thread(shutil.copyfile, source, self.library / name)

    async def films(self) -> list[dict[str, Any]]:
        content: list[dict[str, Any]] = (await self.get("/v1/content/browse"))["content"]
        return content

    async def film(self, source: Path, name: str) -> dict[str, Any]:
        """Drop a film and wait until it is listed."""
        stem = Path(name).stem
        await self.drop(source, name)

        async def listed() -> Any:
            return next((film for film in await self.films() if film["title"] == stem), None)

        found: dict[str, Any] = await until(listed, f"{name} in the list")
        return found

    def cells(self, rung: str = "*") -> list[Path]:
        """The cells of a resolution (or of all) that are made, of all films, in the order they were published."""
        return sorted(self.media_folder.glob(f"[0-9]*/*/{rung}/*.ts"), key=lambda path: path.stat().st_mtime_ns)

    async def media(self, title: str) -> str:
        """Address of a title's media, without the last part."""
        manifest = await self.get(f"/v1/streaming/{title}/manifest")
        return str(manifest["manifest_url"]).removesuffix("/master.m3u8")

    async def status(self, title: str) -> str:
        """The processing status of a title; "" while the server is away."""
        try:
            return str((await self.get(f"/v1/admin/content/{title}/processing-status"))["status"])
        except httpx.TransportError:
            return ""

    def roles(self) -> dict[str, int]:
        """The processes of the three roles by name."""
        found: dict[str, int] = {}
        for pid in Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split():
            with suppress(OSError):
                command = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
                found |= {role: int(pid) for role in ("serve", "worker", "watch") if role.encode() in command}
        return found

    def ffmpegs(self) -> list[int]:
        """Encoders that this appliance runs now, past the wrapper that confines them."""
        mine = set(self.roles().values())
        return [pid for pid, parent, command in processes() if parent in mine and command.endswith(b"ffmpeg")]

    async def is_idle(self) -> bool:
        jobs = (await self.get("/v1/admin/jobs?limit=100"))["jobs"]
        return all(job["state"] not in ("due", "running") for job in jobs)

    async def is_at_rest(self) -> bool:
        """What nobody waits for any more may still be due; it is dropped after half a minute."""
        return all(job["state"] != "running" for job in (await self.get("/v1/admin/jobs?limit=100"))["jobs"])


@asynccontextmanager
async def another_serve(appliance: Appliance) -> AsyncIterator[str]:
    """The address of a second `serve` on the same data."""
    port = free_port()
    url = f"http://localhost:{port}"
    async with another(appliance, "serve", "--port", str(port)) as process:

        async def answers() -> bool:
            assert process.returncode is None, "it ended while it started"
            with suppress(httpx.TransportError):
                return (await appliance.client.get(f"{url}/ready")).status_code == httpx.codes.OK
            return False

        await until(answers, "readiness of a second serve")
        yield url


@asynccontextmanager
async def another(
    appliance: Appliance, *role: str, config: str = "config.yaml", **sections: Any
) -> AsyncIterator[asyncio.subprocess.Process]:
    """One more process of an installation; with `sections` it has settings, in a file `config` of its own."""
    if sections:
        (appliance.folder / config).write_text(yaml.safe_dump(appliance.settings | sections), encoding="utf-8")
    log = appliance.folder / f"log-{secrets.token_hex(4)}"
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "mediaserver", "--config", config, *role),
            cwd=appliance.folder,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.terminate()
        await asyncio.wait_for(process.wait(), PATIENCE)
    assert "Traceback" not in log.read_text(encoding="utf-8"), log.read_text(encoding="utf-8")


def processes() -> list[tuple[int, int, bytes]]:
    """Every process of this machine: its id, its parent's, the program it runs."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        with suppress(OSError, IndexError):
            parent = int((path / "stat").read_text().rpartition(")")[2].split()[1])
            found.append((int(path.name), parent, (path / "cmdline").read_bytes().split(b"\0")[0]))
    return found
