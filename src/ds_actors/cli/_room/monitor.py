"""The LiveKit plugin in a process of its own, because LiveKit's SDK needs asyncio."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from ds_actors.processes import Program, ProgramActor

_WATCHER: Final = Path(__file__).with_name("watcher.py")
_LONGEST_STATUS: Final = 1_000_000


def make_monitor(
    environment: Mapping[str, str], take: Callable[[dict[str, Any]], None], log: Callable[[str], None], *options: str
) -> ProgramActor:
    """Return the monitor; it joins the room in its own time.

    Args:
        environment: has the room's URL and a token.
        take: called with each event of the process.
        log: called with each line that the process logs.
        options: of `watcher.py`.
    """
    program = Program(
        [sys.executable, "-P", _WATCHER, *options],
        environment,
        on_stdout=lambda line: take(json.loads(line)),
        on_stderr=log,
        max_line=_LONGEST_STATUS,
    )
    return ProgramActor(program)
