"""Order, check and call plugins; what fails in one of them costs it alone."""

from __future__ import annotations

import asyncio
import difflib
import graphlib
import inspect
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pluggy
import structlog

from mediaserver.core import hookspecs
from mediaserver.core.discovery import Absent, Found, PluginFault
from mediaserver.errors import StartError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from mediaserver.core.settings import Settings

log = structlog.get_logger()
MARK = f"{hookspecs.PROJECT}_impl"
HOOKS = {name for name, value in vars(hookspecs).items() if hasattr(value, f"{hookspecs.PROJECT}_spec")}
REFUSAL_SECONDS = 1.0


@dataclass
class Loaded:
    """A plugin that takes part. `timings` holds calls and seconds per hook."""

    found: Found
    config: Settings
    timings: dict[str, tuple[int, float]] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return self.found.name


@dataclass(frozen=True)
class Implementation:
    plugin: str
    run: Callable[[], Any]


def in_load_order(found: Iterable[Found], core: Iterable[type]) -> list[Found]:
    """Providers before those who need them, else as in config.yaml. Raises StartError for what cannot be ordered."""
    plugins = {plugin.name: plugin for plugin in found}
    providers: dict[type, str] = {}
    for plugin in plugins.values():
        for contract in plugin.declared.provides:
            if contract in providers:
                first = providers[contract]
                raise StartError(f"{contract.__name__} is provided by {first} and by {plugin.name}; switch one off.")
            providers[contract] = plugin.name
    sorter = _sorter(plugins, providers, frozenset(core))
    ordered: list[Found] = []
    rank = {name: number for number, name in enumerate(plugins)}
    while sorter.is_active():
        for name in sorted(sorter.get_ready(), key=rank.__getitem__):
            ordered.append(plugins[name])
            sorter.done(name)
    return ordered


def _sorter(
    plugins: dict[str, Found], providers: dict[type, str], core: frozenset[type]
) -> graphlib.TopologicalSorter[str]:
    """Optional contracts count for the order only where they form no circle."""
    needs = {plugin.name: _needs(plugin, providers, core) for plugin in plugins.values()}
    likes = {
        plugin.name: [providers[contract] for contract in plugin.declared.optional if contract in providers]
        for plugin in plugins.values()
    }
    for graph in ({name: [*needs[name], *likes[name]] for name in plugins}, needs):
        sorter = graphlib.TopologicalSorter(graph)
        try:
            sorter.prepare()
        except graphlib.CycleError as error:
            circle = error.args[1]
        else:
            return sorter
    raise StartError(f"Plugins need each other in a circle: {' → '.join(circle)}.")


def _needs(plugin: Found, providers: dict[type, str], core: frozenset[type]) -> list[str]:
    declared = plugin.declared
    for contract in declared.requires:
        if contract not in providers and contract not in core:
            raise StartError(
                f"plugins.{plugin.name} needs {contract.__name__}, which no plugin that works provides; "
                "switch one on in config.yaml."
            )
    return [providers[contract] for contract in declared.requires if contract in providers]


def check_hooks(found: Found) -> None:
    """Raises PluginFault for a hook that does not exist, asks for an argument there is not, or wraps others."""
    for name, function in vars(found.module).items():
        marked = getattr(function, MARK, None)
        if marked is None:
            continue
        if name not in HOOKS:
            close = difflib.get_close_matches(name, HOOKS, n=1)
            raise PluginFault(f"there is no hook {name}" + (f"; did you mean {close[0]}?" if close else ""))
        if marked.get("hookwrapper") or marked.get("wrapper"):
            raise PluginFault(f"{name} is a wrapper, which this server does not call")
        offered = set(inspect.signature(getattr(hookspecs, name)).parameters)
        wanted = {key for key, value in inspect.signature(function).parameters.items() if value.default is value.empty}
        if wanted - offered:
            raise PluginFault(f"{name} asks for {', '.join(sorted(wanted - offered))}; there is {', '.join(offered)}")


def guards(found: Found) -> bool:
    return any(hasattr(getattr(found.module, name, None), MARK) for name in hookspecs.GUARDING)


class PluginHost:
    """The plugins of one server. Hooks are called in load order; a coroutine is awaited before the next one starts."""

    def __init__(self) -> None:
        self._manager = pluggy.PluginManager(hookspecs.PROJECT)
        self._manager.add_hookspecs(hookspecs)
        self.loaded: dict[str, Loaded] = {}
        self.faults: dict[str, str] = {}
        self._calls: dict[str, list[tuple[Loaded, Any]]] = {}  # by hook, in load order; made when first called

    def add(self, plugin: Loaded) -> None:
        """Raises PluginFault where its hooks cannot be called."""
        check_hooks(plugin.found)
        try:
            self._manager.register(plugin.found.module, plugin.name)
        except (pluggy.PluginValidationError, ValueError) as error:
            raise PluginFault(str(error).replace("\n", " ")) from error
        self.loaded[plugin.name] = plugin
        self._calls.clear()

    def refuse(self, absent: Absent) -> None:
        """A plugin that could not be imported. Raises StartError where it meant to guard something."""
        if absent.guards:
            raise StartError(f"The plugin {absent.name} guards this server and is broken: {absent.reason}.")
        self._note(absent.name, absent.reason)

    def quarantine(self, name: str, reason: str) -> None:
        """Go on without a plugin. Raises StartError where others need it or it guards something."""
        plugin = self.loaded.get(name)
        if plugin is None:
            return
        if guards(plugin.found):
            raise StartError(f"The plugin {name} guards this server and is broken: {reason}.")
        offered = set(plugin.found.declared.provides)
        needing = [other.name for other in self.loaded.values() if offered & set(other.found.declared.requires)]
        if needing:
            raise StartError(f"The plugin {name} is broken, and {', '.join(needing)} cannot do without it: {reason}.")
        if self._manager.has_plugin(name):
            self._manager.unregister(name=name)
        del self.loaded[name]
        self._calls.clear()
        self._note(name, reason)

    def _note(self, name: str, reason: str) -> None:
        self.faults[name] = reason
        log.error(f"plugin {name} is left out: {reason}")

    async def gather(self, hook: str, **kwargs: Any) -> list[Any]:
        """Every answer, in order; the first exception ends the call."""
        answers = [await self._ask(plugin, impl, hook, kwargs) for plugin, impl in self._called(hook)]
        return [answer for answer in answers if answer is not None]

    async def first(self, hook: str, **kwargs: Any) -> Any:
        """The first answer, or None; nobody after it is asked."""
        for plugin, impl in self._called(hook):
            answer = await self._ask(plugin, impl, hook, kwargs)
            if answer is not None:
                return answer
        return None

    async def notify(self, hook: str, *, backwards: bool = False, seconds: float | None = None, **kwargs: Any) -> None:
        """Tell every plugin; log what fails or takes longer than `seconds`, and carry on."""
        called = list(self._called(hook))
        for plugin, impl in reversed(called) if backwards else called:
            try:
                if seconds is None:
                    await self._ask(plugin, impl, hook, kwargs)
                else:
                    async with asyncio.timeout(seconds):
                        await self._ask(plugin, impl, hook, kwargs)
            except Exception:
                log.exception("a plugin failed", plugin=plugin.name, hook=hook)

    async def refusal(self, hook: str, **kwargs: Any) -> Any:
        """The first refusal; a plugin that fails, or has no answer within a second, refuses by that."""
        from mediaserver.contracts import Refusal

        for plugin, impl in self._called(hook):
            try:
                async with asyncio.timeout(REFUSAL_SECONDS):
                    answer = await self._ask(plugin, impl, hook, kwargs)
            except Exception:
                log.exception("a guard failed, which refuses", plugin=plugin.name, hook=hook)
                return Refusal("This cannot be checked right now; try again later.")
            if answer is not None:
                return answer
        return None

    def has(self, hook: str) -> bool:
        return bool(self._called(hook))

    def each(self, hook: str, **kwargs: Any) -> list[Implementation]:
        return list(self._implementations(hook, kwargs))

    def each_with(self, hook: str, arguments: Callable[[Loaded], dict[str, Any]]) -> Iterator[Implementation]:
        """Implementations of a hook that is called with something of each plugin's own."""
        for plugin in list(self.loaded.values()):
            for each in self._implementations(hook, arguments(plugin)):
                if each.plugin == plugin.name:
                    yield each

    def _called(self, hook: str) -> list[tuple[Loaded, Any]]:
        """Who implements a hook; kept, because some are called several times per request."""
        called = self._calls.get(hook)
        if called is None:
            found = {each.plugin_name: each for each in getattr(self._manager.hook, hook).get_hookimpls()}
            called = [(plugin, found[name]) for name, plugin in self.loaded.items() if name in found]
            self._calls[hook] = called
        return called

    async def _ask(self, plugin: Loaded, impl: pluggy.HookImpl, hook: str, kwargs: dict[str, Any]) -> Any:
        """Some hooks are asked several times per request: nothing is made here that a call can do without."""
        started = time.perf_counter()
        try:
            answer = impl.function(*[kwargs[argument] for argument in impl.argnames])
            return answer if answer is None else await settle(answer)
        finally:
            self._count(plugin, hook, started)

    def _implementations(self, hook: str, kwargs: dict[str, Any]) -> Iterator[Implementation]:
        for plugin, impl in self._called(hook):
            args = [kwargs[argument] for argument in impl.argnames]
            yield Implementation(plugin.name, self._timed(plugin, hook, impl.function, args))

    def _timed(self, plugin: Loaded, hook: str, function: Callable[..., Any], args: list[Any]) -> Callable[[], Any]:
        def run() -> Any:
            started = time.perf_counter()
            answer = function(*args)
            if not inspect.isawaitable(answer):
                self._count(plugin, hook, started)
                return answer

            async def finish() -> Any:
                try:
                    return await answer
                finally:
                    self._count(plugin, hook, started)

            return finish()

        return run

    @staticmethod
    def _count(plugin: Loaded, hook: str, started: float) -> None:
        calls, seconds = plugin.timings.get(hook, (0, 0.0))
        plugin.timings[hook] = (calls + 1, seconds + time.perf_counter() - started)


async def settle(answer: Any) -> Any:
    return await answer if inspect.isawaitable(answer) else answer
