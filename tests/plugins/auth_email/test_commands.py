"""`mediaserver user`: accounts from the terminal."""

from __future__ import annotations

import asyncio
import os
import pty
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml
from click.testing import CliRunner

from mediaserver.cli import main
from tests.patience import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Callable

    from mediaserver.testing import RunningApp

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[3]
ADMIN, ADA = "root@example.org", "ada@example.org"
PASSWORD, OTHER = "nine blue kettles", "ten red lanterns"
OPTIONS = {"bcrypt_rounds": 4}


class Terminal:
    def __init__(self, folder: Path) -> None:
        self.config = folder / "config.yaml"
        plugins = {"auth_email": OPTIONS}
        self.config.write_text(yaml.safe_dump({"data": "data", "server": {"port": 8000}, "plugins": plugins}))

    def run(self, *words: str, typed: str = "", code: int = 0) -> list[str]:
        """The lines it says, but those of the log."""
        done = CliRunner().invoke(main, ["--config", str(self.config), "user", *words], input=typed)
        assert done.exit_code == code, done.output
        assert "Traceback" not in done.output
        return [line for line in done.output.splitlines() if not re.match(r"\d\d:\d\d:\d\d |20\d\d-", line)]

    def refused(self, *words: str, typed: str = "") -> str:
        [line] = self.run(*words, typed=typed, code=78)
        assert line.startswith("mediaserver: ")
        return line.removeprefix("mediaserver: ")


@pytest.fixture
def terminal(tmp_path: Path) -> Terminal:
    made = Terminal(tmp_path)
    made.run("add", ADMIN, "--role", "admin", "--password-stdin", typed=f"{PASSWORD}\n")
    return made


def states(terminal: Terminal) -> dict[str, list[str]]:
    """What `list` says of each address: role, state, limit, last seen."""
    rows = (re.split(r"\s{2,}", line) for line in terminal.run("list"))
    return {row[0]: row[1:] for row in rows}


def test_an_account_is_added_listed_and_deleted(terminal: Terminal) -> None:
    assert terminal.run("add", ADA, "--password-stdin", typed=f"{OTHER}\n") == [f"{ADA} may sign in as viewer."]
    assert states(terminal) == {
        ADA: ["viewer", "active", "limit -", "never here"],
        ADMIN: ["admin", "active", "limit -", "never here"],
    }
    assert "say --yes if you mean it" in terminal.refused("delete", ADA)
    assert terminal.run("delete", ADA, "--yes") == [f"{ADA} is deleted."]
    assert list(states(terminal)) == [ADMIN]


def test_before_there_is_an_account_the_list_says_how_to_make_one(tmp_path: Path) -> None:
    terminal = Terminal(tmp_path)
    [line] = terminal.run("list")
    assert "mediaserver user setup-link" in line
    [link] = terminal.run("setup-link")
    assert link.startswith("http://localhost:8000/setup?token=")
    assert terminal.run("setup-link") == [link]


def test_links_name_the_port_on_which_the_server_runs(tmp_path: Path) -> None:
    """Whatever config.yaml says: `make run PORT=8661` is told another one."""
    terminal = Terminal(tmp_path)
    command = [sys.executable, "-m", "mediaserver", "--config", str(terminal.config), "serve", "--port", "0"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, env=os.environ | {"PYTHONPATH": str(ROOT)}
    ) as server:
        assert server.stdout is not None
        said = next(line for line in server.stdout if "listening on" in line)
        [link] = terminal.run("setup-link")
        server.terminate()
        assert "stopped" in server.stdout.read()
    assert link.startswith(f"{said.split('listening on')[1].split()[0]}/setup?token=")
    assert terminal.run("setup-link")[0].startswith("http://localhost:8000/")


def test_doctor_says_what_the_administrator_in_the_configuration_lacks(tmp_path: Path) -> None:
    """A start ends with exit code 78 over it."""
    terminal = Terminal(tmp_path)
    named: dict[str, object] = {"admin_email": ADMIN}
    lacking = (
        "✗ first administrator: plugins.auth_email.admin_password: is needed beside admin_email for the first start"
    )
    for more, finding in (({}, lacking), ({"admin_password": PASSWORD}, "✓ first administrator")):
        terminal.config.write_text(yaml.safe_dump({"data": "data", "plugins": {"auth_email": OPTIONS | named | more}}))
        said = CliRunner().invoke(main, ["--config", str(terminal.config), "doctor"]).output
        assert finding in said.splitlines()


def test_the_setup_link_ends_with_the_first_administrator(terminal: Terminal) -> None:
    assert "There is an administrator already" in terminal.refused("setup-link")


def test_a_role_a_limit_and_a_switch(terminal: Terminal) -> None:
    terminal.run("add", ADA, "--password-stdin", typed=f"{OTHER}\n")
    assert terminal.run("role", ADA, "admin") == [f"{ADA} is admin now."]
    assert terminal.run("limit", ADA, "2") == [f"{ADA} has the limit 2."]
    assert states(terminal)[ADA][:3] == ["admin", "active", "limit 2"]
    terminal.run("limit", ADA, "unlimited")
    assert terminal.run("disable", ADA) == [f"{ADA} cannot sign in any more."]
    assert states(terminal)[ADA][:3] == ["admin", "disabled", "limit unlimited"]
    terminal.run("enable", ADA)
    terminal.run("limit", ADA, "default")
    assert states(terminal)[ADA][:3] == ["admin", "active", "limit -"]


@pytest.mark.parametrize("limit", ["-1", "some", "²", "1.5", "99999999999999999999"])
def test_a_limit_that_is_none_is_refused(terminal: Terminal, limit: str) -> None:
    said = terminal.run("limit", ADMIN, "--", limit, code=2)
    assert f"{limit} is neither a number nor unlimited nor default." in said[-1]


def test_a_limit_nobody_has_is_one_line(terminal: Terminal) -> None:
    assert "1000" in terminal.refused("limit", ADMIN, "5000")


def test_the_last_administrator_stays(terminal: Terminal) -> None:
    for words in (("role", ADMIN, "viewer"), ("disable", ADMIN), ("delete", ADMIN, "--yes")):
        assert "last administrator" in terminal.refused(*words)


@pytest.mark.parametrize("command", ["activate", "link", "disable", "enable", "delete", "role viewer", "limit 1"])
def test_an_address_nobody_has_is_one_line(terminal: Terminal, command: str) -> None:
    name, *words = command.split()
    assert "There is no account with the address eve@example.org" in terminal.refused(name, "eve@example.org", *words)


def test_what_cannot_be_an_account_is_one_line(terminal: Terminal) -> None:
    assert terminal.refused("add", "no address", "--password-stdin", typed=OTHER) == "This is not an e-mail address."
    assert "8" in terminal.refused("add", ADA, "--password-stdin", typed="short\n")
    assert "already" in terminal.refused("add", ADMIN, "--password-stdin", typed=OTHER)


def test_a_password_is_never_asked_where_nobody_can_type(terminal: Terminal) -> None:
    assert "--password-stdin" in terminal.refused("add", ADA)
    assert "--password-stdin" in terminal.refused("passwd", ADMIN)
    assert "8 characters" in terminal.refused("passwd", ADMIN, "--password-stdin")


def test_a_new_password_is_set(terminal: Terminal) -> None:
    [line] = terminal.run("passwd", ADMIN, "--password-stdin", typed=f"{OTHER}\n")
    assert line == f"{ADMIN} has a new password and was signed out everywhere."


def test_an_invitation_is_a_link(terminal: Terminal) -> None:
    [link] = terminal.run("invite")
    assert link.startswith("http://localhost:8000/register?invite=")
    [for_ada] = terminal.run("invite", ADA, "--role", "admin")
    assert for_ada != link
    assert terminal.refused("invite", "no address") == "This is not an e-mail address."


def test_keys_are_rotated(terminal: Terminal) -> None:
    said = {line for _ in range(2) for line in terminal.run("rotate-keys")}
    assert len(said) == 2, "each time there is another key"


def test_an_account_without_a_password_gets_a_letter(terminal: Terminal) -> None:
    [line] = terminal.run("add", ADA, "--letter")
    assert "A letter with a link for choosing a password is on its way." in line


# ---- beside a server that runs ---------------------------------------------------------------------------------


async def beside(app: RunningApp, *words: str, typed: str = "") -> str:
    config = app._folder / "config.yaml"
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "mediaserver", "--config", str(config), "user", *words),
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await process.communicate(typed.encode())
    assert process.returncode == 0, said
    return said.decode().splitlines()[-1]


async def status_becomes(app: RunningApp, status: int) -> None:
    async with asyncio.timeout(PATIENCE):
        while (await app.get("/v1/users/me")).status_code != status:
            await asyncio.sleep(0.05)


@pytest.mark.slow
async def test_changes_reach_a_server_that_runs(app_with: Callable[..., RunningApp]) -> None:
    app = await app_with(auth_email=OPTIONS | {"registration": "approval"}).start()
    await beside(app, "add", ADMIN, "--role", "admin", "--password-stdin", typed=PASSWORD)
    joined = await app.post("/v1/auth/register", json={"email": ADA, "password": OTHER})
    assert joined.status_code == 201
    link = await beside(app, "link", ADA)
    assert "/activate?uid=" in link
    assert await beside(app, "activate", ADA) == f"{ADA} may sign in."
    assert (await app.post("/v1/auth/login", json={"email": ADA, "password": OTHER})).status_code == 200
    await status_becomes(app, 200)
    await beside(app, "disable", ADA)
    await status_becomes(app, 401)
    await beside(app, "enable", ADA)
    assert (await app.post("/v1/auth/login", json={"email": ADA, "password": OTHER})).status_code == 200
    await beside(app, "rotate-keys")
    await status_becomes(app, 200)
    await beside(app, "passwd", ADA, "--password-stdin", typed=PASSWORD)
    await status_becomes(app, 401)


# ---- at a terminal ---------------------------------------------------------------------------------------------


def at_a_terminal(config: Path, *words: str, answers: list[str]) -> tuple[str, int]:
    """What somebody sees who types `answers`, and how it ended."""
    process, terminal = pty.fork()
    if process == 0:
        os.execve(  # noqa: S606 - a list of arguments, without a shell
            sys.executable,
            [sys.executable, "-m", "mediaserver", "--config", str(config), "user", *words],
            os.environ | {"PYTHONPATH": str(ROOT)},
        )
    seen = ""
    while True:
        try:
            part = os.read(terminal, 4096).decode(errors="replace")
        except OSError:  # it has ended
            part = ""
        if not part:
            break
        seen += part
        if answers and part.rstrip().endswith(":"):
            os.write(terminal, f"{answers.pop(0)}\n".encode())
    return seen, os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


@pytest.mark.slow
def test_at_a_terminal_the_password_is_asked_twice_and_not_shown(tmp_path: Path) -> None:
    terminal = Terminal(tmp_path)
    seen, code = at_a_terminal(terminal.config, "add", ADMIN, answers=[PASSWORD, PASSWORD])
    assert (code, PASSWORD in seen) == (0, False)
    assert f"{ADMIN} may sign in as viewer." in seen
    seen, code = at_a_terminal(terminal.config, "passwd", ADMIN, answers=[OTHER, PASSWORD])
    assert code == 78
    assert "The two passwords differ; nothing was changed." in seen
