"""A live monitor on a slow link: samples arrive in time or not at all, and that is counted, shown and said."""

from __future__ import annotations

import logging
import math
import struct
from functools import partial

import monitor_kit as kit
import pytest
import trio
from monitor_kit import Service
from test_monitor_audio import Microphone
from trio_websocket import WebSocketConnection

from ds_actors.detection import AdaptiveSampling, Coverage, Frame, Monitor, Status, TrackInfo
from ds_actors.detection.tracks.speech import AudioPace

OURS = "ds_actors.detection"


class Camera(kit.Still):
    """A camera with a picture of an ordinary size."""

    async def capture(self) -> Frame | None:
        await super().capture()
        return Frame(1280, 720, "i420", b"")


async def encode(_frame: Frame, quality: int, max_side: int | None) -> bytes:
    """Return as many bytes as an encoder would, 100,000 at quality 75, which begin with the time."""
    at = struct.pack("d", trio.current_time())
    await trio.sleep(0.01)
    size = 100_000 * (0.2 + 0.8 * quality / 75) * math.pow((max_side or 1280) / 1280, 1.8)
    return at.ljust(int(size), b"-")


async def watch(monitor: Monitor, count: int) -> None:
    for number in range(count):
        await monitor.add_track(TrackInfo(f"p{number}", f"T{number}"), Camera())


def ages(service: Service) -> list[float]:
    """Return how old each sample was when the service had it."""
    return [at - struct.unpack("d", sample.data[:8])[0] for at, sample in service.samples if sample.format == "jpeg"]


def slow(service: Service, bytes_per_second: float) -> None:
    service.bytes_per_second = bytes_per_second
    for link in service.links:
        link.bytes_per_second = bytes_per_second


def lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.name == OURS and "link" in record.getMessage()]


@pytest.mark.parametrize("rate", [8_000, 12_000, 64_000, 200_000])
@pytest.mark.parametrize("tracks", [1, 5, 20])
def test_every_sample_arrives_within_two_seconds(rate: float, tracks: int) -> None:
    """From the first on; most of what the link can carry is used where that much is wanted."""

    async def body(service: Service, monitor: Monitor) -> None:
        slow(service, rate)
        await watch(monitor, tracks)
        await trio.sleep(120)
        assert max(ages(service)) < 2.0
        carried = sum(len(sample.data) for _, sample in service.samples)
        assert len(service.samples) >= 24 or carried > 0.5 * 120 * rate
        assert monitor.status().uplink.sent >= len(service.samples)
        assert kit.adds_up(monitor)
        assert set(monitor.status().uplink.dropped) <= {"superseded", "link_too_slow", "stale"}

    kit.run(body, encode=encode)


def test_a_link_that_becomes_slow_is_shown_and_said_once(caplog: pytest.LogCaptureFixture) -> None:
    """In the status, to `state_cb` and in the log, and again when it is over."""
    caplog.set_level(logging.INFO, OURS)
    told: list[bool] = []

    def note(status: Status) -> None:
        if told[-1:] != [status.uplink.slow]:
            told.append(status.uplink.slow)

    async def body(service: Service, monitor: Monitor) -> None:
        await watch(monitor, 3)
        await trio.sleep(60)
        assert not monitor.status().uplink.slow
        slow(service, 12_000)
        await trio.sleep(60)
        status = monitor.status()
        assert status.uplink.slow
        assert status.uplink.bytes_per_second == pytest.approx(12_000, rel=0.1)
        assert status.uplink.state == "up"
        assert len(lines(caplog)) == 1
        assert "is slow (about 12.0 kB/s)" in lines(caplog)[0]
        slow(service, math.inf)
        await trio.sleep(60)
        assert not monitor.status().uplink.slow
        assert len(lines(caplog)) == 2
        assert "fast enough again" in lines(caplog)[1]
        assert len(service.samples[-1][1].data) == 100_000

    kit.run(body, encode=encode, state_cb=note)
    assert told == [False, True, False]


def test_the_estimate_outlives_the_connection() -> None:
    """The first sample of the next one is as small as it must be."""

    async def body(service: Service, monitor: Monitor) -> None:
        slow(service, 12_000)
        await watch(monitor, 1)
        await trio.sleep(20)
        for _ in range(3):
            await service.links[-1].aclose()
            await trio.sleep(20)
        assert len(service.connections) == 4
        assert max(ages(service)) < 2.0
        assert len(service.samples) > 12

    kit.run(body, encode=encode)


def test_what_no_link_carries_is_dropped_and_counted(caplog: pytest.LogCaptureFixture) -> None:
    """At 500 bytes per second nothing arrives in time; when the link is fast again, so are the samples."""
    caplog.set_level(logging.INFO, OURS)

    async def body(service: Service, monitor: Monitor) -> None:
        slow(service, 12_000)
        await watch(monitor, 2)
        await trio.sleep(20)
        slow(service, 500)
        await trio.sleep(300)
        status = monitor.status()
        assert status.uplink.dropped["link_too_slow"] > 5
        assert kit.adds_up(monitor)
        assert status.blind == "the link to the detection service is too slow for them"
        slow(service, math.inf)
        before = len(service.samples)
        await trio.sleep(120)
        assert len(service.samples) > before + 10
        assert monitor.coverage("T0") is Coverage.CHECKED
        assert kit.adds_up(monitor)

    kit.run(body, encode=encode)


def test_a_link_that_becomes_slow_in_the_middle_of_a_large_sample_is_shown_before_its_send_returns() -> None:
    """It takes 200 s, and the estimate follows it."""

    async def body(service: Service, monitor: Monitor) -> None:
        await watch(monitor, 1)
        await trio.sleep(21)
        slow(service, 500)
        await trio.sleep(60)
        assert len(service.attempts) == 1
        assert monitor.status().uplink.slow
        rate = monitor.status().uplink.bytes_per_second
        assert rate is not None
        assert rate < 2_000

    kit.run(body, encode=encode)


def test_a_stall_stops_the_samples_for_a_short_time_only() -> None:
    """Eight seconds without a byte; then the next samples are on time, and soon as large as before."""

    async def body(service: Service, monitor: Monitor) -> None:
        slow(service, 200_000)
        await watch(monitor, 1)
        await trio.sleep(30)
        service.links[-1].seconds = 8.0
        await trio.sleep(5)
        service.links[-1].seconds = 0.0
        await trio.sleep(60)
        late = [age for age in ages(service) if age >= 2.0]
        assert len(late) == 1
        assert len(service.samples[-1][1].data) == 100_000
        assert len(service.sent("T0")) >= 14

    kit.run(body, encode=encode, sampling=partial(AdaptiveSampling, 0.2, 0.2))


def test_a_service_that_leaves_pings_unanswered_is_measured_by_its_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Against RFC 6455, but no reason to send it nothing, or too much."""

    async def ignore(*_: object) -> None:
        await trio.lowlevel.checkpoint()

    monkeypatch.setattr(WebSocketConnection, "_handle_ping_event", ignore)

    async def body(service: Service, monitor: Monitor) -> None:
        slow(service, 12_000)
        await watch(monitor, 2)
        await trio.sleep(120)
        assert len(service.samples) > 40
        assert max(ages(service)) < 2.0

    kit.run(body, encode=encode)


def test_sound_is_dropped_where_it_cannot_arrive_in_time() -> None:
    """It cannot be made smaller: the service takes three seconds of it, or nothing. Pictures go on."""

    async def body(service: Service, monitor: Monitor) -> None:
        slow(service, 12_000)
        await watch(monitor, 1)
        await trio.sleep(10)
        await monitor.add_track(TrackInfo("p", "B", kind="audio", source="microphone"), Microphone())
        await trio.sleep(180)
        uplink = monitor.status().uplink
        assert uplink.dropped["link_too_slow"] >= 3
        assert {sample.format for _, sample in service.samples} == {"jpeg"}
        assert max(ages(service)) < 2.0
        assert kit.adds_up(monitor)
        slow(service, 200_000)
        await trio.sleep(120)
        assert "pcm" in {sample.format for _, sample in service.samples}

    kit.run(body, encode=encode, audio=AudioPace(interval=30))
