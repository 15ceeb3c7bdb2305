"""The badge's own tests, which Node.js runs, and what its package and the page's keep out of git."""

from __future__ import annotations

import json
import shutil
import subprocess
import tarfile
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


def test_its_package_has_what_its_exports_name(tmp_path: Path) -> None:
    """Packed by the README's command, which compiles first; without its option, npm would leave that out silently."""
    npm = shutil.which("npm")
    if npm is None or components.badge_package() is None:
        pytest.skip(f"needs Node.js and TypeScript; `{components.ENABLE}` gets the latter")
    copy = tmp_path / "badge"
    shutil.copytree(components.BADGE, copy, ignore=shutil.ignore_patterns("node_modules", "dist", ".test"))
    (copy / "node_modules").symlink_to(components.BADGE / "node_modules")
    command = "npm pack --ignore-scripts=false"
    assert command in (copy / "README.md").read_text("utf-8")
    done = subprocess.run(
        [npm, *command.split()[1:], "--json"], cwd=copy, capture_output=True, text=True, timeout=50, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (packed,) = copy.glob("*.tgz")
    with tarfile.open(packed) as opened:
        held = {name.removeprefix("package/") for name in opened.getnames()}
    exports = json.loads((copy / "package.json").read_text("utf-8"))["exports"]["."].values()
    assert {path.removeprefix("./") for path in exports} | {"LICENSE", "README.md"} <= held


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
