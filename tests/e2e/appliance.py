"""The real thing: `mediaserver run` as a process of its own, in a folder of its own."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import httpx
import yaml

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

ROOT = Path(__file__).resolve().parents[2]
LISTENING = re.compile(r"listening on (http://\S+)")
START_SECONDS = 30
STOP_SECONDS = 20
PATIENCE = 60  # s until something that must happen is believed not to
PLUGINS: dict[str, dict[str, Any]] = {"hls_transcoder": {}, "catalog": {}, "admin": {}, "web_ui": {}}


async def until(condition: Callable[[], Awaitable[Any]], what: str, seconds: float = PATIENCE) -> Any:
    """The first true answer of `condition`; fails with `what` where there is none in time."""
    try:
        async with asyncio.timeout(seconds):
            while not (answer := await condition()):
                await asyncio.sleep(0.05)
    except TimeoutError:
        raise AssertionError(f"in {seconds} s there was never: {what}") from None
    return answer


class Appliance:
    """Started with `async with`; it is stopped by SIGTERM and must leave a log without a traceback."""

    def __init__(self, folder: Path, *, plugins: dict[str, dict[str, Any]] | None = None, **sections: Any) -> None:
        self.folder = folder
        self.library = folder / "library"
        self.url = ""
        self._settings = {
            "data": "data",
            "library": {"folders": ["library"], "settle_seconds": 0.5},
            "workers": {"min_free_space": 100_000_000},
            **sections,
            "plugins": PLUGINS | (plugins or {}),
        }
        self._process: asyncio.subprocess.Process | None = None
        self.client = httpx.AsyncClient(timeout=30)

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text(encoding="utf-8")

    async def __aenter__(self) -> Self:
        self.library.mkdir(parents=True)
        config = self.folder / "config.yaml"
        config.write_text(yaml.safe_dump(self._settings), encoding="utf-8")
        with (self.folder / "log").open("wb") as log:
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "mediaserver", "--config", str(config), "run", "--port", "0"),
                cwd=self.folder,
                env=os.environ | {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"},
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        try:
            self.url = await until(self._address, "an address to open", START_SECONDS)
            await until(self._is_ready, "readiness", START_SECONDS)
        except BaseException:
            await self._end()
            raise
        return self

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        code = await self._end()
        if kind is None:
            assert "Traceback" not in self.log, self.log
            assert code == 0, self.log

    async def _end(self) -> int | None:
        await self.client.aclose()
        process = self._process
        if process is None or process.returncode is not None:
            return process.returncode if process else None
        process.send_signal(signal.SIGTERM)
        try:
            return await asyncio.wait_for(process.wait(), STOP_SECONDS)
        except TimeoutError:
            process.kill()
            await process.wait()
            raise AssertionError(f"it did not stop in {STOP_SECONDS} s:\n{self.log}") from None

    async def _address(self) -> str | None:
        assert self._process is not None
        assert self._process.returncode is None, self.log
        found = LISTENING.search(self.log)
        return found[1].rstrip("/") if found else None

    async def _is_ready(self) -> bool:
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

    def cells(self, rung: str) -> list[Path]:
        """The cells of a resolution that are made, of all films, in the order they were published."""
        return sorted((self.folder / "data" / "media").glob(f"*/*/{rung}/*.ts"), key=lambda path: path.stat().st_mtime_ns)

    async def is_idle(self) -> bool:
        jobs = (await self.get("/v1/admin/jobs?limit=100"))["jobs"]
        return all(job["state"] not in ("due", "running") for job in jobs)
