"""Why the operating system opened no connection, in its own words."""

from __future__ import annotations

import os
import socket
import ssl

from ds_actors.detection.uplink.close_reasons import leaves


def why_unreached(error: BaseException) -> str | None:
    """Return the system's reason without Python's class and the number; of attempts at several addresses, each once.

    None for an error that is not the system's, as one of TLS is not.
    """
    error = getattr(error, "os_error", error)  # aiohttp's error has the system's as this attribute
    if not isinstance(error, OSError) or isinstance(error, ssl.SSLError):
        return None
    attempts = error if error.__cause__ is None else error.__cause__
    reasons = dict.fromkeys(_reason(attempt) for attempt in leaves(attempts) if isinstance(attempt, OSError))
    return ", ".join(filter(None, reasons)) or str(error) or type(error).__name__


def _reason(error: OSError) -> str:
    if isinstance(error, socket.gaierror):
        return error.strerror or ""
    # Libraries put the address before the text of an attempt, and it is known already.
    return os.strerror(error.errno) if error.errno else ""
