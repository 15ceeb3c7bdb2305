"""One client's connection: the upgrade, the samples, the answers and the faults."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from traceback import walk_tb
from typing import Final
from urllib.parse import unquote

import trio
from attrs import define
from trio_websocket import ConnectionClosed, WebSocketConnection, WebSocketRequest
from wsproto.utilities import LocalProtocolError, ProtocolError

from ds_actors.detection.events import ResultType, Sample, WireResult
from ds_actors.detection.uplink.close_reasons import leaves
from ds_actors.detection.uplink.wire import MalformedMessage, encode_result
from ds_actors.sandbox._stream import GatedStream
from ds_actors.sandbox.active_faults import Faults
from ds_actors.sandbox.faults import CloseOnAccept, Garbage, Oversized, Refuse, Slow
from ds_actors.sandbox.records import Attempt, ClientRecord, Received, RoundTrip
from ds_actors.serving._upgrade import bearer_key, receive_sample, receive_upgrade

CLOSE_TIMEOUT: Final = 2.0
MAX_MESSAGE: Final = 16 * 1024 * 1024
ANSWERS_WAITING: Final = 1_000
PING_TIMEOUT: Final = 30.0
LATE: Final = 1.0
"""Seconds: after a sample that began to arrive at this age, the round trip is measured anew."""


@contextmanager
def without_clients_errors() -> Generator[None]:
    """End quietly with what a client did: it is in its record, and does not affect other clients."""
    try:
        yield
    except* (ConnectionClosed, trio.BrokenResourceError, trio.ClosedResourceError, ProtocolError):
        pass
    except* UnicodeError as group:
        if not all(_is_of_headers(error) for error in leaves(group)):
            raise


def _is_of_headers(error: BaseException) -> bool:
    """Return whether wsproto raised it, for a header that is no text; verdicts may raise the same type."""
    return any(frame.f_globals.get("__name__", "").startswith("wsproto") for frame, _ in walk_tb(error.__traceback__))


@define(eq=False)
class Service:
    """The part of the service that its connections share."""

    faults: Faults
    elapsed: Callable[[], float]
    judge: Callable[[Sample], Awaitable[list[WireResult]]]
    client: Callable[[str, str], ClientRecord]
    """Return the record of the client with this address and key."""
    accepts: Callable[[str], bool]
    """Return whether the key is accepted; "" when the client sent none."""
    tell: Callable[[str, ClientRecord, str], None]
    latency: float = 0.0
    """Seconds from a sample's arrival to its answer."""


async def serve_client(service: Service, stream: trio.abc.Stream, address: str) -> None:
    """Serve one client until it or the service ends the connection."""
    gate = GatedStream(stream, service.faults)
    async with trio.open_nursery() as nursery:
        request = await receive_upgrade(nursery, gate, MAX_MESSAGE)
        if request is not None:
            await _upgrade(service, gate, request, address)
        nursery.cancel_scope.cancel()


async def _upgrade(service: Service, gate: GatedStream, request: WebSocketRequest, address: str) -> None:
    now = service.elapsed()
    key = bearer_key(request)
    client = service.client(address, key)
    attempt = Attempt(now, last_sent=now, key_in_url=bool(key) and key in unquote(request.path))
    client.attempts.append(attempt)
    refusal = service.faults.active(Refuse)
    if refusal is None and not service.accepts(key):
        refusal = Refuse(401)
    if refusal is not None:
        wait = service.faults.retry_after if refusal.retry_after is None else refusal.retry_after
        attempt.status, attempt.retry_after = refusal.status, wait
        attempt.over(now, "service")
        service.tell("refused", client, f"HTTP {refusal.status}")
        headers = [] if wait is None else [(b"Retry-After", b"%d" % wait)]
        await request.reject(refusal.status, extra_headers=headers, body=b"refused by the sandbox\n")
        return

    def sent(answer: bool) -> None:  # noqa: FBT001 - called by position
        attempt.answered |= answer
        attempt.note_sent(service.elapsed())

    try:
        websocket = await request.accept()
        service.tell("connected", client, "")
        gate.sent = sent
        gate.upgraded()
        await _Connection(service, client, attempt, websocket, gate).run()
    finally:
        # A cut, or the end of the service, comes as a cancellation: the record has no end yet.
        attempt.over(service.elapsed(), "service")
        code = "" if attempt.code is None else f", code {attempt.code}"
        service.tell("closed", client, f"by {attempt.ended_by}{code}")


@define(eq=False)
class _Connection:
    """An accepted connection: one task reads samples and decides the answers, one sends them when they are due."""

    service: Service
    client: ClientRecord
    attempt: Attempt
    websocket: WebSocketConnection
    gate: GatedStream
    pinging: bool = False
    closing: trio.Event | None = None
    """Set once the close that a fault began is over."""

    async def run(self) -> None:
        answers, due = trio.open_memory_channel[tuple[float, WireResult]](ANSWERS_WAITING)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._send, due)
            fault = self.service.faults.active(CloseOnAccept)
            if fault is not None:
                nursery.start_soon(self._close, fault)
            nursery.start_soon(self._ping)
            await self._read(answers, nursery)
            if self.closing is not None:
                # Closing a socket with unread data resets it, and the client may never see the close frame.
                await self.closing.wait()
            nursery.cancel_scope.cancel()

    async def _ping(self) -> None:
        """Measure the round trip: the grade takes the network's latency from it."""
        self.pinging, at = True, self.service.elapsed()
        try:
            with trio.move_on_after(PING_TIMEOUT):
                await self.websocket.ping()
                self.client.round_trips.append(RoundTrip(at, self.service.elapsed() - at))
        except (ConnectionClosed, LocalProtocolError):
            pass  # it is closed, or being closed: the reading task records by whom
        finally:
            self.pinging = False

    async def _read(self, answers: trio.MemorySendChannel[tuple[float, WireResult]], nursery: trio.Nursery) -> None:
        while True:
            try:
                sample = await receive_sample(self.websocket)
            except ConnectionClosed as closed:
                self._over(closed)
                return
            except MalformedMessage:
                self.gate.arrival(trio.current_time())
                self.client.malformed += 1
                continue
            began, ended = self.gate.arrival(trio.current_time())
            # Counted from the last byte: what this service needed since then is not the client's.
            wall, now = time.time() - (trio.current_time() - ended), self.service.elapsed()
            self.client.received += 1
            age = wall - sample.timestamp_ms / 1_000
            size = len(sample.data)
            transfer = ended - began
            received = Received(now, sample.participant, sample.track, size, age, sample.format, transfer)
            self.client.samples.append(received)
            if age - transfer > LATE and not self.pinging:
                nursery.start_soon(self._ping)
            results = await self.service.judge(sample)
            slow = self.service.faults.active(Slow)
            wait = self.service.latency + (slow.seconds if slow else 0.0)
            for result in results:
                await answers.send((trio.current_time() + wait, result))

    async def _send(self, due: trio.MemoryReceiveChannel[tuple[float, WireResult]]) -> None:
        async for at, result in due:
            await trio.sleep_until(at)
            oversized = self.service.faults.active(Oversized)
            try:
                if oversized is not None:
                    await self.websocket.send_message(bytes(oversized.size))
                elif self.service.faults.active(Garbage) is not None:
                    await self.websocket.send_message(b"\xff\xff\xff")
                else:
                    await self.websocket.send_message(encode_result(result))
                    self.client.answers[ResultType.from_wire(result.number).level.value] += 1
            except ConnectionClosed:
                return  # the reading task records who closed it

    async def _close(self, fault: CloseOnAccept) -> None:
        await trio.sleep(fault.after)
        self.attempt.over(self.service.elapsed(), "service", fault.code)
        self.closing = trio.Event()
        with trio.move_on_after(CLOSE_TIMEOUT):
            await self.websocket.aclose(fault.code)
        self.closing.set()

    def _over(self, closed: ConnectionClosed) -> None:
        code = None if closed.reason is None else closed.reason.code
        if code is None or code == 1006:
            self.attempt.over(self.service.elapsed(), "lost")
        else:
            # The service itself sends 1009, for a message over the limit.
            self.attempt.over(self.service.elapsed(), "service" if code == 1009 else "client", code)
