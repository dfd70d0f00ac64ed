"""What the one-off commands do."""

from __future__ import annotations

import asyncio
import json
import re
from typing import TYPE_CHECKING, Any

import click
from pydantic_core import to_jsonable_python

from mediaserver.contracts import Library
from mediaserver.core.config import is_secret
from mediaserver.core.library.paths import shown
from mediaserver.core.library.service import OUTSIDE
from mediaserver.core.server import Server
from mediaserver.core.settings import Settings
from mediaserver.errors import MediaServerError

if TYPE_CHECKING:
    from pathlib import Path

    from mediaserver.core.config import Loaded

PASSWORD_IN_URL = re.compile(r"(://[^:@/]*:)\S+@")
PLUGIN_OPTION = 3  # parts of a key such as plugins.catalog.language


async def bring_up_to_date(loaded: Loaded, *, copies: bool) -> None:
    server = Server(loaded, "cli")
    server.copies = copies
    async with server:
        pass


def plugins_here(loaded: Loaded) -> list[str]:
    """Where no server has run yet nothing is made: then it is only what they are found to be."""
    server = Server(loaded, "cli")
    if not loaded.data.is_dir():
        server.register_only()
        return _plugin_report(server)

    async def opened() -> list[str]:
        async with server:
            return _plugin_report(server)

    return asyncio.run(opened())


def _plugin_report(server: Server) -> list[str]:
    lines = [f"✓ {name}  ({plugin.found.source})" for name, plugin in server.hooks.loaded.items()]
    lines += [f"✗ {name}: {reason}" for name, reason in sorted(server.hooks.faults.items())]
    return lines or ["No plugin is switched on."]


async def ask_to_scan(server: Server, path: Path | None) -> str:
    """Raises MediaServerError for a path where the watcher would never look."""
    library = server.services.get(Library)
    if path is None:
        await library.scan()
        return "The watcher was asked to look."
    reason = await library.why(path.absolute())
    if reason.state == OUTSIDE:
        raise MediaServerError(f"{shown(path)}: {reason.sentence}")
    await library.scan(path.absolute())
    return f"The watcher was asked to look at {shown(path)}."


def config_report(loaded: Loaded) -> list[str]:
    """One line for each setting that differs from its default, with where it was said."""
    server = Server(loaded, "cli")
    server.register_only()
    lines = []
    for key, origin in sorted(loaded.origins.items()):
        section: Settings = loaded.settings
        names = key
        if key[0] == "plugins":
            if len(key) < PLUGIN_OPTION or key[1] not in server.hooks.loaded:
                continue
            section, names = server.hooks.loaded[key[1]].config, key[2:]
        default, value = _compared(section, names)
        if value != default:
            lines.append(f"{'.'.join(key)} = {_shown(key[-1], value)}    ({origin})")
    return lines or ["Every setting has its default."]


def _compared(section: Settings, names: tuple[str, ...]) -> tuple[Any, Any]:
    """Default and value of a setting; equal for a whole section, whose settings have lines of their own."""
    default: Any = None
    value: Any = section
    for name in names:
        if not isinstance(value, Settings):
            break
        fields = type(value).model_fields
        field = next(field for field, info in fields.items() if name in {field, info.alias})
        default = fields[field].get_default(call_default_factory=True)
        value = getattr(value, field)
    return (None, None) if isinstance(value, Settings) else (default, value)


def _shown(name: str, value: Any) -> str:
    """As config.yaml would say it, without what nobody should read over a shoulder."""
    if value is not None and is_secret(name):
        return "(hidden)"
    plain = to_jsonable_python(value)
    return PASSWORD_IN_URL.sub(r"\1(hidden)@", plain if isinstance(plain, str) else json.dumps(plain))


def plugin_commands(loaded: Loaded) -> dict[str, click.Command]:
    """Commands of plugins by name, each run with the server open and handed to it first. Nothing is made or opened."""
    server = Server(loaded, "cli")
    server.register_only()
    return {name: _opened(loaded, command) for name, (_, command) in sorted(server.contributions.commands.items())}


def _opened(loaded: Loaded, command: click.Command) -> click.Command:
    """The command, or each command of a group, with its coroutine run in an event loop and a server of its own."""
    if isinstance(command, click.Group):
        inside = {name: _opened(loaded, each) for name, each in command.commands.items()}
        return click.Group(command.name, inside, params=command.params, help=command.help)
    inner = command.callback

    def callback(*args: Any, **kwargs: Any) -> Any:
        async def go() -> Any:
            async with Server(loaded, "cli") as server:
                return await inner(server, *args, **kwargs) if inner else None

        return asyncio.run(go())

    return click.Command(
        command.name, callback=callback, params=command.params, help=command.help, short_help=command.short_help
    )
