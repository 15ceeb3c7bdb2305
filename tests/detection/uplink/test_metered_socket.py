"""A metered socket: what is sent arrives whole, each part that leaves is reported, and errors are those of a stream."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest
import trio
import trio.testing

from ds_actors.detection.uplink.heartbeat import Heartbeat
from ds_actors.detection.uplink.metered_socket import MeteredSocket, metered, report_moves
from ds_actors.detection.uplink.streams import WrappedStream
from ds_actors.detection.uplink.watched_stream import WatchedStream

SIZE = 5_000_000
"""More than the buffers of both sides hold."""


class Counted(WrappedStream):
    """Notes how many bytes each send has."""

    def __init__(self, stream: trio.abc.Stream) -> None:
        super().__init__(stream)
        self.sends: list[int] = []

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        self.sends.append(len(data))
        await super().send_all(data)


@asynccontextmanager
async def pair() -> AsyncGenerator[tuple[MeteredSocket, trio.SocketStream]]:
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    async with listener:
        ours = await trio.open_tcp_stream("127.0.0.1", listener.socket.getsockname()[1])
        theirs = await listener.accept()
        async with ours, theirs:
            yield metered(ours), theirs


async def test_each_part_that_the_kernel_takes_is_reported_before_the_send_returns() -> None:
    """The other side reads half: the send goes on, and its progress was told; then it reads the rest."""
    moves: list[float] = []
    async with pair() as (ours, theirs):
        assert report_moves(WrappedStream(ours), lambda: moves.append(trio.current_time()))
        data, got, sent = bytes(range(256)) * (SIZE // 256), bytearray(), trio.Event()

        async def send() -> None:
            await ours.send_all(data)
            sent.set()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(send)
            while len(got) < SIZE // 2:
                got += await theirs.receive_some()
            assert moves
            assert not sent.is_set()
            while len(got) < len(data):
                got += await theirs.receive_some()
            await sent.wait()
        assert bytes(got) == data
        await ours.send_all(b"")


async def test_a_broken_connection_and_a_closed_socket_raise_what_streams_raise() -> None:
    """Both at once, instead of an OSError."""
    async with pair() as (ours, theirs):
        await theirs.aclose()
        with pytest.raises(trio.BrokenResourceError):
            while True:
                await ours.send_all(bytes(SIZE))
        await ours.aclose()
        with pytest.raises(trio.ClosedResourceError):
            await ours.send_all(b"x")


async def test_a_message_into_a_socket_goes_out_in_one_piece_and_its_progress_is_watched() -> None:
    """A send that the other side does not read is noticed as one that moves nothing, from its last byte on."""
    async with pair() as (ours, theirs):
        heartbeat, counted = Heartbeat(trio.current_time()), Counted(ours)
        stream = WatchedStream(counted, heartbeat)
        began = trio.current_time()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(stream.send_all, bytes(SIZE))
            await theirs.receive_some()
            await trio.testing.wait_all_tasks_blocked(0.05)
            assert counted.sends == [SIZE]
            assert heartbeat.sending
            assert heartbeat.tick(began + 9) is None
            assert heartbeat.tick(trio.current_time() + 10.1) is not None
            nursery.cancel_scope.cancel()
        assert stream.spoiled
