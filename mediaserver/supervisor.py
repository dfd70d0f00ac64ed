"""`run` = serve + worker + watch: started, restarted with back-off, stopped with a deadline, never orphaned."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import threading
import time
from contextlib import ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

LIFELINE = "MEDIASERVER_LIFELINE"
AWAITED = "MEDIASERVER_AWAITED"  # the descriptor on which a role that is waited for says that it stands
EX_CONFIG = 78  # sysexits.h: a role that ends so cannot go on and has said why
FIRST_PAUSE, LONGEST_PAUSE, STEADY_AFTER = 0.5, 30.0, 60.0
ORPHAN_GRACE = 5  # seconds a role has to end by itself when its supervisor is gone
REAPER = 'i=0; while kill -0 "$1" && [ $i -lt "$2" ]; do sleep 0.1; i=$((i+1)); done; kill -s KILL -- "-$1"'


class Child:
    """One role: a process that leads a session of its own, so that what it started can be ended with it."""

    def __init__(self, role: str, command: Sequence[str]) -> None:
        self.role = role
        self.command = list(command)
        self.process: subprocess.Popen[bytes] | None = None
        self.start_at = 0.0
        self._started_at = 0.0
        self._failures = 0

    def start(self, lifeline: int, stands: int | None = None) -> None:
        """Raises OSError where the program cannot be started at all."""
        self._started_at = time.monotonic()
        passed = {LIFELINE: lifeline} if stands is None else {LIFELINE: lifeline, AWAITED: stands}
        environment = {**os.environ, **{name: str(number) for name, number in passed.items()}}
        self.process = subprocess.Popen(
            self.command,
            env=environment,
            pass_fds=passed.values(),
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )

    def ended(self) -> int | None:
        """The exit code once it has ended (negative: the signal); whatever it left running is killed then."""
        if self.process is None or self.process.poll() is None:
            return None
        self.kill()
        code, self.process = self.process.returncode, None
        return code

    def back_off(self) -> float:
        """Seconds until the next start: 0.5, 1, 2, … 30, from the beginning again after a minute of life."""
        steady = time.monotonic() - self._started_at > STEADY_AFTER
        self._failures = 1 if steady else self._failures + 1
        pause = min(LONGEST_PAUSE, FIRST_PAUSE * 2.0 ** min(self._failures - 1, 10))
        self.start_at = time.monotonic() + pause
        return pause

    def terminate(self) -> None:
        if self.process is not None:
            self.process.terminate()

    def kill(self) -> None:
        if self.process is not None:
            with suppress(ProcessLookupError, PermissionError):  # the group is empty
                os.killpg(self.process.pid, signal.SIGKILL)


class Supervisor:
    """Runs one process per role until SIGTERM, Ctrl-C, or a role says that it cannot go on; in the main thread.

    The role `opener` has the machine for itself until it says that it stands; where it ends before, all does. One that
    cannot be started at all is tried again, as any other.
    """

    def __init__(
        self,
        commands: Mapping[str, Sequence[str]],
        say: Callable[[str], None],
        grace: float = 10.0,
        opener: str | None = None,
    ) -> None:
        self._children = [Child(role, command) for role, command in commands.items()]
        self._openers = [child for child in self._children if child.role == opener]
        self._say = say
        self._grace = grace
        self._signals: list[int] = []
        self._exit_code = 0

    def run(self) -> int:
        """0 after an orderly stop, 78 when a role cannot go on, 1 when one was killed; or how the opener failed."""
        with ExitStack() as stack:
            lifeline = stack.enter_context(_pipe())[0]
            wake_up = stack.enter_context(self._listening())
            stack.callback(self._kill_all)
            for child in self._openers:
                self._open(child, lifeline, wake_up)
            while not self._signals and not self._exit_code:
                self._start_due(self._children, lifeline)
                _wait(wake_up, _seconds_to_next_start(self._children))
                self._look_after()
            self._stop(wake_up)
        if not self._exit_code:
            self._say("Stopped.")
        return self._exit_code

    def _open(self, child: Child, lifeline: int, wake_up: int) -> None:
        with _pipe() as (said, stands):
            while not self._signals and not self._exit_code:
                self._start_due([child], lifeline, stands)
                if _wait(wake_up, _seconds_to_next_start([child]), said):
                    return
                code = child.ended()
                if code is not None and not self._signals:
                    self._exit_code = code if code > 0 else 1
                    if code <= 0:  # else it has said why
                        self._say(f"{child.role} has ended ({_reason(code)}) before anything else could start.")

    def _start_due(self, children: Sequence[Child], lifeline: int, stands: int | None = None) -> None:
        for child in children:
            if child.process is None and child.start_at <= time.monotonic():
                try:
                    child.start(lifeline, stands)
                except OSError as error:
                    self._say(f"{child.role} cannot be started ({error}); next try in {child.back_off():g} s.")

    def _look_after(self) -> None:
        for child in self._children:
            code = child.ended()
            if code == EX_CONFIG:
                self._exit_code = EX_CONFIG
            elif code is not None and not self._signals:
                self._say(f"{child.role} has ended ({_reason(code)}); it starts again in {child.back_off():g} s.")
        _reap_adopted({child.process.pid for child in self._children if child.process})

    def _stop(self, wake_up: int) -> None:
        for child in self._children:
            child.terminate()
        deadline = time.monotonic() + self._grace
        while self._alive() and time.monotonic() < deadline and not self._second_interrupt():
            _wait(wake_up, max(0.0, deadline - time.monotonic()))
            for child in self._children:
                child.ended()
        for child in self._alive():
            self._say(f"{child.role} did not end in time and was killed.")
            self._exit_code = self._exit_code or 1

    def _alive(self) -> list[Child]:
        return [child for child in self._children if child.process is not None]

    def _second_interrupt(self) -> bool:
        return len(self._signals) > 1 and self._signals[-1] == signal.SIGINT

    def _kill_all(self) -> None:
        for child in self._alive():
            child.kill()
            if child.process is not None:
                child.process.wait()

    @contextmanager
    def _listening(self) -> Iterator[int]:
        """A descriptor that becomes readable on every signal; the old handlers come back afterwards."""
        with _pipe() as (readable, writable), ExitStack() as stack:
            os.set_blocking(readable, False)
            os.set_blocking(writable, False)
            stack.callback(signal.set_wakeup_fd, signal.set_wakeup_fd(writable, warn_on_full_buffer=False))
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                if signal.getsignal(number) != signal.SIG_IGN:  # nohup
                    stack.callback(signal.signal, number, signal.signal(number, self._hear))
            stack.callback(signal.signal, signal.SIGCHLD, signal.signal(signal.SIGCHLD, lambda *_: None))
            yield readable

    def _hear(self, number: int, _frame: Any) -> None:
        self._signals.append(number)


def watch_lifeline() -> None:
    """Called first by every role: it ends, with all it has started, when its supervisor is gone, however that died.

    Needs nothing of the system but a pipe: the supervisor holds its other end. Without a supervisor nothing happens.
    """
    lifeline = os.environ.pop(LIFELINE, None)
    if lifeline is None:
        return
    os.set_inheritable(int(lifeline), False)
    threading.Thread(target=_end_with, args=(int(lifeline),), name="lifeline", daemon=True).start()


def is_supervised() -> bool:
    """To be asked before `watch_lifeline`."""
    return LIFELINE in os.environ


def standing() -> Callable[[], None] | None:
    """What a role calls when it stands, where its supervisor lets the others wait for it; else None."""
    said = os.environ.pop(AWAITED, None)
    if said is None:
        return None
    os.set_inheritable(int(said), False)
    return lambda: _say_once(int(said))


def _say_once(stands: int) -> None:
    with suppress(BrokenPipeError):  # the supervisor is gone, and the lifeline ends this role
        os.write(stands, b"\n")
    os.close(stands)


def _end_with(lifeline: int) -> None:
    os.read(lifeline, 1)
    if os.getpgrp() == os.getpid():  # somebody must be left to end the group once this process is gone
        subprocess.Popen(
            ["/bin/sh", "-c", REAPER, "reaper", str(os.getpid()), str(ORPHAN_GRACE * 10)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
    os.kill(os.getpid(), signal.SIGTERM)


def _reap_adopted(own: set[int]) -> None:
    """As process 1 of a container the supervisor inherits what dead roles have left; nobody else waits for it."""
    while hasattr(os, "waitid"):
        try:
            seen = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        except ChildProcessError:
            return
        if seen is None or seen.si_pid in own:
            return
        os.waitpid(seen.si_pid, 0)


@contextmanager
def _pipe() -> Iterator[tuple[int, int]]:
    readable, writable = os.pipe()
    try:
        yield readable, writable
    finally:
        os.close(writable)
        os.close(readable)


def _seconds_to_next_start(children: Sequence[Child]) -> float | None:
    waiting = [child.start_at for child in children if child.process is None]
    return max(0.0, min(waiting) - time.monotonic()) if waiting else None


def _wait(wake_up: int, seconds: float | None, *others: int) -> bool:
    """Until a signal comes, or one of `others` is readable, which it answers."""
    readable = select.select([wake_up, *others], [], [], seconds)[0]
    if wake_up in readable:
        os.read(wake_up, 4096)
    return any(other in readable for other in others)


def _reason(code: int) -> str:
    return f"signal {-code}" if code < 0 else f"exit code {code}"
