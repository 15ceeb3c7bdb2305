"""The LiveKit adapter: whether it is installed, and what to type when it is not."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from ds_actors._extras import installed_from_a_clone


def checkout() -> Path | None:
    """Return the clone that this package is run from, or None when it was installed."""
    root = Path(__file__).resolve().parents[3]
    return root if (root / "web" / "room" / "package.json").is_file() else None


def has_adapter() -> bool:
    """Return whether the plugin is installed, in a version that publishes coverage."""
    try:
        return importlib.util.find_spec("livekit.plugins.dataspike._coverage_packets") is not None
    except ModuleNotFoundError:
        return False


def adapter_command(clone: Path | None) -> str:
    """Return the command that installs the adapter, from the clone if there is one.

    The version is part of it: 1.2.17, of another project, has the same name on PyPI.
    """
    if clone:
        return "pip install ./adapters/livekit"
    if installed_from_a_clone():
        return "pip install ./adapters/livekit in the clone of ds-actors"
    return 'pip install "dataspike-livekit-plugins>=2"'


def adapter_missing(clone: Path | None) -> str:
    """Return the line that says that the adapter is not installed, and what to do."""
    return f"the LiveKit adapter is not installed: {adapter_command(clone)}"
