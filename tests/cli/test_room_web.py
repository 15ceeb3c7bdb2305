"""The web server of `ds-actors room`, byte by byte."""

from __future__ import annotations

import trio
import trio.testing

from ds_actors.cli._room.site import MOST_BODY, WebRequest, WebResponse
from ds_actors.cli._room.web import ANSWER_WITHIN, MOST_CONNECTIONS, WebServer


def respond(request: WebRequest) -> WebResponse:
    """Answer with what was asked."""
    return WebResponse(200, "text/plain", f"{request.method} {request.target} {request.body.decode()}".encode())


async def exchange(sent: bytes, server: WebServer | None = None) -> bytes:
    """Return all that the server answers to these bytes."""
    ours, theirs = trio.testing.memory_stream_pair()
    async with trio.open_nursery() as nursery:
        nursery.start_soon((server or WebServer(respond, {"X-Always": "yes"})).serve, theirs)
        await ours.send_all(sent)
        return b"".join([chunk async for chunk in ours])


async def test_a_request_is_answered_and_the_connection_closed() -> None:
    """With the headers of every response."""
    answer = await exchange(b"POST /a?b HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhi")
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"x-always: yes" in head.lower()
    assert b"connection: close" in head.lower()
    assert body == b"POST /a?b hi"


async def test_what_is_no_http_is_a_bad_request() -> None:
    """The server goes on with others."""
    assert (await exchange(b"\x16\x03\x01 hello\r\n\r\n")).startswith(b"HTTP/1.1 400 ")
    assert (await exchange(b"GET / HTTP/1.1\r\n\r\n")).startswith(b"HTTP/1.1 400 ")  # without a Host
    assert (await exchange(b"GET / HTTP/1.1\r\nA: " + b"x" * 40_000)).startswith(b"HTTP/1.1 431 ")


async def test_a_body_over_the_limit_is_refused() -> None:
    """Before all of it is read."""
    head = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n"
    assert (await exchange(head + b"x" * (MOST_BODY + 1))).startswith(b"HTTP/1.1 413 ")


async def test_a_client_that_says_nothing_is_let_go(autojump_clock: trio.testing.MockClock) -> None:
    """After half a minute."""
    before = trio.current_time()
    assert await exchange(b"GET /") == b""
    assert trio.current_time() - before == ANSWER_WITHIN


async def test_a_client_that_leaves_is_no_error() -> None:
    """Neither before its request nor before the answer."""
    for sent in (b"", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"):
        ours, theirs = trio.testing.memory_stream_pair()
        await ours.send_all(sent) if sent else None
        await ours.aclose()
        await WebServer(respond, {}).serve(theirs)


async def test_connections_are_bounded(autojump_clock: trio.testing.MockClock) -> None:
    """One more is closed at once, and there is room again when one has ended."""
    server = WebServer(respond, {})
    request = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
    async with trio.open_nursery() as nursery:
        for _ in range(MOST_CONNECTIONS):
            nursery.start_soon(exchange, b"GET /", server)
        await trio.testing.wait_all_tasks_blocked()
        assert await exchange(b"", server) == b""
        await trio.sleep(ANSWER_WITHIN + 1)
        assert (await exchange(request, server)).startswith(b"HTTP/1.1 200 ")
