"""Runs a cell: a live monitor on real sockets, watched from beginning to end."""

from __future__ import annotations

import itertools
import logging
import math
import resource
import ssl
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, Final

import numpy as np
import trio
import trustme
from attrs import define, field
from fault_cell import FROM_THE_START, Cell
from fault_handlers import http_proxy, socks_proxy
from fault_world import World, client_context, server_context
from switchboard import open_switchboard
from toxiproxy import open_toxiproxy

from ds_actors.detection import AdaptiveSampling, Coverage, Dataspike, Frame, Monitor, Status, TrackInfo
from ds_actors.detection.coverage import STALE_AFTER
from ds_actors.detection.uplink.connection import open_stream
from ds_actors.sandbox import Received, open_sandbox

KEY: Final = "sk-very-secret"
LINES: Final = 3
_LOOK_EVERY: Final = 0.02
_SLACK: Final = 3.0
"""Seconds by which a busy machine may be late with a fact."""
_WAITS: Final = 30.0
_ORDINARY: Final = ("httpx", ".progress")
"""Loggers of lines that no fault is the reason for."""
_PAGE: Final = resource.getpagesize()


@define
class Measured:
    """What a cell showed; seconds, MiB and counts."""

    noticed: float | None = None
    attempts: int = 0
    lines: int = 0
    rss: float = 0.0
    fresh: float | None = None
    closed: float = 0.0
    coverage: list[str] = field(factory=list[str])
    broken: list[str] = field(factory=list[str])
    """The statements that did not hold."""


class Camera:
    """A source that has a frame at once; a large one does not compress."""

    def __init__(self, *, big: bool) -> None:
        width, height = (640, 480) if big else (64, 64)
        pixels = np.random.default_rng(7).integers(0, 256, width * height * 3, dtype=np.uint8) if big else None
        self._frame = Frame(width, height, "rgb24", bytes(width * height * 3) if pixels is None else pixels.tobytes())

    async def capture(self) -> Frame:
        await trio.lowlevel.checkpoint()
        return self._frame

    async def aclose(self) -> None:
        await trio.lowlevel.checkpoint()


@define(eq=False)
class Watch:
    """Looks at a live monitor every few milliseconds, and writes down which statement does not hold."""

    cell: Cell
    world: World
    measured: Measured
    statuses: list[Status] = field(factory=list[Status])
    attempts: list[float] = field(factory=list[float])
    noticed_at: float = math.inf
    _began_rss: float = 0.0
    _verdicts: int = 0
    _judged_at: float = 0.0

    def told(self, status: Status) -> None:
        self.statuses.append(status)

    async def connect(self, service: Dataspike) -> trio.abc.Stream:
        self.attempts.append(trio.current_time())
        return await open_stream(service)

    def broken(self, text: str) -> None:
        if text not in self.measured.broken:
            self.measured.broken.append(text)

    async def run(self, monitor: Monitor) -> None:
        self._began_rss, self._judged_at = _rss(), trio.current_time()
        while True:
            self.look(monitor)
            await trio.sleep(_LOOK_EVERY)

    def look(self, monitor: Monitor) -> None:
        status, now = monitor.status(), trio.current_time()
        self.statuses.append(status)
        del self.statuses[:-50]
        self.measured.rss = max(self.measured.rss, _rss() - self._began_rss)
        self._judge_account(status)
        answers = sum(self.world.sandbox.answers.values())
        if answers > self._verdicts:
            self._verdicts, self._judged_at = answers, now
        coverage = monitor.coverage("A")
        if self.measured.coverage[-1:] != [coverage.value]:
            self.measured.coverage.append(coverage.value)
        unjudged = now - self._judged_at
        if coverage is Coverage.CHECKED and unjudged > STALE_AFTER + _SLACK + self.cell.fresh:
            self.broken(f"checked, {unjudged:.0f} s after the last verdict")

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


async def run_cell(cell: Cell, log: list[logging.LogRecord], program: Path | None) -> Measured:
    """Run a cell, and return what it showed."""
    measured = Measured()
    async with _world(cell, program) as world:
        watch = Watch(cell, world, measured)
        if cell.phase in FROM_THE_START:
            await _from_the_start(cell, world, watch)
        else:
            await _with_a_connection(cell, world, watch)
        measured.attempts = len(watch.attempts)
        watch.judge_attempts()
        _judge_end(cell, world, measured, log, watch)
    return measured


async def _from_the_start(cell: Cell, world: World, watch: Watch) -> None:
    async with AsyncExitStack() as fault:
        began = trio.current_time()
        await fault.enter_async_context(cell.does(world))
        async with _monitor(cell, world, watch) as monitor:
            await _notice(cell, watch, began)
            await fault.aclose()
            await _recover(cell, world, watch, monitor)


async def _with_a_connection(cell: Cell, world: World, watch: Watch) -> None:
    async with AsyncExitStack() as fault:
        async with _monitor(cell, world, watch) as monitor:
            await _until(lambda: monitor.coverage("A") is Coverage.CHECKED, "was never checked before the fault")
            began = trio.current_time()
            await fault.enter_async_context(cell.does(world))
            await _notice(cell, watch, began)
            if cell.phase != "shutdown":
                await fault.aclose()
                await _recover(cell, world, watch, monitor)


async def _notice(cell: Cell, watch: Watch, began: float) -> None:
    if cell.noticed is not None:
        with trio.move_on_after(cell.within):
            while not any(cell.noticed(status) for status in watch.statuses):
                await trio.sleep(_LOOK_EVERY)
            watch.noticed_at = trio.current_time()
            watch.measured.noticed = watch.noticed_at - began
        if watch.measured.noticed is None:
            watch.broken(f"not noticed within {cell.within:g} s: {watch.statuses[-1].uplink}")
    await trio.sleep(cell.lasts)
    watch.statuses.clear()


async def _recover(cell: Cell, world: World, watch: Watch, monitor: Monitor) -> None:
    if not cell.recovers:
        return
    ended = world.sandbox.elapsed()
    verdicts = monitor.status().uplink.answered

    def fresh() -> Received | None:
        return next((sample for sample in world.sandbox.samples[-200:] if sample.at >= ended), None)

    await _until(lambda: fresh() is not None and monitor.status().uplink.answered > verdicts, "no verdict afterwards")
    await _until(lambda: monitor.coverage("A") is Coverage.CHECKED, "not checked afterwards")
    first = fresh()
    assert first is not None
    watch.measured.fresh = first.age
    if first.age > cell.fresh:
        watch.broken(f"the first sample afterwards was {first.age:.1f} s old")
    if (cell.stays or cell.noticed is None) and monitor.status().uplink.connections != 1:
        watch.broken(f"{monitor.status().uplink.connections} connections instead of one that stays")


async def _until(condition: Any, otherwise: str) -> None:
    with trio.move_on_after(_WAITS):
        while not condition():
            await trio.sleep(_LOOK_EVERY)
        return
    raise AssertionError(otherwise)


def _judge_end(cell: Cell, world: World, measured: Measured, log: list[logging.LogRecord], watch: Watch) -> None:
    lines = [record for record in log if not record.name.endswith(_ORDINARY) and record.levelno >= logging.INFO]
    measured.lines = len(lines)
    if len(lines) > LINES:
        watch.broken(f"{len(lines)} lines in the log: {[record.getMessage() for record in lines]}")
    if any(KEY in f"{record.getMessage()} {record.exc_text}" for record in log) or KEY in repr(watch.statuses):
        watch.broken("the key is shown")
    if measured.rss > cell.rss:
        watch.broken(f"the process grew by {measured.rss:.0f} MiB")
    if measured.closed > cell.closes_within:
        watch.broken(f"closing took {measured.closed:.1f} s")
    for row in world.sandbox.grade(burst_fps=cell.fps, cut_off=world.cut_off):
        if not row.kept:
            watch.broken(f"the grade: {row.rule} is broken, {row.figure}")


@asynccontextmanager
async def _monitor(cell: Cell, world: World, watch: Watch) -> AsyncGenerator[Monitor]:
    monitor = Monitor(
        service=_service(cell, world),
        sampling=lambda: AdaptiveSampling(cell.fps, cell.fps),
        connect=watch.connect,
        state_cb=watch.told,
        random=lambda: cell.u,
    )
    async with trio.open_nursery() as nursery:
        async with monitor:
            nursery.start_soon(watch.run, monitor)
            await monitor.add_track(TrackInfo("alice", "A"), Camera(big=cell.big))
            yield monitor
            leaving = trio.current_time()
        watch.measured.closed = trio.current_time() - leaving
        nursery.cancel_scope.cancel()
        watch.look(monitor)


def _service(cell: Cell, world: World) -> Dataspike:
    address = cell.scheme_host or ("wss://localhost" if cell.tls else "ws://127.0.0.1")
    port = world.sandbox.port if cell.proxy else world.port
    context: ssl.SSLContext | None = client_context(world.authority) if cell.tls else None
    return Dataspike(
        KEY,
        f"{address}:{port}/stream",
        allow_insecure=True,
        upgrade_timeout=cell.upgrade_timeout,
        ssl_context=context,
        proxy=f"{cell.proxy}://me:word@127.0.0.1:{world.port}" if cell.proxy else None,
    )


@asynccontextmanager
async def _world(cell: Cell, program: Path | None) -> AsyncGenerator[World]:
    authority = trustme.CA()
    context = server_context(authority.issue_cert("localhost")) if cell.tls else None
    host = "::1" if "[::1]" in cell.scheme_host else "127.0.0.1"
    async with AsyncExitStack() as stack:
        sandbox = await stack.enter_async_context(open_sandbox())
        board = await stack.enter_async_context(open_switchboard(sandbox.port, context=context, host=host))
        if cell.proxy:
            play = http_proxy if cell.proxy == "http" else socks_proxy
            board.usual = play(lambda: sandbox.port)
        toxiproxy = None
        if cell.toxiproxy:
            assert program is not None
            toxiproxy = await stack.enter_async_context(open_toxiproxy(program, board.port))
        nursery = await stack.enter_async_context(trio.open_nursery())
        yield World(sandbox, board, authority, nursery, toxiproxy)
        nursery.cancel_scope.cancel()


def _rss() -> float:
    """Return the resident memory of this process, in MiB."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * _PAGE / 1024**2
