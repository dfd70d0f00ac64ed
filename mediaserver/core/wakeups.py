"""Wake-ups between the processes of one machine: a hint that there is news, never the news itself."""

from __future__ import annotations

import asyncio
import os
import secrets
import socket
from contextlib import suppress
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from types import TracebackType

SUFFIX = ".wake"
LONGEST_ADDRESS = 100  # sun_path holds 108 bytes on Linux and 104 on the BSDs, the closing zero included
LONGEST_TOPIC = 1024


class Subscription:
    """What one listener waits on; what is announced between two waits is remembered."""

    def __init__(self, owner: Wakeups, topics: frozenset[str]) -> None:
        self.topics = topics
        self._owner = owner
        self._event = asyncio.Event()

    def announce(self) -> None:
        self._event.set()

    async def wait(self, timeout: float) -> bool:  # noqa: ASYNC109
        """True when one of the topics was announced since the last wait, False after `timeout` seconds."""
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                await self._event.wait()
                self._event.clear()
                return True
        return False

    def close(self) -> None:
        self._owner.forget(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class Wakeups:
    """One datagram socket per process in `folder`.

    Without a folder, or where there is no AF_UNIX, only this process hears. A datagram may be lost (a full queue,
    a socket that is just being made): whoever waits also looks once a second.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder
        self._name = f"{os.getpid()}-{secrets.token_hex(4)}{SUFFIX}"
        self._subscriptions: set[Subscription] = set()
        self._socket: socket.socket | None = None
        self._directory: int | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    async def open(self) -> None:
        self._loop = asyncio.get_running_loop()
        if self._folder is None or self._socket is not None or not hasattr(socket, "AF_UNIX"):
            return
        try:
            self._bind(self._folder)
        except OSError:  # a mount that cannot hold sockets, or a path that is too long: the timeouts remain
            self._release()

    async def close(self) -> None:
        self._release()
        self._loop = None

    def subscribe(self, *topics: str) -> Subscription:
        subscription = Subscription(self, frozenset(topics))
        self._subscriptions.add(subscription)
        return subscription

    def forget(self, subscription: Subscription) -> None:
        self._subscriptions.discard(subscription)

    def notify(self, topic: str) -> None:
        """Tell every process that listens; never blocks, never raises, may be called from any thread."""
        self._announce_from_anywhere(topic)
        message = topic.encode()
        with suppress(OSError):
            for name in self._others():
                self._send(message, name)

    def _bind(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._directory = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._socket.bind(self._address(self._name))
        asyncio.get_running_loop().add_reader(self._socket.fileno(), self._receive)

    def _release(self) -> None:
        if self._socket is not None:
            if self._loop is not None:
                self._loop.remove_reader(self._socket.fileno())
            self._socket.close()
            self._unlink(self._name)
        if self._directory is not None:
            os.close(self._directory)
        self._socket = self._directory = None

    def _address(self, name: str) -> str:
        """The path itself where it fits, else the same file by way of the open directory."""
        path = str(self._folder / name) if self._folder else name
        if len(os.fsencode(path)) <= LONGEST_ADDRESS:
            return path
        return f"/proc/self/fd/{self._directory}/{name}"

    def _others(self) -> Iterator[str]:
        if self._socket is None or self._directory is None:
            return
        for name in os.listdir(self._directory):  # noqa: PTH208  (a directory that is open, not a path)
            if name.endswith(SUFFIX) and name != self._name:
                yield name

    def _send(self, message: bytes, name: str) -> None:
        if self._socket is None:
            return
        try:
            self._socket.sendto(message, self._address(name))
        except ConnectionRefusedError:  # its process is gone without closing
            self._unlink(name)
        except OSError:  # a full queue, or closed in this moment
            return

    def _unlink(self, name: str) -> None:
        with suppress(OSError):
            os.unlink(name, dir_fd=self._directory)

    def _receive(self) -> None:
        while self._socket is not None:
            try:
                message = self._socket.recv(LONGEST_TOPIC)
            except (BlockingIOError, InterruptedError):
                return
            self._announce(message.decode(errors="replace"))

    def _announce_from_anywhere(self, topic: str) -> None:
        if self._loop is None or _running_loop() is self._loop:
            self._announce(topic)
            return
        with suppress(RuntimeError):  # the loop has ended: nobody waits any more
            self._loop.call_soon_threadsafe(self._announce, topic)

    def _announce(self, topic: str) -> None:
        for subscription in tuple(self._subscriptions):
            if topic in subscription.topics:
                subscription.announce()


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None
