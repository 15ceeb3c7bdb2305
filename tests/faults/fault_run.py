"""Runs a cell: a live monitor on real sockets, watched from beginning to end."""

from __future__ import annotations

import logging
import math
import ssl
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, Final

import numpy as np
import trio
import trustme
from fault_cell import FROM_THE_START, Cell
from fault_handlers import http_proxy, socks_proxy
from fault_watch import LEAVES_WITHIN, LOOK_EVERY, MAX_AGE, UNJUDGED_FOR, Measured, Watch
from fault_world import World, client_context, server_context
from switchboard import open_switchboard
from toxiproxy import open_toxiproxy

from ds_actors.detection import AdaptiveSampling, Coverage, Dataspike, Frame, Monitor, TrackInfo
from ds_actors.sandbox import open_sandbox

KEY: Final = "sk-very-secret"
LINES: Final = 3
_LINK_SHOWS: Final = 8.0
"""Seconds at the end of a slow link over which its samples are counted: long enough for several."""
_WAITS: Final = 30.0
_ORDINARY: Final = ("httpx", ".progress")
"""Loggers of lines that no fault is the reason for."""
_BYTES_PER_PIXEL: Final = 0.65
"""Of noise as a JPEG."""


class Camera:
    """A source that has a frame at once: black, or noise, which does not compress."""

    def __init__(self, kilobytes: int) -> None:
        side = 64 if kilobytes == 1 else round(math.sqrt(kilobytes * 1_000 / _BYTES_PER_PIXEL))
        size = side * side * 3
        noise = np.random.default_rng(7).integers(0, 256, 0 if kilobytes == 1 else size, dtype=np.uint8)
        self._frame = Frame(side, side, "rgb24", noise.tobytes() or bytes(size))

    async def capture(self) -> Frame:
        await trio.lowlevel.checkpoint()
        return self._frame

    async def aclose(self) -> None:
        await trio.lowlevel.checkpoint()


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
            _judge_link(cell, world, watch)
            await fault.aclose()
            await _recover(cell, watch, monitor)


async def _with_a_connection(cell: Cell, world: World, watch: Watch) -> None:
    async with AsyncExitStack() as fault:
        async with _monitor(cell, world, watch) as monitor:
            await _until(lambda: monitor.coverage("A") is Coverage.CHECKED, "was never checked before the fault")
            watch.statuses.clear()  # a busy machine may have needed two attempts, which is not this fault
            began = trio.current_time()
            await fault.enter_async_context(cell.does(world))
            await _notice(cell, watch, began)
            _judge_link(cell, world, watch)
            if cell.phase != "shutdown":
                await fault.aclose()
                await _recover(cell, watch, monitor)


async def _notice(cell: Cell, watch: Watch, began: float) -> None:
    if cell.noticed is not None:
        with trio.move_on_after(cell.within):
            while not any(cell.noticed(status) for status in watch.statuses):
                await trio.sleep(LOOK_EVERY)
            watch.noticed_at = trio.current_time()
            watch.measured.noticed = watch.noticed_at - began
        if watch.measured.noticed is None:
            watch.broken(f"not noticed within {cell.within:g} s: {watch.statuses[-1].uplink}")
    await trio.sleep(cell.lasts)
    watch.statuses.clear()


def _judge_link(cell: Cell, world: World, watch: Watch) -> None:
    if not cell.link:
        return
    seconds = min(cell.lasts, _LINK_SHOWS)
    since = world.sandbox.elapsed() - seconds
    arrived = [sample for sample in world.sandbox.samples if sample.at >= since]
    watch.measured.carried = sum(sample.size for sample in arrived) / 1_000 / seconds
    watch.measured.arrived = max((sample.age for sample in arrived), default=math.inf)
    if not 0.25 <= watch.measured.carried / cell.link <= 1.25:
        watch.broken(f"{watch.measured.carried:.1f} KB/s arrived on a link of {cell.link}")
    if watch.measured.arrived > MAX_AGE + LEAVES_WITHIN:
        watch.broken(f"on the slow link a sample arrived {watch.measured.arrived:.1f} s after its capture")


async def _recover(cell: Cell, watch: Watch, monitor: Monitor) -> None:
    if not cell.recovers:
        return
    ended = trio.current_time()
    answered = monitor.status().uplink.answered

    def is_judged() -> bool:
        first, verdict = watch.tap.left_since(ended), watch.tap.verdict_at
        judged = first is not None and verdict is not None and verdict >= first.at
        return judged and monitor.status().uplink.answered > answered

    await _until(is_judged, "no verdict afterwards")
    await _until(lambda: monitor.coverage("A") is Coverage.CHECKED, "not checked afterwards")
    first = watch.tap.left_since(ended)
    assert first is not None
    watch.measured.fresh = first.age
    if (cell.stays or cell.noticed is None) and monitor.status().uplink.connections != 1:
        watch.broken(f"{monitor.status().uplink.connections} connections instead of one that stays")


async def _until(condition: Any, otherwise: str) -> None:
    with trio.move_on_after(_WAITS):
        while not condition():
            await trio.sleep(LOOK_EVERY)
        return
    raise AssertionError(otherwise)


def _judge_end(cell: Cell, world: World, measured: Measured, log: list[logging.LogRecord], watch: Watch) -> None:
    lines = [record for record in log if not record.name.endswith(_ORDINARY) and record.levelno >= logging.INFO]
    measured.lines = len(lines)
    if len(lines) > LINES:
        watch.broken(f"{len(lines)} lines in the log: {[record.getMessage() for record in lines]}")
    if any(KEY in f"{record.getMessage()} {record.exc_text}" for record in log) or KEY in repr(watch.statuses):
        watch.broken("the key is shown")
    measured.oldest = watch.tap.oldest
    if measured.oldest is not None and measured.oldest > MAX_AGE + LEAVES_WITHIN:
        watch.broken(f"a sample left {measured.oldest:.2f} s after its capture")
    if cell.becomes is not None:
        if cell.becomes.value not in measured.coverage:
            watch.broken(f"never {cell.becomes.value}: {' '.join(measured.coverage)}")
        if measured.unjudged < UNJUDGED_FOR - LOOK_EVERY * 5:
            watch.broken(f"no more checked {measured.unjudged:.1f} s after the last verdict")
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
            await monitor.add_track(TrackInfo("alice", "A"), Camera(cell.kilobytes))
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
