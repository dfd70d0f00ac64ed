"""Put a server together from settings and plugins: what every role opens, and what plugins are handed."""

from __future__ import annotations

import asyncio
import os
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlsplit

import structlog

from mediaserver import contracts
from mediaserver.core import config, plugins
from mediaserver.core.actors import Guests
from mediaserver.core.broker import make_queue
from mediaserver.core.changes import ChangeLog
from mediaserver.core.clock import SystemClock
from mediaserver.core.db import Database, is_full, is_hindered
from mediaserver.core.discovery import Absent, Found, PluginFault, check_tables, deadline, discover
from mediaserver.core.follower import Follower
from mediaserver.core.jobs import QUEUES, JobRecords
from mediaserver.core.leases import Leases
from mediaserver.core.library import folders
from mediaserver.core.library.service import LibraryService
from mediaserver.core.library.settings import LibrarySettings
from mediaserver.core.mail import Postbox
from mediaserver.core.migrator import Upgrade
from mediaserver.core.plugins import PluginHost
from mediaserver.core.private import close_what_was_open, private_file, private_folder
from mediaserver.core.proxies import Proxies
from mediaserver.core.registry import Contributions, Registry
from mediaserver.core.secrets import FileKeys, SignedGrants, load_key
from mediaserver.core.services import Services
from mediaserver.core.settings import Configuration, Settings
from mediaserver.core.storage import MediaStorage
from mediaserver.core.tools import MachineTools
from mediaserver.core.wakeups import Wakeups
from mediaserver.errors import ConfigError, StartError, StartLater
from mediaserver.events import PluginQuarantined
from mediaserver.models import Quarantine

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

    from mediaserver.contracts import Clock
    from mediaserver.core.routes import Route

log = structlog.get_logger()
STARTUP_SECONDS = 10  # a plugin whose startup takes longer hangs
MAKES_LIBRARY = ("serve", "watch")  # a command that only asks must not make what it asks about


class Server:
    """One process of an installation. Open it as a context manager; everything hangs on it."""

    def __init__(self, loaded: config.Loaded, role: str, clock: Clock | None = None) -> None:
        self.loaded = loaded
        self.settings = loaded.settings
        self.role = role
        self.clock = clock or SystemClock()
        self.data = loaded.data
        self.services = Services()
        self.hooks = PluginHost()
        self.contributions = Contributions()
        self._found = self._discover()
        models = {"core": "mediaserver.models"}
        models |= {found.name: found.models for found in self._found if found.models}
        self.db = Database(self.settings.database, self.data / "mediaserver.sqlite3", models)
        self.wakeups = Wakeups(self.data / "run")
        self.changes = ChangeLog(self.db, self.wakeups)
        self.follower = Follower(self)
        self.leases = Leases(self.db)
        media = loaded.path(self.settings.media, ("media",)) if self.settings.media else None
        self.storage = MediaStorage(self.data, media)
        ffmpeg = loaded.path(self.settings.ffmpeg, ("ffmpeg",)) if self.settings.ffmpeg else None
        self.tools = MachineTools(ffmpeg, self.data / "run" / "ffmpeg.json")
        self.queues = {
            name: make_queue(name, redis=self.settings.redis, path=self.data / "broker.sqlite3", wakeups=self.wakeups)
            for name in QUEUES
        }
        self.jobs = JobRecords(self.db, self.queues, self.contributions)
        self.mail = Postbox(self.jobs, self.contributions, loaded)
        self.library_settings = self._library_settings()
        self.proxies = Proxies(self.settings.server.trusted_proxies)
        self.guests = self._guests()
        self.routes: list[Route] = []
        self.ready = False
        self.copies = True  # of the database, before an upgrade
        self.looks_anew = False  # whether plugins that were left out take part again
        self._stack = AsyncExitStack()

    # ---- plugins -------------------------------------------------------------------------------------------

    def _discover(self) -> list[Found]:
        folders = [self.loaded.path(folder, ("plugin_folders",)) for folder in self.settings.plugin_folders]
        found = discover(self.settings.enabled_plugins, folders)
        for absent in found:
            if isinstance(absent, Absent):
                self.hooks.refuse(absent)
        return plugins.in_load_order((each for each in found if isinstance(each, Found)), CORE_CONTRACTS)

    def _load(self) -> None:
        for found in self._found:
            options = self.settings.enabled_plugins[found.name]
            checked: Settings = config.section(self.loaded, found.declared.config, options, ("plugins", found.name))
            plugin = plugins.Loaded(found, checked)
            try:
                self.hooks.add(plugin)
                check_tables(found)
            except PluginFault as fault:
                self.hooks.loaded.setdefault(found.name, plugin)
                self.quarantine(found.name, str(fault))

    def _register(self) -> None:
        for each in self.hooks.each_with("register", lambda plugin: {"registry": Registry(self, plugin)}):
            try:
                with deadline(STARTUP_SECONDS, "register"):
                    each.run()
            except ConfigError:
                raise
            except Exception as error:  # whatever its code raises is its own fault, told by its name
                if is_hindered(error):
                    raise
                self.quarantine(each.plugin, f"register failed: {error}")

    def quarantine(self, name: str, reason: str) -> None:
        """Go on without a plugin. Raises StartError where it guards something or others need it."""
        self.hooks.quarantine(name, reason)
        self.db.models.pop(name, None)
        self.services.withdraw(name)
        self.contributions.withdraw(name)

    async def share_quarantine(self) -> None:
        """Every process leaves out what another one found at fault, those that run too."""
        if self.looks_anew or self.hooks.faults:
            async with self.db.transaction():
                await self._tell_faults()
            self.looks_anew = False  # what others tell from now on stays
        for row in await Quarantine.all():
            if row.plugin in self.hooks.loaded:
                self.quarantine(row.plugin, row.reason)

    async def _tell_faults(self) -> None:
        if self.looks_anew:
            await Quarantine.all().delete()
        for name, reason in self.hooks.faults.items():
            _, is_new = await Quarantine.update_or_create(defaults={"reason": reason}, plugin=name)
            if is_new:
                await self.changes.record(PluginQuarantined(name, reason))

    def register_only(self) -> None:
        """Learn what plugins contribute, with nothing made or opened: for the command line's list of commands."""
        self._provide_core(key=b"")  # it signs nothing
        self._load()
        self._register()

    # ---- life ----------------------------------------------------------------------------------------------

    async def __aenter__(self) -> Self:
        try:
            await self._open()
        except BaseException as error:
            await self._stack.aclose()
            tell_hindrance(error)
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.ready = False
        await self._stack.aclose()
        if error is not None:
            tell_hindrance(error)

    async def _open(self) -> None:
        prepare_folders(self)
        self._provide_core(load_key(self.data))
        self._load()
        await self._upgrade()
        self._stack.push_async_callback(self.db.close)
        await self.db.open()
        if self.role in MAKES_LIBRARY:
            folders.make(await self.unmade_folders())
        await self.wakeups.open()
        self._stack.push_async_callback(self.wakeups.close)
        for queue in self.queues.values():
            await queue.connect()
            self._stack.push_async_callback(queue.disconnect)
        self._stack.push_async_callback(self.jobs.messages.close)
        self._register()
        await self.share_quarantine()
        heard = await self.changes.last()
        await self._startup()
        self._stack.push_async_callback(self.hooks.notify, "shutdown", backwards=True, server=self)
        self._listen(heard)
        self.ready = True

    async def _upgrade(self) -> None:
        upgrade = Upgrade(self.db.url, self.db.file, self.db.models, log.info, copies=self.copies)
        await upgrade.run()
        for name, reason in upgrade.faults.items():
            self.quarantine(name, reason)

    def _provide_core(self, key: bytes) -> None:
        grants = SignedGrants(key, self.clock)
        library = LibraryService(self.library_settings, self.db, self.wakeups, self.data / "run")
        for contract, provider in (
            (contracts.Clock, self.clock),
            (contracts.Changes, self.changes),
            (contracts.Database, self.db),
            (contracts.Jobs, self.jobs),
            (contracts.KeyRing, FileKeys(self.data / ".secrets")),
            (contracts.Storage, self.storage),
            (contracts.Library, library),
            (contracts.Mail, self.mail),
            (contracts.MediaGrants, grants),
            (contracts.MediaTools, self.tools),
            (contracts.Wakeups, self.wakeups),
        ):
            self.services.provide(contract, provider, "core")

    async def _startup(self) -> None:
        for each in self.hooks.each("startup", server=self):
            try:
                with deadline(STARTUP_SECONDS + 1, "startup"):
                    async with asyncio.timeout(STARTUP_SECONDS):
                        await plugins.settle(each.run())
            except ConfigError:
                raise
            except Exception as error:  # whatever its code raises is its own fault, told by its name
                if is_hindered(error):
                    raise
                self.quarantine(each.plugin, f"startup failed: {type(error).__name__}: {error}")
                await self.share_quarantine()

    def _listen(self, heard: int) -> None:
        task = asyncio.create_task(self.follower.run(heard))

        async def end() -> None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

        self._stack.push_async_callback(end)

    async def unmade_folders(self) -> list[Path]:
        """Library folders that the first start makes."""
        default = self.loaded.path(Configuration().library.folders[0], ("library", "folders"))
        return await folders.unmade(self.db, self.library_settings, default)

    # ---- settings that several parts read --------------------------------------------------------------------

    def _library_settings(self) -> LibrarySettings:
        section = self.settings.library
        return LibrarySettings(
            folders=tuple(self.loaded.path(folder, ("library", "folders")) for folder in section.folders),
            upload_folder=self.loaded.path(section.upload_folder, ("library", "upload_folder")),
            settle_seconds=section.settle_seconds,
            rescan_minutes=section.rescan_minutes,
            watch=section.watch,
            follow_symlinks=section.follow_symlinks,
            missing_guard=section.missing_guard,
        )

    def _guests(self) -> Guests:
        """Judged by the config, not by what loaded: a named plugin that is broken counts as one that identifies."""
        identifies = any(hasattr(found.module, "identify") for found in self._found) or bool(self.hooks.faults)
        hosts = {host.lower() for host in self.settings.server.allowed_hosts}
        if self.settings.server.public_url and (host := urlsplit(self.settings.server.public_url).hostname):
            hosts.add(host)
        return Guests(self.settings.server.guest, self.proxies, accounts_named=identifies, hosts=frozenset(hosts))


CORE_CONTRACTS: tuple[Any, ...] = (
    contracts.Clock,
    contracts.Changes,
    contracts.Database,
    contracts.Jobs,
    contracts.KeyRing,
    contracts.Storage,
    contracts.Library,
    contracts.Mail,
    contracts.MediaGrants,
    contracts.MediaTools,
    contracts.Wakeups,
)


def tell_hindrance(error: BaseException) -> None:
    """Raises StartLater for what another start may find gone; for anything else nothing happens."""
    if is_hindered(error):
        advice = "Free some disk space, then start again." if is_full(error) else "Start again when it can."
        raise StartLater(f"The database cannot be used now: {error}. {advice}") from error


def prepare_folders(server: Server) -> None:
    """Make what is missing. Raises StartError where the disk or the rights do not allow it."""
    try:
        private_folder(server.data / "run")
        close_what_was_open(server.data)
        if server.db.is_sqlite:
            private_file(server.db.file)
        if not server.settings.redis:
            private_file(server.data / "broker.sqlite3")
        server.storage.prepare()
    except OSError as error:
        tell_hindrance(error)
        raise StartError(
            f"{error.filename} cannot be made ({error.strerror}); the data directory {server.data} must be writable."
        ) from error
    _check_rights(server)


def _check_rights(server: Server) -> None:
    """Whoever may read what another user's server keeps, or has it on a read-only disk, is told before SQLite tries."""
    paths = [server.data, server.data / "run"]
    if server.db.is_sqlite:
        paths += [server.db.file, server.db.file.with_suffix(".lock")]
    if not server.settings.redis:
        paths.append(server.data / "broker.sqlite3")
    for path in paths:
        if path.exists() and not os.access(path, os.W_OK):
            raise StartError(
                f"{path} may not be written by this user; run this as the user to whom it belongs, or give "
                f"{server.data} to this one."
            )
