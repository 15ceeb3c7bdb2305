"""The WebSocket over real sockets: upgrades, refusals, TLS, proxies, endings."""

from __future__ import annotations

import base64
import hashlib
import re
import socket
import ssl
import threading
import traceback
from contextlib import suppress
from pathlib import Path

import pytest
import trio
import trio.testing
import trustme
from servers import Handler, tcp_server, websocket_server
from trio_websocket import ConnectionClosed, WebSocketRequest

from ds_actors.detection import tls
from ds_actors.detection.errors import Refused, Unreachable
from ds_actors.detection.proxies import ProxyAddress
from ds_actors.detection.service import Dataspike, verifies
from ds_actors.detection.uplink.connection import open_websocket
from ds_actors.detection.uplink.heartbeat import Close, Heartbeat
from ds_actors.detection.uplink.tunnel import open_tunnel

SECRET = "sk-very-secret"


def tls_contexts(name: str) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    authority = trustme.CA()
    server, client = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH), ssl.create_default_context()
    authority.issue_cert(name).configure_cert(server)  # pyright: ignore[reportUnknownMemberType]
    authority.configure_trust(client)  # pyright: ignore[reportUnknownMemberType]
    return server, client


def local(port: int, *, timeout: float = 5.0) -> Dataspike:
    return Dataspike(SECRET, f"ws://127.0.0.1:{port}/stream?v=4", upgrade_timeout=timeout)


async def echo(request: WebSocketRequest) -> None:
    websocket = await request.accept()
    try:
        while True:
            await websocket.send_message(await websocket.get_message())
    except ConnectionClosed:
        pass


async def hold(_stream: trio.SocketStream) -> None:
    await trio.sleep_forever()


async def use(service: Dataspike) -> None:
    async with open_websocket(service) as websocket:
        await websocket.get_message()


async def test_upgrade_carries_key_path_and_query() -> None:
    """The service sees a bearer token and the resource; the heartbeat hears of the bytes."""
    seen: list[tuple[str, bytes]] = []

    async def handler(request: WebSocketRequest) -> None:
        seen.append((request.path, dict(request.headers)[b"authorization"]))
        await echo(request)

    heartbeat = Heartbeat(trio.current_time() - 60)
    async with (
        websocket_server(handler) as port,
        open_websocket(local(port), heartbeat=heartbeat) as websocket,
    ):
        assert heartbeat.tick(trio.current_time()) is None
        await websocket.send_message(b"x" * 100_000)
        with pytest.raises(ConnectionClosed):
            await websocket.get_message()
    assert seen == [("/stream?v=4", f"Bearer {SECRET}".encode())]


async def test_small_messages_come_back() -> None:
    """An ordinary exchange ends with an ordinary close."""
    async with websocket_server(echo) as port:
        async with open_websocket(local(port)) as websocket:
            await websocket.send_message(b"hello")
            assert await websocket.get_message() == b"hello"
        assert websocket.closed is not None
        assert websocket.closed.code == 1000


@pytest.mark.parametrize("body", [None, b"go away"])
async def test_401_is_refused(body: bytes | None) -> None:
    """The key is named by its variable, and shown in no frame of the traceback."""
    async with websocket_server(lambda request: request.reject(401, body=body)) as port:
        with pytest.raises(Refused, match="DATASPIKE_API_KEY") as caught:
            await use(local(port))
    report = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
    assert SECRET not in "".join(report.format())
    assert caught.value.__cause__ is None


async def test_429_says_when_to_come_back() -> None:
    """Retry-After reaches the error."""
    async with websocket_server(lambda r: r.reject(429, extra_headers=[(b"Retry-After", b"42")])) as port:
        with pytest.raises(Unreachable) as caught:
            await use(local(port))
    assert caught.value.retry_after == 42.0


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("elsewhere", ["/elsewhere", "ws://127.0.0.1:{port}/stream?v=4"])
async def test_a_redirect_is_not_followed(status: int, elsewhere: str) -> None:
    """The key goes to no other path, and to no other service, even one that would accept it."""
    visits: list[str] = []

    async def accept(request: WebSocketRequest) -> None:
        visits.append(f"elsewhere: {request.path}")
        await (await request.accept()).aclose()

    async with websocket_server(accept) as other:

        async def redirect(request: WebSocketRequest) -> None:
            visits.append(request.path)
            await request.reject(status, extra_headers=[(b"Location", elsewhere.format(port=other).encode())])

        async with websocket_server(redirect) as port:
            with pytest.raises(Unreachable, match=str(status)):
                await use(local(port))
    assert visits == ["/stream?v=4"]


async def test_compression_is_neither_offered_nor_accepted() -> None:
    """A small message that grows into a huge one needs an extension; a service that insists on it is no service."""
    heads: list[bytes] = []

    async def handler(stream: trio.SocketStream) -> None:
        head = b""
        while b"\r\n\r\n" not in head:
            head += await stream.receive_some()
        heads.append(head.lower())
        key = re.search(rb"(?i)sec-websocket-key: (\S+)", head)
        assert key is not None
        accept = base64.b64encode(hashlib.sha1(key[1] + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest())
        await stream.send_all(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Extensions: permessage-deflate\r\nSec-WebSocket-Accept: " + accept + b"\r\n\r\n"
        )
        await trio.sleep_forever()

    async with tcp_server(handler) as port:
        with pytest.raises(Unreachable), trio.fail_after(20):
            await use(local(port))
    (head,) = heads
    assert b"sec-websocket-extensions" not in head


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (b"HTTP/1.1 403 Forbidden\r\nConnection: close\r\n\r\nuntil the end", Refused),
        (b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhello", Unreachable),
        (b"SSH-2.0-OpenSSH_9.6\r\n", Unreachable),
        (b"", Unreachable),
    ],
)
async def test_answers_that_end_with_the_stream(answer: bytes, kind: type[Exception]) -> None:
    """A stream that ends during the upgrade is noticed at once, and what it said before counts."""

    async def handler(stream: trio.SocketStream) -> None:
        await stream.receive_some()
        await stream.send_all(answer)

    async with tcp_server(handler) as port:
        with trio.fail_after(30), pytest.raises(kind):
            await use(local(port, timeout=100))


async def test_an_endless_head_is_named() -> None:
    """Long before the upgrade's deadline."""

    async def handler(stream: trio.SocketStream) -> None:
        await stream.receive_some()
        with suppress(trio.BrokenResourceError):
            await stream.send_all(b"HTTP/1.1 403 Forbidden\r\n")
            while True:
                await stream.send_all(b"X-Filler: " + b"x" * 1_000 + b"\r\n")

    async with tcp_server(handler) as port:
        with trio.fail_after(20), pytest.raises(Unreachable, match="more than 16,384 bytes"):
            await use(local(port, timeout=60))


async def test_nobody_listens() -> None:
    """A refused TCP connection is unreachable, and the text says what was tried without the query."""
    async with tcp_server(hold) as port:
        pass
    with pytest.raises(Unreachable, match=r"/stream was not reached: Connection refused$"):
        await use(local(port))


@pytest.mark.parametrize(("code", "kind"), [(4401, Refused), (1011, Unreachable), (1000, Unreachable)])
async def test_a_close_code_comes_out_of_the_block(code: int, kind: type[Exception]) -> None:
    """Also through the nursery that the block's own tasks run in."""

    async def handler(request: WebSocketRequest) -> None:
        websocket = await request.accept()
        await websocket.aclose(code, "because")

    async with websocket_server(handler) as port:
        with pytest.raises(kind, match=str(code)):
            async with open_websocket(local(port)) as websocket, trio.open_nursery() as nursery:
                nursery.start_soon(websocket.get_message)
                nursery.start_soon(websocket.get_message)


async def test_a_message_over_64_kib_closes() -> None:
    """The service cannot fill our memory."""

    async def handler(request: WebSocketRequest) -> None:
        websocket = await request.accept()
        await websocket.send_message(b"x" * (64 * 1024))
        await websocket.send_message(b"x" * (64 * 1024 + 1))
        await trio.sleep_forever()

    async with websocket_server(handler) as port:
        with pytest.raises(Unreachable, match="1009"):
            async with open_websocket(local(port)) as websocket:
                assert len(await websocket.get_message()) == 64 * 1024
                await websocket.get_message()


async def test_the_blocks_own_error_comes_out_bare() -> None:
    """What the block raises is not the connection's error and is not wrapped."""
    async with websocket_server(echo) as port:
        with pytest.raises(KeyError, match="mine"):
            async with open_websocket(local(port)):
                raise KeyError("mine")


async def test_cancelling_the_block_ends_it_soon() -> None:
    """The close handshake gets half a second, also when the other side says nothing."""

    async def handler(request: WebSocketRequest) -> None:
        await request.accept()
        await trio.sleep_forever()

    async with websocket_server(handler) as port:
        with trio.fail_after(30), trio.CancelScope() as scope:
            async with open_websocket(local(port)):
                scope.cancel()
                await trio.sleep_forever()
        assert scope.cancelled_caught


async def test_wss_is_verified() -> None:
    """With the authority known it works, without it the certificate is the reason given; the name counts too."""
    assert verifies(await tls.default_tls())
    server, client = tls_contexts("localhost")
    async with websocket_server(echo, server) as port:
        url = f"wss://localhost:{port}/"
        async with open_websocket(Dataspike(SECRET, url, ssl_context=client)) as websocket:
            await websocket.send_message(b"hello")
            assert await websocket.get_message() == b"hello"
        with pytest.raises(Unreachable, match="certificate verify failed"):
            await use(Dataspike(SECRET, url))
        with pytest.raises(Unreachable, match="certificate"):
            await use(Dataspike(SECRET, f"wss://127.0.0.1:{port}/", ssl_context=client))


ANSWER = b"HTTP/1.1 200 Connection established\r\nVia: 1.1 p\r\n\r\n"
ANSWERS = {
    "whole": [ANSWER],
    "two segments": [ANSWER[:20], ANSWER[20:]],
    "split in the blank line": [ANSWER[:-1], ANSWER[-1:]],
    "byte by byte": [ANSWER[n : n + 1] for n in range(len(ANSWER))],
    "announced": [b"HTTP/1.1 102 Processing\r\n\r\n", ANSWER],
    "with a length": [b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n"],
}


@pytest.mark.parametrize("secure", [True, False])
@pytest.mark.parametrize("answer", ANSWERS)
async def test_through_a_proxy(answer: str, secure: bool) -> None:
    """CONNECT with the host's name and the proxy's credentials, then TLS end to end; the key is not for the proxy.

    In however many segments its answer comes.
    """
    server, client = tls_contexts("service.example")
    asked: list[bytes] = []

    async with websocket_server(echo, server if secure else None) as target:

        async def proxy(stream: trio.SocketStream) -> None:
            asked.append(await stream.receive_some())
            onward = await trio.open_tcp_stream("127.0.0.1", target)
            stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for segment in ANSWERS[answer]:
                await stream.send_all(segment)
                await trio.testing.wait_all_tasks_blocked(0.001)  # the client has read it by then
            async with onward, trio.open_nursery() as nursery:
                nursery.start_soon(pump, stream, onward)
                await pump(onward, stream)
                nursery.cancel_scope.cancel()

        async with tcp_server(proxy) as port:
            service = Dataspike(
                SECRET,
                f"{'wss' if secure else 'ws'}://service.example:{target}/",
                allow_insecure=True,
                ssl_context=client,
                proxy=f"http://me:word@127.0.0.1:{port}",
            )
            async with open_websocket(service) as websocket:
                await websocket.send_message(b"hello")
                assert await websocket.get_message() == b"hello"
    assert asked[0].startswith(f"CONNECT service.example:{target} HTTP/1.1".encode())
    assert b"Proxy-Authorization: Basic bWU6d29yZA==" in asked[0]
    assert SECRET.encode() not in asked[0]


async def test_through_a_socks_proxy() -> None:
    """Which resolves the service's name itself, as socks5h asks."""
    asked: list[bytes] = []

    async with websocket_server(echo) as target:

        async def proxy(stream: trio.SocketStream) -> None:
            await stream.receive_some()
            await stream.send_all(b"\x05\x00")
            asked.append(await stream.receive_some())
            await stream.send_all(b"\x05\x00\x00\x01" + bytes(6))
            async with await trio.open_tcp_stream("127.0.0.1", target) as onward, trio.open_nursery() as nursery:
                nursery.start_soon(pump, stream, onward)
                await pump(onward, stream)
                nursery.cancel_scope.cancel()

        async with tcp_server(proxy) as port:
            url, by = f"ws://service.example:{target}/", f"socks5h://127.0.0.1:{port}"
            async with open_websocket(Dataspike(SECRET, url, allow_insecure=True, proxy=by)) as websocket:
                await websocket.send_message(b"hello")
                assert await websocket.get_message() == b"hello"
    name = b"service.example"
    assert asked == [b"\x05\x01\x00\x03" + bytes([len(name)]) + name + target.to_bytes(2, "big")]


async def pump(source: trio.SocketStream, sink: trio.SocketStream) -> None:
    try:
        async for data in source:
            await sink.send_all(data)
    except (trio.BrokenResourceError, trio.ClosedResourceError):
        pass


async def test_a_proxy_that_refuses() -> None:
    """Its answer is named, its password is not shown anywhere."""

    async def proxy(stream: trio.SocketStream) -> None:
        await stream.receive_some()
        await stream.send_all(b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n")

    async with tcp_server(proxy) as port:
        service = Dataspike(SECRET, "wss://service.example/", proxy=f"http://me:word@127.0.0.1:{port}")
        assert isinstance(service.proxy, ProxyAddress)
        with pytest.raises(Unreachable, match="407") as caught:
            await use(service)
    report = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
    assert "'word'" not in "".join(report.format())


@pytest.mark.parametrize(
    ("answer", "named"),
    [
        (b"HTTP/1.1 200 Connection est", "closed the connection before its answer was complete"),
        (b"", "closed the connection before its answer was complete"),
        (b"SSH-2.0-OpenSSH_9.2\r\n\r\n", "cannot be read"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000, "cannot be read|longer than 16384 bytes"),
        (b"HTTP/1.1 102 Processing\r\n\r\n" * 5_000, "longer than 16384 bytes"),
        (b"HTTP/1.1 502 \x1b[31mBad\r\n\r\n", r"502 \[31mBad$"),
        (b"HTTP/1.1 301 Moved\r\nLocation: /\r\n\r\n", "301 Moved"),
    ],
)
async def test_a_proxy_that_answers_something_else(answer: bytes, named: str) -> None:
    """It says what was wrong, reads no more than 16 KiB for that, and leaves no connection open."""
    closed = trio.Event()

    async def proxy(stream: trio.SocketStream) -> None:
        with suppress(trio.BrokenResourceError):
            await stream.receive_some()
            await stream.send_all(answer)
            await stream.send_eof()
            async for _ in stream:
                pass
        closed.set()

    async with tcp_server(proxy) as port:
        with pytest.raises(Unreachable, match=named):
            await use(Dataspike(SECRET, "wss://service.example/", proxy=f"http://127.0.0.1:{port}"))
        with trio.fail_after(30):
            await closed.wait()


async def test_a_proxy_that_is_not_there_is_named() -> None:
    """Else the service would look unreachable."""
    async with tcp_server(echo_nothing) as port:
        pass
    with pytest.raises(Unreachable, match=f"the proxy 127.0.0.1:{port} was not reached"):
        await use(Dataspike(SECRET, "wss://service.example/", proxy=f"http://127.0.0.1:{port}"))


async def echo_nothing(stream: trio.SocketStream) -> None:
    await stream.aclose()


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_what_comes_right_behind_the_proxys_answer_is_kept(
    scheme: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The tunnel begins with it, in pieces as small as they are asked for; a proxy that speaks TLS too."""
    authority = trustme.CA()
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(server)  # pyright: ignore[reportUnknownMemberType]
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))

    async def proxy(raw: trio.SocketStream) -> None:
        stream: trio.abc.Stream = trio.SSLStream(raw, server, server_side=True) if scheme == "https" else raw
        await stream.receive_some()
        await stream.send_all(ANSWER + b"hello")
        await stream.send_all(await stream.receive_some())
        with suppress(trio.BrokenResourceError):
            await stream.receive_some()

    async with tcp_server(proxy) as port:
        tunnel = await open_tunnel(ProxyAddress(scheme, "127.0.0.1", port), "service.example", 443)
        async with tunnel:
            assert [await tunnel.receive_some(2), await tunnel.receive_some()] == [b"he", b"llo"]
            await tunnel.send_all(b" world")
            assert await tunnel.receive_some() == b" world"


def sends(data: bytes) -> Handler:
    """Return a handler that accepts, and sends these bytes."""

    async def handler(request: WebSocketRequest) -> None:
        websocket = await request.accept()
        with suppress(trio.BrokenResourceError, trio.ClosedResourceError):
            await websocket._stream.send_all(data)
        await trio.sleep_forever()

    return handler


FRAGMENT = b"\x02\x00"


async def test_a_message_that_never_ends_is_told_to_the_heartbeat() -> None:
    """Its time counts from its first byte, whatever arrives in between."""
    heartbeat = Heartbeat(trio.current_time())
    async with (
        websocket_server(sends(b"\x82\x01x" + FRAGMENT)) as port,
        open_websocket(local(port), heartbeat=heartbeat) as websocket,
    ):
        assert await websocket.get_message() == b"x"
        assert isinstance(heartbeat.tick(trio.current_time() + 10), Close)


@pytest.mark.parametrize("content", [None, "no certificate"])
async def test_an_unusable_ssl_cert_file_is_named(
    content: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """OpenSSL would trust no one, without a word."""
    path = tmp_path / "bundle.pem"
    if content is not None:
        path.write_text(content)
    monkeypatch.setenv("SSL_CERT_FILE", str(path))
    server, _client = tls_contexts("localhost")
    async with websocket_server(echo, server) as port:
        with pytest.raises(Unreachable, match=r"SSL_CERT_FILE names '.*bundle\.pem'"):
            await use(Dataspike("k", f"wss://localhost:{port}/"))


async def test_the_tls_context_is_made_once_and_in_another_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reading the system's certificates takes longer than a frame."""
    made: list[int] = []
    create = ssl.create_default_context

    def counted() -> ssl.SSLContext:
        made.append(threading.get_ident())
        return create()

    monkeypatch.setattr(ssl, "create_default_context", counted)
    tls._made.cache_clear()
    assert await tls.default_tls() is await tls.default_tls()
    assert len(made) == 1
    assert threading.get_ident() not in made
