"""What a test of the matrix does with one cell."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import pytest
from attrs import asdict
from fault_cell import Cell, Phase
from fault_run import run_cell
from fault_table import CELLS
from livekit_harness import components

_SLOW_WITHIN: Final = 180
"""Seconds for a cell with a real deadline, of which the longest is a minute."""


def cells(*phases: Phase) -> pytest.MarkDecorator:
    """Parametrize a test with the cells of these phases; those that take long are marked."""
    chosen: Iterable[Cell] = (cell for cell in CELLS if cell.phase in phases)
    slow = [pytest.mark.faults, pytest.mark.timeout(_SLOW_WITHIN)]
    marked = [pytest.param(cell, id=cell.name, marks=slow if cell.slow else []) for cell in chosen]
    return pytest.mark.parametrize("cell", marked)


async def check(
    cell: Cell, caplog: pytest.LogCaptureFixture, request: pytest.FixtureRequest, program: Path | None
) -> None:
    """Run the cell; every statement of it must hold."""
    if cell.toxiproxy and program is None:
        pytest.skip(f"needs toxiproxy; `{components.ENABLE}` gets it")
    caplog.set_level(logging.INFO)
    measured = await run_cell(cell, caplog.records, program)
    assert not measured.broken, "\n".join(measured.broken)
    request.node.user_properties.append((f"cell:{cell.name}", asdict(measured)))
