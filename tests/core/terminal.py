"""A shell in a folder of its own, in which `mediaserver` is run."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from mediaserver.supervisor import AWAITED

ROOT = Path(__file__).parents[2]
CANNOT_GO_ON = 78
PLAINLY = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"]  # root, without its right to everything


class Terminal:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.umask = -1  # this process's
        self.is_root = os.geteuid() == 0  # who may read and write what belongs to others
        self.env = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "HOME": str(folder)}

    def write(self, config: str) -> None:
        (self.folder / "config.yaml").write_text(config)

    def run(self, *arguments: str | Path, user: int | None = None) -> subprocess.CompletedProcess[str]:
        without = PLAINLY if os.geteuid() == 0 and not self.is_root else []
        done = subprocess.run(
            [*without, sys.executable, "-m", "mediaserver", *map(str, arguments)],
            cwd=self.folder,
            env=self.env,
            capture_output=True,
            text=True,
            timeout=300,
            user=user,
            umask=self.umask,
            check=False,
        )
        assert "Traceback" not in done.stdout + done.stderr
        return done

    def opened(self, *arguments: str) -> str:
        """What the `serve` that opens for the others says until it answers requests; the others never start."""
        with Path(os.devnull).open("wb") as nobody:
            return self.stopped_at("listening on", "serve", *arguments, waits=nobody.fileno())

    def stopped_at(self, words: str, *arguments: str, waits: int | None = None, number: int = signal.SIGTERM) -> str:
        """All that it says; when it says `words` it is stopped, and has to end in order."""
        command = [sys.executable, "-m", "mediaserver", *arguments]
        environment = self.env | {"PYTHONUNBUFFERED": "1"} | ({AWAITED: str(waits)} if waits else {})
        said = ""
        with subprocess.Popen(
            command,
            cwd=self.folder,
            env=environment,
            pass_fds=[waits] if waits else [],
            stdout=subprocess.PIPE,
            text=True,
            umask=self.umask,
        ) as running:
            assert running.stdout is not None
            while words not in said:
                line = running.stdout.readline()
                assert line, said
                said += line
            running.send_signal(number)
            said += running.stdout.read()
        assert running.returncode == 0, said
        assert "Traceback" not in said
        return said

    def refused(self, *arguments: str | Path, user: int | None = None) -> str:
        """The one line with which a command cannot go on."""
        done = self.run(*arguments, user=user)
        assert done.returncode == CANNOT_GO_ON, done.stdout + done.stderr
        [line] = [line for line in done.stderr.splitlines() if line.startswith("mediaserver: ")]
        return line
