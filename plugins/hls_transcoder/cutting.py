"""Breaking off what is being sent, with what the kernel still holds of it."""

from __future__ import annotations

import asyncio
import fcntl
import socket
import struct
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mediaserver import Request

NOT_SENT = 0x894B  # SIOCOUTQNSD of Linux: bytes that wait for room in the window of the reader
AT_ONCE = struct.pack("ii", 1, 0)  # SO_LINGER: closing throws away what was not sent
LOOK_SECONDS = 0.25


class Cut:
    """Called when the session of a request is over."""

    def __init__(self, request: Request) -> None:
        self._request = request
        self._passing = False
        self.made = False

    def __call__(self) -> None:
        self.made = True
        transport: Any = self._request.transport
        if not self._request.responded or transport is None or transport.is_closing():
            return
        if not self._passing or self.could_hold_back:  # what has arrived leaves the connection to the next request
            transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, AT_ONCE)
            transport.abort()

    async def pass_by(self) -> None:
        """Wait until nothing is left that a cut could hold back: up to 4 MB wait in the kernel for a slow reader."""
        self._passing = True
        while self.could_hold_back:
            await asyncio.sleep(LOOK_SECONDS)

    @property
    def could_hold_back(self) -> bool:
        transport: Any = self._request.transport
        return transport is not None and not transport.is_closing() and _unsent(transport) > 0


def _unsent(transport: Any) -> int:
    """Bytes that have not left this machine. What has is only not acknowledged yet."""
    waiting: int = transport.get_write_buffer_size()
    descriptor = transport.get_extra_info("socket").fileno()
    try:
        [in_kernel] = struct.unpack("i", fcntl.ioctl(descriptor, NOT_SENT, bytes(4)))
    except OSError:  # closed, or no socket of a kind that tells
        return waiting
    return waiting + int(in_kernel)
