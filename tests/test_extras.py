"""The error of an installation without an extra."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import PackageNotFoundError

import pytest

from ds_actors._extras import install_command


@pytest.mark.parametrize(
    "package", ["ds_actors.detection", "ds_actors.detectors", "ds_actors.serving", "ds_actors.sandbox"]
)
@pytest.mark.parametrize("missing", ["numpy", "PIL", "trio_websocket", "google.protobuf"])
def test_an_import_without_the_extra_says_which_one_it_needs(package: str, missing: str) -> None:
    """The last line names the extra, and no other error comes before it."""
    code = f"import sys; sys.modules[{missing!r}] = None; import {package}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=100, check=False)
    last = done.stderr.splitlines()[-1]
    assert last.startswith("ModuleNotFoundError: ")
    assert last.endswith(install_command("detection"))
    assert done.stderr.count("Traceback") == 1


IN_THE_CLONE = 'pip install ".[cli]" in /home/me/ds-actors'
ANYWHERE = 'pip install "ds-actors[cli]" (in a clone: ".[cli]")'


@pytest.mark.parametrize(
    ("origin", "expected"),
    [
        ('{"url": "file:///home/me/ds-actors", "dir_info": {"editable": true}}', IN_THE_CLONE),
        ('{"url": "file:///home/me/ds%2Dactors", "dir_info": {}}', IN_THE_CLONE),
        ('{"url": "file:///tmp/ds_actors.whl", "archive_info": {}}', ANYWHERE),
        (None, ANYWHERE),
        ("not json", ANYWHERE),
    ],
)
def test_after_an_installation_from_a_clone_the_command_is_for_that_folder(
    origin: str | None, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise the package index comes first."""

    class Distribution:
        def read_text(self, _file: str) -> str | None:
            return origin

    def found(_name: str) -> Distribution:
        return Distribution()

    monkeypatch.setattr("importlib.metadata.distribution", found)
    assert install_command("cli") == expected


def test_without_metadata_both_ways_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """As where the sources are on the path, and nothing is installed."""

    def missing(_name: str) -> None:
        raise PackageNotFoundError

    monkeypatch.setattr("importlib.metadata.distribution", missing)
    assert install_command("cli") == ANYWHERE
