"""From wanting an interactive job until a worker has started it, on both brokers.

    python benchmarks/brokers.py [--tries N]

The worker is a process of its own, as in an installation; the job is wanted as `serve` wants a cell: a row in the
database, then a message by the broker. Both processes read the same monotonic clock of the machine. "On a core" is
less what threads of the two processes were ready to run meanwhile and had no core for, which is the machine's part.
Budget: 50 ms at p99.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from statistics import quantiles
from typing import Any

import yaml

from benchmarks.figures import waited
from mediaserver.contracts import Jobs
from mediaserver.core.config import load
from mediaserver.core.server import Server
from tests.postgres import Postgres, find_programs
from tests.redis_server import RedisServer

PATIENCE = 20  # s until a job counts as lost
ROOT = Path(__file__).resolve().parents[1]
PLUGIN = """
import os, time
from mediaserver import Plugin, hookimpl

plugin = Plugin(api="1")

async def work(job):
    started = time.monotonic_ns()
    if job.args["pipe"]:
        with open(job.args["pipe"], "w") as pipe:
            pipe.write(f"{started}\\n")

@hookimpl
def register(registry):
    registry.job("bench.start", work, queue="interactive", attempts=1, kept=False)
"""


async def tries(folder: Path, count: int, **stands_on: Any) -> list[tuple[float, float]]:
    """Milliseconds from wanting a job to its start, and how many of them on a core."""
    (folder / "starting.py").write_text(PLUGIN)
    config = folder / "config.yaml"
    settings = {"plugin_folders": [str(folder)], "plugins": {"starting": {}}, "workers": {"count": 1}} | stands_on
    config.write_text(yaml.safe_dump(settings))
    pipe = folder / "pipe"
    os.mkfifo(pipe)
    reader = asyncio.StreamReader()
    reading = os.fdopen(os.open(pipe, os.O_RDWR | os.O_NONBLOCK), "rb")  # for both, so that no writer meets its end
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), reading)
    taken = []
    async with Server(load(config, {}), "serve") as server, working(config) as worker:
        jobs = server.services.get(Jobs)
        for number in range(-5, count):  # the first ones find nothing warm
            await asyncio.sleep(random.uniform(0.02, 0.12))
            before = waited(os.getpid()) + waited(worker.pid)
            wanted = time.monotonic_ns()
            await jobs.enqueue("bench.start", f"{number}", {"pipe": str(pipe)}, priority=10, wanted_for=30)
            async with asyncio.timeout(PATIENCE):
                started = int(await reader.readline())
            if number >= 0:
                took = (started - wanted) / 1e6
                no_core = (waited(os.getpid()) + waited(worker.pid) - before) * 1e3
                taken.append((took, max(0.0, took - no_core)))
    return taken


@asynccontextmanager
async def working(config: Path) -> Any:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "mediaserver", "--config", str(config), "worker"),
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=asyncio.subprocess.DEVNULL,
    )
    try:
        yield process
    finally:
        process.terminate()
        await process.wait()


def columns(stack: ExitStack) -> Iterator[tuple[str, dict[str, Any]]]:
    yield "SQLite", {}
    redis = stack.enter_context(RedisServer())
    yield "Redis, database SQLite", {"redis": redis.url}
    programs = find_programs()
    if programs is not None:
        postgres = stack.enter_context(Postgres(programs))
        yield "Redis, database Postgres", {"redis": redis.url, "database": postgres.database()}


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--tries", type=int, default=300)
    count = parser.parse_args().tries
    print(f"an interactive job, wanted to started in another process, {count} tries")
    with ExitStack() as stack:
        for name, stands_on in columns(stack):
            with tempfile.TemporaryDirectory(prefix="bench-brokers-") as folder:
                taken = await tries(Path(folder), count, **stands_on)
            for what, times in zip((name, "  on a core"), zip(*taken, strict=True), strict=True):
                cut = quantiles(times, n=100, method="inclusive")
                print(f"  {what:26s}p50 {cut[49]:5.1f} ms, p99 {cut[98]:5.1f} ms, most {max(times):5.1f} ms")
            print(f"  {'':26s}load {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    asyncio.run(main())
