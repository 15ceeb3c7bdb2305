"""What arrives after a close frame ends nothing that has not ended anyway, on both sides of a connection."""

from __future__ import annotations

import base64
import hashlib
import math
import re
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest
import trio
import trio.testing
from servers import tcp_server

from ds_actors.detection import Dataspike
from ds_actors.detection.errors import Refused
from ds_actors.detection.uplink.connection import CLOSE_TIMEOUT, open_websocket
from ds_actors.serving._upgrade import receive_upgrade

SERVICE = Dataspike(api_key="k", url="ws://127.0.0.1:1")
PING, CLOSE = b"\x89\x00", b"\x88\x02\x03\xe8"
INVALID = b"\xf2\x00"
AFTER_OUR_CLOSE = [PING, PING + CLOSE, PING * 3 + CLOSE, INVALID, INVALID + CLOSE]


def accepted(request: bytes) -> bytes:
    """Return the answer to an upgrade."""
    key = re.search(rb"(?i)sec-websocket-key: (\S+)", request)
    assert key is not None
    accept = base64.b64encode(hashlib.sha1(key[1] + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest())
    upgrade = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    return upgrade + b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n"


@asynccontextmanager
async def connection(after_close: bytes, leaves_after: float = math.inf) -> AsyncGenerator[None]:
    """Open a connection to a service that says this behind our close frame."""

    async def serve(stream: trio.abc.Stream) -> None:
        await stream.send_all(accepted(bytes(await stream.receive_some())))
        assert bytes(await stream.receive_some())[0] == 0x88
        await stream.send_all(after_close)
        with trio.move_on_after(leaves_after):
            assert await stream.receive_some() == b""
        await stream.aclose()

    async with trio.open_nursery() as nursery:

        async def connect(_service: Dataspike) -> trio.abc.Stream:
            ours, theirs = trio.testing.memory_stream_pair()
            nursery.start_soon(serve, theirs)
            await trio.lowlevel.checkpoint()
            return ours

        async with open_websocket(SERVICE, connect=connect):
            yield


@pytest.mark.parametrize("cancelled", [False, True])
@pytest.mark.parametrize("after_close", AFTER_OUR_CLOSE)
async def test_what_arrives_during_our_own_close_is_no_failure(
    after_close: bytes, autojump_clock: trio.testing.MockClock, *, cancelled: bool
) -> None:
    """A block that ends, or is cancelled, ends as it did; half a second is all that the handshake gets."""
    began = trio.current_time()
    with trio.CancelScope() as scope:
        async with connection(after_close):
            if cancelled:
                scope.cancel()
                await trio.sleep_forever()
    assert scope.cancelled_caught == cancelled
    assert trio.current_time() - began <= CLOSE_TIMEOUT


async def test_a_service_that_leaves_during_our_close_ends_the_wait(autojump_clock: trio.testing.MockClock) -> None:
    """Nothing can complete the handshake any more."""
    began = trio.current_time()
    async with connection(PING, leaves_after=0.1):
        pass
    assert trio.current_time() - began == pytest.approx(0.1)


async def test_a_ping_behind_the_services_close_does_not_hide_its_code() -> None:
    """A refusal stays one."""
    refusal = b"\x88\x02" + (4401).to_bytes(2, "big")

    async def serve(stream: trio.SocketStream) -> None:
        await stream.send_all(accepted(await stream.receive_some()) + refusal + PING)
        while await stream.receive_some():
            pass

    async with tcp_server(serve) as port:
        with pytest.raises(Refused, match="4401"):
            async with open_websocket(Dataspike(api_key="k", url=f"ws://127.0.0.1:{port}")) as websocket:
                await websocket.get_message()


@pytest.mark.parametrize("after_close", AFTER_OUR_CLOSE)
async def test_a_client_that_pings_during_our_close_sees_the_close(
    after_close: bytes, autojump_clock: trio.testing.MockClock
) -> None:
    """Its bytes are read to the end, which no error and no reset precedes."""
    ours, theirs = trio.testing.memory_stream_pair()
    masked = b"".join(
        frame[:1] + bytes([0x80 | frame[1]]) + bytes(4) + frame[2:]
        for frame in re.findall(rb"\x89\x00|\xf2\x00|\x88\x02..", after_close, re.DOTALL)
    )
    seen = b""

    async def client() -> None:
        nonlocal seen
        await theirs.send_all(
            b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
        )
        while b"\x88\x02" not in seen:
            seen += await theirs.receive_some()
        await theirs.send_all(masked)
        await theirs.send_eof()
        while data := await theirs.receive_some():
            seen += data

    async with trio.open_nursery() as tasks:
        tasks.start_soon(client)
        with trio.fail_after(1):
            async with trio.open_nursery() as nursery:
                request = await receive_upgrade(nursery, ours, 1_000)
                assert request is not None
                websocket = await request.accept()
                await websocket.aclose(1001)
                nursery.cancel_scope.cancel()
        await trio.aclose_forcefully(ours)
    assert seen.endswith(b"\x88\x02\x03\xe9")
