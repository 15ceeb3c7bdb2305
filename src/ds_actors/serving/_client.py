"""One client's connection: it reads samples at a bounded rate, and sends answers from a bounded queue."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import trio
from attrs import define, field, frozen
from trio_websocket import ConnectionClosed, WebSocketConnection

from ds_actors.detection.events import Sample
from ds_actors.detection.tracks.encoding import MAX_SAMPLE_BYTES
from ds_actors.detection.uplink.pings import await_pong
from ds_actors.detection.uplink.wire import MalformedMessage, encode_result
from ds_actors.serving._answers import SampleAnswer
from ds_actors.serving._dispatcher import Dispatcher
from ds_actors.serving._heard_stream import HeardStream
from ds_actors.serving._upgrade import receive_sample

MAX_MESSAGE: Final = MAX_SAMPLE_BYTES + 64 * 1024
"""Bytes of the longest message: the largest sample, and room for names."""
CLOSE_TIMEOUT: Final = 2.0
MALFORMED_IN_A_ROW: Final = 100
"""Messages that are no samples, after which the connection is closed."""
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
    """Seconds without a byte until a ping is sent, and seconds until there must be one."""

    def __attrs_post_init__(self) -> None:
        for name in ("connections", "rate", "answers", "send_timeout", "ping_every"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be above 0, not {getattr(self, name)!r}")


@define(eq=False)
class Client:
    """An accepted connection."""

    dispatcher: Dispatcher
    limits: ClientLimits
    websocket: WebSocketConnection
    stream: HeardStream
    """The bytes under the WebSocket."""
    noted: Callable[[Sample], object] | None
    _close_code: int | None = field(default=None, init=False)
    _may_read: float = field(factory=trio.current_time, init=False)
    """Until when the service itself does not read, so that the client is within its rate."""

    async def run(self) -> None:
        """Serve it until it or the service ends the connection."""
        answers, waiting = trio.open_memory_channel[SampleAnswer](self.limits.answers)

        def take(answer: SampleAnswer) -> bool:
            try:
                answers.send_nowait(answer)
            except trio.WouldBlock:
                self._close_code = _TRY_AGAIN_LATER
                nursery.cancel_scope.cancel()
                return False
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                return False
            return True

        number = self.dispatcher.join(take)
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._send, number, waiting, nursery.cancel_scope)
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
        malformed = 0
        while True:
            # Reading slowly holds the client back by its own socket, and costs no other client anything.
            self._may_read = max(self._may_read, trio.current_time() - 1.0) + 1 / self.limits.rate
            await trio.sleep_until(self._may_read)
            try:
                sample = await receive_sample(self.websocket)
            except ConnectionClosed:
                return
            except MalformedMessage:
                self.dispatcher.malformed += 1
                malformed += 1
                if malformed >= MALFORMED_IN_A_ROW:
                    self._close_code = _UNSUPPORTED
                    return
                continue
            malformed = 0
            if self.noted is not None:
                self.noted(sample)
            self.dispatcher.offer(number, sample)

    async def _send(
        self, number: int, waiting: trio.MemoryReceiveChannel[SampleAnswer], connection: trio.CancelScope
    ) -> None:
        async for answer in waiting:
            with trio.fail_after(self.limits.send_timeout):
                try:
                    await self.websocket.send_message(encode_result(answer.result))
                except ConnectionClosed:
                    return  # the reading task ends the connection
            self.dispatcher.answers.wrote(number, answer)
        self._close_code = _GOING_AWAY
        connection.cancel()

    async def _ping(self) -> None:
        every = self.limits.ping_every
        while True:
            quiet_since = max(self.stream.heard, self._may_read)
            if trio.current_time() < quiet_since + every:
                await trio.sleep_until(quiet_since + every)
                continue
            # Any byte is an answer: behind a large message that is being sent, a pong would come too late.
            with trio.move_on_after(every):
                try:
                    if not await await_pong(self.websocket):
                        await trio.sleep_forever()  # until the time is up: a byte may come
                except ConnectionClosed:
                    return
            if max(self.stream.heard, self._may_read) == quiet_since:
                raise trio.TooSlowError

    async def _close_at_the_end(self, answers: trio.MemorySendChannel[SampleAnswer]) -> None:
        await self.dispatcher.draining.wait()
        while self.dispatcher.unfinished:
            await self.dispatcher.changed.park()
        answers.close()
