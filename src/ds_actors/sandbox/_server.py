"""The service: a real socket, the real wire, verdicts by stated rules, and faults on command or by script."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Collection, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Final

import trio
from attrs import define, field, frozen

from ds_actors.detection.events import Sample, WireResult
from ds_actors.sandbox._connection import Service, serve_client, without_clients_errors
from ds_actors.sandbox.active_faults import Faults, play
from ds_actors.sandbox.faults import RefuseConnections
from ds_actors.sandbox.grading import HIGHEST_FPS, Row, grade
from ds_actors.sandbox.records import ClientRecord, Received, Records
from ds_actors.sandbox.script import Script, load_script
from ds_actors.sandbox.verdicts import Judge, JudgeVerdicts, ScriptedVerdicts, Verdicts, always_clear
from ds_actors.serving._upgrade import bind, client_url, is_accepted

_OUTAGES_KEPT: Final = 1_000


@frozen
class SandboxEvent:
    """An event for the console: connected, refused, closed."""

    at: float
    """Seconds since the service began."""
    what: str
    client: str
    detail: str


@define(eq=False)
class Sandbox:
    """A running service with its records and faults; use it in its trio thread only."""

    verdicts: Verdicts
    faults: Faults
    host: str
    port: int = 0
    _keys: Collection[str] | None = field(default=None, repr=False)
    _tell: Callable[[SandboxEvent], None] | None = field(default=None, repr=False)
    _records: Records = field(factory=Records, repr=False)
    _outages: list[tuple[float, float]] = field(factory=list[tuple[float, float]], repr=False)
    _down_since: float | None = None
    latency: float = 0.0
    """Seconds from a sample's arrival to its answer."""
    _one_at_a_time: trio.CapacityLimiter = field(factory=lambda: trio.CapacityLimiter(1), repr=False)
    _began: float = field(factory=time.monotonic, repr=False)
    _open: set[trio.CancelScope] = field(factory=set[trio.CancelScope], repr=False)

    @property
    def url(self) -> str:
        """The URL to connect to; when the service listens on all addresses, the loopback one."""
        return client_url("ws", self.host, self.port)

    @property
    def clients(self) -> list[ClientRecord]:
        """What each client did, in order of first attempts."""
        return self._records.clients

    @property
    def attempts(self) -> list[float]:
        """When each client's upgrades were requested, in seconds since the service began."""
        return sorted(attempt.at for client in self.clients for attempt in client.attempts)

    @property
    def samples(self) -> list[Received]:
        """The samples of all clients, by time."""
        return sorted((sample for client in self.clients for sample in client.samples), key=lambda sample: sample.at)

    @property
    def answers(self) -> Counter[str]:
        """Results sent, by level."""
        total = Counter[str]()
        for client in self.clients:
            total.update(client.answers)
        return total

    @property
    def malformed(self) -> int:
        """Messages that were not a FrameRequest."""
        return sum(client.malformed for client in self.clients)

    @property
    def connected(self) -> int:
        """Open connections."""
        return sum(connection.ended is None for client in self.clients for connection in client.connections)

    def grade(self, *, burst_fps: float = HIGHEST_FPS, cut_off: Sequence[tuple[float, float]] = ()) -> list[Row]:
        """Return which rules of the contract each client kept.

        Args:
            burst_fps: the highest rate that a track may have, in samples per second.
            cut_off: when the network carried nothing, from and to, in seconds since the service began.
        """
        now = self.elapsed()
        down = [] if self._down_since is None else [(self._down_since, now)]
        return grade(self.clients, now=now, burst_fps=burst_fps, outages=[*self._outages, *down], cut_off=cut_off)

    def drop_now(self) -> None:
        """Cut every open connection without a closing handshake."""
        self.faults.drop_now()

    def elapsed(self) -> float:
        """Return the seconds since the service began."""
        return time.monotonic() - self._began

    def _cut(self) -> None:
        for scope in self._open:
            scope.cancel()

    def _accepts(self, key: str) -> bool:
        return is_accepted(key, self._keys)

    async def _judge(self, sample: Sample) -> list[WireResult]:
        # Verdicts may decode pictures and keep state: they run in a worker thread, one sample at a time.
        judge = partial(self.verdicts.judge, sample, self.elapsed())
        return await trio.to_thread.run_sync(judge, limiter=self._one_at_a_time)

    def _said(self, what: str, client: ClientRecord, detail: str) -> None:
        if self._tell is not None:
            self._tell(SandboxEvent(self.elapsed(), what, client.name, detail))

    async def _listen(self, socket: trio.socket.SocketType, nursery: trio.Nursery) -> None:
        client, latency = self._records.client, self.latency
        service = Service(self.faults, self.elapsed, self._judge, client, self._accepts, self._said, latency)
        serve = partial(trio.serve_listeners, partial(self._serve, service))
        while True:
            if self.faults.active(RefuseConnections) is None:
                socket.listen()
                async with trio.open_nursery() as listening:
                    listener = trio.SocketListener(socket)
                    listening.start_soon(partial(serve, [listener], handler_nursery=nursery))
                    while self.faults.active(RefuseConnections) is None:
                        await self.faults.changed()
                    listening.cancel_scope.cancel()
                # The port stays bound without listening: connecting is refused, and no other program can take the port.
                socket = await bind(self.host, self.port)
            self._down_since = self.elapsed()
            while self.faults.active(RefuseConnections) is not None:
                await self.faults.changed()
            self._outages.append((self._down_since, self.elapsed()))
            del self._outages[:-_OUTAGES_KEPT]
            self._down_since = None

    async def _serve(self, service: Service, stream: trio.SocketStream) -> None:
        try:
            address = str(stream.socket.getpeername()[0])
        except OSError:
            return  # the client left before it was served
        with trio.CancelScope() as scope:
            self._open.add(scope)
            try:
                with without_clients_errors():
                    await serve_client(service, stream, address)
            finally:
                self._open.discard(scope)


@asynccontextmanager
async def open_sandbox(
    verdicts: Verdicts | Judge = always_clear,
    *,
    script: Script | Path | None = None,
    faults: Faults | None = None,
    api_keys: Collection[str] | None = None,
    host: str = "127.0.0.1",
    port: int = 0,
    tell: Callable[[SandboxEvent], None] | None = None,
) -> AsyncGenerator[Sandbox]:
    """Run the service for the length of a block.

    Args:
        verdicts: decides the answers, in a worker thread; a function that returns a ResultType is enough.
        script: verdicts and faults over time, or a TOML file with them; its entries override `verdicts`.
        faults: faults in force from the start.
        api_keys: the keys it accepts; None accepts any key, and clients without one.
        host: address to listen on.
        port: port to listen on; 0 for any free one.
        tell: called for each connection, refusal and end.

    Raises:
        ScriptError: when the script is invalid.
        OSError: when the address cannot be listened on.
    """
    rules = JudgeVerdicts(verdicts) if callable(verdicts) else verdicts
    # A small local file, read before anything runs: a thread is not worth it.
    plan = load_script(script) if isinstance(script, Path) else script
    if plan is not None:
        rules = ScriptedVerdicts(plan, otherwise=rules)
    socket = await bind(host, port)
    latency = 0.0 if plan is None else plan.latency
    sandbox = Sandbox(rules, faults or Faults(), host, socket.getsockname()[1], api_keys, tell, latency=latency)
    sandbox.faults.on_drop(sandbox._cut)  # noqa: SLF001 - its own
    if sandbox.faults.active(RefuseConnections) is None:
        socket.listen()  # before the caller gets the URL
    async with trio.open_nursery() as nursery:
        nursery.start_soon(sandbox._listen, socket, nursery)  # noqa: SLF001
        nursery.start_soon(play, () if plan is None else plan.faults, sandbox.faults)
        try:
            yield sandbox
        finally:
            nursery.cancel_scope.cancel()
