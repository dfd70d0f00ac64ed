"""A real Redis, as Debian packs it: on loopback, on a free port, with nothing kept on disk."""

from __future__ import annotations

import shutil
import subprocess
from typing import Self

import pytest

from tests.ports import free_port


class RedisServer:
    """Started with `with`; one that was stopped may be started again and has forgotten everything."""

    def __init__(self) -> None:
        self._port = free_port()
        self.url = f"redis://127.0.0.1:{self._port}/0"
        self._process: subprocess.Popen[str] | None = None
        if shutil.which("redis-server") is None:
            pytest.skip("redis-server is not installed here")

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """It ends with us, even where we are killed."""
        program = ["setpriv", "--pdeathsig", "KILL", "redis-server", "--port", str(self._port)]
        options = ["--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
        self._process = subprocess.Popen([*program, *options], stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        assert any("eady to accept connections" in line for line in self._process.stdout)

    def stop(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.communicate()

    def flush(self) -> None:
        from redis import Redis

        with Redis.from_url(self.url) as client:
            client.flushall()
