"""Ports of loopback for tests."""

from __future__ import annotations

import secrets
import socket
from contextlib import suppress

PORTS = range(20_000, 32_000)  # below those that systems give to whoever connects: between choice and use nobody has it


def free_port() -> int:
    """One that two runs of tests at the same moment do not both choose, and that no client is given meanwhile."""
    while True:
        port = secrets.choice(PORTS)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("", port))
            return port
