"""A live monitor that checks nothing says so: the service answers without a verdict, not at all, or about others."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Callable

import monitor_kit as kit
import pytest
import trio
from monitor_kit import Service, Slow, Still

from ds_actors.detection import Coverage, Frame, FrameTooSmallError, Monitor, ResultType, Status, TrackInfo

OURS = "ds_actors.detection"


def errors_only(service: Service) -> None:
    service.answer = ResultType.ERROR


def unknown_types_only(service: Service) -> None:
    service.answer = 77


def silence(service: Service) -> None:
    service.silent.add("B")


def about_others(service: Service) -> None:
    service.about = "someone else"


class BlindLog(list[tuple[bool, str]]):
    """What `state_cb` was told: whether the monitor is blind, and how many tracks are checked."""

    def __call__(self, status: Status) -> None:
        if self[-1:] != [(bool(status.blind), str(status.watching))]:
            self.append((bool(status.blind), str(status.watching)))


def lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if "should be checked" in record.getMessage()]


@pytest.mark.parametrize(
    ("breaks", "coverage", "cause"),
    [
        (errors_only, Coverage.UNJUDGED, "answers only with errors"),
        (unknown_types_only, Coverage.UNJUDGED, "types that this version does not know"),
        (silence, Coverage.STALE, "does not answer"),
        (about_others, Coverage.STALE, "does not answer"),
    ],
)
def test_a_service_that_stops_judging_is_reported_within_50_seconds(
    breaks: Callable[[Service], None], coverage: Coverage, cause: str, caplog: pytest.LogCaptureFixture
) -> None:
    """15 s make the coverage, 30 s more the warning and the call back; one line when it is over."""
    caplog.set_level(logging.INFO, OURS)
    told = BlindLog()

    async def body(service: Service, monitor: Monitor) -> None:
        await kit.add(monitor, "B")
        await trio.sleep(60)
        assert (monitor.coverage("B"), str(monitor.status().watching)) == (Coverage.CHECKED, "1 of 1")
        breaks(service)
        await trio.sleep(51)
        assert (monitor.coverage("B"), str(monitor.status().watching)) == (coverage, "0 of 1")
        (warning,) = lines(caplog)
        assert f"1 of 1 tracks that should be checked have not been for 30 s (1 {coverage})" in warning
        assert cause in warning
        assert cause in monitor.status().blind
        assert told[-1] == (True, "0 of 1")
        service.answer, service.about = None, None
        service.silent.clear()
        await trio.sleep(120)
        assert len(lines(caplog)) == 2
        assert told[-1] == (False, "1 of 1")
        assert monitor.status().dict()["watching"] == "1 of 1"

    kit.run(body, state_cb=told)


def test_a_service_that_answers_once_in_a_while_is_reported_as_well(caplog: pytest.LogCaptureFixture) -> None:
    """One answer in 40 s leaves a track unchecked for most of the time, though never for 30 s."""
    caplog.set_level(logging.INFO, OURS)

    async def body(service: Service, monitor: Monitor) -> None:
        await kit.add(monitor, "B")
        await trio.sleep(10)
        for _ in range(10):
            service.silent.add("B")
            await trio.sleep(34)
            assert monitor.coverage("B") is Coverage.STALE
            service.silent.clear()
            await trio.sleep(6)
            assert monitor.coverage("B") is Coverage.CHECKED
        (warning,) = lines(caplog)
        assert "1 of 1 tracks that should be checked have been only at times for" in warning

    kit.run(body)


def test_a_service_that_answers_nothing_is_connected_to_anew_after_60_seconds_of_samples(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Also when it answers pings; the answers of one track are enough to stay."""

    async def body(service: Service, monitor: Monitor) -> None:
        service.silent = {"B", "C"}
        await kit.add(monitor, "B")
        await trio.sleep(59)
        assert len(service.connections) == 1
        await trio.sleep(5)
        assert len(service.connections) == 2
        assert "answered none of the 12 samples of the last 60 s" in caplog.text
        service.silent = {"B"}
        await kit.add(monitor, "C")  # C is answered, B is not
        await trio.sleep(600)
        assert len(service.connections) == 2
        assert kit.status_of(monitor, "B").coverage is Coverage.STALE

    kit.run(body)


def test_a_room_that_reconnects_is_in_the_status_and_reported_after_30_seconds(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Although it lists no track meanwhile."""
    caplog.set_level(logging.INFO, OURS)
    told = list[str]()

    def tell(status: Status) -> None:
        told.append("" if status.room is None else status.room.state)

    async def body(_service: Service, monitor: Monitor) -> None:
        assert monitor.status().room is None
        monitor.set_room("connected")
        monitor.set_room("connected")
        await trio.sleep(10)
        monitor.set_room("reconnecting")
        await trio.sleep(20)
        assert not monitor.status().blind
        await trio.sleep(20)
        room = monitor.status().room
        assert room is not None
        assert room.state == "reconnecting"
        assert room.since_ms > 0
        assert "room's server" in monitor.status().blind
        assert sum("the room is reconnecting" in record.getMessage() for record in caplog.records) == 1
        monitor.set_room("connected")
        await trio.sleep(40)
        assert not monitor.status().blind

    kit.run(body, state_cb=tell)
    assert [state for state, _ in itertools.groupby(told)] == ["", "connected", "reconnecting", "connected"]
    assert told.count("reconnecting") == 2  # when it began, and when the monitor was blind


def test_only_tracks_that_should_be_checked_count() -> None:
    """Not a muted one, nor one that the host left out; one over a limit, without a subscription or a key does."""

    async def body(_service: Service, monitor: Monitor) -> None:
        await kit.add(monitor, "B")
        await monitor.add_track(TrackInfo("pM", "M"), Still(), muted=True)
        monitor.report_unwatched(TrackInfo("pX", "X"), monitored=False, why="no consent")
        monitor.report_unwatched(TrackInfo("pY", "Y"), subscribed=False, wanted=False)
        await trio.sleep(100)
        assert str(monitor.status().watching) == "1 of 1"
        assert not monitor.status().blind
        monitor.report_unwatched(TrackInfo("pZ", "Z"), subscribed=False)
        monitor.report_unwatched(TrackInfo("pW", "W"), monitored=False, why="over the limit", wanted=True)
        await trio.sleep(51)
        assert str(monitor.status().watching) == "1 of 3"
        assert monitor.status().blind

    kit.run(body)


def test_a_publisher_cannot_become_unchecked_in_silence(caplog: pytest.LogCaptureFixture) -> None:
    """Frames that are too small, that cannot be decrypted, or that do not come are each reported."""
    caplog.set_level(logging.INFO, OURS)

    class Tiny(Still):
        async def capture(self) -> Frame | None:
            await trio.lowlevel.checkpoint()
            raise FrameTooSmallError("a frame of 8 x 8 pixels is too small to judge")

    async def body(_service: Service, monitor: Monitor) -> None:
        for source, end_to_end, coverage in (
            (Tiny(), False, Coverage.TOO_SMALL),
            (Slow(), True, Coverage.ENCRYPTED),
            (Slow(), False, Coverage.NO_FRAMES),
        ):
            await monitor.add_track(TrackInfo("eve", coverage.value, end_to_end=end_to_end), source)
            await trio.sleep(400)
            assert monitor.coverage(coverage.value) is coverage
            assert f"1 {coverage}" in lines(caplog)[-1]

    kit.run(body)
