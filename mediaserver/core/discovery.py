"""Find and import the plugins that config.yaml switches on, each fault confined to its plugin."""

from __future__ import annotations

import ast
import difflib
import importlib
import importlib.util
import pkgutil
import re
import signal
import sys
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mediaserver import API_VERSION
from mediaserver.core.hookspecs import GUARDING
from mediaserver.core.settings import Settings
from mediaserver.errors import MediaServerError, StartError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from types import ModuleType

BUILT_IN = Path(__file__).parents[1] / "builtin"  # in the wheel; in a checkout they stand beside the package
CHECKOUT = Path(__file__).parents[2] / "plugins"
ENTRY_POINTS = "mediaserver"
IMPORT_SECONDS = 10  # a plugin that takes longer to import or to register hangs
SOURCE_OF_GUARDS = re.compile(rf"def\s+({'|'.join(sorted(GUARDING))})\b")


class PluginFault(MediaServerError):
    """A fault inside one plugin; the text is one sentence."""


@dataclass(frozen=True)
class Plugin:
    """What a plugin says of itself, once, as `plugin = Plugin(...)`.

    `models` is the module of its tables relative to the plugin (".models"); `requires`, `optional` and `provides`
    name contracts.
    """

    api: str
    config: type[Settings] = Settings
    models: str | None = None
    requires: tuple[type, ...] = ()
    optional: tuple[type, ...] = ()
    provides: tuple[type, ...] = ()


@dataclass(frozen=True)
class Found:
    """A plugin that imports. `source` tells where it came from."""

    name: str
    module: ModuleType
    declared: Plugin
    source: str

    @property
    def models(self) -> str | None:
        return f"{self.module.__name__}{self.declared.models}" if self.declared.models else None


@dataclass(frozen=True)
class Absent:
    """A plugin that does not; `guards` where its source implements a hook that guards something."""

    name: str
    reason: str
    guards: bool


def discover(names: Iterable[str], folders: Iterable[Path]) -> list[Found | Absent]:
    """In the order of `names`. Raises StartError for a name that nothing answers to."""
    return [_load(name, list(folders)) for name in names]


def _load(name: str, folders: list[Path]) -> Found | Absent:
    source: Path | None = None
    try:
        if path := _in_folders(name, [*folders, CHECKOUT, BUILT_IN]):
            source = path
            module = _import_path(name, path)
            where = str(path)
        elif entry := next(iter(entry_points(group=ENTRY_POINTS, name=name)), None):
            found = importlib.util.find_spec(entry.module)
            source = Path(found.origin) if found and found.origin else None
            with deadline(IMPORT_SECONDS, "its import"):
                module = importlib.import_module(entry.module)
            where = f"package {entry.dist.name if entry.dist else entry.module}"
        else:
            raise StartError(_unknown(name, folders))  # noqa: TRY301 - the end of the search
        return Found(name, module, _declaration(module), where)
    except StartError:
        raise
    except PluginFault as fault:
        return Absent(name, str(fault), _guards(source))
    except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever its code raises is its own fault
        return Absent(name, f"its import failed: {type(error).__name__}: {error}", _guards(source))


def _in_folders(name: str, folders: list[Path]) -> Path | None:
    if not name.isidentifier():
        return None
    for folder in folders:
        for path in (folder / name / "__init__.py", folder / f"{name}.py"):
            if path.is_file():
                return path.resolve()
    return None


def _import_path(name: str, path: Path) -> ModuleType:
    """Built-ins under their real module name, others under one of ours, so that no two ever collide."""
    for folder, package in ((CHECKOUT, "plugins"), (BUILT_IN, "mediaserver.builtin")):
        if (
            folder.is_dir()
            and path.is_relative_to(folder.resolve())
            and (folder.parent / "mediaserver").is_dir() | (folder == BUILT_IN)
        ):
            with deadline(IMPORT_SECONDS, "its import"):
                return importlib.import_module(f"{package}.{name}")
    return _import_foreign(f"mediaserver_plugin_{name}", path)


def _import_foreign(name: str, path: Path) -> ModuleType:
    known = sys.modules.get(name)
    if known is not None and known.__file__ == str(path):
        return known
    inner = [str(path.parent)] if path.name == "__init__.py" else None
    spec = importlib.util.spec_from_file_location(name, path, submodule_search_locations=inner)
    if spec is None or spec.loader is None:
        raise PluginFault(f"{path} cannot be imported")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        with deadline(IMPORT_SECONDS, "its import"):
            spec.loader.exec_module(module)
    except BaseException:
        sys.modules.pop(name, None)
        raise
    return module


def check_tables(found: Found) -> None:
    """Raises PluginFault for models or migrations that cannot be imported; Tortoise would blame everybody."""
    if found.models is None:
        return
    package = f"{found.models.rpartition('.')[0]}.migrations"
    try:
        with deadline(IMPORT_SECONDS, "the import of its tables"):
            importlib.import_module(found.models)
            for step in pkgutil.iter_modules(importlib.import_module(package).__path__):
                importlib.import_module(f"{package}.{step.name}")
    except PluginFault:
        raise
    except (Exception, SystemExit) as error:
        raise PluginFault(f"its tables cannot be imported: {type(error).__name__}: {error}") from error


def _declaration(module: ModuleType) -> Plugin:
    declared = getattr(module, "plugin", None)
    if not isinstance(declared, Plugin):
        raise PluginFault('it has no line `plugin = Plugin(api="1")`')
    if declared.api != API_VERSION:
        raise PluginFault(f"it is written for plugin API {declared.api}, this server speaks {API_VERSION}")
    return declared


def _unknown(name: str, folders: list[Path]) -> str:
    known = {
        path.stem if path.is_file() else path.name
        for folder in [*folders, CHECKOUT, BUILT_IN]
        for path in _listed(folder)
    }
    known |= {entry.name for entry in entry_points(group=ENTRY_POINTS)}
    close = difflib.get_close_matches(name, known, n=1)
    looked = ", ".join(str(folder) for folder in folders)
    return f"plugins.{name}: there is no such plugin in {looked} or installed" + (
        f"; did you mean {close[0]}?" if close else "."
    )


def _listed(folder: Path) -> Iterator[Path]:
    for path in folder.glob("*") if folder.is_dir() else ():
        if (path / "__init__.py").is_file() or (path.suffix == ".py" and path.stem != "__init__"):
            yield path


def _guards(source: Path | None) -> bool:
    """Whether a plugin that cannot be imported meant to guard something; where nobody can tell, it did."""
    if source is None:
        return True
    try:
        text = source.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return True
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError):
        return SOURCE_OF_GUARDS.search(text) is not None
    return any(
        isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name in GUARDING for node in ast.walk(tree)
    )


@contextmanager
def deadline(seconds: int, what: str) -> Iterator[None]:
    """Ends code that blocks the main thread. Raises PluginFault; in other threads it has no power."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def ring(_number: int, _frame: Any) -> None:
        raise PluginFault(f"{what} took more than {seconds} s")

    started = time.monotonic()
    before = signal.signal(signal.SIGALRM, ring)
    left, _ = signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        if left:  # somebody else's alarm, such as the one of pytest-timeout, goes on
            signal.setitimer(signal.ITIMER_REAL, max(0.001, left - (time.monotonic() - started)))
