"""The types that users meet: what a type checker must accept, and what it must refuse."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

import ds_actors
import ds_actors.asyncio
import ds_actors.opentelemetry
import ds_actors.processes

HERE = Path(__file__).parent
ROOT = HERE.parent


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One cache for the runs of this file: the library is analysed once."""
    return tmp_path_factory.mktemp("mypy")


def mypy(cache: Path, *paths: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "mypy", "--strict", "--config-file", str(ROOT / "pyproject.toml")]
    command += ["--cache-dir", str(cache), "--no-error-summary", *map(str, paths)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_right_uses_pass_and_every_expected_error_comes(cache: Path) -> None:
    """In strict mode; an expected error is an ignore, and an ignore without its error fails the run."""
    run = mypy(cache, *(HERE / "typing" / name for name in ("right_uses.py", "every_name.py", "wrong_uses.py")))
    assert run.returncode == 0, run.stdout + run.stderr


def test_one_program_uses_every_public_name() -> None:
    """Without an ignore; `make check` runs pyright over it too."""
    text = (HERE / "typing" / "every_name.py").read_text()
    assert [
        name
        for module in (ds_actors, ds_actors.asyncio, ds_actors.opentelemetry, ds_actors.processes)
        for name in module.__all__
        if not re.search(rf"\b{name}\b", text)
    ] == []
    assert "ignore" not in text


def test_each_wrong_use_is_reported_and_no_other_line(cache: Path, tmp_path: Path) -> None:
    """Without the ignores, the errors are on exactly those lines."""
    lines = (HERE / "typing" / "wrong_uses.py").read_text().splitlines()
    expected = {number for number, line in enumerate(lines, 1) if "# type: ignore[" in line}
    copy = tmp_path / "bare_uses.py"
    copy.write_text("\n".join(line.partition("  # type: ignore[")[0] for line in lines) + "\n")
    run = mypy(cache, copy)
    found = {int(line.split(":")[1]) for line in run.stdout.splitlines() if ": error:" in line}
    assert found == expected, run.stdout + run.stderr
