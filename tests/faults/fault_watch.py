"""Watches the monitor of a cell, and writes down what it showed and which statement did not hold."""

from __future__ import annotations

import itertools
import math
import resource
from pathlib import Path
from typing import Final

import trio
from attrs import define, field
from fault_cell import Cell
from fault_tap import Tap, TappedStream
from fault_world import World

from ds_actors.detection import Coverage, Dataspike, Monitor, Status
from ds_actors.detection.uplink.connection import open_stream

LOOK_EVERY: Final = 0.02
MAX_AGE: Final = 2.0
LEAVES_WITHIN: Final = 0.25
"""Seconds from the monitor's last look at a sample's age to its first byte in the socket, on a busy machine."""
UNJUDGED_FOR: Final = 15.0
"""Seconds without a verdict after which a track is not `checked`."""
COUNTS_WITHIN: Final = 1.0
"""Seconds from a verdict's last byte to its effect on the coverage, on a busy machine."""
_PAGE: Final = resource.getpagesize()


@define
class Measured:
    """What a cell showed; seconds, MiB and counts."""

    noticed: float | None = None
    attempts: int = 0
    lines: int = 0
    rss: float = 0.0
    oldest: float | None = None
    """The highest age of a sample, as it left the monitor."""
    fresh: float | None = None
    """The same, of the first one after the fault."""
    carried: float | None = None
    """KB/s of samples that arrived while the link limited them."""
    arrived: float | None = None
    """The highest age of those on their arrival."""
    unjudged: float = 0.0
    """How long the track was `checked` without a verdict, at most."""
    closed: float = 0.0
    coverage: list[str] = field(factory=list[str])
    broken: list[str] = field(factory=list[str])
    """The statements that did not hold."""


@define(eq=False)
class Watch:
    """Looks at a live monitor every few milliseconds, and writes down which statement does not hold."""

    cell: Cell
    world: World
    measured: Measured
    statuses: list[Status] = field(factory=list[Status])
    attempts: list[float] = field(factory=list[float])
    noticed_at: float = math.inf
    tap: Tap = field(factory=lambda: Tap("A"))
    _began_rss: float = 0.0

    def told(self, status: Status) -> None:
        self.statuses.append(status)

    async def connect(self, service: Dataspike) -> trio.abc.Stream:
        self.attempts.append(trio.current_time())
        return TappedStream(await open_stream(service), self.tap)

    def broken(self, text: str) -> None:
        if text not in self.measured.broken:
            self.measured.broken.append(text)

    async def run(self, monitor: Monitor) -> None:
        self._began_rss = _rss()
        while True:
            self.look(monitor)
            await trio.sleep(LOOK_EVERY)

    def look(self, monitor: Monitor) -> None:
        status, now = monitor.status(), trio.current_time()
        self.statuses.append(status)
        del self.statuses[:-50]
        self.measured.rss = max(self.measured.rss, _rss() - self._began_rss)
        self._judge_account(status)
        self._judge_coverage(monitor.coverage("A"), now)

    def _judge_coverage(self, coverage: Coverage, now: float) -> None:
        if self.measured.coverage[-1:] != [coverage.value]:
            self.measured.coverage.append(coverage.value)
        if coverage is not Coverage.CHECKED:
            return
        unjudged = now - (-math.inf if self.tap.verdict_at is None else self.tap.verdict_at)
        self.measured.unjudged = max(self.measured.unjudged, unjudged)
        if unjudged > UNJUDGED_FOR + COUNTS_WITHIN:
            self.broken("checked more than 16 s after the last verdict")

    def _judge_account(self, status: Status) -> None:
        account, received = status.uplink, sum(client.received for client in self.world.sandbox.clients)
        dropped = sum(account.dropped.values())
        if account.due != account.sent + dropped + account.waiting + account.granted:
            self.broken(f"{account.due} due are not {account.sent} sent, {dropped} dropped and those under way")
        if account.sent != account.answered + account.unanswered + account.lost + account.outstanding:
            self.broken(f"{account.sent} sent are not answered, unanswered, lost or outstanding")
        if account.answered > received and not self.cell.unasked:
            self.broken(f"{account.answered} answered of {received} that the service received")

    def judge_attempts(self) -> None:
        """Compare the waits between attempts with the law: the draw's share of 0.5 s doubling to 15 s, or as asked."""
        if not self.cell.recovers and self.attempts[-1] > self.noticed_at:
            self.broken("an attempt came soon after the key was refused")
        waits = [after - before for before, after in itertools.pairwise(self.attempts)]
        for n, wait in enumerate(waits):
            least = max(self.cell.asked, self.cell.u * min(15.0, 0.5 * 2**n))
            if wait < least - 0.01:
                self.broken(f"attempt {n + 2} came after {wait:.2f} s, the law is {least:.2f} s")


def _rss() -> float:
    """Return the resident memory of this process, in MiB."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * _PAGE / 1024**2
