"""One WebSocket to the service: TCP, proxy, TLS, upgrade, and every ending as Refused or Unreachable."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any, Final, cast

import trio
from python_socks import ProxyError, ProxyType
from python_socks.async_.trio.v2 import Proxy
from trio_websocket import ConnectionClosed, WebSocketConnection, wrap_client_stream
from wsproto.utilities import RemoteProtocolError

from ds_actors.detection.errors import Refused, Unreachable, UplinkError
from ds_actors.detection.events import plain
from ds_actors.detection.proxies import ProxyAddress
from ds_actors.detection.service import Dataspike
from ds_actors.detection.tls import default_tls
from ds_actors.detection.uplink.close_reasons import closed, leaves, parse_head, rejected
from ds_actors.detection.uplink.heartbeat import Heartbeat
from ds_actors.detection.uplink.metered_socket import metered
from ds_actors.detection.uplink.reader_nursery import ReaderNursery
from ds_actors.detection.uplink.tunnel import open_tunnel
from ds_actors.detection.uplink.unreached import why_unreached
from ds_actors.detection.uplink.unsent import limit_unsent
from ds_actors.detection.uplink.watched_stream import WatchedStream

MAX_MESSAGE_SIZE: Final = 64 * 1024
"""Bytes of the longest message taken from the service; a longer one closes the connection (1009)."""
CLOSE_TIMEOUT: Final = 0.5
"""Seconds for the closing handshake; afterwards the stream is dropped."""
QUEUE_SIZE: Final = 64
"""Messages between trio-websocket's reader and ours, so that a burst does not keep pongs unread."""

_SOCKS_TYPES: Final = {
    "socks4": ProxyType.SOCKS4,
    "socks5": ProxyType.SOCKS5,
    "socks5h": ProxyType.SOCKS5,
}

Connect = Callable[[Dataspike], Awaitable[trio.abc.Stream]]


async def open_stream(service: Dataspike) -> trio.abc.Stream:
    """Return a stream to the service: TCP, through the proxy if there is one, with verified TLS for wss.

    Raises:
        OSError, trio.BrokenResourceError, python_socks.ProxyError: when host, TLS or proxy fail.
    """
    # Before the stream is opened, because it may raise.
    context = (service.ssl_context or await default_tls()) if service.secure else None
    if service.proxy is None:
        stream: trio.abc.Stream = metered(await trio.open_tcp_stream(service.host, service.port))
    else:
        stream = await _open_through(service.proxy, service)
    limit_unsent(stream)
    if context is None:
        return stream
    secured = trio.SSLStream(stream, context, server_hostname=service.host, https_compatible=True)
    try:
        await secured.do_handshake()
    except BaseException:
        await _drop(stream)
        raise
    return secured


async def _open_through(address: ProxyAddress, service: Dataspike) -> trio.abc.Stream:
    if address.scheme not in _SOCKS_TYPES:
        return await open_tunnel(address, service.host, service.port)
    proxy = Proxy(
        _SOCKS_TYPES[address.scheme],
        address.host,
        address.port,
        address.username,
        address.password,
        rdns=True if address.scheme == "socks5h" else None,
    )
    tunnel = await proxy.connect(service.host, service.port, timeout=service.upgrade_timeout)
    return cast("trio.abc.Stream", tunnel.trio_stream)  # pyright: ignore[reportUnknownMemberType]


@asynccontextmanager
async def open_websocket(
    service: Dataspike, *, connect: Connect = open_stream, heartbeat: Heartbeat | None = None
) -> AsyncGenerator[WebSocketConnection, None]:
    """Open the service's WebSocket for the length of a block; its reading task lives inside.

    Args:
        service: where, and with which key.
        connect: opens the stream under the WebSocket.
        heartbeat: hears of every byte moved, from the upgrade on.

    Raises:
        Refused: the service will not have the key (401 or 403, or a close code that says so).
        Unreachable: every other failure to connect, and every other end of the connection, from the block too.
    """
    body: BaseException | None = None
    failure: BaseException | None = None
    stream: WatchedStream | None = None
    farewell = trio.CancelScope(shield=True)
    try:
        async with trio.open_nursery() as nursery:
            websocket, stream = await _open(nursery, service, connect, heartbeat, farewell)
            try:
                yield websocket
            except BaseException as error:
                body = error
                raise
            finally:
                # A close frame after half a message would be read as its rest; one into a dead connection only waits.
                if not stream.spoiled and not isinstance(body, Exception):
                    farewell.deadline = trio.current_time() + CLOSE_TIMEOUT
                    with farewell:
                        await websocket.aclose()
                await _drop(stream)
                nursery.cancel_scope.cancel()
    except BaseException as error:
        failure = _verdict(error, body)
        if isinstance(failure, Unreachable) and stream is not None and stream.violation:
            failure = Unreachable(stream.violation)
        if failure is None:
            raise
    # Raised here and without a context: the frames below hold the Authorization header.
    if failure is not None:
        raise failure from failure.__cause__


async def _open(
    nursery: trio.Nursery,
    service: Dataspike,
    connect: Connect,
    heartbeat: Heartbeat | None,
    farewell: trio.CancelScope,
) -> tuple[WebSocketConnection, WatchedStream]:
    stream: WatchedStream | None = None
    try:
        with trio.move_on_after(service.upgrade_timeout):
            stream = WatchedStream(await _connect(service, connect), heartbeat or Heartbeat(trio.current_time()))
            return await _upgrade(ReaderNursery(nursery, stream, farewell.cancel), stream, service), stream
    except BaseException:
        if stream is not None:
            await _drop(stream)
        raise
    if stream is not None:
        await _drop(stream)
    raise _unanswered(stream, f"no accepted upgrade within {service.upgrade_timeout:g} s")


async def _connect(service: Dataspike, connect: Connect) -> trio.abc.Stream:
    try:
        return await connect(service)
    except (OSError, trio.BrokenResourceError, trio.ClosedResourceError, ProxyError, UnicodeError) as error:
        text = _described(error)
    raise Unreachable(f"{service.log_url} was not reached: {text}")


async def _upgrade(nursery: ReaderNursery, stream: WatchedStream, service: Dataspike) -> WebSocketConnection:
    with trio.CancelScope() as scope:
        # trio-websocket waits forever when the stream ends before the answer is complete.
        stream.on_end = scope.cancel
        websocket = await wrap_client_stream(
            cast("Any", nursery),
            # It only asks for a socket or TLS stream to show endpoints; any trio.abc.Stream works.
            cast("Any", stream),
            service.authority,
            service.resource,
            extra_headers=[(b"Authorization", f"Bearer {service.key.reveal()}".encode("ascii"))],
            message_queue_size=QUEUE_SIZE,
            max_message_size=MAX_MESSAGE_SIZE,
        )
        stream.on_end = None
        stream.head.clear()
        return websocket
    raise _unanswered(stream, "the connection ended during the upgrade")


def _unanswered(stream: WatchedStream | None, text: str) -> UplinkError:
    if stream is not None and stream.violation:
        return Unreachable(stream.violation)
    answer = None if stream is None else parse_head(bytes(stream.head))
    if answer is None or answer[0] == 101:
        return Unreachable(text)
    return rejected(*answer, time.time())


async def _drop(stream: trio.abc.Stream) -> None:
    # Shielded, or a Cancelled from here would replace the error on its way out.
    with trio.CancelScope(shield=True):
        await trio.aclose_forcefully(stream)


def _verdict(error: BaseException, body: BaseException | None) -> BaseException | None:
    """Return what to raise instead of what came out of the nursery; None to leave it as it is."""
    found = list(leaves(error))
    if not all(isinstance(leaf, Exception) for leaf in found):
        return None
    own = [] if body is None else list(leaves(body))
    meanings = [_meaning(leaf, ours=any(leaf is one for one in own)) for leaf in found]
    known = [meaning for meaning in meanings if meaning is not None]
    if len(known) < len(meanings):
        return body
    return next((meaning for meaning in known if isinstance(meaning, Refused)), known[0])


def _meaning(error: BaseException, *, ours: bool) -> UplinkError | None:
    match error:
        case UplinkError():
            return error
        case ConnectionClosed():
            reason = error.reason
            return closed(None, None) if reason is None else closed(reason.code, reason.reason)
        case _:
            return None if ours else Unreachable(f"the WebSocket failed: {_described(error)}")


def _described(error: BaseException) -> str:
    # trio reports TLS trouble as a broken resource, and wsproto's answer to a broken rule may fail in turn.
    shown = error
    if isinstance(error, trio.BrokenResourceError) and error.__cause__:
        shown = error.__cause__
    else:
        shown = next((cause for cause in _contexts(error) if isinstance(cause, RemoteProtocolError)), error)
    return plain(why_unreached(shown) or f"{type(shown).__name__}: {shown}")[:300]


def _contexts(error: BaseException) -> Iterator[BaseException]:
    while error.__context__ is not None:
        error = error.__context__
        yield error
