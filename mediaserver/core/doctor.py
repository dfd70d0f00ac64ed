"""What is wrong with an installation, and what to do: ✓ fine, ! works with less, ✗ wrong."""

from __future__ import annotations

import asyncio
import os
import shutil
from typing import TYPE_CHECKING

from mediaserver.core.library.paths import is_folder, to_text
from mediaserver.core.library.records import Records
from mediaserver.core.roles import slots
from mediaserver.core.server import Server
from mediaserver.core.tools import LEAKS
from mediaserver.errors import MediaServerError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from mediaserver.core.config import Loaded

__all__ = ["diagnose", "installation_report", "unreadable"]

GIGABYTE = 1_000_000_000


async def diagnose(loaded: Loaded) -> list[str]:
    """Every finding, even where the server cannot open."""
    server = Server(loaded, "cli")
    lines = await machine_report(server)
    unmade: list[Path] = []
    emptied: list[str] = []
    try:
        async with server:
            unmade, emptied = await server.unmade_folders(), await _emptied(server)
            lines += await installation_report(server)
    except Exception as error:  # noqa: BLE001 - what a store that is away raises, at the opening or the closing, is a finding
        if not any(str(error) in line for line in lines):
            lines.append(f"✗ {error}")
    return [*lines, *await place_report(server, unmade, emptied)]


async def machine_report(server: Server) -> list[str]:
    from mediaserver.core.ffmpeg import leaks
    from mediaserver.core.sandbox import Sandbox

    try:
        tools = server.tools.found
        lines = [f"✓ ffmpeg {tools.build}"]
        lines.append(f"✗ {LEAKS}" if await leaks(tools) else "✓ hostile playlists are not followed")
    except MediaServerError as error:
        return [f"✗ {error}"]
    if not tools.has_zscale:
        lines.append(
            "! ffmpeg has no zscale: HDR films look pale. Debian's ffmpeg has it (apt install ffmpeg), "
            "or name one in `ffmpeg:`."
        )
    abi = Sandbox.detect().landlock_abi
    if abi:
        lines.append(f"✓ sandbox: ffmpeg reads only the file it was given (Landlock {abi})")
    else:
        lines.append(
            "! sandbox: this kernel has no Landlock, so only ffmpeg's own lists keep a hostile file from reading "
            "others. Use Linux 5.13 or later with landlock in /sys/kernel/security/lsm."
        )
    return lines


async def place_report(server: Server, unmade: Sequence[Path], emptied: Sequence[str]) -> list[str]:
    """Room and folders: what needs no store. The first start makes those that are `unmade`."""
    away = [*await asyncio.to_thread(unreadable, server, unmade), *emptied]
    folders = ", ".join(
        f"{folder} (the first start makes it)" if folder in unmade else str(folder)
        for folder in server.library_settings.folders
    )
    return [*await asyncio.to_thread(_space, server), *(away or [f"✓ library {folders}"])]


async def _emptied(server: Server) -> list[str]:
    """Library folders that are there without most of their films, as the watcher found them last."""
    records, settings = Records(server.db, server.changes, server.clock), server.library_settings
    told = [
        await records.most_are_gone(to_text(folder), settings.missing_guard)
        for folder in settings.roots
        if await asyncio.to_thread(is_folder, folder)
    ]
    return [f"✗ {sentence}" for sentence in told if sentence]


async def installation_report(server: Server) -> list[str]:
    """Of a server that is open."""
    lines = [await _stores(server)]
    lines += [f"✗ plugin {name}: {reason}" for name, reason in sorted(server.hooks.faults.items())]
    for check in server.contributions.checks.values():
        finding = await check.run()
        lines.append(f"✗ {check.name}: {finding}" if finding else f"✓ {check.name}")
    return lines


async def _stores(server: Server) -> str:
    column = "SQLite" if server.db.is_sqlite else "Postgres"
    broker = "Redis" if server.settings.redis else "SQLite"
    try:
        for queue in server.queues.values():
            await queue.count("queued")
    except Exception as error:  # noqa: BLE001 - whatever the broker raises is the finding
        return f"✗ jobs: {broker} does not answer ({error}); start it, or correct `redis:` in config.yaml."
    return f"✓ database {column}, jobs through {broker}, {slots(server.loaded)} encodes at once"


def _space(server: Server) -> list[str]:
    media = server.storage.media
    there = next(folder for folder in (media, *media.parents) if folder.exists())  # it may be away
    free, least = shutil.disk_usage(there).free, int(server.settings.workers.min_free_space)
    if free >= least:
        return [f"✓ {free / GIGABYTE:.0f} GB free in {media}"]
    found = f"✗ {free / GIGABYTE:.1f} GB are free in {media}; nothing is encoded ahead"
    return [f"{found} below {least / GIGABYTE:.0f} GB. Make room, or lower workers.min_free_space."]


def unreadable(server: Server, unmade: Sequence[Path] = ()) -> list[str]:
    """Library folders that are away. That stops nothing: a disk may come back."""
    lines = []
    for folder in server.library_settings.folders:
        if folder in unmade:
            continue
        try:
            with os.scandir(folder):
                pass
        except OSError as error:
            lines.append(
                f"✗ The library folder {folder} cannot be read ({error.strerror}); connect its disk or give "
                "this user the right to read it. Its films are offline until then."
            )
    return lines
