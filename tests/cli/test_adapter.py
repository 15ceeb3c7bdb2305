"""What the commands say when the LiveKit adapter is not installed."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ds_actors import cli
from ds_actors._extras import installed_from_a_clone
from ds_actors.cli._adapter import adapter_command, adapter_missing


def test_outside_a_clone_the_command_refuses_the_other_project_of_that_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """PyPI's 1.2.17 is another project's; the quotes keep the shell from taking the bound for a redirection."""
    monkeypatch.setattr("ds_actors.cli._adapter.installed_from_a_clone", lambda: False)
    assert adapter_command(None) == 'pip install "dataspike-livekit-plugins>=2"'
    assert adapter_missing(None).endswith(adapter_command(None))


def test_in_a_clone_the_adapter_is_installed_from_it(tmp_path: Path) -> None:
    """It may not have been published yet."""
    assert adapter_command(tmp_path) == "pip install ./adapters/livekit"


def test_installed_from_a_clone_the_command_names_the_clone() -> None:
    """As after `pip install ".[cli]"`, which leaves no path to it."""
    assert installed_from_a_clone()
    assert adapter_command(None) == "pip install ./adapters/livekit in the clone of ds-actors"


def test_no_command_has_a_wording_of_its_own() -> None:
    """Only one module names a package to install for LiveKit."""
    found = re.compile(r"pip install.*livekit")
    package = Path(cli.__file__).parent
    assert {path.name for path in package.rglob("*.py") if found.search(path.read_text("utf-8"))} == {"_adapter.py"}
