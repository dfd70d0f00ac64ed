"""Where tests make plugins of a few lines, and servers with them."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from mediaserver.testing import RunningApp

HEAD = """
from mediaserver import Plugin, Settings, hookimpl, json, public
plugin = Plugin(api="1")
"""
names = (f"made{number}" for number in itertools.count())


class Workshop:
    """Makes plugins, each under a name of its own, and servers with them."""

    def __init__(self, folder: Path, app_with: Callable[..., RunningApp]) -> None:
        self.folder = folder
        self._app_with = app_with

    def plugin(self, source: str, name: str | None = None) -> str:
        name = name or next(names)
        (self.folder / f"{name}.py").write_text(source)
        return name

    def app(self, *named: str, **more: Any) -> RunningApp:
        chosen: dict[str, Any] = {name: {} for name in named}
        return self._app_with(folders=(self.folder,), **(chosen | more))
