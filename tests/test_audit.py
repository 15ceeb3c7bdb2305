"""`make audit` fails for a vulnerability, and for a package that could not be looked up."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
AUDIT = runpy.run_path(str(ROOT / "scripts" / "audit.py"))


def entry(name: str, version: str, *ids: str) -> dict[str, Any]:
    return {"name": name, "version": version, "vulns": [{"id": found, "fix_versions": ["9"]} for found in ids]}


def test_all_pins_are_asked_for_also_those_of_other_pythons() -> None:
    """Each package once in a round."""
    text = 'a==1 \\\n    --hash=sha256:00\n    # via b\nnumpy==2.4.6 ; python_version < "3.12" \\\nnumpy==2.5.5 ; x\n'
    found = AUDIT["pins"](text)
    assert found == [("a", "1"), ("numpy", "2.4.6"), ("numpy", "2.5.5")]
    assert AUDIT["rounds"](found) == [[("a", "1"), ("numpy", "2.4.6")], [("numpy", "2.5.5")]]
    dev = (ROOT / "requirements" / "dev.txt").read_text("utf-8")
    assert len(AUDIT["pins"](dev)) == sum(line[:1].isalnum() for line in dev.splitlines()) > 50


def test_a_vulnerability_and_a_package_that_is_not_there_are_problems() -> None:
    """And so is a report without a word about a package, in another version, or none at all."""
    asked = [("typing_extensions", "1"), ("b", "2"), ("c", "3"), ("d", "4")]
    known = [entry("typing-extensions", "1"), entry("b", "2", "X-1"), entry("d", "5")]
    report = {"dependencies": [*known, {"name": "c", "skip_reason": "not found"}]}
    assert AUDIT["problems"](asked, report) == [
        "b 2: X-1, fixed in 9",
        "c 3: could not be looked up",
        "d 4: could not be looked up",
    ]
    assert len(AUDIT["problems"](asked, {})) == 4


@pytest.mark.parametrize(("answers", "code"), [(True, 0), (False, 1)])
def test_the_command_ends_with_1_when_the_database_cannot_be_reached(
    answers: bool, code: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With a stand-in for pip-audit that knows all packages, and one that fails."""
    stand_in = tmp_path / "pip_audit.py"
    stand_in.write_text(
        "import json, sys\n"
        f"assert {answers}, 'no network'\n"
        "path = sys.argv[-1].partition('=')[2]\n"
        "pins = [line.strip().split('==') for line in open(path)]\n"
        "print(json.dumps({'dependencies': [{'name': n, 'version': v, 'vulns': []} for n, v in pins]}))\n"
    )
    assert AUDIT["main"]([sys.executable, str(stand_in)]) == code
    captured = capsys.readouterr()
    assert ("nothing is known" in captured.out) == answers
    assert ("no network" in captured.err) != answers
    assert ("could not be looked up" in captured.out) != answers
