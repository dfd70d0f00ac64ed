"""Names of processes in an installation, "machine:pid:start", and whether one of this machine still runs."""

from __future__ import annotations

import hashlib
import os
import socket
from pathlib import Path


def machine() -> str:
    """Its name, and which start of the kernel and which container this is: pids tell nothing where these differ.

    Two containers, and two machines on one network, may well have the same name.
    """
    try:
        where = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii") + os.readlink("/proc/self/ns/pid")  # noqa: PTH115
    except OSError:
        where = ""
    mark = hashlib.blake2s(where.encode(), digest_size=4).hexdigest()
    return f"{socket.gethostname().replace(':', '-').replace('/', '-')[:30]}-{mark}"


def own_name() -> str:
    return f"{machine()}:{os.getpid()}:{started(os.getpid())}"


def started(pid: int) -> str:
    """When a process of this machine was started, in clock ticks since boot; "" where it does not run."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if fields[0] == "Z" else fields[19]


def is_gone(name: str) -> bool:
    """True only for a process of this machine that has ended; of other machines only their leases tell."""
    host, _, rest = name.partition(":")
    pid, _, start = rest.partition(":")
    return host == machine() and pid.isdigit() and started(int(pid)) != start
