"""The monitor under virtual time: actors killed at any moment, and a day without the service."""

from __future__ import annotations

import base64
import gc
import hashlib
import itertools
import logging
import sys
from collections import Counter
from functools import partial

import monitor_kit as kit
import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st
from monitor_kit import VERDICTS, Service
from trio.testing import memory_stream_pair
from trio_websocket import WebSocketRequest, wrap_server_stream

from ds_actors.detection import AdaptiveSampling, CallbackSink, Coverage, Dataspike, Level, Monitor, ResultEvent
from ds_actors.detection.events import ResultType
from ds_actors.detection.uplink.streams import WrappedStream
from ds_actors.testing import run_virtual


@pytest.mark.timeout(180)  # much of it, on a busy machine
@settings(max_examples=30)
@given(st.lists(st.tuples(st.floats(0.0, 3.0), st.integers(0, 7)), min_size=1, max_size=12))
def test_killing_any_actor_at_any_moment_changes_no_level_and_no_coverage(kills: list[tuple[float, int]]) -> None:
    """Sinks, uplink, tracks and the supervisors above them: the levels stay, and checking continues."""

    async def body(service: Service, monitor: Monitor) -> None:
        await kit.add(monitor, *VERDICTS)
        await trio.sleep(0.5)
        expected = {track: (verdict.level, Coverage.CHECKED) for track, verdict in VERDICTS.items()}
        for wait, which in kills:
            await trio.sleep(wait)
            victims = ("tracks", "sinks", *kit.living(monitor))
            victim = victims[which % len(victims)].rpartition("/")[2]
            if victim in ("tracks", "sinks"):
                await kit.kill_supervisor(monitor, victim)
            else:
                await kit.kill(monitor, victim)
            now = {track: (monitor.level(track), monitor.coverage(track)) for track in VERDICTS}
            assert now == expected
        await trio.sleep(70)
        seen, heard = len(service.samples), len(told)
        await trio.sleep(6)
        assert {sample.track for _, sample in service.samples[seen:]} == set(VERDICTS)
        assert {event.track_id for event in told[heard:]} == set(VERDICTS)
        assert kit.adds_up(monitor)

    told: list[ResultEvent] = []
    with kit.without_log():
        kit.run(body, sinks=[CallbackSink(told.append)])


@settings(max_examples=40)
@given(st.lists(st.floats(0.0, 2.5), min_size=1, max_size=8))
def test_a_crash_makes_no_track_sample_sooner(waits: list[float]) -> None:
    """However often its actor is killed, two samples are 1/burst apart, and its last grant is not forgotten."""

    async def body(_service: Service, monitor: Monitor) -> None:
        source = kit.Still()
        await kit.add(monitor, "A", source=source)
        await trio.sleep(0.5)
        for wait in waits:
            await trio.sleep(wait)
            await kit.kill(monitor, "A")
            assert monitor._hub.outbox._history.tracks["A"].last > 0
        await trio.sleep(40)
        assert all(b - a >= 1 - 1e-9 for a, b in itertools.pairwise(source.asked))
        assert len(source.asked) > 5
        await monitor.remove_track("A")
        assert not monitor._hub.outbox._history.tracks
        assert not monitor._hub.outbox._history.participants

    with kit.without_log():
        kit.run(body)


@pytest.mark.timeout(180)
def test_a_day_of_outage_is_bounded_and_ends_fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    """Attempts follow the injected u exactly, memory is bounded, logs are rare, first samples are fresh."""
    day, u, said = 86_400.0, 0.5, Counter[int]()

    def count(record: logging.LogRecord) -> bool:
        said[record.levelno] += 1
        return False

    def blocks() -> int:
        gc.collect()
        return sys.getallocatedblocks()

    async def body(service: Service, monitor: Monitor) -> None:
        await kit.add(monitor, *VERDICTS)
        await trio.sleep(day / 2)
        early = blocks()
        await trio.sleep(day / 2)
        assert blocks() - early < 500
        account = monitor.status().uplink
        assert account.state == "down"
        assert account.waiting + account.granted <= len(VERDICTS)
        assert kit.adds_up(monitor)
        gaps = [b - a for a, b in itertools.pairwise(service.attempts)]
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

    monkeypatch.setattr(logging.getLogger("ds_actors.detection"), "filters", [count])
    kit.run(body, reachable=False, random=lambda: u, sampling=partial(AdaptiveSampling, 0.05, 1.0))
    assert 2 <= said.total() <= day / 300 + 3
    assert not [level for level in said if level >= logging.ERROR]


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


def test_a_service_that_falls_silent_is_noticed_within_twenty_seconds(caplog: pytest.LogCaptureFixture) -> None:
    """No byte for 10 s, a ping, no byte for 10 s: the connection is replaced. The outage is counted from the last."""
    caplog.set_level(logging.INFO, "ds_actors.detection")

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

            began = trio.current_time()
            async with kit.monitor_of(service, connect=connect, sampling=partial(AdaptiveSampling, 1, 1)) as monitor:
                await kit.add(monitor, "A")
                await trio.sleep(19)
                assert len(service.attempts) == 1
                assert monitor.coverage("A") is Coverage.STALE
                await trio.sleep(3)
                assert len(service.attempts) == 2
                assert service.attempts[1] - began == pytest.approx(20.5, abs=0.5)
                assert monitor.level("A") is Level.ALERT
                await trio.sleep(40)
                assert "is back after 20 s" in caplog.text or "is back after 21 s" in caplog.text
            nursery.cancel_scope.cancel()

    run_virtual(main)


def test_a_hundred_results_at_once_during_a_heartbeat_close_nothing() -> None:
    """The callback is stuck, the results wait or are dropped, and the pongs behind them are read all the same."""

    async def stuck(_event: ResultEvent) -> None:
        await trio.sleep(25)

    async def body(service: Service, monitor: Monitor) -> None:
        service.silent.add("A")
        await kit.add(monitor, "A")
        await trio.sleep(10)
        for _ in range(100):
            await service.say(ResultType.ALERT, "A")
        await trio.sleep(60)
        assert len(service.attempts) == 1
        status = monitor.status()
        assert status.results["alert"] == 100
        (sink,) = status.sinks
        assert sink.delivered + sink.failed + sink.timed_out + sink.dropped + sink.waiting == 100
        assert sink.dropped >= 100 - 32 - 4

    kit.run(body, sampling=partial(AdaptiveSampling, 0.001, 0.001), sinks=[CallbackSink(stuck)])


def test_a_result_that_comes_while_closing_still_goes_out() -> None:
    """The tracks have ended, the uplink receives its last answer, and the sinks are notified."""
    heard: list[ResultEvent] = []

    async def body(service: Service, monitor: Monitor) -> None:
        service.silent.add("A")
        await kit.add(monitor, "A")
        await trio.sleep(1)
        await monitor._supervisor.terminate("tracks")
        await service.say(ResultType.ALERT, "A")

    kit.run(body, sinks=[CallbackSink(heard.append)])
    assert [event.level for event in heard] == [Level.ALERT]


class WithoutPongs(WrappedStream):
    """The service's end of a connection on which one ping is answered, and no other."""

    pongs = 0

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        if data[:1] == b"\x8a":
            self.pongs += 1
            if self.pongs > 1:
                await trio.lowlevel.checkpoint()
                return
        await super().send_all(data)


@pytest.mark.parametrize("rate", [1 / 5, 1 / 15])
def test_pings_that_are_left_unanswered_leave_nothing_behind_and_no_track_unchecked(
    rate: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Answers keep the connection alive for an hour; nothing waits for a pong longer than a minute."""

    async def serve(nursery: trio.Nursery, stream: trio.abc.Stream) -> WebSocketRequest:
        return await wrap_server_stream(nursery, WithoutPongs(stream))

    monkeypatch.setattr(kit, "wrap_server_stream", serve)

    async def body(service: Service, monitor: Monitor) -> None:
        await kit.add(monitor, *"ABC")
        await trio.sleep(5)
        tasks = trio.lowlevel.current_statistics().tasks_living
        await trio.sleep(120)
        for _ in range(100):
            await trio.sleep(30)
            assert {monitor.coverage(track) for track in "ABC"} == {Coverage.CHECKED}
        assert len(service.connections) == 1
        assert trio.lowlevel.current_statistics().tasks_living <= tasks + 8

    kit.run(body, sampling=lambda: AdaptiveSampling(rate, rate))
