from collections.abc import Callable
from fractions import Fraction

import pytest

from plugins.hls_transcoder.plan import Grid
from plugins.hls_transcoder.verify import CellDamaged, read_cell, verify_cell
from tests import media
from tests.plugins.hls_transcoder.conftest import Cells

pytestmark = pytest.mark.slow
GRID = Grid(Fraction(25), 100, 150, 2)


@pytest.fixture
async def cell(cells: Cells) -> bytes:
    return (await cells(media.film(seconds=6)))["480p", 1]


async def test_a_cell_tells_what_it_holds(cell: bytes) -> None:
    facts = read_cell(cell)
    assert (facts.frames, facts.key) == (50, True)
    assert facts.first == 14 * 90_000
    assert facts.last == 14 * 90_000 + 49 * 3600
    assert facts == verify_cell(cell, GRID, 1, audio=True)


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda data: b"", "empty"),
        (lambda data: data[:-1], "whole transport packets"),
        (lambda data: b"x" + data[1:], "whole transport packets"),
        (lambda data: bytes(len(data)), "whole transport packets"),
        (lambda data: data[: len(data) // 2 // 188 * 188], "frames instead of 50"),
        (lambda data: data[: 188 * 2], "no picture"),
    ],
)
async def test_a_damaged_cell_is_told_by_what_is_wrong(
    cell: bytes, damage: Callable[[bytes], bytes], reason: str
) -> None:
    with pytest.raises(CellDamaged, match=reason):
        verify_cell(damage(cell), GRID, 1, audio=True)


async def test_a_cell_of_another_place_is_refused(cell: bytes) -> None:
    longer = Grid(Fraction(25), 100, 250, 3)
    with pytest.raises(CellDamaged, match="wrong time"):
        verify_cell(cell, longer, 2, audio=True)


async def test_missing_sound_is_noticed(cell: bytes) -> None:
    grid = Grid(Fraction(25), 100, 150, 2)
    silent = b"".join(p for n in range(0, len(cell), 188) if (p := cell[n : n + 188])[1] & 0x1F != 1 or p[2] != 1)
    verify_cell(silent, grid, 1, audio=False)
    with pytest.raises(CellDamaged, match="0 audio packets"):
        verify_cell(silent, grid, 1, audio=True)
