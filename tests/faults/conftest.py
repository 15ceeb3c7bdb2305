"""Fixtures of the matrix, and the table that a whole run writes where DS_ACTORS_FAULTS_TABLE is set."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, cast

import fault_table
import pytest
from livekit_harness import components

_results: dict[str, dict[str, Any]] = {}


@pytest.fixture(scope="session")
def toxiproxy_program() -> Path | None:
    """Toxiproxy, where it is there."""
    return components.toxiproxy()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Put the cells that take long first, so that the others fill their waits; leave them out unless asked for."""
    items.sort(key=lambda item: item.get_closest_marker("faults") is None)
    if "faults" not in config.option.markexpr:
        long = [item for item in items if item.get_closest_marker("faults")]
        config.hook.pytest_deselected(items=long)
        items[:] = [item for item in items if item not in long]


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Collect what the cells showed; with several workers, in the process that started them."""
    if report.when == "call" and report.passed:
        for name, value in report.user_properties:
            if name.startswith("cell:"):
                _results[name.removeprefix("cell:")] = cast("dict[str, Any]", value)


def pytest_sessionfinish() -> None:
    """Write the table, once every cell holds; a failure of the page's own test is what that ends."""
    is_asked = os.environ.get("DS_ACTORS_FAULTS_TABLE") and "PYTEST_XDIST_WORKER" not in os.environ
    if is_asked and all(cell.name in _results for cell in fault_table.CELLS):
        fault_table.write(_results)
