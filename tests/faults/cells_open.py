"""Cells of an open connection: while it is idle, and in the middle of a sample."""

from __future__ import annotations

from fault_actions import cut, network, network_down, said, served_by, service, together
from fault_cell import Cell, Noticed, cause
from fault_handlers import frame, reads_nothing

from ds_actors.detection import Coverage, Status
from ds_actors.sandbox import Faults

ENDED = cause("the connection was closed")
PING = cause("after a ping")
BIG = 200
BLACK_HOLE = 30.0
"""Seconds: 10 until the ping, 10 for its answer, the rest for a busy machine."""


def is_down(status: Status) -> bool:
    return status.uplink.state in ("down", "connecting") and bool(status.uplink.cause)


def _is_slow(status: Status) -> bool:
    return status.uplink.slow


def _measures(rate: int) -> Noticed:
    """Return whether the estimate of the link is within a quarter of so many KB/s."""
    return lambda status: 0.75 <= (status.uplink.bytes_per_second or 0.0) / 1_000 / rate <= 1.25


IDLE = (
    Cell("idle", "down for 17 s", network_down(), is_down, becomes=Coverage.STALE, lasts=17, toxiproxy=True, slow=True),
    Cell(
        "idle",
        "refused for 17 s",
        service(lambda faults: faults.refuse_upgrades(503), anew=True),
        cause("HTTP 503"),
        becomes=Coverage.STALE,
        lasts=17,
        u=0.5,
        slow=True,
    ),
    Cell("idle", "cut", cut(), ENDED),
    Cell("idle", "reset", network("reset_peer", timeout=0), is_down, toxiproxy=True),
    Cell("idle", "down", network_down(), is_down, toxiproxy=True),
    Cell("idle", "limit of 2 KB", network("limit_data", "upstream", bytes=2_000), is_down, toxiproxy=True),
    Cell("idle", "latency 500 ms", network("latency", latency=500), toxiproxy=True, lasts=1.5, upgrade_timeout=10),
    Cell("idle", "jitter 300 ms", network("latency", latency=300, jitter=300), toxiproxy=True, lasts=1.5),
    Cell(
        "idle",
        "64 KB/s",
        network("bandwidth", rate=64),
        _measures(64),
        20,
        kilobytes=20,
        toxiproxy=True,
        lasts=6,
        link=64,
        stays=True,
        slow=True,
    ),
    Cell(
        "idle",
        "8 KB/s",
        network("bandwidth", rate=8),
        _is_slow,
        60,
        kilobytes=20,
        fps=1,
        toxiproxy=True,
        lasts=9,
        link=8,
        stays=True,
        slow=True,
    ),
    Cell("idle", "slicing", network("slicer", average_size=16, delay=100), toxiproxy=True, lasts=1.0),
    Cell("idle", "slow close", together(network("slow_close", delay=1_000), cut()), is_down, toxiproxy=True),
    Cell(
        "idle",
        "black hole",
        network("timeout", timeout=0),
        PING,
        BLACK_HOLE,
        becomes=Coverage.STALE,
        fps=0.2,
        toxiproxy=True,
        slow=True,
    ),
    Cell(
        "idle",
        "black hole, the answers only",
        network("timeout", "downstream", timeout=0),
        PING,
        BLACK_HOLE,
        becomes=Coverage.STALE,
        toxiproxy=True,
        slow=True,
    ),
    Cell(
        "idle",
        "black hole, the samples only",
        network("timeout", "upstream", timeout=0),
        PING,
        BLACK_HOLE,
        becomes=Coverage.STALE,
        toxiproxy=True,
        slow=True,
    ),
    Cell(
        "idle", "silent service", service(Faults.silence), PING, BLACK_HOLE, becomes=Coverage.STALE, lasts=1, slow=True
    ),
    Cell("idle", "latency 3 s", network("latency", latency=3_000), toxiproxy=True, lasts=20, slow=True),
    Cell(
        "idle",
        "flapping",
        service(lambda faults: faults.close_on_accept(1011, 0.05), anew=True),
        is_down,
        lasts=20,
        u=0.3,
        slow=True,
    ),
)

MID_FRAME = (
    Cell("mid-frame", "cut", cut(), is_down, kilobytes=BIG),
    Cell("mid-frame", "reset", network("reset_peer", timeout=0), is_down, kilobytes=BIG, toxiproxy=True),
    Cell("mid-frame", "down", network_down(), is_down, kilobytes=BIG, toxiproxy=True),
    Cell(
        "mid-frame",
        "limit of 300 KB",
        network("limit_data", "upstream", bytes=300_000),
        is_down,
        kilobytes=BIG,
        toxiproxy=True,
    ),
    Cell("mid-frame", "latency 300 ms", network("latency", latency=300), kilobytes=BIG, toxiproxy=True, lasts=1.5),
    Cell(
        "mid-frame",
        "jitter 300 ms",
        network("latency", latency=300, jitter=300),
        kilobytes=BIG,
        toxiproxy=True,
        lasts=1.5,
    ),
    Cell(
        "mid-frame",
        "slow close",
        together(network("slow_close", delay=1_000), cut()),
        is_down,
        kilobytes=BIG,
        toxiproxy=True,
    ),
    Cell(
        "mid-frame",
        "slicing",
        network("slicer", average_size=20_000, delay=100),
        kilobytes=BIG,
        toxiproxy=True,
        lasts=1,
    ),
    Cell(
        "mid-frame",
        "black hole",
        network("timeout", timeout=0),
        is_down,
        BLACK_HOLE,
        becomes=Coverage.STALE,
        kilobytes=BIG,
        toxiproxy=True,
        slow=True,
    ),
    Cell(
        "mid-frame",
        "64 KB/s",
        network("bandwidth", rate=64),
        _measures(64),
        30,
        kilobytes=BIG,
        fps=1,
        toxiproxy=True,
        lasts=15,
        link=64,
        stays=True,
        slow=True,
    ),
    Cell(
        "mid-frame",
        "8 KB/s",
        network("bandwidth", rate=8, starves=30),  # toxiproxy and the kernel hold some 200 kB
        _is_slow,
        60,
        kilobytes=BIG,
        fps=1,
        toxiproxy=True,
        lasts=45,
        link=8,
        slow=True,
    ),
    Cell(
        "mid-frame",
        "the service reads nothing",
        served_by(reads_nothing),
        is_down,
        15,
        upgrade_timeout=10,
        kilobytes=BIG,
        slow=True,
    ),
    Cell(
        "mid-frame",
        "flood of pings",
        said(frame(9, b"x") * 500, every=0.0),
        cause("control frames within"),
        kilobytes=BIG,
    ),
)
