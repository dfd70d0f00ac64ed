"""What the program costs when nobody does anything: time to /ready, memory and CPU of all its processes.

    python benchmarks/idle.py [--starts N]

On default settings in an empty folder; the first start also makes the database, later ones do not. The reference of a
start is Python itself importing Sanic and Tortoise in the same run.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.figures import cpu, rss, spread
from tests.e2e.appliance import Appliance

DEFAULTS = {"plugins": {"hls_transcoder": {}, "catalog": {}, "admin": {}}}
REST, LONG = 10.0, 20.0  # seconds before memory is read, and seconds over which CPU is counted


def start(folder: Path) -> tuple[Appliance, float]:
    """A running appliance and the seconds from its start to /ready, seen within 50 ms."""
    appliance = Appliance(folder, DEFAULTS)
    began = time.perf_counter()
    appliance.start()
    return appliance, time.perf_counter() - began


def stop(appliance: Appliance) -> None:
    if appliance.stop():
        raise SystemExit(appliance.said())
    appliance.http.close()


def imports() -> float:
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", "import sanic, tortoise"], check=True)
    return time.perf_counter() - began


def resting(appliance: Appliance) -> None:
    if appliance.process is None:
        raise SystemExit("The appliance is not running.")
    processes = {"run": appliance.process.pid, **appliance.roles()}
    time.sleep(REST)
    memory = {role: rss(pid) for role, pid in processes.items()}
    before = {role: cpu(pid) for role, pid in processes.items()}
    time.sleep(LONG)
    used = {role: 100 * (cpu(pid) - before[role]) / LONG for role, pid in processes.items()}
    for role in processes:
        print(f"  {role:7} {memory[role]:6.1f} MB   {used[role]:5.2f} % CPU")
    print(f"  {'all':7} {sum(memory.values()):6.1f} MB   {sum(used.values()):5.2f} % CPU over {LONG:g} s")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--starts", type=int, default=5)
    starts = parser.parse_args().starts
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # build machines set it; who runs the program does not
    with tempfile.TemporaryDirectory(prefix="bench-idle-") as name:
        folder = Path(name)
        appliance, first = start(folder)
        stop(appliance)
        times, reference = [], []
        for _ in range(starts):
            reference.append(imports())
            appliance, taken = start(folder)
            times.append(taken)
            stop(appliance)
        print(f"start to /ready: first {first:.2f} s, then {spread(times)}; imports alone {spread(reference)}")
        appliance, _ = start(folder)
        try:
            resting(appliance)
        finally:
            stop(appliance)


if __name__ == "__main__":
    main()
