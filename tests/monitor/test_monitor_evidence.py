"""A live monitor that weighs its service's verdicts."""

from __future__ import annotations

import monitor_kit as kit
import pytest
import trio
from monitor_kit import Service

from ds_actors.detection import CallbackSink, Evidence, EvidenceSampling, Level, Monitor, ResultEvent, ResultType


def test_a_single_flag_is_looked_into_and_several_are_an_alert() -> None:
    """The suspicion is sampled four times a second; the events carry what is behind their level."""
    events: list[ResultEvent] = []

    async def body(service: Service, monitor: Monitor) -> None:
        service.silent |= {"A"}
        await kit.add(monitor, "A")
        await trio.sleep(0.1)
        await service.say(ResultType.CLEAR, "A")
        assert monitor.level("A") is Level.CLEAR
        await trio.sleep(10)
        await service.say(ResultType.ALERT, "A")
        assert monitor.level("A") is Level.SUSPICIOUS
        assert monitor.status().tracks[0].target_fps == 4.0
        for _ in range(4):
            await trio.sleep(0.5)
            await service.say(ResultType.ALERT, "A")
        assert monitor.level("A") is Level.ALERT
        await service.say(ResultType.ERROR, "A")
        assert monitor.level("A") is Level.ALERT

    kit.run(body, sampling=EvidenceSampling, assessment="evidence", sinks=[CallbackSink(events.append)])
    verdicts = [event for event in events if event.level.is_verdict]
    assert [event.level for event in verdicts[:2]] == [Level.CLEAR, Level.SUSPICIOUS]
    assert verdicts[-1].level is Level.ALERT
    confidences = [event.confidence or 0.0 for event in verdicts]
    assert confidences == sorted(confidences)
    assert 0 < confidences[0] < 0.05
    assert 0.98 < confidences[-1] < 1


def test_a_crash_of_the_track_keeps_its_evidence() -> None:
    """The shelf has it: the next flag counts as if nothing had happened."""

    async def body(service: Service, monitor: Monitor) -> None:
        service.silent |= {"A"}
        await kit.add(monitor, "A")
        await trio.sleep(0.1)
        for _ in range(2):
            await service.say(ResultType.ALERT, "A")
            await trio.sleep(0.5)
        before = monitor.level("A")
        await kit.kill(monitor, "A")
        await trio.sleep(1)
        assert monitor.level("A") is before
        await service.say(ResultType.ALERT, "A")
        assert monitor.level("A") is Level.ALERT

    kit.run(body, assessment=Evidence(max_false_alarms=0.02))


def test_an_assessment_that_is_not_known_is_refused() -> None:
    """The error says what there is."""
    with pytest.raises(ValueError, match='assessment must be "last", "evidence" or an Evidence'):
        Monitor(service=kit.KEY, assessment="bayes")  # type: ignore[arg-type]


def test_an_unconfirmed_flag_is_sampled_at_burst_rate_and_accuses_nobody() -> None:
    """A second one in a row is the alert; a crash between the two changes nothing."""

    async def body(service: Service, monitor: Monitor) -> None:
        service.silent |= {"A"}
        await kit.add(monitor, "A")
        await trio.sleep(0.1)
        await service.say(ResultType.CLEAR, "A")
        await service.say(ResultType.ALERT, "A")
        assert monitor.level("A") is Level.CLEAR
        assert monitor.status().tracks[0].target_fps == 1.0
        await kit.kill(monitor, "A")
        await trio.sleep(1)
        assert monitor.status().tracks[0].target_fps == 1.0
        await service.say(ResultType.ALERT, "A")
        assert monitor.level("A") is Level.ALERT

    kit.run(body, min_confirmations=2)
