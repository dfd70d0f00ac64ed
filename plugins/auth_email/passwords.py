"""Passwords: which are refused, and bcrypt in threads of its own, so that the loop serves on meanwhile."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import unicodedata
from concurrent.futures import ThreadPoolExecutor
from importlib.machinery import PathFinder
from importlib.util import find_spec, module_from_spec
from typing import TYPE_CHECKING, TypeVar

from mediaserver.errors import InvalidRequest

from .turns import Turns

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

SHORTEST, LONGEST = 8, 128  # characters
THREADS = 2  # a check takes 240 ms of a core at 12 rounds


class Passwords:
    def __init__(self, rounds: int) -> None:
        self._rounds = rounds
        self._threads = ThreadPoolExecutor(THREADS, "bcrypt")
        self._turns = Turns(THREADS)
        self._common: frozenset[str] | None = None
        self._nobodys = f"$2b${rounds:02}${'.' * 53}"  # of no password, and as much work to compare with

    async def accept(self, password: str, email: str, field: str = "password") -> str:
        """The hash to store. Raises InvalidRequest that names `field`."""
        await self.check(password, email, field)
        async with self._turns.turn("new passwords"):
            return await self._run(self._hash, password)

    async def check(self, password: str, email: str, field: str = "password") -> None:
        """Raises InvalidRequest that names `field`."""
        problem = await self._run(self._problem, password, email)
        if problem:
            raise InvalidRequest(problem, fields=[{"field": field, "problem": problem}])

    async def matches(self, password: str, hashed: str, place: str = "", *, known: bool = False) -> bool:
        """Takes as long where there is nothing to compare with; a broken hash matches nothing.

        Many who ask at once from one `place` wait for one another. Raises Unavailable where too many wait.
        """
        async with self._turns.turn(place, known=known):
            return await self._run(self._check, password, hashed)

    def is_outdated(self, hashed: str) -> bool:
        """Made with another number of rounds: how long it takes would tell that there is an account."""
        return not hashed.startswith(f"$2b${self._rounds:02}$")

    async def renewed(self, password: str) -> str:
        return await self._run(self._hash, password)

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _run(self, work: Callable[..., T], *args: str) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work, *args)

    def _hash(self, password: str) -> str:
        import bcrypt

        return bcrypt.hashpw(_digest(password), bcrypt.gensalt(self._rounds)).decode()

    def _check(self, password: str, hashed: str) -> bool:
        import bcrypt

        try:
            return bcrypt.checkpw(_digest(password), (hashed or self._nobodys).encode()) and bool(hashed)
        except ValueError:
            return False

    def _problem(self, password: str, email: str) -> str:
        if len(password) < SHORTEST:
            return f"The password needs at least {SHORTEST} characters."
        if len(password) > LONGEST:
            return f"The password may have at most {LONGEST} characters."
        plain = password.casefold()
        if plain in (email, email.partition("@")[0]):
            return "The password may not be the e-mail address."
        if plain in self._commonly_used():
            return "This password is one of the most used ones; choose another."
        return ""

    def _commonly_used(self) -> frozenset[str]:
        if self._common is None:
            self._common = frozenset(word for word in most_used() if len(word) >= SHORTEST)
        return self._common


def most_used() -> list[str]:
    """By themselves: `import zxcvbn` would keep 10 MB of names and words for ever."""
    package = find_spec("zxcvbn")
    lists = PathFinder.find_spec("frequency_lists", package.submodule_search_locations if package else [])
    if lists is None or lists.loader is None:
        raise ImportError("zxcvbn has no frequency_lists any more", name="zxcvbn")
    module = module_from_spec(lists)
    lists.loader.exec_module(module)
    passwords: list[str] = module.FREQUENCY_LISTS["passwords"]
    return passwords


def _digest(password: str) -> bytes:
    """What bcrypt is given, which reads 72 bytes at most; the same letters typed on any keyboard are the same."""
    normal = unicodedata.normalize("NFKC", password).encode()
    return base64.b64encode(hashlib.sha256(normal).digest())
