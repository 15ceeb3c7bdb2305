"""Cells of closing: the monitor ends while the fault is in force."""

from __future__ import annotations

from cells_open import BIG, is_down
from fault_actions import names, network, network_down, nothing, said, served_by, service
from fault_cell import Cell, cause
from fault_handlers import frame, hangs

from ds_actors.sandbox import Faults

SHUTDOWN = (
    Cell("shutdown", "none", nothing(), lasts=0.1),
    Cell("shutdown", "black hole", network("timeout", timeout=0), toxiproxy=True),
    Cell("shutdown", "black hole in a sample", network("timeout", timeout=0), kilobytes=BIG, toxiproxy=True, lasts=1),
    Cell("shutdown", "8 KB/s in a sample", network("bandwidth", rate=8), kilobytes=BIG, toxiproxy=True, lasts=1),
    Cell("shutdown", "64 KB/s in a sample", network("bandwidth", rate=64), kilobytes=BIG, toxiproxy=True, lasts=1),
    Cell("shutdown", "jitter 2 s", network("latency", latency=2_000, jitter=2_000), toxiproxy=True),
    Cell("shutdown", "slicing", network("slicer", average_size=2, delay=1_000), kilobytes=BIG, toxiproxy=True),
    Cell(
        "shutdown",
        "limit of 100 bytes",
        network("limit_data", "upstream", bytes=100),
        kilobytes=BIG,
        toxiproxy=True,
        fps=1,
        lasts=0,
    ),
    Cell("shutdown", "latency 3 s", network("latency", latency=3_000), toxiproxy=True),
    Cell("shutdown", "slow close", network("slow_close", delay=10_000), toxiproxy=True),
    Cell("shutdown", "reset", network("reset_peer", timeout=0), toxiproxy=True),
    Cell("shutdown", "down", network_down(), is_down, toxiproxy=True),
    Cell("shutdown", "silent service", service(Faults.silence)),
    Cell("shutdown", "answers 10 s late", service(lambda faults: faults.slow(10))),
    Cell("shutdown", "flood of results", said(frame(2, b"\x10\x01" * 20) * 500, every=0.0)),
    Cell("shutdown", "upgrade without an answer", served_by(hangs), is_down, upgrade_timeout=30),
    Cell("shutdown", "refused key", service(lambda faults: faults.refuse_upgrades(401), anew=True), cause("401")),
    Cell("shutdown", "DNS does not answer", names(None), lasts=0.1, scheme_host="ws://localhost", upgrade_timeout=30),
)
