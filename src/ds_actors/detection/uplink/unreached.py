"""Why the operating system opened no connection, in its own words."""

from __future__ import annotations

import os
import socket

from ds_actors.detection.uplink.close_reasons import leaves


def why_unreached(error: OSError) -> str:
    """Return the reason without Python's class and the number; of attempts at several addresses, each reason once."""
    attempts = error if error.__cause__ is None else error.__cause__
    reasons = dict.fromkeys(_reason(attempt) for attempt in leaves(attempts) if isinstance(attempt, OSError))
    return ", ".join(filter(None, reasons)) or str(error) or type(error).__name__


def _reason(error: OSError) -> str:
    if isinstance(error, socket.gaierror):
        return error.strerror or ""
    # trio puts the address before the text of an attempt, and it is known already.
    return os.strerror(error.errno) if error.errno else ""
