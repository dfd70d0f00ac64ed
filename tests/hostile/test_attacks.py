"""Attack files against each wall alone. The witness is strace: what was opened, and whom it asked over the network."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import socketserver
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from mediaserver.core.library.probe import ProbeFailed, probe
from mediaserver.core.sandbox import Sandbox
from tests import media
from tests.hostile.attacks import ATTACKS, BOMBS, POINTS_ELSEWHERE, lay
from tests.hostile.measured import GIBIBYTE, Measured
from tests.hostile.witness import end_of

ROOT = Path(__file__).resolve().parents[2]
CALLS = "trace=execve,open,openat,openat2,connect,bind,sendto,sendmsg"
OPENED = re.compile(r'open(?:at2?)?\((?:AT_FDCWD, )?"([^"]+)".*= \d+$')
TRIED = re.compile(r'open(?:at2?)?\((?:AT_FDCWD, )?"([^"]+)"')
ASKED = re.compile(r"(?:connect|bind|sendto|sendmsg)\(.*sa_family=AF_.* = (?:\d+|-1 EINPROGRESS.*)$")
SLOW = ("an mkv and a hole", "a ts and a hole", "a hundred thousand edits")  # each fills its 15 seconds
TEETH = (
    "hls as mp4",
    "ffconcat relative",
    "dash",
    "hls to the network",
    "quicktime with external data",
    "vobsub",
)
PLAYLIST = "^This is a playlist that points to other files, not a film"
LINK = "^This is a symbolic link"
UNREADABLE = "^There is no film in this file: it is damaged, or it is not a video"
ENDS = {
    **{name: PLAYLIST for name in POINTS_ELSEWHERE if name.startswith(("hls", "ffconcat", "dash", "sdp"))},
    **{name: LINK for name in POINTS_ELSEWHERE if name.startswith("link")},
    **{name: UNREADABLE for name in ATTACKS if name.startswith("a billion")},
    "a billion entries in elst": "^made$",
    "strm": UNREADABLE,
    "vobsub": "^The format vobsub is not read here",
    "quicktime with external data": "^There is no picture that can be read in this file",
    "matroska with linked segments": "^made$",
    "matroska with attachments": "^made$",
    "a thousand edits": "^This file holds 17 kB for 17 minutes",
    "boxes in boxes": UNREADABLE,
    "pixels of absurd width": "^made$",
    "frames of absurd size": "^ffmpeg could not encode this film",
    "an element without end": "^made$",
    "tags in tags": "^made$",
    "two hundred streams": "^This file has more than 64 tracks",
    "a gap of 250 seconds": "^made$",
    "a gap of 3600 seconds": "^This file holds 13 kB for 120 minutes",
    "a gap of 20000 seconds": "^This file holds 16 kB for 667 minutes",
    "a gap of 100000 seconds": "^This film claims to last 56 hours",
    "twenty thousand subtitles": "^made$",
    "a terabyte of nothing": "^The index of this file is missing",
    "an mp4 and a hole": "^made$",
    "a pipe": "^This is not a regular file",
    "a folder": "^This is not a regular file",
}


@dataclass(frozen=True, slots=True)
class Seen:
    """What happened on the ground of one wall."""

    root: Path
    films: dict[str, Path]
    ends: dict[str, str]
    opened: set[str]
    tried: set[str]
    asked: list[str]
    called: int

    @property
    def foreign(self) -> set[str]:
        """What was opened of the ground the attacks were laid on, but is no attack itself."""
        own = {str(film) for film in self.films.values()}
        return {path for path in self.opened if path.startswith(f"{self.root}/") and path not in own}

    @property
    def attempts(self) -> set[str]:
        return {path for path in self.tried if path.startswith(f"{self.root}/secret") or path == "/etc/passwd"}


class Listener(socketserver.TCPServer):
    """Nobody may call here; who does is counted and gets nothing."""

    calls = 0

    def finish_request(self, request: object, client_address: object) -> None:
        self.calls += 1


@contextmanager
def listening() -> Iterator[Listener]:
    with Listener(("127.0.0.1", 0), socketserver.BaseRequestHandler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def listeners() -> Iterator[dict[str, Listener]]:
    with listening() as flags, listening() as sandbox, listening() as none:
        yield {"flags": flags, "sandbox": sandbox, "none": none}


def watched(root: Path, attacks: dict[str, Iterable[str]], listeners: dict[str, Listener]) -> dict[str, Seen]:
    """One run of strace over every ground: starting Python under it takes longer than the files do."""
    films = {walls: lay(root / walls, listeners[walls].server_address[1], names) for walls, names in attacks.items()}
    work, log = root / "work", root / "log"
    work.mkdir()
    told = json.dumps({walls: {name: str(path) for name, path in laid.items()} for walls, laid in films.items()})
    strace = ["strace", "-ff", "-qq", "--seccomp-bpf", "-s", "4096", "-e", CALLS, "-e", "signal=none", "-o", str(log)]
    driver = [sys.executable, "-m", "tests.hostile.witness", str(work)]
    done = subprocess.run([*strace, *driver], input=told, capture_output=True, text=True, cwd=ROOT, timeout=500)
    assert done.returncode == 0, done.stderr
    ends, lines = json.loads(done.stdout), _told(root)
    return {
        walls: Seen(
            root / walls,
            films[walls],
            ends[walls],
            opened=paths(OPENED, lines),
            tried=paths(TRIED, lines),
            asked=[line for line in lines if ASKED.search(line) and f"htons({server.server_address[1]})" in line],
            called=server.calls,
        )
        for walls, server in listeners.items()
    }


def _told(root: Path) -> list[str]:
    """A file for each thread, so that no call is torn by another."""
    return [line for log in root.glob("log.*") for line in log.read_text(errors="replace").splitlines()]


def paths(pattern: re.Pattern[str], lines: list[str]) -> set[str]:
    return {os.path.normpath(found[1]) for line in lines if (found := pattern.search(line))}


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
@pytest.mark.skipif(Sandbox.detect().landlock_abi == 0, reason="this kernel has no Landlock")
def test_each_wall_alone_keeps_every_attack_from_reading_anything_else(
    tmp_path: Path, listeners: dict[str, Listener]
) -> None:
    attacks: dict[str, Iterable[str]] = {
        "flags": list(POINTS_ELSEWHERE),
        "sandbox": list(POINTS_ELSEWHERE),
        "none": TEETH,
    }
    seen = watched(tmp_path, attacks, listeners)
    for walls in ("flags", "sandbox"):
        assert not seen[walls].foreign
        assert not seen[walls].asked
        assert not seen[walls].called
    assert not seen["flags"].attempts
    assert seen["sandbox"].attempts
    assert_the_attacks_have_teeth(seen["none"])
    assert_ends(seen["flags"].ends)


def assert_ends(ends: dict[str, str]) -> None:
    for name, end in ends.items():
        assert re.search(ENDS[name], end), (name, end)


def assert_the_attacks_have_teeth(without_walls: Seen) -> None:
    """Else the walls would prove nothing."""
    root = without_walls.root
    assert f"{root}/secret/private.ts" in without_walls.foreign
    for name, beside in (("ffconcat relative", "sibling.ts"), ("vobsub", "film.sub")):
        assert str(without_walls.films[name].parent / beside) in without_walls.foreign
    assert without_walls.asked
    assert without_walls.called


@pytest.mark.slow
async def test_bombs_end_clearly_and_within_their_memory(tmp_path: Path) -> None:
    films = lay(tmp_path, 1, [name for name in BOMBS if name not in SLOW])
    measured = Measured(media.tools())
    slots = asyncio.Semaphore(2)

    async def end(path: Path) -> str:
        async with slots:
            return await end_of(path, measured, tmp_path)

    assert_ends(dict(zip(films, await asyncio.gather(*(end(path) for path in films.values())), strict=True)))
    assert measured.most_memory <= GIBIBYTE


@pytest.mark.soak
@pytest.mark.parametrize("name", SLOW)
async def test_a_probe_ends_within_its_time(name: str, tmp_path: Path) -> None:
    [film] = lay(tmp_path, 1, [name]).values()
    begun = time.monotonic()
    with pytest.raises(ProbeFailed, match=r"took too long|could not be read within"):
        await probe(media.tools(), film)
    assert time.monotonic() - begun < 17
