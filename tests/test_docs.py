"""What can be used is documented, and what is documented works."""

from __future__ import annotations

import importlib
import inspect
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from pydantic import BaseModel

from mediaserver import contracts, errors, events
from mediaserver.cli import main
from mediaserver.core import hookspecs
from mediaserver.core.commands import plugin_commands
from mediaserver.core.config import load
from mediaserver.core.news import TOPICS
from mediaserver.core.plugins import HOOKS
from mediaserver.core.settings import Configuration

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from mediaserver.testing import RunningApp

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PLUGINS = sorted(path.parent.name for path in (ROOT / "plugins").glob("*/__init__.py"))


def text(name: str) -> str:
    return (DOCS / name).read_text()


def settings_of(kind: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, Any]]:
    made = kind()
    for name, info in kind.model_fields.items():
        key, value = f"{prefix}{info.alias or name}", getattr(made, name)
        if isinstance(value, BaseModel):
            yield from settings_of(type(value), f"{key}.")
        elif key != "plugins":
            yield key, value


@pytest.mark.parametrize("hook", sorted(HOOKS))
def test_every_hook_has_a_heading_and_its_exact_signature(hook: str) -> None:
    signature = str(inspect.signature(getattr(hookspecs, hook))).replace("'", "")
    assert f"## {hook}\n\n```text\n{hook}{signature}\n```\n" in text("hooks.md")


def test_no_hook_is_documented_that_does_not_exist() -> None:
    assert re.findall(r"^## (.+)$", text("hooks.md"), re.MULTILINE) == [n for n in vars(hookspecs) if n in HOOKS]


def test_every_setting_has_its_line_and_no_other() -> None:
    listed = set(re.findall(r"^\| `([\w.]+)` \|", text("settings.md"), re.MULTILINE))
    known = {key for key, _ in settings_of(Configuration)}
    for name in PLUGINS:
        declared = importlib.import_module(f"plugins.{name}").plugin
        known |= {f"plugins.{name}.{key}" for key, _ in settings_of(declared.config)}
    assert listed == known


def test_every_setting_has_a_meaning() -> None:
    for line in text("settings.md").splitlines():
        if line.startswith("| `"):
            assert re.fullmatch(r"\| `[^`]+` \| `[^`]+` \| .+ \|", line), line


def test_config_yaml_shows_every_setting_with_its_default() -> None:
    written = load(ROOT / "config.yaml", {})
    shown = written.settings.model_dump()
    assert shown | {"plugins": {}} == Configuration().model_dump()
    assert all(tuple(key.split(".")) in written.origins for key, _ in settings_of(Configuration))
    off = re.findall(r"^  # (\w+): (\{.*?\})", (ROOT / "config.yaml").read_text(), re.MULTILINE)
    shown["plugins"] |= {name: yaml.safe_load(options) for name, options in off}
    for name in PLUGINS:
        options = shown["plugins"][name]
        declared = importlib.import_module(f"plugins.{name}").plugin.config
        assert options == declared().model_dump()


def test_every_error_code_has_its_line() -> None:
    for kind in vars(errors).values():
        if inspect.isclass(kind) and issubclass(kind, errors.ServerError):
            assert re.search(
                rf"^\| `{kind.code}` \| {kind.status} \|.*`{kind.__name__}`", text("errors.md"), re.MULTILINE
            )
    for name in errors.__all__:
        assert f"`{name}`" in text("errors.md") or name == "MediaServerError"


@pytest.mark.parametrize("name", [name for name in events.__all__ if name != "Event"])
def test_every_event_has_its_line_with_fields_and_topic(name: str) -> None:
    kind = getattr(events, name)
    [line] = [line for line in text("events.md").splitlines() if line.startswith(f"| `{name}` | `{kind.kind}` |")]
    assert all(f"`{field}: " in line for field in inspect.signature(kind).parameters)
    assert line.endswith(f"| {TOPICS.get(kind.kind, '—')} |")


def test_every_command_has_its_line(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("plugins: {hls_transcoder: {}, catalog: {}, admin: {}, auth_email: {}}\n")
    own = {name for name, command in main.commands.items() if not command.hidden}
    listed = set(re.findall(r"^\| `mediaserver (\w+)", text("cli.md"), re.MULTILINE))
    assert listed == own | set(plugin_commands(load(tmp_path / "config.yaml", {})))


def test_every_contract_has_its_line() -> None:
    protocols = {
        name
        for name in contracts.__all__
        if getattr(getattr(contracts, name), "_is_protocol", False) and name not in {"RunningTool", "Subscription"}
    }
    table = text("plugins.md").partition("## Contracts")[2].partition("\n## ")[0]
    assert set(re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)) == protocols


async def test_every_route_stands_in_the_api_page(app_with: Callable[..., RunningApp]) -> None:
    running = await app_with(hls_transcoder={}, catalog={}, admin={}, auth_email={}).start()
    page = text("api.md")
    for route in running.server.routes:
        end = re.sub(r"<\w+(:[^>]+)?>", "{}", route.path).rpartition("/")[2]
        assert end == "{}" or f"/{end}" in page or f"…/{end}" in page, route.path


@pytest.mark.parametrize("name", PLUGINS)
def test_every_plugin_has_its_readme_and_tests(name: str) -> None:
    if not (ROOT / "plugins" / name / "README.md").is_file():
        pytest.xfail("its README is being written")
    assert list((ROOT / "tests" / "plugins" / name).glob("test_*.py"))


@pytest.mark.parametrize("page", [ROOT / "README.md", *sorted(DOCS.rglob("*.md"))], ids=lambda page: page.name)
def test_every_link_leads_somewhere(page: Path) -> None:
    for link in re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text()):
        assert "://" in link or (page.parent / link).exists(), link


# ---- examples --------------------------------------------------------------------------------------------------


def fences(path: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", path.read_text(), re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("page", [path for path in sorted(DOCS.glob("*.md")) if fences(path, "python")], ids=str)
def test_the_python_of_the_docs_runs(page: Path, tmp_path: Path) -> None:
    """Each block begins with the name of its file; the tests among them are run as their reader would."""
    for block in fences(page, "python"):
        name = re.match(r"# ([\w/.]+\.py)\n", block)
        assert name, f"a block of {page.name} does not begin with the name of its file"
        (tmp_path / name[1]).parent.mkdir(exist_ok=True)
        (tmp_path / name[1]).write_text(block)
    given = ["-q", "-o", "asyncio_mode=auto", "-p", "no:cacheprovider"]
    installed = subprocess.run(
        [sys.executable, "-m", "pytest", "--fixtures", "-q", tmp_path], capture_output=True, text=True
    )
    if "app_with" not in installed.stdout:
        given += ["-p", "mediaserver.testing"]
    command = [sys.executable, "-m", "pytest", *given, str(tmp_path)]
    env = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def examples() -> list[tuple[str, str, int, Any]]:
    found = []
    for block in fences(DOCS / "api.md", "http"):
        asked, told = block.split("\n\n", 1)
        method, path = asked.split()
        status, _, answer = told.partition("\n")
        found.append((method, path, int(status), json.loads(answer)))
    return found


@pytest.mark.parametrize(("method", "path", "status", "answer"), examples(), ids=lambda value: str(value)[:40])
async def test_the_examples_of_the_api_are_what_a_server_answers(
    app_with: Callable[..., RunningApp], method: str, path: str, status: int, answer: Any
) -> None:
    response = await app_with(hls_transcoder={}, catalog={}, admin={}).request(method, path)
    assert response.status_code == status
    told = response.json()
    assert told == {key: told.get(key) if value == "…" else value for key, value in answer.items()}
