"""What the one-off commands do."""

from __future__ import annotations

import asyncio
import os
import shutil
from typing import TYPE_CHECKING, Any

import click

from mediaserver.core.actors import is_loopback
from mediaserver.core.roles import address, listen, slots
from mediaserver.core.server import Server

if TYPE_CHECKING:
    from mediaserver.core.config import Loaded

GIGABYTE = 1_000_000_000
SECRET_WORDS = ("password", "secret", "token", "database", "redis")


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
        lines.append("  Only this machine can see it. To open it to your home network, in config.yaml:")
        lines.append("    server: {host: 0.0.0.0, guest: viewer}")
    elif server.guests.setting == "loopback":
        lines.append(f"  {section.host} is open to the network, but without accounts others are let in nowhere.")
        lines.append("  To let everybody in your network watch, in config.yaml: server: {guest: viewer}")
    return [*lines, ""]


def unreadable(server: Server) -> list[str]:
    """Library folders that are away. That stops nothing: a disk may come back (SAFETY.md)."""
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


async def plugin_report(server: Server) -> list[str]:
    lines = [f"✓ {name}  ({plugin.found.source})" for name, plugin in server.hooks.loaded.items()]
    lines += [f"✗ {name}: {reason}" for name, reason in sorted(server.hooks.faults.items())]
    return lines or ["No plugin is switched on."]


def config_report(loaded: Loaded) -> list[str]:
    lines = []
    for key, origin in sorted(loaded.origins.items()):
        value: Any = loaded.settings.model_dump(by_alias=True)
        for part in key:
            value = value.get(part) if isinstance(value, dict) else value
        if isinstance(value, dict):
            continue
        shown = "(hidden)" if value is not None and any(word in key[-1] for word in SECRET_WORDS) else value
        lines.append(f"{'.'.join(key)} = {shown}    ({origin})")
    return lines or ["Every setting has its default."]


async def doctor_report(server: Server) -> list[str]:
    """One line a finding: ✓ fine, ✗ wrong, with the remedy."""
    build = server.tools.found
    await server.tools.check()
    lines = [f"✓ ffmpeg {build.build}" + ("" if build.has_zscale else " (no zscale: HDR films look pale)")]
    column = "SQLite" if server.db.is_sqlite else "Postgres"
    broker = "Redis" if server.settings.redis else "SQLite"
    lines.append(f"✓ database {column}, jobs through {broker}, {slots(server.loaded)} encodes at once")
    free = (await asyncio.to_thread(shutil.disk_usage, server.data)).free
    least = int(server.settings.workers.min_free_space)
    if free < least:
        lines.append(
            f"✗ {free / GIGABYTE:.1f} GB are free in {server.data}; nothing is encoded ahead "
            f"below {least / GIGABYTE:.0f} GB."
        )
    else:
        lines.append(f"✓ {free / GIGABYTE:.0f} GB free in {server.data}")
    lines += await asyncio.to_thread(unreadable, server)
    lines += [f"✗ plugin {name}: {reason}" for name, reason in sorted(server.hooks.faults.items())]
    for check in server.contributions.checks.values():
        finding = await check.run()
        lines.append(f"✗ {check.name}: {finding}" if finding else f"✓ {check.name}")
    return lines


def plugin_commands(loaded: Loaded) -> list[str]:
    return sorted(_registered(loaded).contributions.commands)


def plugin_command(loaded: Loaded, name: str) -> click.Command | None:
    """A plugin's command, run with the server open and handed to it as `click`'s object."""
    found = _registered(loaded).contributions.commands.get(name)
    if found is None:
        return None
    command = found[1]
    inner = command.callback

    def callback(*args: Any, **kwargs: Any) -> Any:
        async def go() -> Any:
            async with Server(loaded, "cli") as server:
                return await inner(server, *args, **kwargs) if inner else None

        return asyncio.run(go())

    return click.Command(command.name, callback=callback, params=command.params, help=command.help)


def _registered(loaded: Loaded) -> Server:
    server = Server(loaded, "cli")
    server.register_only()
    return server
