"""The error of an installation without an extra."""

from __future__ import annotations

import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    "package", ["ds_actors.detection", "ds_actors.detectors", "ds_actors.serving", "ds_actors.sandbox"]
)
@pytest.mark.parametrize("missing", ["numpy", "PIL", "trio_websocket", "google.protobuf"])
def test_an_import_without_the_extra_says_which_one_it_needs(package: str, missing: str) -> None:
    """The last line names the extra, and no other error comes before it."""
    code = f"import sys; sys.modules[{missing!r}] = None; import {package}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=50, check=False)
    last = done.stderr.splitlines()[-1]
    assert last.startswith("ModuleNotFoundError: ")
    assert last.endswith('pip install "ds-actors[detection]" (in a clone: ".[detection]")')
    assert done.stderr.count("Traceback") == 1
