"""Counts of this process alone, in memory that no crowd of addresses can fill."""

from __future__ import annotations

from dataclasses import dataclass, field

MOST = 20_000  # subjects known by name that began a window within the same span, per group: some 3 MB
CELLS = 4096  # counters that all further ones share; a stranger may then pay for others, who would fill the memory


@dataclass(slots=True)
class Entry:
    count: int
    ends: int


@dataclass(slots=True)
class Spans:
    """A window that began in one span of its own length has ended when the next span has: two are enough."""

    number: int = -1
    young: dict[str | int, Entry] = field(default_factory=dict)
    old: dict[str | int, Entry] = field(default_factory=dict)


class MemoryCounts:
    def __init__(self) -> None:
        self._groups: dict[str, Spans] = {}

    async def add(self, group: str, subject: str, now: int, seconds: int) -> tuple[int, int]:
        """The count of the subject's window with this request, and when that window ends."""
        spans = self._groups.get(group)
        if spans is None:
            spans = self._groups[group] = Spans()
        number = now // seconds
        if number != spans.number:
            spans.old = spans.young if number == spans.number + 1 else {}
            spans.young = {}
            spans.number = number
        entry = spans.young.get(subject) or spans.old.get(subject)
        if entry is None or entry.ends <= now:
            entry = self._begun(spans.young, subject, now, seconds)
        entry.count += 1
        return entry.count, entry.ends

    @staticmethod
    def _begun(young: dict[str | int, Entry], subject: str, now: int, seconds: int) -> Entry:
        key: str | int = subject
        if len(young) >= MOST and subject not in young:
            key = hash(subject) % CELLS
            shared = young.get(key)
            if shared is not None and shared.ends > now:
                return shared
        entry = young[key] = Entry(0, now + seconds)
        return entry

    async def close(self) -> None:
        self._groups.clear()
