"""The built wheels, installed where 1.2.17 was."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from livekit_harness import components
from livekit_harness.components import PROJECT, REFERENCE

UV = os.environ.get("UV") or shutil.which("uv") or str(PROJECT / ".cache" / "uv" / "bin" / "uv")


def run(*command: str | Path) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=150, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.slow
@pytest.mark.timeout(200)
def test_pip_install_over_the_reference_leaves_none_of_its_files(tmp_path: Path) -> None:
    """Every file under livekit/plugins/dataspike is then ours, the import works, and the namespaces stay others'."""
    if not Path(UV).exists():
        pytest.skip("needs uv; `make setup` gets it")
    dist, venv = tmp_path / "dist", tmp_path / "venv"
    for project in (PROJECT, PROJECT / "adapters" / "livekit"):
        run(UV, "build", "--quiet", "--wheel", "--out-dir", dist, project)
    (ours,) = dist.glob("dataspike_livekit_plugins-*.whl")
    run(UV, "venv", "--quiet", "--seed", "--python", sys.executable, venv)
    python = venv / "bin" / "python"
    try:
        run(UV, "pip", "install", "--quiet", "--python", python, REFERENCE, "pillow")
    except AssertionError as error:
        pytest.skip(f"needs PyPI, for {REFERENCE}: {error}")
    (packages,) = venv.glob("lib/python*/site-packages")
    plugin = packages / "livekit" / "plugins" / "dataspike"
    assert (plugin / "detector.py").exists()
    run(python, "-c", "from livekit.plugins import dataspike")

    run(python, "-m", "pip", "install", "--quiet", "--no-deps", *dist.glob("*.whl"))
    run(UV, "pip", "install", "--quiet", "--python", python, "ds-actors[detection]", ours, "--find-links", dist)
    with zipfile.ZipFile(ours) as wheel:
        names = {name for name in wheel.namelist() if name.startswith("livekit/")}
    found = {
        str(path.relative_to(packages))
        for path in plugin.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert found == names
    assert {"livekit/__init__.py", "livekit/plugins/__init__.py"}.isdisjoint(names)
    assert "livekit/plugins/dataspike/py.typed" in names
    version = run(
        python, "-c", "from livekit.plugins import dataspike; from livekit import rtc; print(dataspike.__version__)"
    )
    assert version.strip() == ours.name.split("-")[1]


@pytest.mark.slow
def test_a_wheel_holds_the_page_that_was_built_before(tmp_path: Path) -> None:
    """Also when it is made from the sdist, so that an installation needs no Node.js."""
    if not Path(UV).exists():
        pytest.skip("needs uv; `make setup` gets it")
    if components.room_page() is None:
        pytest.skip(f"needs the page of ds-actors room, built; `{components.ENABLE}` gets it")
    run(UV, "build", "--quiet", "--out-dir", tmp_path, PROJECT)
    (wheel,) = tmp_path.glob("ds_actors-*.whl")
    with zipfile.ZipFile(wheel) as opened:
        names = {name for name in opened.namelist() if "/_room/page/" in name}
    assert "ds_actors/cli/_room/page/index.html" in names
    assert {Path(name).suffix for name in names} == {".html", ".css", ".js"}
