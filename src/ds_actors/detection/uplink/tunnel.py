"""A tunnel through an HTTP proxy: CONNECT, and a stream that begins with what came right after the answer."""

from __future__ import annotations

import base64
from typing import Final

import h11
import trio
from python_socks import ProxyError

from ds_actors.detection.proxies import ProxyAddress
from ds_actors.detection.tls import default_tls
from ds_actors.detection.uplink.streams import WrappedStream
from ds_actors.detection.uplink.unreached import why_unreached

ANSWER_LIMIT: Final = 16 * 1024
"""Bytes of a proxy's answer up to its blank line; a longer one is refused."""


class TunnelStream(WrappedStream):
    """A stream whose first bytes were read already, together with the proxy's answer."""

    def __init__(self, inner: trio.abc.Stream, first: bytes) -> None:
        super().__init__(inner)
        self._first = first

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        """Return some bytes, b"" at the end."""
        if not self._first:
            return await self.inner.receive_some(max_bytes)
        await trio.lowlevel.checkpoint()
        size = len(self._first) if max_bytes is None else max_bytes
        data, self._first = self._first[:size], self._first[size:]
        return data


async def open_tunnel(proxy: ProxyAddress, host: str, port: int) -> trio.abc.Stream:
    """Return a stream to a host through an HTTP proxy, itself reached by TLS if its scheme is https.

    Raises:
        ProxyError: when the proxy cannot be reached, refuses, or gives no answer that can be read.
        trio.BrokenResourceError: when the connection breaks meanwhile, or the proxy's certificate is not trusted.
    """
    try:
        stream: trio.abc.Stream = await trio.open_tcp_stream(proxy.host, proxy.port)
    except OSError as error:
        why = why_unreached(error) or error
        raise ProxyError(f"the proxy {proxy.host}:{proxy.port} was not reached: {why}") from error
    try:
        if proxy.scheme == "https":
            context = await default_tls()
            secured = trio.SSLStream(stream, context, server_hostname=proxy.host, https_compatible=True)
            await secured.do_handshake()
            stream = secured
        return TunnelStream(stream, await _connect(stream, proxy, host, port))
    except BaseException as error:
        # Shielded, or a Cancelled from here would replace the error on its way out.
        with trio.CancelScope(shield=True):
            await trio.aclose_forcefully(stream)
        if isinstance(error, h11.RemoteProtocolError):
            raise ProxyError(f"the proxy's answer cannot be read: {error}") from error
        raise


async def _connect(stream: trio.abc.Stream, proxy: ProxyAddress, host: str, port: int) -> bytes:
    """Ask for the tunnel; return the bytes that came after the answer."""
    connection = h11.Connection(h11.CLIENT, max_incomplete_event_size=ANSWER_LIMIT)
    target = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    headers = [("Host", target)]
    if proxy.username is not None:
        credentials = base64.b64encode(f"{proxy.username}:{proxy.password or ''}".encode())
        headers.append(("Proxy-Authorization", f"Basic {credentials.decode()}"))
    request = connection.send(h11.Request(method="CONNECT", target=target, headers=headers)) or b""
    await stream.send_all(request + (connection.send(h11.EndOfMessage()) or b""))
    received = 0
    while True:
        match connection.next_event():
            case h11.Response(status_code=status, reason=reason):
                break
            case h11.NEED_DATA:
                if received >= ANSWER_LIMIT:
                    raise ProxyError(f"the proxy's answer is longer than {ANSWER_LIMIT} bytes")
                data = await stream.receive_some()
                if not data:
                    raise ProxyError("the proxy closed the connection before its answer was complete")
                received += len(data)
                connection.receive_data(bytes(data))
            case _:
                pass  # 100 to 199 announce the answer
    if not 200 <= status <= 299:
        raise ProxyError(f"the proxy answered {status} {reason.decode('latin-1')}")
    return connection.trailing_data[0]
