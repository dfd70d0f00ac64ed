"""A stop while a role starts, by the signals that people and supervisors send."""

from __future__ import annotations

import fcntl
import resource
import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from mediaserver.cli import TRY_AGAIN
from tests.core.terminal import Terminal
from tests.core.test_migrator import FIRST, SECOND, package, query
from tests.ports import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.slow  # each is a process or several
HANGING = """
import asyncio
from mediaserver import Plugin, hookimpl
plugin = Plugin(api="1")

@hookimpl
async def startup(server):
    print("it hangs", flush=True)
    await asyncio.Event().wait()
"""


@pytest.mark.parametrize(
    ("role", "number"), [("serve", signal.SIGINT), ("worker", signal.SIGTERM), ("watch", signal.SIGTERM)]
)
def test_a_stop_is_heard_while_a_role_starts(tmp_path: Path, role: str, number: int) -> None:
    """At once: the plugin was not waited for, which would have had it left out."""
    (tmp_path / "plugins").mkdir()
    (tmp_path / "plugins" / "hanging.py").write_text(HANGING)
    terminal = Terminal(tmp_path)
    terminal.write("plugins: {hanging: {}}\nserver: {port: 0}\n")
    assert "listening" not in terminal.stopped_at("it hangs", role, number=number)
    assert query(tmp_path / "data" / "mediaserver.sqlite3", "SELECT * FROM core_quarantine") == []


def test_of_two_watchers_of_one_data_folder_one_waits(tmp_path: Path) -> None:
    """They would make two films of what they both find. One that waits hears a stop as well."""
    terminal = Terminal(tmp_path)
    terminal.write("plugins: {}\n")
    terminal.run("migrate")
    with (tmp_path / "data" / "run" / "watch.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert "scanned" not in terminal.stopped_at("another watch looks after this data folder", "watch")
    assert "another watch" not in terminal.stopped_at("library folder scanned", "watch")


def test_a_worker_tells_what_it_does_and_that_it_has_stopped(tmp_path: Path) -> None:
    terminal = Terminal(tmp_path)
    terminal.write("plugins: {}\nworkers: {count: 3}\n")
    said = terminal.stopped_at("working on 3 jobs at once", "worker").splitlines()
    assert "stopped" in said[-1]


FULL = """
from mediaserver import Plugin, hookimpl
from mediaserver.contracts import Database
plugin = Plugin(api="1")

@hookimpl
async def startup(server):
    database = server.services.get(Database)
    await database.fetch("PRAGMA max_page_count = 1")  # no more than there are, as on a full disk
    while True:
        await database.fetch("INSERT INTO core_change (kind, payload, at) VALUES ('filler', '{}', 0)")
"""


def test_a_full_disk_at_the_start_is_no_fault_of_a_plugin_and_is_tried_again(tmp_path: Path) -> None:
    (tmp_path / "plugins").mkdir()
    (tmp_path / "plugins" / "full.py").write_text(FULL)
    terminal = Terminal(tmp_path)
    terminal.write("plugins: {full: {}}\nserver: {port: 0}\n")
    done = terminal.run("worker")
    assert done.returncode == TRY_AGAIN
    assert "The database cannot be used now: database or disk is full" in done.stderr
    assert query(tmp_path / "data" / "mediaserver.sqlite3", "SELECT * FROM core_quarantine") == []


FULL_SOON = """
from contextlib import suppress
from mediaserver import Plugin, hookimpl
from mediaserver.contracts import Database
plugin = Plugin(api="1")

@hookimpl
async def startup(server):
    database = server.services.get(Database)
    await database.fetch("PRAGMA max_page_count = 1")
    with suppress(Exception):
        while True:
            await database.fetch("INSERT INTO core_change (kind, payload, at) VALUES ('filler', '{}', 0)")

@hookimpl
def register_routes(registry):
    raise RuntimeError("so that something must be noted")
"""


def test_a_full_disk_that_is_found_after_the_opening_is_tried_again_too(tmp_path: Path) -> None:
    (tmp_path / "plugins").mkdir()
    (tmp_path / "plugins" / "full_soon.py").write_text(FULL_SOON)
    terminal = Terminal(tmp_path)
    terminal.write("plugins: {full_soon: {}}\nserver: {port: 0}\n")
    done = terminal.run("serve")
    assert done.returncode == TRY_AGAIN
    assert "The database cannot be used now: database or disk is full. Free some disk space" in done.stderr


def test_an_upgrade_without_room_for_a_copy_is_tried_again_and_keeps_no_half(tmp_path: Path) -> None:
    package(tmp_path / "plugins", "shelves_full", m0001_initial=FIRST)
    terminal = Terminal(tmp_path)
    terminal.write("plugins: {shelves_full: {}}\nserver: {port: 0}\n")
    terminal.run("migrate")
    database = tmp_path / "data" / "mediaserver.sqlite3"
    query(database, "CREATE TABLE large AS SELECT randomblob(4000000)")
    query(database, "PRAGMA wal_checkpoint(TRUNCATE)")
    package(tmp_path / "plugins", "shelves_full", m0002_longer=SECOND)
    with files_of_at_most(2_000_000):
        done = terminal.run("worker")
    assert (done.returncode, "The database cannot be used now: disk" in done.stderr) == (TRY_AGAIN, True), done.stderr
    assert list((tmp_path / "data" / "copies").iterdir()) == []
    assert terminal.run("migrate").returncode == 0


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """For processes that are started within; SQLite takes the refusal for a fault of the disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_file_that_is_not_used_may_be_anybodys(tmp_path: Path) -> None:
    """It was left by the time before Postgres and Redis."""
    terminal = Terminal(tmp_path)
    terminal.write("plugins: {}\n")
    terminal.run("migrate")
    file = tmp_path / "data" / "mediaserver.sqlite3"
    file.chmod(0o400)
    terminal.is_root = False
    terminal.write(f"database: postgres://nobody@127.0.0.1:{free_port()}/none\n")
    done = terminal.run("why", "a.mp4")
    assert (done.returncode, "cannot be reached" in done.stderr) == (TRY_AGAIN, True), done.stderr


HOLD = """
async def hold(apps, editor):
    print("it upgrades", flush=True)
    while Path("held").exists():
        await asyncio.sleep(0.02)

class Migration"""
HELD = "import asyncio\nfrom pathlib import Path\n" + SECOND.replace("class Migration", HOLD.lstrip()).replace(
    "\n    ]", "\n        ops.RunPython(hold),\n    ]"
)


def test_a_stop_during_an_upgrade_undoes_the_step_and_a_later_start_makes_it(tmp_path: Path) -> None:
    database, held = tmp_path / "data" / "mediaserver.sqlite3", tmp_path / "held"
    applied = "SELECT name FROM tortoise_migrations WHERE app = 'shelves_held' ORDER BY name"
    package(tmp_path / "plugins", "shelves_held", m0001_initial=FIRST)
    terminal = Terminal(tmp_path)
    terminal.write("plugins: {shelves_held: {}}\nserver: {port: 0}\n")
    terminal.run("migrate")
    query(database, "INSERT INTO shelf (name, place) VALUES ('films', 1)")
    before = query(database, "SELECT sql FROM sqlite_master")
    package(tmp_path / "plugins", "shelves_held", m0002_held=HELD)
    held.touch()
    assert "listening" not in terminal.stopped_at("it upgrades", "run")
    assert query(database, "SELECT sql FROM sqlite_master") == before
    assert query(database, applied) == [("0001_initial",)]
    held.unlink()
    assert terminal.run("migrate").returncode == 0
    assert query(database, applied) == [("0001_initial",), ("0002_held",)]
    assert query(database, "SELECT name, place FROM shelf") == [("films", 1)]
