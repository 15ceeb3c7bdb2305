"""The page that shows the matrix."""

from __future__ import annotations

from collections import Counter

import fault_table
from fault_cell import PHASES
from fault_gaps import REASONS, TRANSPORT


def test_the_page_has_exactly_the_cells_of_the_code() -> None:
    """In their order; `make faults` writes them."""
    page = fault_table.PAGE.read_text(encoding="utf-8")
    by_phase = sorted(fault_table.CELLS, key=lambda cell: PHASES.index(cell.phase))
    assert fault_table.named(page) == [cell.name for cell in by_phase]


def test_no_two_cells_have_one_name() -> None:
    """Their names are the rows of the table."""
    names = Counter(cell.name for cell in fault_table.CELLS)
    assert not [name for name, count in names.items() if count > 1]


def test_each_fault_of_the_network_is_a_row_of_each_phase_or_has_a_reason_in_the_page() -> None:
    """A combination that is neither was forgotten."""
    rows = {(cell.phase, fault) for cell in fault_table.CELLS for fault in TRANSPORT if cell.fault.startswith(fault)}
    wanted = {(phase, fault) for phase in PHASES for fault in TRANSPORT}
    assert rows | set(REASONS) == wanted
    assert not rows & set(REASONS)


def test_the_page_gives_the_reasons() -> None:
    """Those of the combinations that are no row."""
    page = " ".join(fault_table.PAGE.read_text(encoding="utf-8").split())
    assert [reason for reason in REASONS.values() if reason not in page] == []
