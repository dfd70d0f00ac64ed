"""What counting costs a request: a list from a server that counts, beside the same server that does not.

    python benchmarks/limits.py [--seconds S] [--rounds N]

First the counter alone, then wrk (Debian package of that name) on two servers by turns: A B A B. Told is the CPU time
of `serve` per request, which neighbours on the machine disturb less than the clock does. Budget: 15 µs a request, the
three headers included.
"""

from __future__ import annotations

import argparse
import asyncio
import shutil
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.figures import cpu, spread
from benchmarks.serve_segments import wrk
from mediaserver.core.clock import SystemClock
from plugins.rate_limits.memory import MemoryCounts
from plugins.rate_limits.rates import rate
from plugins.rate_limits.service import FixedWindows
from tests.e2e.appliance import Appliance

HITS = 100_000
SUBJECTS = 1000
PATH = "/v1/content/browse?limit=20"
NEVER_OVER = {"content": "999999999/hour"}


async def counter_alone() -> float:
    """µs a hit."""
    limits = FixedWindows({"content": rate("1000/hour")}, SystemClock(), MemoryCounts())
    subjects = [f"10.0.{number // 256}.{number % 256}" for number in range(SUBJECTS)]
    started = time.perf_counter()
    for number in range(HITS):
        await limits.hit("content", subjects[number % SUBJECTS])
    return (time.perf_counter() - started) / HITS * 1e6


async def beside(folder: Path, seconds: int, rounds: int) -> None:
    browse: dict[str, Any] = {"catalog": {}}
    async with (
        Appliance(folder / "counts", plugins=browse | {"rate_limits": NEVER_OVER}) as counts,
        Appliance(folder / "plain", plugins=browse) as other,
    ):
        ours, theirs = (f"http://127.0.0.1:{each.port}{PATH}" for each in (counts, other))
        wrk(ours, 1), wrk(theirs, 1)  # warm
        one, two = counts.roles()["serve"], other.roles()["serve"]
        pairs = [(cost(one, ours, seconds), cost(two, theirs, seconds)) for _ in range(rounds)]
    print(f"  counted        {spread([pair[0] for pair in pairs], 'µs a request')}")
    print(f"  not counted    {spread([pair[1] for pair in pairs], 'µs a request')}")
    print(f"  counting costs {median(counted - plain for counted, plain in pairs):.2f} µs a request")


def cost(pid: int, url: str, seconds: int) -> float:
    """µs of CPU a request."""
    before = cpu(pid)
    asked = wrk(url, seconds).requests * seconds
    return (cpu(pid) - before) / asked * 1e6


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--seconds", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=6)
    told = parser.parse_args()
    if not shutil.which("wrk"):
        raise SystemExit("wrk is needed. On Debian and Ubuntu:  sudo apt install wrk")
    print(f"one of {SUBJECTS} subjects counted in memory")
    print(f"  the counter    {spread([await counter_alone() for _ in range(told.rounds)], 'µs')}")
    print("lists of a server without films")
    with tempfile.TemporaryDirectory(prefix="bench-limits-") as name:
        await beside(Path(name), told.seconds, told.rounds)


if __name__ == "__main__":
    asyncio.run(main())
