"""One cell of the matrix: a phase of a connection, a fault in it, and what must be true of a live monitor then."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager
from typing import Literal

from attrs import frozen
from fault_world import World

from ds_actors.detection import Coverage, Status

Phase = Literal["connect", "TLS", "upgrade", "idle", "mid-frame", "answers", "shutdown"]
PHASES: tuple[Phase, ...] = ("connect", "TLS", "upgrade", "idle", "mid-frame", "answers", "shutdown")
FROM_THE_START: frozenset[Phase] = frozenset({"connect", "TLS", "upgrade"})
"""Phases whose fault is there before the monitor; in the others a healthy connection comes first."""

Fault = Callable[[World], AbstractAsyncContextManager[None]]
FaultBody = Callable[[World], AsyncGenerator[None]]
Noticed = Callable[[Status], bool]


@frozen
class Cell:
    """What is done, and what must hold; seconds are of real time, and generous where a busy machine decides."""

    phase: Phase
    fault: str
    does: Fault
    """In force for the length of its block."""
    noticed: Noticed | None = None
    """Whether a status shows that the monitor knows; None where there is nothing to know: the connection stays."""
    within: float = 10.0
    """Seconds from the fault's beginning to that status."""
    lasts: float = 0.2
    """Seconds that the fault stays after it was noticed."""
    asked: float = 0.0
    """Seconds that the service asked to wait before the next attempt."""
    link: int = 0
    """What the network lets through, in KB/s, where it is what limits the samples; 0 where it is not."""
    becomes: Coverage | None = None
    """What the coverage becomes 15 s after the last verdict."""
    recovers: bool = True
    """Whether the cell waits for the next verdict; a refused key is tried again after 24 s only, so not at all."""
    stays: bool = False
    """The one connection stays, although there is something to notice."""
    closes_within: float = 4.0
    rss: float = 24.0
    """MiB by which the process may grow."""
    upgrade_timeout: float = 0.5
    kilobytes: int = 1
    """The size of a sample, about, where no link makes it smaller."""
    fps: float = 10.0
    u: float = 0.1
    """The draw of the jitter: a wait is this share of its ceiling."""
    tls: bool = False
    scheme_host: str = ""
    """The URL before the port, when it is not ws://127.0.0.1 (wss://localhost with TLS)."""
    proxy: str = ""
    """The scheme of the proxy that the switchboard plays."""
    toxiproxy: bool = False
    slow: bool = False
    """Takes longer than about two seconds, or differs little from a quick one: `make faults` runs it."""
    unasked: bool = False
    """Its results about the track count as answers of samples that the service has not received."""

    @property
    def name(self) -> str:
        """The phase and the fault."""
        return f"{self.phase}: {self.fault}"


def cause(text: str) -> Noticed:
    """Return whether the uplink's state names this cause."""
    return lambda status: text in status.uplink.cause
