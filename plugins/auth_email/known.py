"""Credentials that were verified a moment ago, so that not every request asks the database."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from mediaserver.contracts import Actor

__all__ = ["Known", "KnownCredentials"]

REMEMBERED = 10_000  # credentials of each sort


@dataclass(slots=True)
class Known:
    """A credential that was verified."""

    actor: Actor
    expires: float  # seconds since 1970
    checked: float  # when the database was asked
    noted: float  # when "last used" was last written


@dataclass(slots=True)
class KnownCredentials:
    tokens: dict[str, Known] = field(default_factory=dict)
    keys: dict[str, Known] = field(default_factory=dict)
    endings: int = 0

    def remember(self, known: dict[str, Known], credential: str, found: Known, endings: int) -> None:
        """Not where something ended since `endings` was read, while the database was asked: it may have been this."""
        if endings != self.endings:
            return
        if len(known) >= REMEMBERED:
            del known[next(iter(known))]
        known[credential] = found

    def forget(self, ended: Callable[[Actor], bool]) -> None:
        self.endings += 1
        for known in (self.tokens, self.keys):
            for credential in [each for each, found in known.items() if ended(found.actor)]:
                del known[credential]
