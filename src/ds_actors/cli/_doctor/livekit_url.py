"""Whether LIVEKIT_URL is an address of a LiveKit server at all. Pure."""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit

_SCHEMES: Final = ("ws", "wss", "http", "https")
"""LiveKit's SDK takes the latter two for the former."""


def url_problem(url: str) -> str | None:
    """Return what is wrong with the form of LIVEKIT_URL; None when a server can be asked for."""
    try:
        parts = urlsplit(url)
        host, _port = parts.hostname, parts.port
    except ValueError as error:
        return f"it is not a URL: {error}"
    if parts.scheme not in _SCHEMES or "://" not in url:
        return "it must begin with wss:// or ws://"
    return None if host else f"it names no host behind {parts.scheme}://"
