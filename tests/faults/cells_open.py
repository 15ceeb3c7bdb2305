"""Cells of an open connection: while it is idle, in the middle of a sample, and when the monitor closes."""

from __future__ import annotations

from fault_actions import cut, names, network, network_down, nothing, said, served_by, service
from fault_cell import Cell, cause
from fault_handlers import frame, hangs, reads_nothing

from ds_actors.detection import Status
from ds_actors.sandbox import Faults

ENDED = cause("the connection was closed")
PING = cause("after a ping")
BLACK_HOLE = 30.0
"""Seconds: 10 until the ping, 10 for its answer, the rest for a busy machine."""


def _is_down(status: Status) -> bool:
    return status.uplink.state in ("down", "connecting") and bool(status.uplink.cause)


def _is_slow(status: Status) -> bool:
    return status.uplink.slow


IDLE = (
    Cell("idle", "cut", cut(), ENDED),
    Cell("idle", "reset", network("reset_peer", timeout=0), _is_down, toxiproxy=True),
    Cell("idle", "down", network_down(), _is_down, toxiproxy=True),
    Cell("idle", "limit of 2 KB", network("limit_data", "upstream", bytes=2_000), _is_down, toxiproxy=True),
    Cell("idle", "latency 500 ms", network("latency", latency=500), toxiproxy=True, lasts=1.5, upgrade_timeout=10),
    Cell("idle", "jitter 300 ms", network("latency", latency=300, jitter=300), toxiproxy=True, lasts=1.5),
    Cell("idle", "64 KB/s", network("bandwidth", rate=64), toxiproxy=True, lasts=1.5),
    Cell("idle", "8 KB/s", network("bandwidth", rate=8), toxiproxy=True, lasts=1.5),
    Cell("idle", "slicing", network("slicer", average_size=16, delay=100), toxiproxy=True, lasts=1.0),
    Cell("idle", "black hole", network("timeout", timeout=0), PING, BLACK_HOLE, fps=0.2, toxiproxy=True, slow=True),
    Cell(
        "idle",
        "black hole, the answers only",
        network("timeout", "downstream", timeout=0),
        PING,
        BLACK_HOLE,
        toxiproxy=True,
        slow=True,
    ),
    Cell(
        "idle",
        "black hole, the samples only",
        network("timeout", "upstream", timeout=0),
        PING,
        BLACK_HOLE,
        toxiproxy=True,
        slow=True,
    ),
    Cell("idle", "silent service", service(Faults.silence), PING, BLACK_HOLE, lasts=1, slow=True),
    Cell("idle", "latency 3 s", network("latency", latency=3_000), toxiproxy=True, lasts=20, fresh=8, slow=True),
    Cell(
        "idle",
        "flapping",
        service(lambda faults: faults.close_on_accept(1011, 0.05), anew=True),
        _is_down,
        lasts=20,
        u=0.3,
        slow=True,
    ),
)

MID_FRAME = (
    Cell("mid-frame", "cut", cut(), _is_down, big=True),
    Cell("mid-frame", "reset", network("reset_peer", timeout=0), _is_down, big=True, toxiproxy=True),
    Cell("mid-frame", "down", network_down(), _is_down, big=True, toxiproxy=True),
    Cell(
        "mid-frame",
        "limit of 300 KB",
        network("limit_data", "upstream", bytes=300_000),
        _is_down,
        big=True,
        toxiproxy=True,
    ),
    Cell("mid-frame", "latency 300 ms", network("latency", latency=300), big=True, toxiproxy=True, lasts=1.5),
    Cell("mid-frame", "slicing", network("slicer", average_size=20_000, delay=100), big=True, toxiproxy=True, lasts=1),
    Cell(
        "mid-frame",
        "black hole",
        network("timeout", timeout=0),
        _is_down,
        BLACK_HOLE,
        big=True,
        toxiproxy=True,
        slow=True,
    ),
    Cell(
        "mid-frame",
        "64 KB/s",
        network("bandwidth", rate=64),
        big=True,
        fps=1,
        toxiproxy=True,
        lasts=20,
        slow=True,
    ),
    Cell(
        "mid-frame",
        "8 KB/s",
        network("bandwidth", rate=8, starves=30),  # toxiproxy and the kernel hold some 200 kB
        _is_slow,
        60,
        big=True,
        fps=1,
        toxiproxy=True,
        lasts=45,
        slow=True,
    ),
    Cell(
        "mid-frame",
        "the service reads nothing",
        served_by(reads_nothing),
        _is_down,
        15,
        upgrade_timeout=10,
        big=True,
        slow=True,
    ),
    Cell(
        "mid-frame", "flood of pings", said(frame(9, b"x") * 500, every=0.0), cause("control frames within"), big=True
    ),
)

SHUTDOWN = (
    Cell("shutdown", "none", nothing(), lasts=0.1),
    Cell("shutdown", "black hole", network("timeout", timeout=0), toxiproxy=True),
    Cell("shutdown", "black hole in a sample", network("timeout", timeout=0), big=True, toxiproxy=True, lasts=1),
    Cell("shutdown", "8 KB/s in a sample", network("bandwidth", rate=8), big=True, toxiproxy=True, lasts=1),
    Cell("shutdown", "latency 3 s", network("latency", latency=3_000), toxiproxy=True),
    Cell("shutdown", "slow close", network("slow_close", delay=10_000), toxiproxy=True),
    Cell("shutdown", "reset", network("reset_peer", timeout=0), toxiproxy=True),
    Cell("shutdown", "down", network_down(), _is_down, toxiproxy=True),
    Cell("shutdown", "silent service", service(Faults.silence)),
    Cell("shutdown", "answers 10 s late", service(lambda faults: faults.slow(10))),
    Cell("shutdown", "flood of results", said(frame(2, b"\x10\x01" * 20) * 500, every=0.0)),
    Cell("shutdown", "upgrade without an answer", served_by(hangs), _is_down, upgrade_timeout=30),
    Cell("shutdown", "refused key", service(lambda faults: faults.refuse_upgrades(401), anew=True), cause("401")),
    Cell("shutdown", "DNS does not answer", names(None), lasts=0.1, scheme_host="ws://localhost", upgrade_timeout=30),
)
