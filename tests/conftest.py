"""Shared by all tests: hypothesis profiles, and the summary of tests that did not run.

Nothing may skip where DS_ACTORS_NO_SKIP is set: everything is installed there.
"""

from __future__ import annotations

import importlib.util
import os
import signal
import sys
from collections.abc import Callable, Generator
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import Phase, settings

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A shell that starts the tests in the background has them ignore Ctrl-C; what they start would inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)

settings.register_profile("default", deadline=None, print_blob=True)
settings.register_profile("thorough", deadline=None, print_blob=True, max_examples=1_000)
# For a further run of the same tests, on another Python or with older libraries: another search would find little more.
settings.register_profile("brief", deadline=None, print_blob=True, max_examples=20)
# scripts/mutants.py asks only whether a test notices, not for the shortest example.
settings.register_profile(
    "mutants", deadline=None, phases=[Phase.explicit, Phase.generate], derandomize=True, database=None
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Turn a skip into a failure where DS_ACTORS_NO_SKIP is set."""
    report = yield
    if report.skipped and not hasattr(report, "wasxfail") and os.environ.get("DS_ACTORS_NO_SKIP"):
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} was skipped, and nothing may skip here: {report.longrepr}"
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say at the end what was left out, and the one command that runs it."""
    skipped = len(terminalreporter.stats.get("skipped", []))
    slow = " and the slow ones" if terminalreporter.config.option.markexpr == "not slow" else ""
    if skipped or slow:
        said = f"not run: {skipped} skipped{slow}"
        terminalreporter.write_line(f"{said}; `make test-all` installs what they need and runs them all")


@pytest.fixture
def example(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], ModuleType]:
    """Load one of examples/ by its name, anew."""

    def load(name: str) -> ModuleType:
        path = Path(__file__).parents[1] / "examples" / f"{name}.py"
        spec = importlib.util.spec_from_file_location(f"example_{name}", path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        monkeypatch.setitem(sys.modules, spec.name, module)
        spec.loader.exec_module(module)
        return module

    return load
