"""What the one-off commands do."""

from __future__ import annotations

import asyncio
import json
import os
import re
from typing import TYPE_CHECKING, Any

import click
from pydantic_core import to_jsonable_python

from mediaserver.contracts import Library
from mediaserver.core.actors import is_loopback
from mediaserver.core.config import is_secret
from mediaserver.core.library.service import OUTSIDE
from mediaserver.core.roles import address, listen, slots
from mediaserver.core.server import Server
from mediaserver.core.settings import Settings
from mediaserver.errors import MediaServerError

if TYPE_CHECKING:
    from pathlib import Path

    from mediaserver.core.config import Loaded

GIGABYTE = 1_000_000_000
PASSWORD_IN_URL = re.compile(r"(://[^:@/]*:)[^@]+@")
PLUGIN_OPTION = 3  # parts of a key such as plugins.catalog.language


async def prepare_all(loaded: Loaded) -> list[str]:
    """Everything that can stop a start, tried once; answers what to tell the user. Raises MediaServerError."""
    section = loaded.settings.server
    listen(section.host, section.port).close()
    async with Server(loaded, "prepare") as server:
        await server.tools.check()
        return [*loaded.warnings, *unreadable(server), *_welcome(server)]


def _welcome(server: Server) -> list[str]:
    section = server.settings.server
    where = address(section.host, section.port)
    folder = server.library_settings.folders[0]
    lines = ["", f"  Mediaserver opens at {where}", f"  Drop videos into {folder}", ""]
    if is_loopback(section.host):
        guest = ", guest: viewer" if server.guests.setting == "loopback" else ""
        lines.append("  Only this machine can see it. To open it to your home network, in config.yaml:")
        lines.append(f"    server: {{host: 0.0.0.0{guest}}}")
    elif server.guests.setting == "loopback":
        lines.append(f"  {section.host} is open to the network, but without accounts others are let in nowhere.")
        lines.append("  To let everybody in your network watch, in config.yaml: server: {guest: viewer}")
    return [*lines, ""]


def unreadable(server: Server) -> list[str]:
    """Library folders that are away. That stops nothing: a disk may come back."""
    lines = []
    for folder in server.library_settings.folders:
        try:
            with os.scandir(folder):
                pass
        except OSError as error:
            lines.append(
                f"✗ The library folder {folder} cannot be read ({error.strerror}); connect its disk or give "
                "this user the right to read it. Its films are offline until then."
            )
    return lines


async def bring_up_to_date(loaded: Loaded, *, copies: bool) -> None:
    server = Server(loaded, "cli")
    server.copies = copies
    async with server:
        pass


async def plugin_report(server: Server) -> list[str]:
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
        raise MediaServerError(f"{path}: {reason.sentence}")
    await library.scan(path.absolute())
    return f"The watcher was asked to look at {path}."


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


async def doctor_report(server: Server) -> list[str]:
    """One line a finding: ✓ fine, ✗ wrong, with the remedy."""
    build = server.tools.found
    await server.tools.check()
    lines = [f"✓ ffmpeg {build.build}" + ("" if build.has_zscale else " (no zscale: HDR films look pale)")]
    column = "SQLite" if server.db.is_sqlite else "Postgres"
    broker = "Redis" if server.settings.redis else "SQLite"
    lines.append(f"✓ database {column}, jobs through {broker}, {slots(server.loaded)} encodes at once")
    media = server.storage.media
    free = await asyncio.to_thread(server.storage.free_bytes)
    least = int(server.settings.workers.min_free_space)
    if free < least:
        lines.append(
            f"✗ {free / GIGABYTE:.1f} GB are free in {media}; nothing is encoded ahead below {least / GIGABYTE:.0f} GB."
        )
    else:
        lines.append(f"✓ {free / GIGABYTE:.0f} GB free in {media}")
    lines += await asyncio.to_thread(unreadable, server)
    lines += [f"✗ plugin {name}: {reason}" for name, reason in sorted(server.hooks.faults.items())]
    for check in server.contributions.checks.values():
        finding = await check.run()
        lines.append(f"✗ {check.name}: {finding}" if finding else f"✓ {check.name}")
    return lines


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
