"""The clone that this library was installed from, if it was."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def clone() -> Path | None:
    """Return the folder that the library was installed from, editable or not; None when that was a package index."""
    # Slow to import, and only for those to whom something is missing.
    from importlib.metadata import PackageNotFoundError, distribution  # noqa: PLC0415
    from urllib.parse import urlsplit  # noqa: PLC0415
    from urllib.request import url2pathname  # noqa: PLC0415

    try:
        # PEP 610: installers write down where a distribution came from, unless it was an index.
        written = distribution("ds-actors").read_text("direct_url.json")
        origin: dict[str, Any] = {} if written is None else json.loads(written)
        return Path(url2pathname(urlsplit(str(origin["url"])).path)) if "dir_info" in origin else None
    except (PackageNotFoundError, OSError, ValueError):
        return None
