"""Why no connection was opened, in words for people."""

from __future__ import annotations

import errno
import os
import socket
import ssl
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import aiohttp
import pytest

from ds_actors.detection.uplink.unreached import why_unreached

if TYPE_CHECKING:
    from aiohttp.client_reqrep import ConnectionKey

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
        (ssl.SSLError(1, "certificate verify failed"), None),
        (ValueError("no error of the system"), None),
    ],
)
def test_the_reason_has_neither_a_class_nor_a_number(error: Exception, words: str | None) -> None:
    """Each reason of several attempts is there once; an error without words is its class."""
    assert why_unreached(error) == words


def test_the_reason_in_an_error_of_aiohttp_is_told() -> None:
    """It holds the system's error, whose reason says more than both of their texts."""
    key = cast("ConnectionKey", SimpleNamespace(host="example.org", port=443, ssl=True))
    error = aiohttp.ClientConnectorError(key, ConnectionRefusedError(errno.ECONNREFUSED, "Connect call failed"))
    assert why_unreached(error) == REFUSED
