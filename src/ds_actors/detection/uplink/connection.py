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
from ds_actors.detection.uplink.close_reasons import closed, leaves, parse_head, rejected
from ds_actors.detection.uplink.frames import FrameScanner, UpgradeAnswer
from ds_actors.detection.uplink.heartbeat import Heartbeat
from ds_actors.detection.uplink.streams import WrappedStream
from ds_actors.detection.uplink.tls import default_tls
from ds_actors.detection.uplink.tunnel import open_tunnel
from ds_actors.detection.uplink.unsent import limit_unsent

MAX_MESSAGE_SIZE: Final = 64 * 1024
"""Bytes of the longest message taken from the service; a longer one closes the connection (1009)."""
CLOSE_TIMEOUT: Final = 0.5
"""Seconds for the closing handshake; afterwards the stream is dropped."""
QUEUE_SIZE: Final = 64
"""Messages between trio-websocket's reader and ours, so that a burst does not keep pongs unread."""

_SMALLEST_PIECE: Final = 1024
"""Bytes: what a link of 0.1 KiB/s moves in the 10 s after which a send that moves nothing is dead."""
_LARGEST_PIECE: Final = 8 * 1024
_HEAD_LIMIT: Final = 16 * 1024
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
        stream: trio.abc.Stream = await trio.open_tcp_stream(service.host, service.port)
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


class WatchedStream(WrappedStream):
    """A stream that tells a heartbeat of every byte moved, and keeps the head of the answer to the upgrade.

    Sends go out in pieces, because a stream says nothing before its whole send is done: small ones on a slow link, and
    larger ones while they take less than a second, because each costs.
    """

    def __init__(self, stream: trio.abc.Stream, heartbeat: Heartbeat) -> None:
        super().__init__(stream)
        self._heartbeat = heartbeat
        self.spoiled: bool = False
        """A send was cut off: the other side cannot find the next message any more."""
        self.head: bytearray = bytearray()
        self.on_end: Callable[[], object] | None = None
        """Called when the stream ends; set while the upgrade is under way only."""
        self.violation: str = ""
        """The rule about frames that the other side broke."""
        self._answer: UpgradeAnswer = UpgradeAnswer()
        self._frames: FrameScanner | None = None

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Send the bytes; cancelling it spoils the stream."""
        self._heartbeat.send_started(trio.current_time())
        try:
            await self._send_pieces(memoryview(data))
        except BaseException:
            self.spoiled = True
            raise
        finally:
            self._heartbeat.send_ended()

    async def _send_pieces(self, view: memoryview) -> None:
        size, began = _SMALLEST_PIECE, trio.current_time()
        while True:
            piece, view = view[:size], view[size:]
            await self.inner.send_all(piece)
            now = trio.current_time()
            self._heartbeat.send_progress(now)
            if not view:
                return
            size = min(2 * size, _LARGEST_PIECE) if now - began < 1 else _SMALLEST_PIECE
            began = now

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        """Return some bytes, b"" at the end."""
        try:
            data = await self.inner.receive_some(max_bytes)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            self._ended()
            raise
        if not data:
            self._ended()
            return data
        self._heartbeat.received(trio.current_time())
        if self.on_end is not None and len(self.head) < _HEAD_LIMIT:
            self.head += data[:_HEAD_LIMIT]
        self._scan(data)
        if self.violation or self._answer.is_rejection:
            # The body of a rejection says nothing more, and may be endless.
            self._ended()
            raise trio.BrokenResourceError(self.violation)
        return data

    def _scan(self, data: bytes | bytearray) -> None:
        if self._frames is None:
            rest = self._answer.feed(data)
            if rest is None:
                return
            data, self._frames = rest, FrameScanner()
        frames, completed, controls = self._frames, self._frames.completed, self._frames.controls
        was_unfinished = frames.unfinished
        self.violation = frames.feed(data) or ""
        flood = self._heartbeat.control_frames(frames.controls - controls, trio.current_time())
        if flood is not None:
            self.violation = flood.reason
        if not frames.unfinished:
            self._heartbeat.message_ended()
        elif not was_unfinished or frames.completed > completed:
            self._heartbeat.message_began(trio.current_time())

    async def aclose(self) -> None:
        """Close the stream."""
        try:
            await self.inner.aclose()
        finally:
            self._ended()

    def _ended(self) -> None:
        if self.on_end is not None:
            self.on_end()


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
    try:
        async with trio.open_nursery() as nursery:
            websocket, stream = await _open(nursery, service, connect, heartbeat)
            try:
                yield websocket
            except BaseException as error:
                body = error
                raise
            finally:
                await _farewell(websocket, stream, body)
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
    nursery: trio.Nursery, service: Dataspike, connect: Connect, heartbeat: Heartbeat | None
) -> tuple[WebSocketConnection, WatchedStream]:
    stream: WatchedStream | None = None
    try:
        with trio.move_on_after(service.upgrade_timeout):
            stream = WatchedStream(await _connect(service, connect), heartbeat or Heartbeat(trio.current_time()))
            return await _upgrade(nursery, stream, service), stream
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


async def _upgrade(nursery: trio.Nursery, stream: WatchedStream, service: Dataspike) -> WebSocketConnection:
    with trio.CancelScope() as scope:
        # trio-websocket waits forever when the stream ends before the answer is complete.
        stream.on_end = scope.cancel
        websocket = await wrap_client_stream(
            nursery,
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


async def _farewell(websocket: WebSocketConnection, stream: WatchedStream, body: BaseException | None) -> None:
    # A close frame after half a message would be read as its rest; one into a dead connection only waits.
    if stream.spoiled or isinstance(body, Exception):
        return
    with trio.move_on_after(CLOSE_TIMEOUT, shield=True):
        await websocket.aclose()


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
    return plain(f"{type(shown).__name__}: {shown}")[:300]


def _contexts(error: BaseException) -> Iterator[BaseException]:
    while error.__context__ is not None:
        error = error.__context__
        yield error
