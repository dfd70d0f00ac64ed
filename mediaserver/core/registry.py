"""What one plugin contributes in every role: services, jobs, timers, letters, commands and health checks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from mediaserver.core.services import PluginServices
from mediaserver.errors import StartError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    import click

    from mediaserver.contracts import Letter
    from mediaserver.core.plugins import Loaded
    from mediaserver.core.server import Server
    from mediaserver.core.worker import RunningJob

T = TypeVar("T")


@dataclass(frozen=True)
class JobKind:
    """How a kind of job is run.

    `queue` is interactive, background or mail. A `shared` job is run by any number of workers at once, which divide
    it among themselves; one that is not `kept` leaves no row behind when it is done.
    """

    name: str
    plugin: str
    handler: Callable[[RunningJob], Awaitable[None]]
    queue: str = "background"
    attempts: int = 3
    shared: bool = False
    kept: bool = True


@dataclass(frozen=True)
class Timer:
    """Something done every `seconds` in one worker of the installation."""

    name: str
    plugin: str
    seconds: float
    run: Callable[[], Awaitable[None]]


@dataclass(frozen=True)
class LetterKind:
    """`compose` is given whom a letter goes to and what it is about; None: there is nothing to write any more."""

    template: str
    plugin: str
    compose: Callable[[str, str], Awaitable[Letter | None]]


@dataclass(frozen=True)
class HealthCheck:
    """`run` answers None where all is well, else one sentence with the remedy."""

    name: str
    plugin: str
    run: Callable[[], Awaitable[str | None]]


class Contributions:
    """All that plugins contributed."""

    def __init__(self) -> None:
        self.jobs: dict[str, JobKind] = {}
        self.timers: dict[str, Timer] = {}
        self.letters: dict[str, LetterKind] = {}
        self.commands: dict[str, tuple[str, click.Command]] = {}
        self.checks: dict[str, HealthCheck] = {}

    def withdraw(self, plugin: str) -> None:
        self.jobs = {key: value for key, value in self.jobs.items() if value.plugin != plugin}
        self.timers = {key: value for key, value in self.timers.items() if value.plugin != plugin}
        self.letters = {key: value for key, value in self.letters.items() if value.plugin != plugin}
        self.checks = {key: value for key, value in self.checks.items() if value.plugin != plugin}
        self.commands = {key: value for key, value in self.commands.items() if value[0] != plugin}


class Registry:
    """Handed to a plugin's `register`; `config` is its own section, already checked."""

    def __init__(self, server: Server, plugin: Loaded) -> None:
        declared = plugin.found.declared
        self.server = server
        self.plugin = plugin.name
        self.config: Any = plugin.config
        self.services = PluginServices(server.services, plugin.name, declared.requires, declared.optional)
        self._declared = declared
        self._contributions = server.contributions

    def provide(self, contract: type[T], provider: T) -> None:
        """Raises StartError for a contract that the plugin does not name in `provides`."""
        if contract not in self._declared.provides:
            raise StartError(f"{self.plugin} provides {contract.__name__} but does not name it in `provides`.")
        self.server.services.provide(contract, provider, self.plugin)

    def job(
        self,
        kind: str,
        handler: Callable[[RunningJob], Awaitable[None]],
        *,
        queue: str = "background",
        attempts: int = 3,
        shared: bool = False,
        kept: bool = True,
    ) -> None:
        self._once(self._contributions.jobs, kind, "job")
        self._contributions.jobs[kind] = JobKind(kind, self.plugin, handler, queue, attempts, shared, kept)

    def timer(self, name: str, seconds: float, run: Callable[[], Awaitable[None]]) -> None:
        self._once(self._contributions.timers, name, "timer")
        self._contributions.timers[name] = Timer(name, self.plugin, seconds, run)

    def mail(self, template: str, compose: Callable[[str, str], Awaitable[Letter | None]]) -> None:
        """Write the letters of `template`: `compose(to, about)` is called in a worker, at each attempt to send one.

        A token is made there; one that an earlier attempt made must stay good, for that letter may have arrived.
        """
        self._once(self._contributions.letters, template, "letter")
        self._contributions.letters[template] = LetterKind(template, self.plugin, compose)

    def command(self, command: click.Command) -> None:
        """A command of `mediaserver`, or a group of them: coroutine functions that are given the open Server first."""
        name = command.name or ""
        self._once(self._contributions.commands, name, "command")
        self._contributions.commands[name] = (self.plugin, command)

    def check(self, name: str, run: Callable[[], Awaitable[str | None]]) -> None:
        self._once(self._contributions.checks, name, "check")
        self._contributions.checks[name] = HealthCheck(name, self.plugin, run)

    def _once(self, taken: dict[str, Any], name: str, what: str) -> None:
        if name in taken:
            raise StartError(f"{self.plugin} brings the {what} {name}, which is there already.")


__all__ = ["Contributions", "HealthCheck", "JobKind", "LetterKind", "Registry", "Timer"]
