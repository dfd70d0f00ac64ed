"""Read the settings: command line > environment > config.yaml > defaults. Every complaint names file, line and key."""

from __future__ import annotations

import difflib
import json
import os
import types
import typing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from mediaserver.core.settings import Configuration
from mediaserver.errors import ConfigError

PREFIX = "MEDIASERVER_"
SHORT_NAMES = {"DATABASE_URL": ("database",), "REDIS_URL": ("redis",), "MEDIASERVER_DATA": ("data",)}
NOT_SETTINGS = {"MEDIASERVER_LIFELINE", "MEDIASERVER_AWAITED", "MEDIASERVER_CONFIG"}
SECRET_WORDS = ("password", "secret", "token")
Key = tuple[str, ...]


@dataclass(frozen=True)
class Loaded:
    """The settings, where each value came from, and what the user should know but need not stop for."""

    settings: Configuration
    file: Path | None
    base: Path  # relative paths start here
    origins: dict[Key, str] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()

    def path(self, value: Path, key: Key) -> Path:
        """What the setting `key` names as a path. Raises ConfigError for what no file system can hold."""
        try:
            whole = (self.base / value.expanduser()).absolute()
            encoded = os.fsencode(whole)
        except RuntimeError as error:
            raise ConfigError(f"{self.where(key)}: {value}: there is no such user here.") from error
        except UnicodeEncodeError as error:
            raise ConfigError(f"{self.where(key)}: {str(value)!r} is no text that a path can hold.") from error
        if b"\0" in encoded:
            raise ConfigError(f"{self.where(key)}: {str(value)!r}: a path holds no zero byte.")
        return whole

    @property
    def data(self) -> Path:
        return self.path(self.settings.data, ("data",))

    def where(self, key: Key) -> str:
        """What a complaint about `key` begins with: "config.yaml:12: server.port"."""
        name = ".".join(key)
        for length in range(len(key), 0, -1):
            if origin := self.origins.get(key[:length]):
                return f"{origin}: {name}"
        return f"{self.file.name}: {name}" if self.file else name


def load(file: Path | None, env: typing.Mapping[str, str], overrides: typing.Mapping[Key, Any] | None = None) -> Loaded:
    """Raises ConfigError with one line per fault."""
    raw, origins = _read_yaml(file) if file else ({}, {})
    base = file.parent.absolute() if file else Path.cwd()
    warnings: list[str] = []
    for key, value, origin in _from_environment(env, raw, warnings):
        _put(raw, key, value, origin)
        origins[key] = origin
    for key, value in (overrides or {}).items():
        _put(raw, key, value, "command line")
        origins[key] = "command line"
    try:
        settings = Configuration.model_validate(raw)
    except ValidationError as error:
        draft = Loaded(Configuration(), file, base, origins)
        raise ConfigError("\n".join(explain(error, Configuration, draft))) from error
    return Loaded(settings, file, base, origins, tuple(warnings))


def section(loaded: Loaded, kind: type[BaseModel], raw: dict[str, Any], key: Key) -> Any:
    """One plugin's options as its own Config. Raises ConfigError."""
    try:
        return kind.model_validate(raw)
    except ValidationError as error:
        raise ConfigError("\n".join(explain(error, kind, loaded, key))) from error


def explain(error: ValidationError, kind: type[BaseModel], loaded: Loaded, prefix: Key = ()) -> list[str]:
    """One sentence per fault: where, what is wrong, and the nearest key that exists."""
    problems: dict[str, list[str]] = {}
    ends: dict[str, str] = {}
    for fault in error.errors(include_url=False):
        inner = tuple(str(part) for part in fault["loc"])
        where = loaded.where(prefix + _declared(inner, kind, fault["type"]))
        if fault["type"] == "extra_forbidden":
            known = _keys_at(kind, inner[:-1])
            problems[where] = [f"unknown key{_nearest(inner[-1], known)}"]
        else:
            problems.setdefault(where, []).append(_plain(fault["msg"]))
            ends[where] = "" if _is_confidential(inner, fault) else f", not {fault['input']!r}"
    return [f"{where}: {_joined(texts)}{ends.get(where, '')}" for where, texts in problems.items()]


def _is_confidential(location: Key, fault: typing.Mapping[str, Any]) -> bool:
    """A complaint about a whole section does not show it either: it may hold a password."""
    whole = fault["type"] == "value_error" and isinstance(fault["input"], dict)
    return whole or any(is_secret(part) for part in location)


def is_secret(name: str) -> bool:
    return any(word in name for word in SECRET_WORDS) and not name.endswith("_path")


def _plain(message: str) -> str:
    text = message.removeprefix("Value error, ").removeprefix("Input should be ").removeprefix("Input ")
    return f"should be {text}" if message.startswith("Input should be ") else text


def _joined(texts: list[str]) -> str:
    """What the members of a union want, as one: should be 'auto' or a number."""
    first, *others = dict.fromkeys(texts)
    return " or ".join([first, *(text.removeprefix("should be ") for text in others)])


def _declared(location: Key, kind: type[BaseModel], fault: str) -> Key:
    """The location without what pydantic adds for members of a union."""
    if fault == "extra_forbidden":
        return location
    model: type[BaseModel] = kind
    kept: list[str] = []
    for part in location:
        names = {_alias(name, info): info for name, info in model.model_fields.items()}
        if part not in names:
            break
        kept.append(part)
        annotation = names[part].annotation
        inner = _model_in(annotation)
        if inner is None:
            if typing.get_origin(annotation) is dict:
                kept.extend(location[len(kept) :][:1])
            break
        model = inner
    return tuple(kept) or location


def _keys_at(kind: type[BaseModel], location: Key) -> list[str]:
    model: type[BaseModel] | None = kind
    for part in location:
        if model is None:
            return []
        fields = {_alias(name, info): info for name, info in model.model_fields.items()}
        model = _model_in(fields[part].annotation) if part in fields else None
    return [_alias(name, info) for name, info in model.model_fields.items()] if model else []


def _alias(name: str, info: Any) -> str:
    return info.alias or name


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        return next((found for arg in typing.get_args(annotation) if (found := _model_in(arg))), None)
    return None


def _nearest(word: str, known: list[str]) -> str:
    close = difflib.get_close_matches(word, known, n=1, cutoff=0.5)
    if close:
        return f"; did you mean {close[0]}?"
    return f"; expected one of {', '.join(sorted(known))}" if known else ""


# ---- config.yaml -------------------------------------------------------------------------------------------


def _read_yaml(file: Path) -> tuple[dict[str, Any], dict[Key, str]]:
    try:
        text = file.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ConfigError(f"{file}: there is no such file. Run without --config to have one written.") from None
    except OSError as error:
        raise ConfigError(f"{file}: cannot be read ({error.strerror}).") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{file}: is not UTF-8 text.") from error
    try:
        return _parsed(text, file.name)
    except yaml.YAMLError as error:
        raise ConfigError(_not_yaml(file.name, error)) from error
    except RecursionError as error:
        raise ConfigError(f"{file.name}: is nested too deeply, or holds itself.") from error
    except (ValueError, AttributeError, LookupError) as error:  # PyYAML's own, of a 13th month or an empty number
        raise ConfigError(f"{file.name}: holds a value that YAML does not know ({error}); put it in quotes.") from error


def _parsed(text: str, name: str) -> tuple[dict[str, Any], dict[Key, str]]:
    loader = yaml.SafeLoader(text)
    node = loader.get_single_node()
    if node is None:
        return {}, {}
    if not isinstance(node, yaml.MappingNode):
        raise ConfigError(f"{name}:1: should hold keys such as `server:`, not a list or a word.")
    lines: dict[Key, str] = {}
    _note_lines(node, (), name, lines)
    return loader.construct_document(node), lines


def _not_yaml(name: str, error: yaml.YAMLError) -> str:
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark:
        return f"{name}:{error.problem_mark.line + 1}: is not YAML ({error.problem})."
    return f"{name}: is not YAML ({' '.join(str(error).split())})."


def _note_lines(node: yaml.MappingNode, prefix: Key, name: str, lines: dict[Key, str]) -> None:
    for key_node, value_node in node.value:
        key = (*prefix, str(key_node.value))
        where = f"{name}:{key_node.start_mark.line + 1}"
        if key in lines:
            raise ConfigError(f"{where}: {'.'.join(key)}: stands here a second time, first at {lines[key]}.")
        lines[key] = where
        if isinstance(value_node, yaml.MappingNode):
            _note_lines(value_node, key, name, lines)


# ---- environment -------------------------------------------------------------------------------------------


def _from_environment(
    env: typing.Mapping[str, str], raw: dict[str, Any], warnings: list[str]
) -> list[tuple[Key, Any, str]]:
    found = []
    for name in sorted(env):
        key = _environment_key(name)
        if key is None:
            continue
        value = env[name]
        if name.endswith("_FILE") and name not in SHORT_NAMES:
            value = _secret(name, value)
        if key[0] == "plugins" and not _is_on(raw, key):
            warnings.append(f"{name} is set, but the plugin {key[1]} is not switched on in config.yaml.")
            continue
        found.append((key, _parse(value, key, name), f"environment {name}"))
    return found


def _environment_key(name: str) -> Key | None:
    bare = name.removesuffix("_FILE")
    if name in NOT_SETTINGS:
        return None
    if bare in SHORT_NAMES:
        return SHORT_NAMES[bare]
    if not bare.startswith(PREFIX):
        return None
    key = tuple(bare[len(PREFIX) :].lower().split("__"))
    if key[0] not in Configuration.model_fields:
        raise ConfigError(f"environment {name}: unknown setting{_nearest(key[0], list(Configuration.model_fields))}")
    return key


def _is_on(raw: dict[str, Any], key: Key) -> bool:
    plugins = raw.get("plugins") or {}
    return len(key) > 1 and key[1] in plugins and plugins[key[1]] is not False


def _secret(name: str, path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"environment {name}: the file {path} cannot be read ({error}).") from error


def _parse(value: str, key: Key, name: str) -> Any:
    """Lists as JSON or commas, null as "null", text as it stands; pydantic reads the rest from text."""
    declared = _annotation(key)
    is_list = typing.get_origin(declared) is list
    if value in ("null", ""):
        return [] if is_list else None
    if value[:1] in "[{" and declared not in (str, str | None):
        try:
            return json.loads(value)
        except json.JSONDecodeError as error:
            raise ConfigError(f"environment {name}: is not JSON ({error.msg}).") from error
    if is_list:
        return [part.strip() for part in value.split(",") if part.strip()]
    return value


def _annotation(key: Key) -> Any:
    """The declared type of a setting; None for one that core does not declare."""
    annotation: Any = Configuration
    for part in key:
        model = _model_in(annotation)
        fields = {_alias(name, info): info for name, info in model.model_fields.items()} if model else {}
        annotation = fields[part].annotation if part in fields else None
    return annotation


def _put(raw: dict[str, Any], key: Key, value: Any, origin: str) -> None:
    spot = raw
    for part in key[:-1]:
        inner = spot.get(part)
        if inner is None:
            inner = spot[part] = {}
        if not isinstance(inner, dict):
            raise ConfigError(f"{origin}: {'.'.join(key)}: {part} holds no keys of its own.")
        spot = inner
    spot[key[-1]] = value
