"""The badge's own tests, which Node.js runs, and what its package and the page's keep out of git."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest
from livekit_harness import components

FOLDERS = [components.BADGE, components.PAGE]


def test_the_badges_own_tests_pass() -> None:
    """Whom it believes and what it shows, without a browser."""
    npm = shutil.which("npm")
    if npm is None or components.badge_package() is None:
        pytest.skip(f"needs Node.js and TypeScript; `{components.ENABLE}` gets the latter")
    done = subprocess.run([npm, "test"], cwd=components.BADGE, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "# fail 0" in done.stdout
    assert "# pass 0" not in done.stdout


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_the_lock_file_names_hashes_and_no_registry(folder: Path) -> None:
    """npm takes the packages from the registry that it is configured with."""
    packages = json.loads((folder / "package-lock.json").read_text("utf-8"))["packages"]
    fetched = {name: package for name, package in packages.items() if name}
    assert len(fetched) > 1
    assert [name for name, package in fetched.items() if "integrity" not in package] == []
    assert [name for name, package in fetched.items() if "resolved" in package] == []


def test_the_badge_needs_no_package_at_run_time() -> None:
    """No framework, and no client of LiveKit."""
    package = json.loads((components.BADGE / "package.json").read_text("utf-8"))
    assert package.keys().isdisjoint({"dependencies", "peerDependencies", "optionalDependencies"})
