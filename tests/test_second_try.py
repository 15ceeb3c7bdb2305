"""What failed in CI runs once more only where a busy machine may be to blame, and not often."""

from __future__ import annotations

import runpy
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / "scripts" / "second_try.py"
TRY = runpy.run_path(str(SCRIPT))
ROOM, PROCESS = "tests/e2e/livekit/test_room.py::test_a", "tests/processes/test_programs.py::test_b[x y]"
LAW = "tests/laws/test_outbox_laws.py::test_c"

FILE = """
from pathlib import Path

def test_at_the_second_try():
    tried = Path("tried")
    if not tried.exists():
        tried.touch()
        raise AssertionError

def test_left_out_later():
    assert not Path("once").exists()
    Path("once").touch()
"""


@pytest.mark.parametrize(
    ("code", "failed", "earlier", "reason"),
    [
        (1, [ROOM, PROCESS], [], ""),
        (1, [ROOM], [ROOM, PROCESS], ""),
        (1, [ROOM, PROCESS], [ROOM, PROCESS], "more than 3 tests"),
        (1, [ROOM, LAW], [], "not only tests of real processes failed: tests/laws"),
        (1, ["tests/e2e/livekit/test_room.py"], [], "not only tests"),
        (1, [], [], "exit code 1"),
        (2, [ROOM], [], "exit code 2"),
        (137, [ROOM], [], "exit code 137"),
    ],
)
def test_what_has_a_second_try(code: int, failed: list[str], earlier: list[str], reason: str) -> None:
    """Three tests of real rooms, processes and sockets, and only where nothing else went wrong."""
    found = TRY["why_final"](code, failed, earlier)
    assert reason in found
    assert bool(reason) == bool(found)


def test_where_it_has_one_is_there() -> None:
    """A folder that was renamed would lose it without a word."""
    assert [name for name in TRY["REAL"] if not (SCRIPT.parents[1] / name).exists()] == []


def run(folder: Path, *command: str, failing: bool = False) -> str:
    done = subprocess.run(
        [sys.executable, *command],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        env={"SECOND_TRIES": str(folder / "tries"), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
    )
    assert (done.returncode == 1) is failing, done.stdout + done.stderr
    return done.stdout


def test_what_passes_alone_is_noted(tmp_path: Path) -> None:
    """With the options that chose the test; and what they leave out has not passed."""
    (tmp_path / "pytest.ini").touch()
    tests = tmp_path / "tests" / "processes"
    tests.mkdir(parents=True)
    path = tests / "test_a.py"
    path.write_text(FILE)
    run(tmp_path, "-m", "pytest", "-q", str(path), failing=True)
    said = run(tmp_path, str(SCRIPT), "1")
    assert "once more, alone:\ntests/processes/test_a.py::test_at_the_second_try\n" in said
    assert (tmp_path / "tries").read_text() == "tests/processes/test_a.py::test_at_the_second_try\n"
    (tmp_path / "tried").unlink()
    run(tmp_path, "-m", "pytest", "-q", str(path), failing=True)
    run(tmp_path, str(SCRIPT), "1", "-k", "second_try", failing=True)
    assert (tmp_path / "tries").read_text().count("\n") == 1
