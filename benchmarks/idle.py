"""What the program costs when nobody does anything: time to /ready, memory and CPU of all its processes.

    python benchmarks/idle.py [--starts N]

On default settings (accounts and rate limits with them) and a mail server that is named, with an empty library and a
database that is there already, with the packages that users have (`installed.py`). The reference of a start is Python
itself importing Sanic and Tortoise in the same run.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import httpx

from benchmarks.figures import cpu, rss, spread
from benchmarks.installed import python_of_users
from tests.e2e.appliance import Appliance

PLUGINS: dict[str, Any] = {"auth_email": {}, "rate_limits": {}}
SECTIONS: dict[str, Any] = {
    "library": {"folders": ["library"]},
    "mail": {"backend": "smtp", "smtp": {"host": "localhost"}},
}
LOOK = 0.01
REST, LONG = 10.0, 20.0  # seconds before memory is read, and seconds over which CPU is counted


async def started(folder: Path) -> float:
    """Seconds from the start to a /ready that says 200, of an appliance that is stopped again."""
    async with Appliance(folder / "home", plugins=PLUGINS, **SECTIONS) as appliance:
        await appliance.stop()
        began = time.perf_counter()
        start = asyncio.create_task(appliance.start())
        while not await is_ready(appliance):
            await asyncio.sleep(LOOK)
        taken = time.perf_counter() - began
        await start
        return taken


async def is_ready(appliance: Appliance) -> bool:
    try:
        return (await appliance.client.get(f"{appliance.url}/ready")).status_code == httpx.codes.OK
    except httpx.TransportError:
        return False


def imports() -> float:
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", "import sanic, tortoise"], check=True)
    return time.perf_counter() - began


async def resting(folder: Path) -> None:
    async with Appliance(folder / "home", plugins=PLUGINS, **SECTIONS) as appliance:
        await appliance.stop()
        await appliance.start()  # the first start made the database, which takes memory that stays until the next
        processes = {"run": appliance.pid, **appliance.roles()}
        await asyncio.sleep(REST)
        memory = {role: rss(pid) for role, pid in processes.items()}
        before = {role: cpu(pid) for role, pid in processes.items()}
        await asyncio.sleep(LONG)
        used = {role: 100 * (cpu(pid) - before[role]) / LONG for role, pid in processes.items()}
    for role in processes:
        print(f"  {role:7} {memory[role]:6.1f} MB   {used[role]:5.2f} % CPU")
    print(f"  {'all':7} {sum(memory.values()):6.1f} MB   {sum(used.values()):5.2f} % CPU over {LONG:g} s")


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--starts", type=int, default=5)
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # build machines set it; who runs the program does not
    with tempfile.TemporaryDirectory(prefix="bench-idle-") as name:
        sys.executable = python_of_users(Path(name) / "python")
        await measured(Path(name), parser.parse_args().starts)


async def measured(folder: Path, starts: int) -> None:
    times, reference = [], []
    for number in range(starts):
        reference.append(imports())
        times.append(await started(folder / str(number)))
    print(f"start to /ready: {spread(times)}; imports alone {spread(reference)}")
    await resting(folder / "rest")


if __name__ == "__main__":
    asyncio.run(main())
