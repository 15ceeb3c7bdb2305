"""A monitor with the real encoder behind a relay that passes few bytes per second, over real sockets."""

from __future__ import annotations

import socket

import numpy as np
import pytest
import trio
from relays import slow_relay
from servers import tcp_server
from waiting import until_in_trio

from ds_actors.detection import Dataspike, Frame, Monitor, ResultType, TrackInfo
from ds_actors.detection.events import Sample
from ds_actors.detection.uplink.connection import open_stream
from ds_actors.detection.uplink.metered_socket import MeteredSocket
from ds_actors.detection.uplink.unsent import UNSENT
from ds_actors.sandbox import open_sandbox

RATE = 24_000


class Camera:
    """A picture with so much detail that its JPEG takes ten seconds of the link."""

    def __init__(self) -> None:
        small = np.random.default_rng(7).integers(0, 255, (180, 320)).astype(np.uint8)
        luma = small.repeat(4, axis=0).repeat(4, axis=1).tobytes()
        self.frame = Frame(1280, 720, "i420", luma + bytes([128]) * (1280 * 720 // 2))

    async def capture(self) -> Frame:
        await trio.lowlevel.checkpoint()
        return self.frame

    async def aclose(self) -> None:
        await trio.lowlevel.checkpoint()


def clear(_sample: Sample, _elapsed: float) -> ResultType:
    return ResultType.CLEAR


@pytest.mark.parametrize(
    "buffer", [4 * 1024, None], ids=["without a queue", "with the kernel's buffers before the link"]
)
async def test_samples_over_a_slow_link_are_small_and_fresh(buffer: int | None) -> None:
    """None as old as an unchanged one would be, also where megabytes would fit into buffers on the way."""
    async with (
        open_sandbox(clear) as sandbox,
        slow_relay(int(sandbox.url.rpartition(":")[2]), RATE, buffer) as (_, port),
        Monitor(service=Dataspike(api_key="k", url=f"ws://127.0.0.1:{port}")) as monitor,
    ):
        for number in range(4):
            await monitor.add_track(TrackInfo(f"p{number}", f"T{number}"), Camera())
        await until_in_trio(lambda: len(sandbox.samples) >= 5, 50)
        status = monitor.status()
    assert max(received.age for received in sandbox.samples) < 6
    assert max(received.size for received in sandbox.samples) < 2 * RATE
    assert status.uplink.bytes_per_second is not None
    assert status.uplink.bytes_per_second < 5 * RATE


@pytest.mark.skipif(not hasattr(socket, "TCP_NOTSENT_LOWAT"), reason="the system has no such option")
async def test_the_kernel_keeps_little_that_it_has_not_sent() -> None:
    """What it has can be neither dropped nor replaced."""

    async def hold(_stream: trio.SocketStream) -> None:
        await trio.sleep_forever()

    async with tcp_server(hold) as port:
        stream = await open_stream(Dataspike(api_key="k", url=f"ws://127.0.0.1:{port}"))
        assert isinstance(stream, MeteredSocket)
        assert stream.socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT) == UNSENT
        await stream.aclose()
