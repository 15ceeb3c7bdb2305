"""Whether LIVEKIT_URL is an address of a LiveKit server at all, and how it is shown. Pure."""

from __future__ import annotations

import re
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
        # The error quotes what stands for the port, which may be a password.
        return "it is not a URL" if "@" in url else f"it is not a URL: {error}"
    if parts.scheme not in _SCHEMES or "://" not in url:
        return "it must begin with wss:// or ws://"
    if "@" in parts.netloc:
        return "it has a user name or a password, which LiveKit does not take"
    if "?" in url or "#" in url:
        return "it has a query, to which LiveKit would append its paths"
    return None if host else f"it names no host behind {parts.scheme}://"


def shown_url(url: str) -> str:
    """Return LIVEKIT_URL without what may be secret: a user name, a password, a query."""
    scheme, separator, rest = url.partition("://") if "://" in url else ("", "", url)
    address = re.split("[?#]", rest, maxsplit=1)[0]
    if "@" in rest:
        # An @ in a query may as well end a password that has a question mark.
        address = address.rpartition("@")[2] if "@" in address else "***"
    return f"{scheme}{separator}{address}"
