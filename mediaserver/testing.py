"""pytest plugin for plugin authors: a real server with your plugin, answering on loopback.

async def test_greets(app_with):
    response = await app_with(hello={"greeting": "Moin"}).get("/v1/hello/Ada")
    assert response.json() == {"greeting": "Moin Ada"}
"""

from __future__ import annotations

from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    import httpx

    from mediaserver.contracts import Clock
    from mediaserver.core.server import Server

__all__ = ["RunningApp", "app_with", "database_url", "redis_url"]
PATIENCE = 120.0  # s for an answer: a machine that runs tests may be slow, and busy with others


class RunningApp:
    """A server in this process, started by the first request; `server` is what plugins are handed."""

    def __init__(
        self, folder: Path, settings: dict[str, Any], clock: Clock | None = None, templates: Path | None = None
    ) -> None:
        self._folder = folder
        self._templates = templates
        self._settings = settings
        self._clock = clock
        self._stack = AsyncExitStack()
        self._client: httpx.AsyncClient | None = None
        self._server: Server | None = None

    @property
    def server(self) -> Server:
        if self._server is None:
            raise RuntimeError("The server starts with the first request, or with `await app.start()`.")
        return self._server

    async def start(self) -> RunningApp:
        """Raises what stops a start: ConfigError or StartError."""
        if self._client is not None:
            return self
        import httpx
        import yaml

        from mediaserver.core.app import create_app
        from mediaserver.core.config import load
        from mediaserver.core.listening import listen
        from mediaserver.core.roles import serving
        from mediaserver.core.server import Server

        self._folder.mkdir(parents=True, exist_ok=True)
        file = self._folder / "config.yaml"
        file.write_text(yaml.safe_dump(self._settings), encoding="utf-8")
        listening = self._stack.enter_context(listen("127.0.0.1", 0))
        server = Server(load(file, {}), "serve", self._clock)
        if self._templates is not None:
            await _bring_tables(server, self._templates)
        self._server = await self._stack.enter_async_context(server)
        app = create_app(self._server)
        await self._server.share_quarantine()
        app.config.TOUCHUP = False  # Sanic rewrites its own code with it, which works once per process
        await self._stack.enter_async_context(serving(app, listening))
        address = f"http://127.0.0.1:{listening.getsockname()[1]}"
        self._client = await self._stack.enter_async_context(httpx.AsyncClient(base_url=address, timeout=PATIENCE))
        return self

    async def stop(self) -> None:
        await self._stack.aclose()
        self._client = self._server = None

    async def request(self, method: str, path: str, **options: Any) -> httpx.Response:
        """`options` are those of httpx (json, headers, params, …)."""
        await self.start()
        if self._client is None:
            raise RuntimeError("The server is stopped.")
        return await self._client.request(method, path, **options)

    def forget_cookies(self) -> None:
        """The client keeps cookies as a browser does, until it is told not to."""
        if self._client is not None:
            self._client.cookies.clear()

    async def get(self, path: str, **options: Any) -> httpx.Response:
        return await self.request("GET", path, **options)

    async def post(self, path: str, **options: Any) -> httpx.Response:
        return await self.request("POST", path, **options)

    async def put(self, path: str, **options: Any) -> httpx.Response:
        return await self.request("PUT", path, **options)

    async def delete(self, path: str, **options: Any) -> httpx.Response:
        return await self.request("DELETE", path, **options)


async def _bring_tables(server: Server, templates: Path) -> None:
    """The tables of core and of our own plugins, made once per test run: they are most of what a start takes."""
    import shutil
    import sys

    from mediaserver.core.migrator import Upgrade

    home = Path(__file__).parent
    ours = (home.parent / "plugins", home / "builtin")
    models = {"core": server.db.models["core"]}
    for name, module in server.db.models.items():
        file = Path(sys.modules[module.rpartition(".")[0]].__file__ or "")
        if any(file.is_relative_to(folder) for folder in ours):
            models[name] = module
    template = templates / f"{'-'.join(sorted(models))}.sqlite3"
    if server.db.url != "sqlite" or server.db.file.exists():
        return
    if not template.exists():
        templates.mkdir(exist_ok=True)
        await Upgrade("sqlite", template, models, lambda _: None).run()
    server.db.file.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(template, server.db.file)


@pytest.fixture
def database_url() -> str:
    """What `app_with` runs on where the settings name nothing else. Override it to run on another database."""
    return "sqlite"


@pytest.fixture
def redis_url() -> str | None:
    """Where `app_with` keeps its queues and counts; None is in a file. Override it to run on Redis."""
    return None


@pytest.fixture
async def app_with(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, database_url: str, redis_url: str | None
) -> AsyncIterator[Callable[..., RunningApp]]:
    """Make a server with these plugins (name → options); `settings` are the other sections of config.yaml.

    Plugins are looked for in `folders`, relative to where the tests run.
    """
    made: list[RunningApp] = []
    templates = tmp_path_factory.getbasetemp() / "databases"

    def make(
        *,
        settings: dict[str, Any] | None = None,
        folders: tuple[Path, ...] = (Path("plugins"),),
        clock: Clock | None = None,
        **plugins: dict[str, Any],
    ) -> RunningApp:
        described = {
            "server": {"port": 0},
            "database": database_url,
            "redis": redis_url,
            "plugin_folders": [str(folder.absolute()) for folder in folders],
            **(settings or {}),
            "plugins": plugins,
        }
        app = RunningApp(tmp_path / f"app{len(made)}", described, clock, templates)
        made.append(app)
        return app

    yield make
    for app in made:
        await app.stop()
