"""Credentials that were verified a moment ago, so that not every request asks the database."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from mediaserver.contracts import Actor

__all__ = ["Known", "KnownCredentials"]

REMEMBERED = 10_000  # credentials of one sort, in one process


@dataclass(slots=True)
class Known:
    """A credential that was verified."""

    actor: Actor
    expires: float  # seconds since 1970
    checked: float  # when the database was asked
    noted: float  # when "last used" was last written


class KnownCredentials:
    """Of one sort: access tokens, or API keys."""

    def __init__(self) -> None:
        self._found: dict[str, Known] = {}
        self.endings = 0

    def get(self, credential: str) -> Known | None:
        return self._found.get(credential)

    def remember(self, credential: str, found: Known, endings: int) -> None:
        """Not where something ended since `endings` was read, while the database was asked: it may have been this."""
        if endings != self.endings:
            return
        if len(self._found) >= REMEMBERED:
            del self._found[next(iter(self._found))]
        self._found[credential] = found

    def drop(self, credential: str) -> None:
        self._found.pop(credential, None)

    def forget(self, ended: Callable[[Actor], bool]) -> None:
        self.endings += 1
        self._found = {credential: found for credential, found in self._found.items() if not ended(found.actor)}
