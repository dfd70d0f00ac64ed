import asyncio
import os
import select
import shutil
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from mediaserver.contracts import Finished, Limits
from mediaserver.core.sandbox import Sandbox, SandboxedTool
from mediaserver.core.sandbox_exec import SOCKET
from tests.patience import PATIENCE

pytestmark = pytest.mark.slow
LIMITS = Limits(wall=PATIENCE, cpu=20)
SHELL = "/bin/sh"
Paths = Sequence[Path]

needs_landlock = pytest.mark.skipif(Sandbox.detect().landlock_abi == 0, reason="this kernel has no Landlock")


async def run(
    script: str, *, reads: Paths = (), writes: Paths = (), limits: Limits = LIMITS, cwd: Path | None = None
) -> Finished:
    tool = await Sandbox.detect().start([SHELL, "-c", script], reads=reads, writes=writes, limits=limits, cwd=cwd)
    return await tool.wait()


async def python(script: str, *, writes: Paths = (), limits: Limits = LIMITS, cwd: Path | None = None) -> SandboxedTool:
    """What the sandbox may execute is one program: where a test needs more than a shell can, that is Python."""
    argv = [os.path.realpath(sys.executable), "-S", "-u", "-c", "import os, signal, sys, time\n" + script]
    reads = [Path(sys.base_prefix)]
    return await Sandbox.detect().start(argv, reads=reads, writes=writes, limits=limits, cwd=cwd)


@needs_landlock
async def test_only_what_was_named_can_be_read(tmp_path: Path) -> None:
    named, private = tmp_path / "named", tmp_path / "private"
    named.write_text("hello")
    private.write_text("secret")
    done = await run(
        f"read a <{named}; echo $a; read b <{private}; echo $b; read c </etc/passwd; echo $c", reads=[named]
    )
    assert done.stdout.decode().split() == ["hello"]
    assert "ermission denied" in done.stderr


@needs_landlock
async def test_only_the_workspace_can_be_written(tmp_path: Path) -> None:
    workspace, source = tmp_path / "job", tmp_path / "film"
    workspace.mkdir()
    source.write_text("film")
    script = f"echo ok >mine; echo bad >{source}; echo bad >../escaped; echo fine >/dev/null; read a <mine; echo $a"
    done = await run(script, reads=[source], writes=[workspace], cwd=workspace)
    assert done.stdout == b"ok\n"
    assert source.read_text() == "film"
    assert not (tmp_path / "escaped").exists()


@needs_landlock
async def test_a_link_swapped_in_for_the_source_is_not_followed(tmp_path: Path) -> None:
    private, source = tmp_path / "private", tmp_path / "film"
    private.write_text("secret")
    source.symlink_to(private)
    done = await run(f"read a <{source}; echo $a", reads=[source])
    assert b"secret" not in done.stdout


@needs_landlock
async def test_a_link_swapped_in_for_a_folder_of_the_source_is_not_followed(tmp_path: Path) -> None:
    private, folder = tmp_path / "private", tmp_path / "folder"
    private.mkdir()
    (private / "film").write_text("secret")
    folder.symlink_to(private)
    done = await run(f"read a <{folder / 'film'}; echo $a", reads=[folder / "film"])
    assert b"secret" not in done.stdout


@needs_landlock
async def test_what_lies_in_the_workspace_is_read_though_a_link_leads_there(tmp_path: Path) -> None:
    (tmp_path / "real" / "work").mkdir(parents=True)
    (tmp_path / "real" / "work" / "film").write_text("film")
    (tmp_path / "link").symlink_to("real")
    work = tmp_path / "link" / "work"
    done = await run(f"read a <{work / 'film'}; echo $a", reads=[work / "film"], writes=[work], cwd=work)
    assert done.stdout == b"film\n"


@needs_landlock
async def test_no_other_program_can_be_executed(tmp_path: Path) -> None:
    done = await run("/usr/bin/id; echo $?", reads=[Path("/usr/bin")])
    assert done.stdout == b"126\n"


@pytest.mark.skipif(Sandbox.detect().landlock_abi < 4, reason="this kernel's Landlock does not know TCP")
async def test_tcp_is_denied(unused_tcp_server: int) -> None:
    tool = await python(f"import socket; socket.create_connection(('127.0.0.1', {unused_tcp_server}), 2)")
    done = await tool.wait()
    assert done.returncode == 1
    assert "PermissionError" in done.stderr


@pytest.mark.skipif(os.uname().machine not in SOCKET, reason="the numbers of its calls are not known here")
@pytest.mark.parametrize("kind", ["AF_INET, socket.SOCK_DGRAM", "AF_INET6, socket.SOCK_STREAM", "AF_UNIX"])
async def test_no_socket_is_made(kind: str) -> None:
    """Landlock knows TCP only, and an SDP text makes ffmpeg listen on UDP."""
    done = await (await python(f"import socket; socket.socket(socket.{kind})")).wait()
    assert done.returncode == 1
    assert "PermissionError" in done.stderr


async def test_memory_is_bounded() -> None:
    limits = Limits(wall=PATIENCE, cpu=20, memory=128 << 20)
    tool = await python("print(len(bytearray(64 << 20))); bytearray(256 << 20)", limits=limits)
    done = await tool.wait()
    assert done.stdout == b"67108864\n"
    assert "MemoryError" in done.stderr


@pytest.fixture
async def unused_tcp_server() -> AsyncIterator[int]:
    server = await asyncio.start_server(lambda reader, writer: writer.close(), "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def test_limits_hold_inside() -> None:
    done = await run("ulimit -t; ulimit -v; ulimit -f; ulimit -n; ulimit -c", limits=Limits(wall=PATIENCE, cpu=7))
    assert done.stdout.decode().split() == ["7", str(3 << 20), str(2 << 21), "64", "0"]


async def test_what_uses_up_its_seconds_of_cpu_ran_out_of_time_and_was_not_ended_from_outside() -> None:
    done = await run("while :; do :; done", limits=Limits(wall=PATIENCE, cpu=1))
    assert (done.returncode, done.timed_out) == (-signal.SIGKILL, True)


async def test_a_background_program_is_modest() -> None:
    tool = await python("print(os.nice(0))", limits=Limits(wall=PATIENCE, cpu=20, nice=11, idle_io=True))
    assert (await tool.wait()).stdout == b"11\n"


AUTOGROUP = Path("/proc/self/autogroup")


@pytest.mark.skipif(not AUTOGROUP.exists(), reason="this kernel shares its cores among processes, not sessions")
async def test_a_background_program_is_modest_beside_other_sessions_and_one_that_is_waited_for_shares_ours() -> None:
    ours = AUTOGROUP.read_text()
    told = {}
    for nice in (11, None):
        tool = await python("time.sleep(60)", limits=Limits(wall=PATIENCE, cpu=20, nice=nice))
        command = Path(f"/proc/{tool.pid}/cmdline")
        async with asyncio.timeout(PATIENCE):
            while not (said := command.read_bytes()) or b"sandbox_exec" in said:  # it has not become the program yet
                await asyncio.sleep(0.01)
        told[nice] = Path(f"/proc/{tool.pid}/autogroup").read_text()
        assert os.getpgid(tool.pid) == tool.pid, "what it starts ends with it"
        os.kill(tool.pid, signal.SIGKILL)
        await tool.wait()
    assert told[11].endswith(" nice 11\n")
    assert told[None] == ours


async def test_a_file_that_grows_too_large_ends_the_program(tmp_path: Path) -> None:
    script = "f = open('big', 'wb', buffering=0)\nwhile True: f.write(bytes(50_000))"
    limits = Limits(wall=PATIENCE, cpu=20, file_size=100_000)
    done = await (await python(script, writes=[tmp_path], limits=limits, cwd=tmp_path)).wait()
    assert done.returncode != 0
    assert (tmp_path / "big").stat().st_size == 100_000


async def test_a_program_that_burns_its_time_is_killed() -> None:
    done = await run("while :; do :; done", limits=Limits(wall=PATIENCE, cpu=1))
    assert done.returncode in {-signal.SIGXCPU, -signal.SIGKILL}
    assert 0.5 < done.cpu_seconds < 5


STUBBORN = """
signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = os.fork()
if child: print(child)
while True: time.sleep(60)
"""


async def test_a_program_that_takes_too_long_is_stopped_with_all_it_started() -> None:
    done = await (await python(STUBBORN, limits=Limits(wall=4, cpu=20))).wait()
    assert done.timed_out
    assert done.returncode == -signal.SIGKILL
    await gone(int(done.stdout))


async def test_a_program_that_hangs_is_ended_long_before_its_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    """As at a share that does not answer: it says nothing about the film, which is tried again."""
    monkeypatch.setattr("mediaserver.core.sandbox.LOOK_SECONDS", 0.05)
    done = await (await python("time.sleep(600)", limits=Limits(wall=600, cpu=20))).wait()
    assert not done.timed_out
    assert done.returncode == -signal.SIGTERM


async def test_paused_time_counts_for_no_limit() -> None:
    """Paused from its start, so that nothing of its time is gone however long that takes."""
    sandbox = Sandbox.detect()
    argv = [SHELL, "-c", "read x </dev/zero"]
    tool = await sandbox.start(argv, reads=[Path("/dev/zero")], limits=Limits(wall=3, cpu=20))
    tool.pause()
    assert await state(tool.pid, "T")
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(asyncio.shield(waiting := asyncio.ensure_future(tool.wait())), 3.5)
    tool.resume()
    assert (await waiting).timed_out


async def test_cancelling_the_waiter_stops_the_program() -> None:
    tool = await python("print('ready')\ntime.sleep(60)")
    assert await anext(tool.lines()) == b"ready"
    waiting = asyncio.ensure_future(tool.wait())
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    await gone(tool.pid)


async def test_a_paused_program_can_be_stopped() -> None:
    tool = await python("print('ready')\ntime.sleep(60)")
    assert await anext(tool.lines()) == b"ready"
    tool.pause()
    await tool.stop()
    assert (await tool.wait()).returncode == -signal.SIGTERM


async def test_lines_come_while_the_program_runs_and_the_rest_is_bounded() -> None:
    tool = await Sandbox.detect().start([SHELL, "-c", "echo one; echo two; echo oops >&2; exit 3"], limits=LIMITS)
    assert [line async for line in tool.lines()] == [b"one", b"two"]
    done = await tool.wait()
    assert (done.returncode, done.stdout, done.stderr) == (3, b"one\ntwo\n", "oops")
    assert done.max_rss > 0
    script = "i=0; while [ $i -lt 5000 ]; do echo 0123456789; echo 0123456789 >&2; i=$((i+1)); done"
    done = await run(script, limits=Limits(20, 20, stdout=1000))
    assert len(done.stdout) == 1000
    assert len(done.stderr) <= 4096


async def test_a_program_that_cannot_be_started_says_so(tmp_path: Path) -> None:
    tool = await Sandbox.detect().start([str(tmp_path / "missing")], limits=LIMITS)
    done = await tool.wait()
    assert done.returncode != 0
    assert "No such file" in done.stderr


PARENT = """
import asyncio, sys
from mediaserver.contracts import Finished, Limits
from mediaserver.core.sandbox import Sandbox, SandboxedTool
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
async def main():
    argv = ["/bin/sh", "-c", "trap '' TERM HUP; echo ready; while :; do read x </dev/zero; done"]
    tool = await Sandbox.detect().start(argv, reads=[Path("/dev/zero")], limits=Limits(60, 60))
    async for line in tool.lines():
        print(tool.pid, flush=True)
asyncio.run(main())
"""


@pytest.mark.slow
async def test_the_program_dies_with_the_server() -> None:
    parent = subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE)
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    pidfd = os.pidfd_open(child)
    try:
        parent.kill()
        parent.wait()
        assert select.select([pidfd], [], [], PATIENCE)[0], "the tool outlived its parent"
    finally:
        os.close(pidfd)
        parent.stdout.close()


async def test_a_wrapper_whose_parent_is_gone_starts_nothing(tmp_path: Path) -> None:
    from mediaserver.core import sandbox_exec

    spec = '{"parent": 1}'
    argv = [sys.executable, "-I", "-S", sandbox_exec.__file__, spec, "/bin/sh", "-c", f"echo ran >{tmp_path / 'ran'}"]
    done = subprocess.run(argv, check=False)
    assert done.returncode == 125
    assert not (tmp_path / "ran").exists()


async def gone(pid: int) -> None:
    while status(pid) != "Z":
        await asyncio.sleep(0.01)


async def state(pid: int, letter: str) -> bool:
    while status(pid) != letter:
        await asyncio.sleep(0.01)
    return True


def status(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return "Z"


async def test_a_program_paused_at_once_is_stopped_only_when_it_is_itself() -> None:
    tool = await Sandbox.detect().start([SHELL, "-c", "while :; do :; done"], limits=LIMITS)
    tool.pause()
    status = Path(f"/proc/{tool.pid}/status")
    while "(stopped)" not in status.read_text():
        await asyncio.sleep(0.01)
    assert Path(f"/proc/{tool.pid}/cmdline").read_bytes().startswith(SHELL.encode())
    await tool.stop()


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
@pytest.mark.parametrize("loop", ["asyncio.new_event_loop", "uvloop.new_event_loop"])
def test_no_descriptor_is_closed_twice(tmp_path: Path, loop: str) -> None:
    """Between the two a thread may have opened a database under the same number."""
    if loop.startswith("uvloop"):
        pytest.importorskip("uvloop")
    script = f"""
import asyncio, {loop.partition(".")[0]}
from tests.core.test_sandbox import run

with asyncio.Runner(loop_factory={loop}) as runner:
    assert runner.run(run("echo out; echo err >&2")).stdout == b"out\\n"
"""
    log = tmp_path / "closes"
    strace = ["strace", "-qq", "--seccomp-bpf", "-f", "-e", "trace=close", "-e", "signal=none", "-o", str(log)]
    subprocess.run([*strace, sys.executable, "-c", script], check=True, timeout=300, cwd=Path(__file__).parents[2])
    assert "close(" in log.read_text()
    assert "EBADF" not in log.read_text()
