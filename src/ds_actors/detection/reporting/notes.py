"""Lines for the log, and how often trouble that comes and goes may be reported. Pure."""

from __future__ import annotations

from typing import Final, Literal

from attrs import frozen

STABLE_AFTER: Final = 30.0
"""Seconds without trouble after which it is reported as over."""
FLAPPING_WITHIN: Final = 900.0
"""Trouble that returns within these seconds after its end is the same trouble; then it must be away for as long."""
REMIND_EVERY: Final = 300.0
"""Seconds between two warnings about the same trouble."""


@frozen
class Note:
    """A line for the log."""

    level: Literal["info", "warning", "error"]
    text: str
