"""What the commands say when the LiveKit adapter is not installed."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ds_actors import cli
from ds_actors.cli._adapter import adapter_command, adapter_missing


def test_outside_a_clone_the_command_refuses_the_other_project_of_that_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """PyPI's 1.2.17 is another project's; the quotes keep the shell from taking the bound for a redirection."""
    monkeypatch.setattr("ds_actors.cli._adapter.clone", lambda: None)
    assert adapter_command() == 'pip install "dataspike-livekit-plugins>=2"'
    assert adapter_missing().endswith(adapter_command())


def test_installed_from_a_clone_the_adapter_is_installed_from_it_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """It may not have been published yet."""
    monkeypatch.setattr("ds_actors.cli._adapter.clone", lambda: Path("/home/me/ds-actors"))
    assert adapter_command() == "pip install ./adapters/livekit in /home/me/ds-actors"


def test_no_command_has_a_wording_of_its_own() -> None:
    """Only one module names a package to install for LiveKit."""
    found = re.compile(r"pip install.*livekit")
    package = Path(cli.__file__).parent
    assert {path.name for path in package.rglob("*.py") if found.search(path.read_text("utf-8"))} == {"_adapter.py"}
