"""What to type to run the next command."""

from __future__ import annotations

import shlex
import shutil
import sys
from pathlib import Path


def program() -> str:
    """Return `ds-actors`, or the path it was run by when PATH does not lead to it, as after `make demo`."""
    given = sys.argv[0]
    if Path(given).name != "ds-actors" or shutil.which("ds-actors"):
        return "ds-actors"
    return shlex.quote(given)
