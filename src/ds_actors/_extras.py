"""What to type to install an extra of this library that is missing."""

from __future__ import annotations

import json


def install_command(extra: str) -> str:
    """Return the command; where the library was installed from a clone, the one that works there."""
    in_a_clone = f'".[{extra}]"'
    if installed_from_a_clone():
        return f"pip install {in_a_clone} in the clone of ds-actors"
    return f'pip install "ds-actors[{extra}]" (in a clone: {in_a_clone})'


def installed_from_a_clone() -> bool:
    """Return whether the installed library came from a folder, not from a package index."""
    # Slow to import, and only for those to whom something is missing.
    from importlib.metadata import PackageNotFoundError, distribution  # noqa: PLC0415

    try:
        # PEP 610: installers write down where a distribution came from, unless it was an index.
        origin = distribution("ds-actors").read_text("direct_url.json")
        return origin is not None and "dir_info" in json.loads(origin)
    except (PackageNotFoundError, OSError, ValueError):
        return False
