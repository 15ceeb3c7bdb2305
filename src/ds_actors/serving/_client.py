"""One client's connection: it reads samples at a bounded rate, and sends answers from a bounded queue."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Final

import trio
from attrs import define, field, frozen
from trio_websocket import ConnectionClosed, WebSocketConnection, WebSocketRequest

from ds_actors.detection.events import Sample, WireResult
from ds_actors.detection.tracks.encoding import MAX_SAMPLE_BYTES
from ds_actors.detection.uplink.wire import SAMPLES_PER_TRACK, MalformedMessage, encode_result
from ds_actors.serving._dispatcher import Dispatcher
from ds_actors.serving._upgrade import bearer_key, is_accepted, receive_sample, receive_upgrade

MAX_MESSAGE: Final = MAX_SAMPLE_BYTES + 64 * 1024
"""Bytes of the longest message: the largest sample, and room for names."""
READ_AHEAD: Final = 2
"""Messages that are read before they are taken: what a client can make the service hold, beside the queue."""
CLOSE_TIMEOUT: Final = 2.0
MALFORMED_IN_A_ROW: Final = 100
"""Messages that are no samples, after which the connection is closed."""
_RETRY_AFTER: Final = 10
_GOING_AWAY: Final = 1001
_UNSUPPORTED: Final = 1003
_TRY_AGAIN_LATER: Final = 1013
"""Not 1008, by which a client understands that its key is refused."""


@frozen
class ClientLimits:
    """What one connection may do.

    Raises:
        ValueError: for figures that make no sense.
    """

    connections: int = 100
    """The most open connections; over it, the upgrade is answered with 503 and Retry-After."""
    rate: float = 500.0
    """Samples a second that are read of one connection; it may be ahead by one second. More wait in its socket."""
    answers: int = 1_000
    """The most answers that wait for a client that does not read; over it, the connection is closed."""
    send_timeout: float = 10.0
    """Seconds that one answer may take to send."""
    ping_every: float = 20.0
    """Seconds without a message until a ping is sent, and seconds until its answer must be there."""

    def __attrs_post_init__(self) -> None:
        for name in ("connections", "rate", "answers", "send_timeout", "ping_every"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be above 0, not {getattr(self, name)!r}")


@define(eq=False)
class Reception:
    """What the connections of a service share."""

    dispatcher: Dispatcher
    keys: Collection[str] | None = field(repr=False)
    """The keys that are accepted; None accepts any."""
    limits: ClientLimits
    observe: Callable[[str, str, WebSocketRequest], Callable[[Sample], object]] | None = None
    """Called with each request's address and key; returns what is called with its samples."""

    async def serve(self, stream: trio.abc.Stream, address: str) -> None:
        """Serve one client until it or the service ends the connection."""
        async with trio.open_nursery() as nursery:
            request = await receive_upgrade(nursery, stream, MAX_MESSAGE, messages=READ_AHEAD)
            if request is not None:
                await self._upgrade(request, address)
            nursery.cancel_scope.cancel()

    async def _upgrade(self, request: WebSocketRequest, address: str) -> None:
        dispatcher, key = self.dispatcher, bearer_key(request)
        noted = None if self.observe is None else self.observe(address, key, request)
        if not is_accepted(key, self.keys):
            await self._refuse(request, 401)
        elif dispatcher.draining.is_set() or dispatcher.connections >= self.limits.connections:
            await self._refuse(request, 503)
        else:
            websocket = await request.accept(extra_headers=[(SAMPLES_PER_TRACK, b"1")])
            await _Client(dispatcher, self.limits, websocket, noted).run()

    async def _refuse(self, request: WebSocketRequest, status: int) -> None:
        self.dispatcher.refused[str(status)] += 1
        headers = [(b"Retry-After", b"%d" % _RETRY_AFTER)] if status == 503 else []
        await request.reject(status, extra_headers=headers, body=b"refused\n")


@define(eq=False)
class _Client:
    """An accepted connection."""

    dispatcher: Dispatcher
    limits: ClientLimits
    websocket: WebSocketConnection
    noted: Callable[[Sample], object] | None
    _close_code: int | None = field(default=None, init=False)
    _heard: float = field(factory=trio.current_time, init=False)
    """When a message arrived, or the last ping was sent."""

    async def run(self) -> None:
        answers, waiting = trio.open_memory_channel[WireResult](self.limits.answers)

        def answer(result: WireResult) -> bool:
            try:
                answers.send_nowait(result)
            except trio.WouldBlock:
                self._close_code = _TRY_AGAIN_LATER
                nursery.cancel_scope.cancel()
                return False
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                return False
            return True

        number = self.dispatcher.join(answer)
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._send, waiting, nursery.cancel_scope)
                nursery.start_soon(self._ping)
                nursery.start_soon(self._close_at_the_end, answers)
                await self._read(number)
                nursery.cancel_scope.cancel()
        finally:
            self.dispatcher.leave(number)
        if self._close_code is not None:
            with trio.move_on_after(CLOSE_TIMEOUT):
                await self.websocket.aclose(self._close_code)

    async def _read(self, number: int) -> None:
        malformed, may_read = 0, trio.current_time()
        while True:
            # Reading slowly holds the client back by its own socket, and costs no other client anything.
            may_read = max(may_read, trio.current_time() - 1.0) + 1 / self.limits.rate
            await trio.sleep_until(may_read)
            try:
                sample = await receive_sample(self.websocket)
            except ConnectionClosed:
                return
            except MalformedMessage:
                self._heard = trio.current_time()
                self.dispatcher.malformed += 1
                malformed += 1
                if malformed >= MALFORMED_IN_A_ROW:
                    self._close_code = _UNSUPPORTED
                    return
                continue
            malformed, self._heard = 0, trio.current_time()
            if self.noted is not None:
                self.noted(sample)
            self.dispatcher.offer(number, sample)

    async def _send(self, waiting: trio.MemoryReceiveChannel[WireResult], connection: trio.CancelScope) -> None:
        async for result in waiting:
            with trio.fail_after(self.limits.send_timeout):
                try:
                    await self.websocket.send_message(encode_result(result))
                except ConnectionClosed:
                    return  # the reading task ends the connection
        self._close_code = _GOING_AWAY
        connection.cancel()

    async def _ping(self) -> None:
        while True:
            await trio.sleep_until(self._heard + self.limits.ping_every)
            if trio.current_time() < self._heard + self.limits.ping_every:
                continue
            self._heard = trio.current_time()
            with trio.fail_after(self.limits.ping_every):
                try:
                    await self.websocket.ping()
                except ConnectionClosed:
                    return

    async def _close_at_the_end(self, answers: trio.MemorySendChannel[WireResult]) -> None:
        await self.dispatcher.draining.wait()
        while self.dispatcher.unfinished:
            await self.dispatcher.changed.park()
        answers.close()
