"""A server with its library and a worker in one process: what is dropped is found, probed, and its tracks are made."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any

from mediaserver.core.library.probe import probe
from mediaserver.core.library.watcher import LibraryWatcher
from mediaserver.core.roles import described
from mediaserver.core.worker import JobRunner
from tests.patience import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    import httpx

    from mediaserver.testing import RunningApp


class Theatre:
    def __init__(self, app: RunningApp, library: Path) -> None:
        self.app = app
        self.library = library

    async def get(self, path: str) -> Any:
        answer = await self.app.get(path)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def content(self, ref: str) -> Any:
        return await self.get(f"/v1/content/{ref}")

    async def subtitles(self, ref: str, count: int) -> list[dict[str, Any]]:
        """Once there are so many."""

        async def so() -> Any:
            answer = await self.app.get(f"/v1/content/{ref}")
            found = answer.json().get("subtitles", ()) if answer.status_code == 200 else ()
            return [found] if answer.status_code == 200 and len(found) == count else None

        [found] = await until(so, f"{count} subtitles of {ref}")
        return list(found)

    async def media(self, ref: str) -> str:
        """Address of a title's media, without the last part."""
        manifest = await self.get(f"/v1/streaming/{ref}/manifest")
        return str(manifest["manifest_url"]).removesuffix("/master.m3u8")

    async def file(self, ref: str, name: str) -> httpx.Response:
        return await self.app.get(f"{await self.media(ref)}/{name}")

    async def texts(self, ref: str) -> dict[str, str]:
        """The WebVTT of every subtitle that can be chosen, by its label."""
        manifest = await self.get(f"/v1/streaming/{ref}/manifest")
        return {each["label"]: (await self.app.get(each["url"])).text for each in manifest["subtitles"]}


@asynccontextmanager
async def open_theatre(
    app_with: Callable[..., RunningApp], library: Path, sections: dict[str, Any] | None = None, **options: Any
) -> AsyncIterator[Theatre]:
    """`sections` are further ones of config.yaml, `options` those of hls_transcoder; cells are made for nobody."""
    settings = {
        "library": {"folders": [str(library)], "settle_seconds": 0.3},
        "server": {"port": 0},
        **(sections or {}),
    }
    library.mkdir(exist_ok=True)
    chosen = {"background": "off", **options}
    app = await app_with(settings=settings, hls_transcoder=chosen, catalog={}, admin={}).start()
    running = app.server
    running.storage.prepare()
    watcher = LibraryWatcher(
        running.library_settings,
        db=running.db,
        changes=running.changes,
        prober=lambda path: probe(running.tools, path),
        describe=lambda path, info: described(running, path, info),
        wakeups=running.wakeups,
        clock=running.clock,
        run_folder=running.data / "run",
    )
    async with AsyncExitStack() as stack:
        for role in (watcher, JobRunner(running, 2)):
            await stack.enter_async_context(_running(role))
        yield Theatre(app, library)


@asynccontextmanager
async def _running(role: Any) -> AsyncIterator[None]:
    stop = asyncio.Event()
    running = asyncio.create_task(role.run(stop))
    try:
        yield
    finally:
        stop.set()
        await running
