"""What surrounds the program: locks, Makefile, container, decision records."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[1]
LOCKS = sorted(ROOT.glob("requirements*.lock"))
HOST = re.compile(r"\b(?:https?|file)://|--(?:index-url|extra-index-url|find-links|trusted-host)")
REGISTRY_HOST = re.compile(
    r"//[\w.-]*(?:pypi|pythonhosted|npmjs|npmmirror|artifactory|nexus|jfrog|devpi)", re.IGNORECASE
)
REQUIREMENT = re.compile(r"^([a-z0-9][a-z0-9._-]*)==(\S+)", re.MULTILINE)
TARGETS = {"run", "test", "quick", "lint", "types", "docs", "bench", "soak", "clean"}


def tracked() -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=False)
    if listed.returncode:
        pytest.skip("this is not a git checkout")
    return [path for name in listed.stdout.decode().split("\0") if name and (path := ROOT / name).is_file()]


def locked(name: str) -> dict[str, str]:
    return dict(REQUIREMENT.findall((ROOT / name).read_text()))


def normal(requirement: str) -> str:
    name = re.split(r"[\[<>=~!; ]", requirement, maxsplit=1)[0]
    return re.sub(r"[-_.]+", "-", name).lower()


def test_every_lock_is_there() -> None:
    parts = ("-build", "-dev", "-ffmpeg", "-web", "")
    assert [lock.name for lock in LOCKS] == [f"requirements{part}.lock" for part in parts]


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_every_locked_requirement_has_its_hashes_and_no_host(lock: Path) -> None:
    text = lock.read_text()
    requirements = re.split(r"\n(?=\S)", "\n".join(line for line in text.splitlines() if not line.startswith("#")))
    assert requirements
    for requirement in requirements:
        assert REQUIREMENT.match(requirement), requirement
        assert "--hash=sha256:" in requirement, requirement
    assert not HOST.search(text)


def test_the_locks_hold_all_that_pyproject_asks_for() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    run, dev = locked("requirements.lock"), locked("requirements-dev.lock")
    extras = project["optional-dependencies"]
    assert {normal(one) for one in project["dependencies"]} <= set(run)
    assert {normal(one) for one in extras["dev"]} <= set(dev)
    assert {normal(one) for one in extras["ffmpeg"]} <= set(locked("requirements-ffmpeg.lock"))


def test_tests_run_with_the_versions_that_are_shipped() -> None:
    run, dev = locked("requirements.lock"), locked("requirements-dev.lock")
    assert run.items() <= dev.items()


def test_no_tracked_file_names_the_host_of_a_registry() -> None:
    for path in tracked():
        if path != Path(__file__):
            assert not REGISTRY_HOST.search(path.read_bytes().decode(errors="replace")), path


def test_make_says_what_it_can_do() -> None:
    said = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert {line.split()[1] for line in said.splitlines()} >= TARGETS
    assert subprocess.run(["make"], cwd=ROOT, capture_output=True, text=True, check=True).stdout == said


def test_the_readme_names_only_what_make_can_do() -> None:
    readme = (ROOT / "README.md").read_text()
    makefile = (ROOT / "Makefile").read_text()
    targets = set(re.findall(r"^([a-z]+):", makefile, re.MULTILINE))
    assert set(re.findall(r"(?:`|^|\$ )make ([a-z]+)", readme, re.MULTILINE)) <= targets


def test_make_run_passes_port_and_config_on() -> None:
    command = ["make", "--dry-run", "--assume-old=.venv/.run", "run", "PORT=9000", "CONFIG=my config.yaml"]
    said = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert 'mediaserver --config "my config.yaml" run --port "9000"' in said


def test_a_newer_release_of_what_is_locked_changes_nothing() -> None:
    """Without --no-deps older pips look for releases of extras that a lock does not name, and refuse what they find."""
    installs = re.findall(r"pip .*--require-hashes.*", (ROOT / "Dockerfile").read_text())
    command = ["make", "--dry-run", "--always-make", ".venv/.dev"]
    said = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    installs += re.findall(r"pip .*--require-hashes.*", said)
    assert len(installs) >= len(LOCKS)
    assert [install for install in installs if "--no-deps" not in install] == []


def test_make_passes_over_a_python_that_does_not_run(tmp_path: Path) -> None:
    shim = tmp_path / "python3"
    shim.write_text("#!/bin/sh\necho 'pyenv: python3: command not found' >&2\nexit 127\n")
    shim.chmod(0o755)
    works = tmp_path / "python3.13"
    works.write_text("#!/bin/sh\nexit 0\n")
    works.chmod(0o755)
    command = ["make", "--dry-run", "--always-make", ".venv/.made"]
    path = {"PATH": f"{tmp_path}:/usr/bin:/bin"}
    said = subprocess.run(command, cwd=ROOT, env=path, capture_output=True, text=True, check=True).stdout
    assert f'"{works}" -m venv' in said


def test_ci_needs_nothing_but_make() -> None:
    script = ROOT / ".ci" / "run"
    assert script.stat().st_mode & 0o111
    assert subprocess.run(["bash", "-n", str(script)], check=False).returncode == 0


def test_one_container_brings_everything() -> None:
    text = (ROOT / "Dockerfile").read_text()
    lines = [line.strip() for line in text.splitlines()]
    assert 'VOLUME ["/config", "/library", "/data"]' in lines
    assert "STOPSIGNAL SIGTERM" in lines
    assert any(line.startswith("HEALTHCHECK") for line in lines)
    assert "/health" in text
    assert "MEDIASERVER_SERVER__HOST=0.0.0.0" in text
    assert 'CMD ["mediaserver", "run"]' in lines
    for source in re.findall(r"^COPY (?!--from)(.+) \S+$", text, re.MULTILINE):
        assert all((ROOT / name).exists() for name in source.split()), source


def test_the_entrypoint_is_a_sound_shell_script() -> None:
    script = ROOT / "docker" / "entrypoint"
    assert script.stat().st_mode & 0o111
    assert subprocess.run(["sh", "-n", str(script)], check=False).returncode == 0


@pytest.mark.skipif(os.geteuid() != 0 or Path("/data").exists(), reason="needs root outside of the container")
def test_the_container_runs_as_who_it_is_told_to() -> None:
    told = {"PATH": os.environ["PATH"], "PUID": "12345", "PGID": "23456", "UMASK": "027"}
    command = [str(ROOT / "docker" / "entrypoint"), "sh", "-c", "id -u; id -G; umask"]
    said = subprocess.run(command, env=told, capture_output=True, text=True, check=True).stdout
    assert said.splitlines() == ["12345", "23456", "0027"]


def test_compose_serves_the_folders_beside_it() -> None:
    compose: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text())
    service = compose["services"]["mediaserver"]
    assert service["ports"] == ["8000:8000"]
    mounts = {mount.split(":")[0]: mount.split(":")[1] for mount in service["volumes"]}
    assert mounts == {"./library": "/library", "./config.yaml": "/config/config.yaml", "./data": "/data"}


def test_every_decision_has_its_record_in_the_index() -> None:
    folder = ROOT / "docs" / "adr"
    records = sorted(path.name for path in folder.glob("0*.md"))
    assert [name[:4] for name in records] == [f"{number:04}" for number in range(1, len(records) + 1)]
    index = (folder / "README.md").read_text()
    for name in records:
        text = (folder / name).read_text()
        assert f"({name})" in index
        assert all(f"## {part}" in text for part in ("Context", "Decision", "Consequences"))


def test_the_changelog_has_a_place_for_what_is_new() -> None:
    assert "## [Unreleased]" in (ROOT / "CHANGELOG.md").read_text()


def test_a_process_that_answers_nobody_loads_no_web_server_and_nothing_for_passwords(tmp_path: Path) -> None:
    """Worker and watch would keep 7 MB each of what only `serve` needs, and as much for segments that are encrypted."""
    asked = (
        "import sys\nfrom pathlib import Path\nfrom mediaserver.core import roles, worker\n"
        "from mediaserver.core.config import load\nfrom mediaserver.core.server import Server\n"
        "loaded = load(Path(sys.argv[1]), {}, {('data',): sys.argv[2]})\n"
        "server = Server(loaded, 'worker')\nserver.register_only()\n"
        "assert {'auth_email', 'rate_limits', 'catalog', 'admin', 'web_ui'} <= server.hooks.loaded.keys()\n"
        "unused = {'sanic', 'jwt', 'bcrypt', 'zxcvbn', 'limits', 'aiosmtplib', 'cryptography', 'guessit', 'redis'}\n"
        "print(sorted(unused & sys.modules.keys()))"
    )
    command = [sys.executable, "-c", asked, str(ROOT / "config.yaml"), str(tmp_path)]
    env = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)}
    assert subprocess.run(command, env=env, capture_output=True, text=True, check=True).stdout == "[]\n"
