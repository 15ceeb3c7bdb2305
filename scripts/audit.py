"""Asks PyPI for known vulnerabilities of all pinned packages, by pip-audit; one that cannot be looked up fails it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
PINS = sorted((ROOT / "requirements").glob("*.txt"))

Pin = tuple[str, str]
"""A package's name and version."""


def pins(text: str) -> list[Pin]:
    """Return the pins of a requirements file, those for other Pythons and platforms too."""
    return re.findall(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)", text, re.MULTILINE)


def rounds(found: Iterable[Pin]) -> list[list[Pin]]:
    """Return the pins in lists that have each package once, because pip-audit takes no package in two versions."""
    lists: list[list[Pin]] = []
    for pin in sorted(set(found)):
        for own in lists:
            if pin[0] not in {name for name, _ in own}:
                own.append(pin)
                break
        else:
            lists.append([pin])
    return lists


def problems(asked: list[Pin], report: dict[str, Any]) -> list[str]:
    """Return a line for each vulnerability, and for each package that was not looked up."""
    lines: list[str] = []
    seen: set[Pin] = set()
    for entry in report.get("dependencies", []):
        name = re.sub(r"[-_.]+", "-", entry["name"]).lower()
        if "version" not in entry:
            continue
        seen.add((name, entry["version"]))
        for found in entry["vulns"]:
            fixed = ", ".join(found["fix_versions"]) or "no version yet"
            lines.append(f"{name} {entry['version']}: {found['id']}, fixed in {fixed}")
    for name, version in asked:
        if (re.sub(r"[-_.]+", "-", name).lower(), version) not in seen:
            lines.append(f"{name} {version}: could not be looked up")
    return lines


def audit(asked: list[Pin], command: list[str]) -> list[str]:
    """Run pip-audit on the pins; return what is wrong."""
    with tempfile.NamedTemporaryFile("w", suffix=".txt", encoding="utf-8") as file:
        file.write("".join(f"{name}=={version}\n" for name, version in asked))
        file.flush()
        options = [
            "--no-deps",
            "--disable-pip",
            "--progress-spinner=off",
            "--format=json",
            f"--requirement={file.name}",
        ]
        done = subprocess.run([*command, *options], capture_output=True, text=True, check=False)
    try:
        report: dict[str, Any] = json.loads(done.stdout)
    except ValueError:
        report = {}
        print(done.stderr.strip(), file=sys.stderr)
    return problems(asked, report)


def main(command: list[str]) -> int:
    """Audit all pins; return the exit code."""
    asked = rounds(pin for path in PINS for pin in pins(path.read_text("utf-8")))
    wrong = [line for own in asked for line in audit(own, command)]
    print(*wrong, sep="\n", end="\n" if wrong else "")
    count = sum(map(len, asked))
    print(f"{count} pinned packages: {len(wrong)} problems" if wrong else f"{count} pinned packages: nothing is known")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
