"""The page that shows the matrix."""

from __future__ import annotations

from collections import Counter

import fault_table
from fault_cell import PHASES


def test_the_page_has_exactly_the_cells_of_the_code() -> None:
    """In their order; `make faults` writes them."""
    page = fault_table.PAGE.read_text(encoding="utf-8")
    by_phase = sorted(fault_table.CELLS, key=lambda cell: PHASES.index(cell.phase))
    assert fault_table.named(page) == [cell.name for cell in by_phase]


def test_no_two_cells_have_one_name() -> None:
    """Their names are the rows of the table."""
    names = Counter(cell.name for cell in fault_table.CELLS)
    assert not [name for name, count in names.items() if count > 1]
