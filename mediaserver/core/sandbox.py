"""The only place where programs are started on files somebody else made: limits, Landlock, death with the parent."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, cast

from mediaserver.contracts import Finished, Limits
from mediaserver.core import sandbox_exec
from mediaserver.core.autogroups import yield_as_session

__all__ = ["Sandbox", "SandboxedTool"]

LIBRARIES = ("/usr/lib", "/usr/lib64", "/usr/local/lib", "/lib", "/lib64", "/etc/ld.so.cache")
STDERR_BYTES = 4096
PIPE_BYTES = 1 << 16  # read at once: as much as a pipe holds
HOLD_SECONDS = 0.01  # between looks whether the wrapper has become the program
LOOK_SECONDS, STALLED_LOOKS = 15.0, 6  # a program that used no CPU in 90 s hangs: a share that is away, say
GRACE_SECONDS = 2.0  # between SIGTERM and SIGKILL: ffmpeg's own way out can take a minute


class _Pipe:
    """Keeps the first `head` bytes and the last `tail` bytes of what comes.

    It closes its file itself. Where uvloop is told to (`connect_read_pipe`) it closes the number twice, and between the
    two a thread may have opened something under it: a database, say.
    """

    def __init__(self, file: IO[bytes], *, head: int = 0, tail: int = 0) -> None:
        self.data = bytearray()
        self.news = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self.closed = self._loop.create_future()
        self._file = file
        self._head = head
        self._tail = tail
        os.set_blocking(file.fileno(), False)
        self._loop.add_reader(file.fileno(), self._read)

    def _read(self) -> None:
        try:
            data = os.read(self._file.fileno(), PIPE_BYTES)
        except BlockingIOError:
            return
        if data:
            self._keep(data)
        else:
            self._loop.remove_reader(self._file.fileno())
            self._file.close()
            self.closed.set_result(None)
        self.news.set()

    def _keep(self, data: bytes) -> None:
        if self._head:
            self.data += data[: self._head - len(self.data)]
        else:
            self.data += data
            del self.data[: -self._tail]


class Stalled:
    """Whether a program stands still, though nobody stopped it."""

    def __init__(self, used: Callable[[], int]) -> None:
        """`used` answers how much CPU it has had so far."""
        self._used = used
        self.begin()

    def begin(self) -> None:
        self._last, self._looks = -1, 0

    def again(self) -> bool:
        """Another look; True where so many in a row saw no work."""
        used = self._used()
        self._looks = self._looks + 1 if used == self._last else 0
        self._last = used
        return self._looks >= STALLED_LOOKS


class SandboxedTool:
    """One running program; see `mediaserver.contracts.RunningTool`. Belongs to the loop that started it."""

    def __init__(self, process: subprocess.Popen[bytes], limits: Limits) -> None:
        """From here on it is read, waited for, and its time is counted."""
        self._loop = asyncio.get_running_loop()
        self._process = process
        self._exited: asyncio.Future[tuple[int, float, int]] = self._loop.create_future()
        self._remaining = limits.wall
        self._most_cpu = limits.cpu
        self._since: float | None = None
        self._alarm: asyncio.TimerHandle | None = None
        self._kill: asyncio.TimerHandle | None = None
        self._timed_out = False
        self._stalled = Stalled(self._cpu_ticks)
        self._looking: asyncio.TimerHandle | None = None
        self._stdout = _Pipe(cast("IO[bytes]", process.stdout), head=limits.stdout)
        self._stderr = _Pipe(cast("IO[bytes]", process.stderr), tail=STDERR_BYTES)
        fd = os.pidfd_open(self.pid)
        self._loop.add_reader(fd, self._reap, fd)
        self._run_clock()
        if limits.nice is not None:
            yield_as_session(self.pid, limits.nice, self._exited.done)

    @property
    def pid(self) -> int:
        return self._process.pid

    async def lines(self) -> AsyncIterator[bytes]:
        position = 0
        while True:
            self._stdout.news.clear()
            while (end := self._stdout.data.find(b"\n", position)) >= 0:
                yield bytes(self._stdout.data[position:end])
                position = end + 1
            if self._stdout.closed.done():
                return
            await self._stdout.news.wait()

    async def wait(self) -> Finished:
        try:
            returncode, cpu_seconds, max_rss = await asyncio.shield(self._exited)
            await asyncio.shield(self._stdout.closed)
            await asyncio.shield(self._stderr.closed)
        except asyncio.CancelledError:
            await self.stop()
            raise
        stderr = self._stderr.data.decode(errors="replace").strip()
        timed_out = self._timed_out or (returncode == -signal.SIGKILL and cpu_seconds > self._most_cpu - 1)
        return Finished(returncode, bytes(self._stdout.data), stderr, cpu_seconds, max_rss, timed_out)

    def pause(self) -> None:
        if self._since is None or self._exited.done():
            return
        self._stop_clock()
        self._hold()

    def _hold(self) -> None:
        """Stop it once the program itself runs: a wrapper stopped before it is tied to its parent outlives it."""
        if self._since is not None or self._exited.done():
            return
        if self._is_wrapper():
            self._loop.call_later(HOLD_SECONDS, self._hold)
        else:
            self._signal(signal.SIGSTOP)

    def _is_wrapper(self) -> bool:
        try:
            command = Path(f"/proc/{self.pid}/cmdline").read_bytes()
        except OSError:
            return False
        return not command or os.fsencode(sandbox_exec.__file__) in command  # empty while it becomes another

    def resume(self) -> None:
        if self._since is not None or self._exited.done():
            return
        self._signal(signal.SIGCONT)
        self._run_clock()

    async def stop(self) -> None:
        self._terminate()
        try:
            await asyncio.shield(self._exited)
        except asyncio.CancelledError:
            self._signal(signal.SIGKILL)
            raise

    def _run_clock(self) -> None:
        self._since = self._loop.time()
        self._alarm = self._loop.call_later(max(0.0, self._remaining), self._out_of_time)
        self._looking = self._loop.call_later(LOOK_SECONDS, self._look)

    def _look(self) -> None:
        """Whether it works at all: its limits are those of a busy machine, which is an hour and more."""
        if self._stalled.again():
            self._terminate()
        else:
            self._looking = self._loop.call_later(LOOK_SECONDS, self._look)

    def _cpu_ticks(self) -> int:
        with suppress(OSError):
            fields = Path(f"/proc/{self.pid}/stat").read_bytes().rpartition(b")")[2].split()
            return int(fields[11]) + int(fields[12])
        return 0

    def _stop_clock(self) -> None:
        self._stalled.begin()
        if self._looking is not None:
            self._looking.cancel()
        if self._since is not None:
            self._remaining -= self._loop.time() - self._since
        self._since = None
        if self._alarm is not None:
            self._alarm.cancel()

    def _out_of_time(self) -> None:
        self._timed_out = True
        self._terminate()

    def _terminate(self) -> None:
        if self._exited.done() or self._kill is not None:
            return
        self._signal(signal.SIGTERM)
        self._signal(signal.SIGCONT)
        self._kill = self._loop.call_later(GRACE_SECONDS, self._signal, signal.SIGKILL)

    def _signal(self, number: signal.Signals) -> None:
        if not self._exited.done():
            with suppress(ProcessLookupError):
                os.killpg(self.pid, number)

    def _reap(self, pidfd: int) -> None:
        """The program has ended: end what it left in its group while the number is still ours, then collect it."""
        self._loop.remove_reader(pidfd)
        os.close(pidfd)
        self._signal(signal.SIGKILL)
        _, status, usage = os.wait4(self.pid, 0)
        self._process.returncode = os.waitstatus_to_exitcode(status)
        self._stop_clock()
        if self._kill is not None:
            self._kill.cancel()
        cpu_seconds = usage.ru_utime + usage.ru_stime
        self._exited.set_result((self._process.returncode, cpu_seconds, usage.ru_maxrss * 1024))


@dataclass(frozen=True, slots=True)
class Sandbox:
    """`landlock_abi` is 0 where the kernel has no Landlock: limits hold, but reading is not confined."""

    landlock_abi: int
    sockets: bool = False  # whether it may make any

    @staticmethod
    def detect() -> Sandbox:
        return Sandbox(sandbox_exec.landlock_abi())

    async def start(
        self,
        argv: Sequence[str],
        *,
        reads: Sequence[Path] = (),
        writes: Sequence[Path] = (),
        limits: Limits,
        cwd: Path | None = None,
        devices: Sequence[Path] = (),
    ) -> SandboxedTool:
        """Run `argv` (first the absolute path of the program). Call it from a thread that lives as long as the server:
        the kernel kills the program when the *thread* that started it ends.

        No path of `reads` goes by a link, unless it lies in a folder of `writes`, where nobody else may put one.
        """
        spec = {
            "parent": os.getpid(),
            "landlock_abi": self.landlock_abi,
            "sockets": self.sockets,
            "limits": asdict(limits),
            "libraries": LIBRARIES,
            "reads": [str(path) for path in reads if not any(path.is_relative_to(folder) for folder in writes)],
            "writes": [str(path) for path in writes],
            "devices": [str(path) for path in devices],
        }
        inherits = limits.nice is None  # then it shares the cores its starter's session gets
        process = subprocess.Popen(  # noqa: ASYNC220 - a fork of 2 ms; asyncio's own would hide the resource usage
            [sys.executable, "-I", "-S", sandbox_exec.__file__, json.dumps(spec), *argv],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=cwd or "/",
            env={"LC_ALL": "C.UTF-8"},
            start_new_session=not inherits,
            process_group=0 if inherits else None,
        )
        return SandboxedTool(process, limits)
