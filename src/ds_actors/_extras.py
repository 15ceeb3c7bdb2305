"""What to type to install an extra of this library that is missing."""

from __future__ import annotations

from ds_actors._clone import clone


def install_command(extra: str) -> str:
    """Return the command; where the library was installed from a clone, the one that works there."""
    in_a_clone = f'".[{extra}]"'
    if (folder := clone()) is not None:
        return f"pip install {in_a_clone} in {folder}"
    return f'pip install "ds-actors[{extra}]" (in a clone: {in_a_clone})'
