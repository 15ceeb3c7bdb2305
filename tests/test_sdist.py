"""The source distribution of ds-actors, unpacked, built and tested as a packager does."""

from __future__ import annotations

import os
import shutil
import subprocess
import tarfile
from pathlib import Path
from typing import Final

import pytest

ROOT = Path(__file__).parents[1]
UV = os.environ.get("UV") or shutil.which("uv") or str(ROOT / ".cache" / "uv" / "bin" / "uv")
REPOSITORYS_OWN: Final = {".ci", ".github", ".pre-commit-config.yaml"}


def run(*command: str | Path) -> str:
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=50, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.slow
def test_the_sdist_has_what_its_tests_read_and_what_its_page_is_built_from(tmp_path: Path) -> None:
    """So `make test` and `make room-page` work there; only what belongs to the repository itself is left out."""
    if not Path(UV).exists():
        pytest.skip("needs uv; `make setup` gets it")
    if not (ROOT / ".git").exists():
        pytest.skip("needs a clone, whose files git lists")
    tracked = {path for path in run("git", "ls-files").splitlines() if path.split("/")[0] not in REPOSITORYS_OWN}
    run(UV, "build", "--quiet", "--sdist", "--out-dir", tmp_path, ROOT)
    (made,) = tmp_path.glob("*.tar.gz")
    with tarfile.open(made) as opened:
        held = {name.split("/", 1)[1] for name in opened.getnames()}
    assert tracked <= held
    assert not {path for path in held - tracked if not path.startswith("src/ds_actors/cli/_room/page/")} - {"PKG-INFO"}
