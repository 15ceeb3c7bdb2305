"""Keeps the kernel's buffer small: what it has can neither be dropped nor replaced, and nothing tells its age."""

from __future__ import annotations

import socket
from contextlib import suppress
from typing import Final

import trio

UNSENT: Final = 4 * 1024
"""Bytes that the kernel has and has not sent, from which on a send waits; trio's own limit is 16 KiB."""


def limit_unsent(stream: trio.abc.Stream) -> None:
    """Set the limit (TCP_NOTSENT_LOWAT) on the socket below a stream, where the system has it: Linux and macOS."""
    while not isinstance(stream, trio.SocketStream):
        below = getattr(stream, "inner", None) or getattr(stream, "transport_stream", None)
        if not isinstance(below, trio.abc.Stream):
            return
        stream = below
    option = getattr(socket, "TCP_NOTSENT_LOWAT", None)
    if option is not None:
        with suppress(OSError):
            stream.setsockopt(socket.IPPROTO_TCP, option, UNSENT)
