"""The service: a real socket, the real wire, verdicts by stated rules, and faults on command."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Collection
from contextlib import asynccontextmanager
from typing import Final

import trio
from attrs import define, field, frozen
from trio_websocket import ConnectionClosed, WebSocketConnection, WebSocketRequest, serve_websocket

from ds_actors.detection.events import ResultType, Sample, WireResult
from ds_actors.detection.wire import MalformedMessage, decode_request, encode_result

Judge = Callable[[Sample, float], ResultType | None]
"""Returns the verdict on a sample; its second argument is the seconds since the service began. None: no answer."""

_MAX_MESSAGE: Final = 16 * 1024 * 1024


@frozen
class Received:
    """One sample as it arrived; its pixels are not kept."""

    at: float
    """Seconds since the service began."""
    participant: str
    track: str
    size: int
    age: float
    """Seconds from its own timestamp to its arrival, by the wall clock."""


@define(eq=False)
class Faults:
    """What goes wrong, by command; each holds until it is set back."""

    refuse: int | None = None
    """Answer upgrades with this HTTP status."""
    retry_after: int | None = None
    """Seconds for the Retry-After header of a refusal."""
    close_code: int | None = None
    """Accept the upgrade, then close with this code."""
    silent: bool = False
    """Read, and answer nothing: neither results nor pongs."""
    delay: float = 0.0
    """Seconds that every answer is held back."""
    garbage: bool = False
    """Answer with bytes that are no message."""
    oversized: bool = False
    """Answer with a message over 64 KiB."""


@define(eq=False)
class Sandbox:
    """A running service and what it has seen."""

    judge: Judge
    keys: Collection[str] | None
    port: int = 0
    faults: Faults = field(factory=Faults)
    attempts: list[float] = field(factory=list[float])
    """When each upgrade was asked for, seconds since the service began."""
    samples: list[Received] = field(factory=list[Received])
    answers: Counter[str] = field(factory=Counter[str])
    malformed: int = 0
    _began: float = field(factory=time.monotonic)
    _open: set[trio.CancelScope] = field(factory=set[trio.CancelScope])

    @property
    def url(self) -> str:
        """Where to connect."""
        return f"ws://127.0.0.1:{self.port}"

    @property
    def connected(self) -> int:
        """Connections that are open now."""
        return len(self._open)

    def drop_now(self) -> None:
        """Cut every open connection without a closing handshake."""
        for scope in self._open:
            scope.cancel()

    def elapsed(self) -> float:
        """Return the seconds since the service began."""
        return time.monotonic() - self._began

    async def handle(self, request: WebSocketRequest) -> None:
        """Serve one client."""
        self.attempts.append(self.elapsed())
        status = self.faults.refuse or (None if self._accepted(request) else 401)
        if status is not None:
            headers = [] if self.faults.retry_after is None else [(b"Retry-After", b"%d" % self.faults.retry_after)]
            await request.reject(status, extra_headers=headers)
            return
        websocket = await request.accept()
        if self.faults.close_code is not None:
            await websocket.aclose(self.faults.close_code)
            return
        scope = trio.CancelScope()
        self._open.add(scope)
        try:
            with scope:
                await self._serve(websocket)
        finally:
            self._open.discard(scope)
        if scope.cancelled_caught:
            # What the nursery that serves this client sees ends the connection as a crashed service would.
            await trio.aclose_forcefully(websocket._stream)  # noqa: SLF001 - there is no public way to cut it

    def _accepted(self, request: WebSocketRequest) -> bool:
        if self.keys is None:
            return True
        given = dict(request.headers).get(b"authorization", b"").decode("latin-1")
        return given.removeprefix("Bearer ") in self.keys

    async def _serve(self, websocket: WebSocketConnection) -> None:
        try:
            while True:
                if self.faults.silent:
                    await trio.sleep(0.05)
                    continue
                data = await websocket.get_message()
                arrived = time.time()
                try:
                    sample = decode_request(data if isinstance(data, bytes) else data.encode())
                except MalformedMessage:
                    self.malformed += 1
                    continue
                age = arrived - sample.timestamp_ms / 1_000
                self.samples.append(Received(self.elapsed(), sample.participant, sample.track, len(sample.data), age))
                await self._answer(websocket, sample)
        except ConnectionClosed:
            pass

    async def _answer(self, websocket: WebSocketConnection, sample: Sample) -> None:
        faults = self.faults
        if faults.delay:
            await trio.sleep(faults.delay)
        if faults.garbage:
            await websocket.send_message(b"\xff\xff\xff")
        elif faults.oversized:
            await websocket.send_message(b"\0" * 70_000)
        else:
            kind = await trio.to_thread.run_sync(self.judge, sample, self.elapsed())
            if kind is not None and not faults.silent:
                self.answers[kind.name.lower()] += 1
                result = WireResult(int(kind), sample.participant, sample.track)
                await websocket.send_message(encode_result(result))


def always_clear(_sample: Sample, _elapsed: float) -> ResultType:
    """Judge everything clear."""
    return ResultType.CLEAR


@asynccontextmanager
async def open_sandbox(
    judge: Judge = always_clear, *, api_keys: Collection[str] | None = None, host: str = "127.0.0.1", port: int = 0
) -> AsyncGenerator[Sandbox]:
    """Run the service for the length of a block.

    Args:
        judge: decides the verdict on each sample, in a worker thread.
        api_keys: the keys it accepts; None for any.
        host: address to listen on.
        port: 0 for any free one.
    """
    sandbox = Sandbox(judge, api_keys)
    async with trio.open_nursery() as nursery:

        async def serve(task_status: trio.TaskStatus[object]) -> None:
            await serve_websocket(
                sandbox.handle, host, port, None, max_message_size=_MAX_MESSAGE, task_status=task_status
            )

        server = await nursery.start(serve)
        sandbox.port = server.port
        try:
            yield sandbox
        finally:
            nursery.cancel_scope.cancel()
