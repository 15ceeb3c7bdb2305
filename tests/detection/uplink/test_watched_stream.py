"""The stream under the WebSocket: what counts as progress, and what a cancelled send leaves."""

from __future__ import annotations

import pytest
import trio
import trio.testing
from attrs import define

from ds_actors.detection.uplink.heartbeat import Close, Heartbeat
from ds_actors.detection.uplink.watched_stream import WatchedStream


async def test_a_cancelled_send_spoils_the_stream(autojump_clock: trio.testing.MockClock) -> None:
    """Half a message is followed by nothing: the connection is over."""
    ours, theirs = trio.testing.lockstep_stream_pair()
    heartbeat = Heartbeat(trio.current_time())
    stream = WatchedStream(ours, heartbeat)
    with trio.move_on_after(0.05):
        await stream.send_all(b"x" * 100_000)
    assert stream.spoiled
    assert isinstance(heartbeat.tick(trio.current_time()), Close)
    await theirs.aclose()


@define(eq=False)
class Link(trio.abc.Stream):
    """Sends so many bytes a second, and buffers none."""

    speed: float
    sends: int = 0

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        self.sends += 1
        await trio.sleep(len(data) / self.speed)

    async def wait_send_all_might_not_block(self) -> None:
        await trio.lowlevel.checkpoint()

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        await trio.sleep_forever()
        raise AssertionError

    async def aclose(self) -> None:
        await trio.lowlevel.checkpoint()


async def verdict(link: Link, size: int) -> Close | None:
    """Return what the heartbeat says of a connection on which that many bytes are sent, as the uplink would ask it."""
    heartbeat = Heartbeat(trio.current_time())
    stream = WatchedStream(link, heartbeat)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(stream.send_all, bytes(size))
        await trio.testing.wait_all_tasks_blocked()
        while heartbeat.sending:
            await trio.sleep(0.5)
            heartbeat.received(trio.current_time())  # pongs go on: only the send is judged here
            said = heartbeat.tick(trio.current_time())
            if isinstance(said, Close):
                nursery.cancel_scope.cancel()
                return said
    return None


@pytest.mark.parametrize("speed", [120, 700, 5_000, 100_000])
async def test_a_slow_link_that_moves_bytes_is_alive(speed: float, autojump_clock: trio.testing.MockClock) -> None:
    """A sample of 60 kB may take more than eight minutes; it is never said to have moved no byte."""
    assert await verdict(Link(speed), 60_000) is None


async def test_a_link_that_moves_nothing_is_dead_after_ten_seconds(autojump_clock: trio.testing.MockClock) -> None:
    """Also in the middle of a send."""
    began = trio.current_time()
    assert await verdict(Link(1e-9), 60_000) is not None
    assert 10 <= trio.current_time() - began <= 11


async def test_a_fast_link_is_not_slowed_down_by_small_pieces(autojump_clock: trio.testing.MockClock) -> None:
    """120 kB go out in 17 pieces, not in 118; nothing is a send too."""
    link = Link(1e9)
    stream = WatchedStream(link, Heartbeat(trio.current_time()))
    await stream.send_all(bytes(120_000))
    assert link.sends == 17
    await stream.send_all(b"")
    assert link.sends == 18
