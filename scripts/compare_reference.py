"""Run the tests of 1.2.17's faults against it and against this plugin, and print the documentation's table.

Exits with 1 when a test passes on 1.2.17 or fails on this plugin.
"""

from __future__ import annotations

import ast
import os
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ET
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]
TESTS = PROJECT / "tests" / "e2e" / "livekit" / "test_faults_of_the_reference.py"


def outcomes(implementation: str, report: Path) -> dict[str, str | None]:
    """Return each test's failure as one line; None for a pass."""
    environment = {**os.environ, "DS_ACTORS_IMPLEMENTATION": implementation, "DS_ACTORS_NO_SKIP": "1"}
    command = [sys.executable, "-m", "pytest", "-q", "--tb=line", "--no-header", f"--junit-xml={report}", TESTS]
    subprocess.run(command, cwd=PROJECT, env=environment, stdout=sys.stderr, check=False)
    found: dict[str, str | None] = {}
    for case in ET.parse(report).getroot().iter("testcase"):
        failure = case.find("failure") if case.find("failure") is not None else case.find("error")
        found[case.attrib["name"]] = None if failure is None else failure.attrib["message"].splitlines()[0]
    return found


def claims() -> dict[str, str]:
    """Return each test's sentence."""
    tree = ast.parse(TESTS.read_text("utf-8"))
    tests = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")]
    return {test.name: " ".join((ast.get_docstring(test) or "").split()) for test in tests}


def cell(failure: str | None) -> str:
    """Return the text of a table cell."""
    return "holds" if failure is None else "**fails**: " + failure.replace("|", "\\|")[:120]


def main() -> int:
    """Print the table."""
    with tempfile.TemporaryDirectory() as folder:
        reference = outcomes("reference", Path(folder) / "reference.xml")
        plugin = outcomes("plugin", Path(folder) / "plugin.xml")
    print("| what holds | 1.2.17 | this plugin |\n| --- | --- | --- |")
    for name, sentence in claims().items():
        title = name.removeprefix("test_").replace("_", " ")
        print(f"| {title}: {sentence} | {cell(reference.get(name))} | {cell(plugin.get(name))} |")
    return int(
        any(outcome is None for outcome in reference.values())
        or any(outcome is not None for outcome in plugin.values())
    )


if __name__ == "__main__":
    sys.exit(main())
