"""A real Postgres, as Debian packs it: started once for a run of tests, on loopback, in a folder of its own."""

from __future__ import annotations

import itertools
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote, urlsplit

import yaml

from tests.patience import PATIENCE
from tests.ports import free_port

ROOT = Path(__file__).resolve().parents[1]
OWNER = "films"
PASSWORD = "p@ss/word: 100%"  # one that an address must spell otherwise
TEMPLATE = "migrated"
ROOM = 2_000_000_000  # bytes
OPTIONS = {
    "fsync": "off",  # nobody needs it tomorrow
    "full_page_writes": "off",
    "synchronous_commit": "off",
    "max_connections": "200",
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
}


def find_programs() -> Path | None:
    """The folder of initdb, postgres and psql, which Debian keeps off PATH: that of the newest version."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    on_path = shutil.which("initdb")
    return found[-1].parent if found else Path(on_path).resolve().parent if on_path else None


def _quick() -> str | None:
    """Memory, where there is enough of it: a database is 1,000 files, made in 40 ms there and in 200 ms on a disk."""
    memory = Path("/dev/shm")  # noqa: S108
    roomy = os.access(memory, os.W_OK) and shutil.disk_usage(memory).free > ROOM
    return str(memory) if roomy else None


class Postgres:
    """Started with `with`. `database()` is the address of a fresh one that has all our tables, `empty()` has none."""

    def __init__(self, programs: Path) -> None:
        self._programs = programs
        self._folder = Path(tempfile.mkdtemp(prefix="mediaserver-postgres-", dir=_quick()))  # pytest's is closed to it
        self._port = free_port()
        self._numbers = itertools.count(1)
        self._has_template = False
        self._server: subprocess.Popen[bytes] | None = None
        self._user = pwd.getpwnam("postgres") if os.geteuid() == 0 else None  # it refuses to be run by root

    def __enter__(self) -> Self:
        try:
            self._initialise()
            self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        shutil.rmtree(self._folder, ignore_errors=True)

    def start(self) -> None:
        options = [word for name, value in OPTIONS.items() for word in ("-c", f"{name}={value}")]
        with (self._folder / "log").open("ab") as log:
            self._server = subprocess.Popen(
                [*self._as_owner("postgres"), "-D", "data", "-p", str(self._port), *options],
                cwd=self._folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        end = time.monotonic() + PATIENCE
        while self._ask("pg_isready", "--quiet").returncode:
            assert self._server.poll() is None, self.log
            assert time.monotonic() < end, self.log
            time.sleep(0.02)

    def stop(self, how: signal.Signals = signal.SIGQUIT) -> None:
        """Whoever is connected is cut off. With SIGINT all that was committed is there when it is started again."""
        server, self._server = self._server, None
        if server is not None:
            server.send_signal(how)
            server.wait(PATIENCE)

    @property
    def log(self) -> str:
        return (self._folder / "log").read_text(encoding="utf-8")

    def database(self) -> str:
        if not self._has_template:
            self._migrate(self._create(TEMPLATE, "template0"))
            self._has_template = True
        return self._create(self._name(), TEMPLATE)

    def empty(self) -> str:
        return self._create(self._name(), "template0")

    def drop(self, url: str) -> None:
        name = urlsplit(url).path.removeprefix("/")
        said = self._ask("psql", "--command", f'DROP DATABASE "{name}" WITH (FORCE)')
        assert said.returncode == 0, said.stderr

    def rows(self, url: str, sql: str) -> list[str]:
        """What psql answers, a line each, columns between |."""
        name = urlsplit(url).path.removeprefix("/")
        said = self._ask("psql", f"--dbname={name}", "--tuples-only", "--no-align", "--command", sql)
        assert said.returncode == 0, said.stderr
        return said.stdout.splitlines()

    def restore(self, dump: Path) -> str:
        """The address of a new database with what a dump holds."""
        url = self.empty()
        name = urlsplit(url).path.removeprefix("/")
        said = self._ask("pg_restore", f"--dbname={name}", "--exit-on-error", str(dump))
        assert said.returncode == 0, said.stderr
        return url

    # ---- how it is done ------------------------------------------------------------------------------------

    def _initialise(self) -> None:
        secret = self._folder / "password"
        secret.write_text(PASSWORD, encoding="utf-8")
        if self._user is not None:
            for path in (secret, self._folder):
                os.chown(path, self._user.pw_uid, self._user.pw_gid)
        how = (
            "--auth=scram-sha-256",
            f"--username={OWNER}",
            f"--pwfile={secret}",
            "--encoding=UTF8",
            "--locale=C.UTF-8",
        )
        made = subprocess.run(
            [*self._as_owner("initdb"), "--pgdata=data", "--no-sync", *how],
            cwd=self._folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
        )
        assert made.returncode == 0, made.stderr

    def _as_owner(self, program: str) -> list[str]:
        """Ended with us, even where we are killed."""
        given = ["setpriv", "--pdeathsig", "INT"]
        if self._user is not None:
            given += ["--reuid", str(self._user.pw_uid), "--regid", str(self._user.pw_gid), "--clear-groups"]
        return [*given, str(self._programs / program)]

    def _ask(self, program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        where = {"PGHOST": "127.0.0.1", "PGPORT": str(self._port), "PGUSER": OWNER, "PGPASSWORD": PASSWORD}
        where["PGDATABASE"] = "postgres"
        return subprocess.run(
            [str(self._programs / program), *arguments],
            env=os.environ | where,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
        )

    def _name(self) -> str:
        return f"films{next(self._numbers)}"

    def _create(self, name: str, template: str) -> str:
        said = self._ask("psql", "--command", f'CREATE DATABASE "{name}" TEMPLATE "{template}" STRATEGY file_copy')
        assert said.returncode == 0, said.stderr
        return f"postgres://{OWNER}:{quote(PASSWORD, safe='')}@127.0.0.1:{self._port}/{name}"

    def _migrate(self, url: str) -> None:
        """By the command that our users have."""
        ours = sorted(path.parent.parent.name for path in ROOT.glob("plugins/*/migrations/__init__.py"))
        settings: dict[str, Any] = {"database": url, "plugins": {name: {} for name in ours}}
        config = self._folder / "config.yaml"
        config.write_text(yaml.safe_dump(settings), encoding="utf-8")
        done = subprocess.run(
            [sys.executable, "-m", "mediaserver", "--config", str(config), "migrate"],
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
