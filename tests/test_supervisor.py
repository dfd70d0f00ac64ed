from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="looks at processes in /proc"),
]

SUPERVISOR = """
import json, sys
from mediaserver.supervisor import Supervisor
commands = json.loads(sys.argv[1])
said = lambda line: print(line, flush=True)
sys.exit(Supervisor(commands, said, grace=float(sys.argv[2]), opener=sys.argv[3] or None).run())
"""
ROLE = """
import os, signal, subprocess, sys, time
from mediaserver.supervisor import standing, watch_lifeline
watch_lifeline()
name = sys.argv[1]
{setup}
os.write(1, f"{{name}} up {{os.getpid()}}\\n".encode())
{work}
"""
PATIENT = "signal.pause()"
ORDERLY = "signal.signal(signal.SIGTERM, lambda *_: (os.write(1, (name + ' down\\n').encode()), sys.exit(0)))"
GRANDCHILD = "print('grandchild up', subprocess.Popen(['sleep', '3600']).pid, flush=True)"
OPENING = "stand = standing(); print('is awaited', bool(stand), flush=True)"
STANDING = "open(os.environ['GATE']).read(); os.write(1, b'stands\\n'); stand(); signal.pause()"
DEAF = "signal.signal(signal.SIGTERM, signal.SIG_IGN)"


def role(name: str, work: str = PATIENT, setup: str = "") -> list[str]:
    return [sys.executable, "-c", ROLE.format(setup=setup, work=work), name]


class Running:
    """A supervisor in a process of its own; its lines and those of its roles come in one stream."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.lines: list[str] = []

    def until(self, start: str) -> str:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line.strip())
            if line.startswith(start):
                return line.strip()
        raise AssertionError(f"{start!r} was never said, only {self.lines}")

    def pid(self, start: str) -> int:
        return int(self.until(start).split()[-1])

    def end(self) -> int:
        assert self.process.stdout is not None
        self.lines += [line.strip() for line in self.process.stdout]
        return self.process.wait(120)


@contextmanager
def supervised(grace: float = 20.0, opener: str = "", **commands: list[str]) -> Iterator[Running]:
    arguments = [sys.executable, "-c", SUPERVISOR, json.dumps(commands), str(grace), opener]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) as process:
        watchdog = threading.Timer(120, process.kill)
        watchdog.start()
        try:
            yield Running(process)
        finally:
            watchdog.cancel()
            process.kill()


def lives(pid: int) -> bool:
    with suppress(FileNotFoundError, ProcessLookupError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


def wait_until(check: Callable[[], bool]) -> None:
    end = time.monotonic() + 120
    while not check():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_all_roles_run_and_stop_in_order_on_sigterm() -> None:
    with supervised(serve=role("serve", setup=ORDERLY), worker=role("worker", setup=ORDERLY)) as running:
        pids = [running.pid(""), running.pid("")]
        running.process.terminate()
        assert running.end() == 0
        assert {"serve down", "worker down"} <= set(running.lines)
        assert running.lines[-1] == "Stopped."
        assert not any(lives(pid) for pid in pids)


def test_ctrl_c_stops_in_order_too() -> None:
    with supervised(serve=role("serve", setup=ORDERLY)) as running:
        running.until("serve up")
        running.process.send_signal(signal.SIGINT)
        assert running.end() == 0
        assert "serve down" in running.lines


def test_a_killed_role_starts_again_and_the_others_stay() -> None:
    with supervised(serve=role("serve")) as running:
        first = running.pid("serve up")
        os.kill(first, signal.SIGKILL)
        assert running.until("serve has") == "serve has ended (signal 9); it starts again in 0.5 s."
        assert running.pid("serve up") != first
        running.process.terminate()
        assert running.end() == 0


def test_a_role_that_keeps_failing_is_started_ever_more_slowly() -> None:
    with supervised(watch=role("watch", "sys.exit(3)")) as running:
        said = [running.until("watch has ended") for _ in range(3)]
        assert said == [f"watch has ended (exit code 3); it starts again in {pause} s." for pause in ("0.5", "1", "2")]
        running.process.terminate()
        assert running.end() == 0


def test_a_program_that_does_not_exist_is_said_and_tried_again() -> None:
    with supervised(serve=["/no/such/program"]) as running:
        assert "cannot be started" in running.until("serve")
        assert "next try in 1 s" in running.until("serve")
        running.process.terminate()
        assert running.end() == 0


def test_a_role_that_cannot_go_on_stops_everything(tmp_path: Path) -> None:
    is_up = tmp_path / "serve is up"
    waits = f"while not os.path.exists({str(is_up)!r}): time.sleep(0.02)\nsys.exit(78)"
    serve = role("serve", setup=f"{ORDERLY}\nopen({str(is_up)!r}, 'w').close()")
    with supervised(serve=serve, worker=role("worker", waits)) as running:
        assert running.end() == 78
        assert "serve down" in running.lines
        assert not any("again" in line for line in running.lines)


def test_a_role_that_does_not_listen_is_killed_after_the_grace() -> None:
    with supervised(0.2, worker=role("worker", "while True: time.sleep(1)", DEAF)) as running:
        pid = running.pid("worker up")
        running.process.terminate()
        assert running.end() == 1
        assert "worker did not end in time and was killed." in running.lines
        assert not lives(pid)


def test_a_second_ctrl_c_does_not_wait_for_the_grace() -> None:
    with supervised(3600, worker=role("worker", "while True: time.sleep(1)", DEAF)) as running:
        pid = running.pid("worker up")
        running.process.send_signal(signal.SIGINT)
        wait_until(lambda: lives(pid))
        time.sleep(0.2)  # two signals at the same moment would be one
        running.process.send_signal(signal.SIGINT)
        assert running.end() == 1
        assert not lives(pid)


def test_what_a_killed_role_had_started_dies_with_it() -> None:
    with supervised(worker=role("worker", setup=GRANDCHILD)) as running:
        grandchild, worker = running.pid("grandchild up"), running.pid("worker up")
        os.kill(worker, signal.SIGKILL)
        running.until("worker has ended")
        wait_until(lambda: not lives(grandchild))
        running.process.terminate()
        assert running.end() == 0


def test_what_a_role_leaves_behind_at_the_stop_is_ended() -> None:
    with supervised(worker=role("worker", setup=f"{ORDERLY}\n{GRANDCHILD}")) as running:
        grandchild = running.pid("grandchild up")
        running.until("worker up")
        running.process.terminate()
        assert running.process.wait(120) == 0
        wait_until(lambda: not lives(grandchild))


@pytest.mark.parametrize("setup", [GRANDCHILD, f"{GRANDCHILD}\n{DEAF}"], ids=["willing", "deaf"])
def test_nothing_survives_a_supervisor_that_is_killed(setup: str) -> None:
    work = "while True: time.sleep(1)"
    with supervised(worker=role("worker", work, setup)) as running:
        grandchild, worker = running.pid("grandchild up"), running.pid("worker up")
        running.process.kill()
        wait_until(lambda: not lives(worker) and not lives(grandchild))


def test_a_role_without_a_supervisor_runs_by_itself() -> None:
    program = subprocess.run(role("serve", "sys.exit(5)"), stdout=subprocess.PIPE, text=True, timeout=120)
    assert program.returncode == 5
    assert program.stdout.startswith("serve up")


def test_the_others_follow_when_the_one_that_opens_says_that_it_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    monkeypatch.setenv("GATE", str(gate))
    serve = role("serve", STANDING, OPENING)
    with supervised(opener="serve", worker=role("worker"), serve=serve) as running:
        running.until("serve up")
        gate.write_text("go on")
        running.until("worker up")
        assert [line.split(" up")[0] for line in running.lines] == ["is awaited True", "serve", "stands", "worker"]
        running.process.terminate()
        assert running.end() == 0


@pytest.mark.parametrize(
    ("work", "code"),
    [("sys.exit(78)", 78), ("sys.exit(75)", 75), ("sys.exit(0)", 1), ("os.kill(os.getpid(), 9)", 1)],
)
def test_where_the_one_that_opens_fails_nothing_else_starts(work: str, code: int) -> None:
    with supervised(opener="serve", serve=role("serve", work), worker=role("worker")) as running:
        assert running.end() == code
        assert not any("worker" in line or "again" in line for line in running.lines)
        assert any("before anything else could start" in line for line in running.lines) == (code == 1)


def test_where_the_one_that_opens_cannot_be_started_it_is_tried_again_and_nothing_else_starts() -> None:
    with supervised(opener="serve", serve=["/no/such/program"], worker=role("worker")) as running:
        assert "next try in 0.5 s" in running.until("serve")
        assert "next try in 1 s" in running.until("serve")
        running.process.terminate()
        assert running.end() == 0
        assert not any("worker" in line for line in running.lines)


def test_a_stop_during_the_opening_is_heard() -> None:
    with supervised(opener="serve", serve=role("serve", setup=ORDERLY), worker=role("worker")) as running:
        running.until("serve up")
        running.process.terminate()
        assert running.end() == 0
        assert running.lines[1:] == ["serve down", "Stopped."]


def test_one_that_opened_starts_again_like_any_other() -> None:
    """Nobody waits for it the second time."""
    work = "(stand or (lambda: None))(); print('stands', flush=True); signal.pause()"
    with supervised(opener="serve", serve=role("serve", work, OPENING)) as running:
        first = running.pid("serve up")
        running.until("stands")
        os.kill(first, signal.SIGKILL)
        running.until("is awaited False")
        running.process.terminate()
        assert running.end() == 0
