"""The beginning of a connection, shared by everything that plays the service: the socket, the upgrade, the key."""

from __future__ import annotations

import hmac
from collections.abc import Collection, Sequence
from typing import Any, Final, cast

import trio
from trio_websocket import WebSocketConnection, WebSocketRequest, wrap_server_stream

from ds_actors.detection.events import Sample
from ds_actors.detection.uplink.reader_nursery import ReaderNursery
from ds_actors.detection.uplink.wire import MalformedMessage, decode_request

UPGRADE_TIMEOUT: Final = 10.0
"""Seconds from the first packet to the complete request."""
_RECEIVE: Final = 16 * 1024
"""Bytes that are received at a time. More would cost less for large samples, and would let a client that sends the
smallest of frames keep the thread for longer."""


async def bind(host: str, port: int) -> trio.socket.SocketType:
    """Return a socket that is bound and does not listen yet.

    Raises:
        OSError, UnicodeError: when the address cannot be used.
    """
    addresses: Sequence[tuple[int, int, int, str, object]] = await trio.socket.getaddrinfo(
        host, port, type=trio.socket.SOCK_STREAM, flags=trio.socket.AI_PASSIVE
    )
    family, kind, protocol, _, address = addresses[0]
    socket = trio.socket.socket(family, kind, protocol)
    try:
        socket.setsockopt(trio.socket.SOL_SOCKET, trio.socket.SO_REUSEADDR, 1)
        await socket.bind(address)
    except BaseException:
        socket.close()
        raise
    return socket


async def take_or_listen(first: list[trio.socket.SocketType], host: str, port: int) -> trio.socket.SocketType:
    """Return the socket that listens already, for the first incarnation, or a new one that does.

    Raises:
        OSError, UnicodeError: when the address cannot be used.
    """
    if first:
        return first.pop()
    socket = await bind(host, port)
    socket.listen()
    return socket


def client_url(scheme: str, host: str, port: int) -> str:
    """Return the URL to connect to; when the service listens on all addresses, the loopback one."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - read, not bound
    return f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}"


async def receive_upgrade(
    nursery: trio.Nursery, stream: trio.abc.Stream, max_message: int, *, messages: int = 1
) -> WebSocketRequest | None:
    """Return the client's request to upgrade, None when there is none within 10 s.

    Args:
        nursery: where the connection's reading task lives; cancelled when it cannot finish the closing handshake.
        stream: the connection.
        max_message: bytes of the longest message; a longer one closes the connection (1009).
        messages: how many messages are read ahead.
    """
    reading = cast("Any", ReaderNursery(nursery, stream, nursery.cancel_scope.cancel))
    with trio.move_on_after(UPGRADE_TIMEOUT):
        return await wrap_server_stream(
            reading,
            stream,
            max_message_size=max_message,
            message_queue_size=messages,
            receive_buffer_size=_RECEIVE,
        )
    return None


def bearer_key(request: WebSocketRequest) -> str:
    """Return the key of the Authorization header, "" when there is none."""
    scheme, _, key = dict(request.headers).get(b"authorization", b"").decode("latin-1").partition(" ")
    return key.strip() if scheme.lower() == "bearer" else ""


def is_accepted(key: str, accepted: Collection[str] | None) -> bool:
    """Return whether a key is one of those accepted, in a time that says nothing about them; None accepts any."""
    given = key.encode("latin-1", "replace")
    # Every one is compared, so that the time does not say which one fits.
    return accepted is None or sum(hmac.compare_digest(given, known.encode()) for known in accepted) > 0


async def receive_sample(websocket: WebSocketConnection) -> Sample:
    """Return the next sample.

    Raises:
        MalformedMessage: when the message is not one.
        trio_websocket.ConnectionClosed: when the connection is closed.
    """
    data = await websocket.get_message()
    if isinstance(data, str):
        raise MalformedMessage("a text message")
    return decode_request(data)
