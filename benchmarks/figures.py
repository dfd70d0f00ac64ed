"""How the benchmarks read what they measured; says nothing when it is run itself."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from statistics import median

TICKS = os.sysconf("SC_CLK_TCK")
MB = 1_000_000


def spread(values: Sequence[float], unit: str = "s") -> str:
    """Least, middle and most."""
    return f"{min(values):.2f} / {median(values):.2f} / {max(values):.2f} {unit}"


def rss(pid: int) -> float:
    """Resident memory of a process in MB."""
    told = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    return next(int(line.split()[1]) * 1024 / MB for line in told.splitlines() if line.startswith("VmRSS:"))


def cpu(pid: int) -> float:
    """CPU seconds a process has used so far."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def waited(pid: int) -> float:
    """Seconds the threads of a process were ready to run and had no core: the machine's part of what it took."""
    seconds = 0.0
    for told in Path(f"/proc/{pid}/task").glob("*/schedstat"):
        seconds += int(told.read_text(encoding="ascii").split()[1]) / 1e9
    return seconds
