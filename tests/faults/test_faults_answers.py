"""Close codes, garbage, floods, bombs and fragments."""

from __future__ import annotations

from pathlib import Path

import pytest
from cell_test import cells, check
from fault_cell import Cell


@cells("answers")
async def test_a_cell_of_the_matrix_holds(
    cell: Cell, caplog: pytest.LogCaptureFixture, request: pytest.FixtureRequest, toxiproxy_program: Path | None
) -> None:
    """Noticed in time, no more attempts and lines than allowed, bounded memory, true coverage, exact account."""
    await check(cell, caplog, request, toxiproxy_program)
