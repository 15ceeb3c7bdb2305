"""Which versions are installed, and whether they belong together."""

from __future__ import annotations

import importlib.metadata
import platform
from collections.abc import Callable, Mapping
from typing import Final

from ds_actors._extras import install_command
from ds_actors._version import __version__
from ds_actors.cli._adapter import adapter_command
from ds_actors.cli._doctor.result import CheckResult, failed, passed, warned

PLUGIN: Final = "dataspike-livekit-plugins"
_NEEDED: Final = ("trio", "trio-websocket", "protobuf", "pillow", "numpy")
_OPTIONAL: Final = ("simplejpeg", PLUGIN, "livekit-agents", "livekit")
_NAME: Final = "versions"


def installed_version(distribution: str) -> str | None:
    """Return the version of an installed distribution, or None."""
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return None


def check_versions(version_of: Callable[[str], str | None] = installed_version) -> CheckResult:
    """Check that what the monitor needs is installed, and that the LiveKit plugin is the one built on it."""
    versions = {name: version_of(name) for name in (*_NEEDED, *_OPTIONAL)}
    return judge_versions(versions, platform.python_version())


def judge_versions(versions: Mapping[str, str | None], python: str) -> CheckResult:
    """Judge versions by distribution; None stands for one that is not installed."""
    details = {"Python": python, "ds-actors": __version__}
    details |= {name: version or "not installed" for name, version in versions.items()}
    missing = [name for name in _NEEDED if versions.get(name) is None]
    if missing:
        fix = f"install the extra: {install_command('detection')}"
        return failed(_NAME, f"not installed: {', '.join(missing)}", fix, **details)
    plugin = versions.get(PLUGIN)
    if plugin is not None and plugin.partition(".")[0] in {"0", "1"}:
        text = f"{PLUGIN} {plugin} does not use this library"
        return failed(_NAME, text, adapter_command(), **details)
    if versions.get("simplejpeg") is None:
        text = "simplejpeg is not installed, so Pillow encodes, which is several times slower"
        return warned(_NAME, text, "pip install simplejpeg, where it has a wheel for this Python", **details)
    text = f"ds-actors {__version__} on Python {python}"
    return passed(_NAME, text + (f", {PLUGIN} {plugin}" if plugin else ""), **details)
