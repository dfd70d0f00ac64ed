"""Counts in memory, under a flood of addresses."""

from __future__ import annotations

from plugins.rate_limits.memory import CELLS, MOST, MemoryCounts


def known(counts: MemoryCounts) -> int:
    return sum(len(spans.young) + len(spans.old) for spans in counts._groups.values())


async def test_a_flood_of_addresses_does_not_grow_the_memory_without_end() -> None:
    counts = MemoryCounts()
    for minute in range(3):
        for number in range(MOST + CELLS * 4):
            await counts.add("auth", f"{minute}.{number}", minute * 60, 60)
    assert known(counts) <= 2 * (MOST + CELLS)
    await counts.add("auth", "one", 600, 60)
    assert known(counts) == 1


async def test_whoever_is_known_keeps_a_count_of_their_own_in_a_flood() -> None:
    counts = MemoryCounts()
    assert await counts.add("auth", "known", 0, 60) == (1, 60)
    for number in range(MOST + CELLS * 4):
        await counts.add("auth", f"flood {number}", 1, 60)
    assert await counts.add("auth", "known", 2, 60) == (2, 60)
    strangers = [await counts.add("auth", f"a stranger {number}", 2, 60) for number in range(20)]
    assert max(count for count, _ in strangers) > 1


async def test_a_window_lasts_its_length_whenever_it_began() -> None:
    counts = MemoryCounts()
    for began in (0, 59, 1234):
        for after, count in ((0, 1), (30, 2), (59, 3), (60, 1)):
            assert (await counts.add("auth", f"{began}", began + after, 60))[0] == count
