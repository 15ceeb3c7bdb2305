"""The LiveKit adapter: whether it is installed, and what to type when it is not."""

from __future__ import annotations

import importlib.util

from ds_actors._clone import clone


def has_adapter() -> bool:
    """Return whether the plugin is installed, in a version that publishes coverage."""
    try:
        return importlib.util.find_spec("livekit.plugins.dataspike._coverage_packets") is not None
    except ModuleNotFoundError:
        return False


def adapter_command() -> str:
    """Return the command that installs the adapter, from the clone if there is one.

    The version is part of it: 1.2.17, of another project, has the same name on PyPI.
    """
    if (folder := clone()) is not None:
        return f"pip install ./adapters/livekit in {folder}"
    return 'pip install "dataspike-livekit-plugins>=2"'


def adapter_missing() -> str:
    """Return the line that says that the adapter is not installed, and what to do."""
    return f"the LiveKit adapter is not installed: {adapter_command()}"
