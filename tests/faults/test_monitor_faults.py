"""The monitor under virtual time: actors killed at any moment, and a day without the service."""

from __future__ import annotations

import base64
import hashlib
import itertools
import logging
from collections.abc import Callable
from contextlib import AsyncExitStack
from functools import partial
from typing import Any

import pytest
import trio
import trio.testing
from attrs import define, field
from hypothesis import given, settings
from hypothesis import strategies as st
from trio.testing import MockClock, memory_stream_pair
from trio_websocket import ConnectionClosed, WebSocketConnection, wrap_server_stream

from ds_actors.detection import (
    AdaptiveSampling,
    CallbackSink,
    Coverage,
    Dataspike,
    Frame,
    Level,
    Monitor,
    ResultEvent,
    ResultType,
    TrackInfo,
)
from ds_actors.detection.events import Sample, WireResult
from ds_actors.detection.wire import decode_request, encode_result

KEY = Dataspike(api_key="k", url="ws://127.0.0.1:1")
VERDICTS = {"A": ResultType.ALERT, "B": ResultType.CLEAR, "C": ResultType.SUSPICIOUS}


@define
class Still:
    """A source that has a frame at once."""

    async def capture(self) -> Frame:
        await trio.lowlevel.checkpoint()
        return Frame(2, 2, "rgb24", bytes(12))

    async def aclose(self) -> None:
        await trio.lowlevel.checkpoint()


async def encode(_frame: Frame, _quality: int, _max_side: int | None) -> bytes:
    await trio.lowlevel.checkpoint()
    return b"jpeg"


@define
class Service:
    """The service on memory streams: each connection is a real WebSocket, and time is virtual."""

    nursery: trio.Nursery
    reachable: bool = True
    attempts: list[float] = field(factory=list[float])
    samples: list[tuple[float, Sample]] = field(factory=list[tuple[float, Sample]])
    silent: set[str] = field(factory=set[str])
    connections: list[WebSocketConnection] = field(factory=list[WebSocketConnection])

    async def connect(self, _service: Dataspike) -> trio.abc.Stream:
        self.attempts.append(trio.current_time())
        await trio.lowlevel.checkpoint()
        if not self.reachable:
            raise OSError("nobody there")
        ours, theirs = memory_stream_pair()
        self.nursery.start_soon(self._serve, theirs)
        return ours

    async def _serve(self, stream: Any) -> None:
        try:
            async with trio.open_nursery() as nursery:
                websocket = await (await wrap_server_stream(nursery, stream)).accept()
                self.connections.append(websocket)
                while True:
                    message = await websocket.get_message()
                    assert isinstance(message, bytes)
                    sample = decode_request(message)
                    self.samples.append((trio.current_time(), sample))
                    if sample.track not in self.silent:
                        verdict = VERDICTS[sample.track]
                        await websocket.send_message(
                            encode_result(WireResult(verdict, sample.participant, sample.track))
                        )
        except* (ConnectionClosed, trio.BrokenResourceError, trio.ClosedResourceError):
            pass


async def with_monitor(body: Callable[[Service, Monitor], Any], **options: Any) -> None:
    async with AsyncExitStack() as stack:
        nursery = await stack.enter_async_context(trio.open_nursery())
        service = Service(nursery)
        monitor = Monitor(service=KEY, connect=service.connect, encode=encode, **options)
        async with monitor:
            await body(service, monitor)
        nursery.cancel_scope.cancel()


def lives(monitor: Monitor) -> list[Any]:
    """Every incarnation that lives now, at any depth."""
    found: list[Any] = []

    def walk(life: Any) -> None:
        for link in life.links.values():
            if link.life is not None:
                if hasattr(link.life, "links"):
                    walk(link.life)
                else:
                    found.append(link.life)

    walk(monitor._supervisor._cell.life)
    return found


@settings(max_examples=60)
@given(st.lists(st.tuples(st.floats(0.0, 3.0), st.integers(0, 5)), min_size=1, max_size=12))
def test_killing_any_actor_at_any_moment_changes_no_level_and_no_coverage(kills: list[tuple[float, int]]) -> None:
    """Sinks, uplink and tracks are killed at random; what was found out stays, and checking goes on."""

    class Killed(Exception):
        pass

    async def crash() -> None:
        await trio.lowlevel.checkpoint()
        raise Killed

    async def body(service: Service, monitor: Monitor) -> None:
        for track in VERDICTS:
            await monitor.add_track(TrackInfo(f"p{track}", track), Still())
        await trio.sleep(0.5)
        expected = {track: (verdict.level, Coverage.CHECKED) for track, verdict in VERDICTS.items()}
        for wait, which in kills:
            await trio.sleep(wait)
            living = lives(monitor)
            if living:
                living[which % len(living)].spawn(crash)
            await trio.testing.wait_all_tasks_blocked()
            now = {track: (monitor.level(track), monitor.coverage(track)) for track in VERDICTS}
            assert now == expected
        await trio.sleep(70)
        seen = len(service.samples)
        await trio.sleep(6)
        assert {sample.track for _, sample in service.samples[seen:]} == set(VERDICTS)
        account = monitor.status().uplink
        assert account.due == account.sent + sum(account.dropped.values()) + account.waiting + account.granted

    logging.disable(logging.CRITICAL)
    try:
        trio.run(with_monitor_of(body), clock=MockClock(autojump_threshold=0))
    finally:
        logging.disable(logging.NOTSET)


@settings(max_examples=40)
@given(st.lists(st.floats(0.0, 2.5), min_size=1, max_size=8))
def test_a_crash_makes_no_track_sample_sooner(waits: list[float]) -> None:
    """However often its actor is killed, two samples are 1/burst apart, and its last grant is not forgotten."""
    captures: list[float] = []

    @define
    class Watched(Still):
        async def capture(self) -> Frame:
            captures.append(trio.current_time())
            return await super().capture()

    class Killed(Exception):
        pass

    async def crash() -> None:
        await trio.lowlevel.checkpoint()
        raise Killed

    async def body(_service: Service, monitor: Monitor) -> None:
        await monitor.add_track(TrackInfo("pA", "A"), Watched())
        await trio.sleep(0.5)
        for wait in waits:
            await trio.sleep(wait)
            for life in lives(monitor):
                if life.cell.name == "A":
                    life.spawn(crash)
            await trio.testing.wait_all_tasks_blocked()
            assert monitor._outbox._tracks["A"].last > 0
        await trio.sleep(40)
        assert all(b - a >= 1 - 1e-9 for a, b in itertools.pairwise(captures))
        assert len(captures) > 5
        await monitor.remove_track("A")
        assert not monitor._outbox._tracks
        assert not monitor._outbox._participants

    logging.disable(logging.CRITICAL)
    try:
        trio.run(with_monitor_of(body), clock=MockClock(autojump_threshold=0))
    finally:
        logging.disable(logging.NOTSET)


def with_monitor_of(body: Callable[[Service, Monitor], Any], **options: Any) -> Callable[[], Any]:
    async def main() -> None:
        await with_monitor(body, **options)

    return main


def test_a_day_of_outage_is_bounded_and_ends_fresh(caplog: pytest.LogCaptureFixture) -> None:
    """Attempts follow the injected u exactly, log lines are one in five minutes, the first samples after are fresh."""
    day, u = 86_400.0, 0.5

    async def body(service: Service, monitor: Monitor) -> None:
        for track in VERDICTS:
            await monitor.add_track(TrackInfo(f"p{track}", track), Still())
        await trio.sleep(day)
        account = monitor.status().uplink
        assert account.state == "down"
        assert account.waiting + account.granted <= len(VERDICTS)
        assert account.due == account.sent + sum(account.dropped.values()) + account.waiting + account.granted
        gaps = [b - a for a, b in zip(service.attempts, service.attempts[1:], strict=False)]
        expected = [u * min(15.0, 0.5 * 2 ** min(n, 10)) for n in range(len(gaps))]
        assert gaps == pytest.approx(expected, abs=1e-6)
        back = trio.current_time()
        service.reachable = True
        await trio.sleep(16)
        first = service.samples[: len(VERDICTS)]
        assert {sample.track for _, sample in first} == set(VERDICTS)
        connected = service.attempts[-1]
        assert connected >= back
        assert all(at - connected < 0.5 for at, _ in first)
        assert monitor.level("A") is Level.ALERT
        assert monitor.status().uplink.connections == 1

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            service = Service(nursery, reachable=False)
            monitor = Monitor(service=KEY, connect=service.connect, encode=encode, random=lambda: u)
            async with monitor:
                await body(service, monitor)
            nursery.cancel_scope.cancel()

    trio.run(main, clock=MockClock(autojump_threshold=0))
    lines = [record for record in caplog.records if record.name == "ds_actors.detection"]
    assert 2 <= len(lines) <= day / 300 + 3
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


async def accept_and_say_nothing(stream: trio.abc.Stream) -> None:
    """Answer the upgrade (RFC 6455, 4.2.2), then take bytes and send none."""
    head = bytearray()
    while b"\r\n\r\n" not in head:
        head += await stream.receive_some(4_096)
    key = next(
        line.partition(b":")[2].strip() for line in head.split(b"\r\n") if line.lower().startswith(b"sec-websocket-key")
    )
    digest = hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest()
    lines = [b"HTTP/1.1 101 Switching Protocols", b"Upgrade: websocket", b"Connection: Upgrade"]
    lines += [b"Sec-WebSocket-Accept: " + base64.b64encode(digest), b"", b""]
    await stream.send_all(b"\r\n".join(lines))
    while await stream.receive_some(65_536):
        pass


def test_a_service_that_falls_silent_is_noticed_within_twenty_seconds() -> None:
    """No byte for 10 s, a ping, no byte for 10 s: the connection is replaced."""

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            service = Service(nursery)

            async def connect(settings_: Dataspike) -> trio.abc.Stream:
                if service.attempts:
                    return await service.connect(settings_)
                service.attempts.append(trio.current_time())
                ours, theirs = memory_stream_pair()
                nursery.start_soon(accept_and_say_nothing, theirs)
                return ours

            monitor = Monitor(
                service=KEY, connect=connect, encode=encode, random=lambda: 0.5, sampling=lambda: AdaptiveSampling(1, 1)
            )
            began = trio.current_time()
            async with monitor:
                await monitor.add_track(TrackInfo("p", "A"), Still())
                await trio.sleep(19)
                assert len(service.attempts) == 1
                assert monitor.coverage("A") is Coverage.STALE
                await trio.sleep(3)
                assert len(service.attempts) == 2
                assert service.attempts[1] - began == pytest.approx(20.5, abs=0.5)
                assert monitor.level("A") is Level.ALERT
            nursery.cancel_scope.cancel()

    trio.run(main, clock=MockClock(autojump_threshold=0))


def test_a_hundred_results_at_once_during_a_heartbeat_close_nothing() -> None:
    """The callback is stuck, the results wait or are dropped, and the pongs behind them are read all the same."""

    async def stuck(_event: ResultEvent) -> None:
        await trio.sleep(25)

    async def body(service: Service, monitor: Monitor) -> None:
        service.silent.add("A")
        await monitor.add_track(TrackInfo("pA", "A"), Still())
        await trio.sleep(10)
        for _ in range(100):
            await service.connections[0].send_message(encode_result(WireResult(ResultType.ALERT, "pA", "A")))
        await trio.sleep(60)
        assert len(service.attempts) == 1
        status = monitor.status()
        assert status.results["alert"] == 100
        (sink,) = status.sinks
        assert sink.delivered + sink.failed + sink.timed_out + sink.dropped + sink.waiting in (99, 100)
        assert sink.dropped >= 100 - 32 - 4

    rare = partial(AdaptiveSampling, 0.001, 0.001)
    trio.run(with_monitor_of(body, sampling=rare, sinks=[CallbackSink(stuck)]), clock=MockClock(autojump_threshold=0))


def test_a_result_that_comes_while_closing_still_goes_out() -> None:
    """The tracks are gone already, the uplink hears its last answer, the sinks are told."""
    heard: list[ResultEvent] = []

    async def body(service: Service, monitor: Monitor) -> None:
        service.silent.add("A")
        await monitor.add_track(TrackInfo("pA", "A"), Still())
        await trio.sleep(1)
        await monitor._supervisor.terminate("tracks")
        await service.connections[0].send_message(encode_result(WireResult(ResultType.ALERT, "pA", "A")))
        await trio.testing.wait_all_tasks_blocked()

    trio.run(with_monitor_of(body, sinks=[CallbackSink(heard.append)]), clock=MockClock(autojump_threshold=0))
    assert [event.level for event in heard] == [Level.ALERT]
