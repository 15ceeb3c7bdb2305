"""Why no connection was opened, in words for people."""

from __future__ import annotations

import errno
import os
import socket

import pytest

from ds_actors.detection.uplink.unreached import why_unreached

REFUSED = os.strerror(errno.ECONNREFUSED)
NO_ROUTE = os.strerror(errno.EHOSTUNREACH)


def attempts(*codes: int) -> OSError:
    """Return what trio raises when no address of a host answers."""
    error = OSError("all attempts to connect to example.org:443 failed")
    error.__cause__ = ExceptionGroup("all attempts", [OSError(code, f"Error connecting: {code}") for code in codes])
    return error


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (socket.gaierror(socket.EAI_NONAME, "Name or service not known"), "Name or service not known"),
        (attempts(errno.ECONNREFUSED), REFUSED),
        (attempts(errno.EHOSTUNREACH, errno.ECONNREFUSED, errno.EHOSTUNREACH), f"{NO_ROUTE}, {REFUSED}"),
        (ConnectionResetError(errno.ECONNRESET, "any"), os.strerror(errno.ECONNRESET)),
        (OSError("a sentence alone"), "a sentence alone"),
        (TimeoutError(), "TimeoutError"),
    ],
)
def test_the_reason_has_neither_a_class_nor_a_number(error: OSError, words: str) -> None:
    """Each reason of several attempts is there once; an error without words is its class."""
    assert why_unreached(error) == words
