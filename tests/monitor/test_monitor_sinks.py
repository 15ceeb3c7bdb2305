"""What the sinks of a live monitor hear, and what becomes of a slow, stuck or crashed one."""

from __future__ import annotations

import logging
import time
from functools import partial
from typing import Any

import monitor_kit as kit
import pytest
import trio
from monitor_kit import Service, Still

from ds_actors.detection import AdaptiveSampling, CallbackSink, LogSink, Monitor, ResultEvent, ResultType, TrackInfo
from ds_actors.detection.events import WireResult

OURS = "ds_actors.detection"
CLEAR, SUSPICIOUS, ALERT = ResultType.CLEAR, ResultType.SUSPICIOUS, ResultType.ALERT
ERROR, UNKNOWN = ResultType.ERROR, ResultType.UNKNOWN


def run(body: kit.Body, **options: Any) -> None:
    """Run the body in a monitor that hardly samples: the results are the test's own."""

    async def silenced(service: Service, monitor: Monitor) -> None:
        service.silent |= {"A", "B", "C"}
        await body(service, monitor)

    kit.run(silenced, sampling=partial(AdaptiveSampling, 0.001, 0.001), **options)


@pytest.mark.parametrize(
    ("notify", "heard"),
    [
        ("all", [CLEAR, CLEAR, SUSPICIOUS, SUSPICIOUS, ERROR, ERROR, UNKNOWN, ERROR, ALERT, ALERT, CLEAR]),
        ("changes", [SUSPICIOUS, ERROR, ERROR, ALERT, CLEAR]),
    ],
)
def test_what_is_told(notify: str, heard: list[ResultType]) -> None:
    """All, or a first verdict that is not clear, each change of level, and the first error after a non-error."""
    events: list[ResultEvent] = []

    async def body(service: Service, monitor: Monitor) -> None:
        await kit.add(monitor, "A")
        await trio.sleep(0.1)
        for number in (CLEAR, CLEAR, SUSPICIOUS, SUSPICIOUS, ERROR, ERROR, 99, ERROR, ALERT, ALERT, CLEAR):
            await service.say(number, "A")

    run(body, notify=notify, sinks=[CallbackSink(events.append)])
    assert [event.type for event in events] == heard


def test_an_event_has_the_wall_clock_of_its_arrival(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not that of the sample, and not trio's clock: answers carry no time, and people compare it with other logs."""
    events: list[ResultEvent] = []
    wall = 1_900_000_000_123_999_999
    monkeypatch.setattr(time, "time_ns", lambda: wall)

    async def body(service: Service, monitor: Monitor) -> None:
        nonlocal wall
        await kit.add(monitor, "A")
        await trio.sleep(1)
        wall += 7_000_000_000
        await service.say(ALERT, "A")

    run(body, sinks=[CallbackSink(events.append)])
    assert [event.timestamp_ms for event in events] == [1_900_000_007_123]


def test_a_result_about_an_unknown_track_is_counted_and_not_passed_on() -> None:
    """A track that never was, one of another participant, and one that ended a minute ago."""
    events: list[ResultEvent] = []

    async def body(service: Service, monitor: Monitor) -> None:
        await kit.add(monitor, "A", "B")
        await trio.sleep(1)
        await service.say(ALERT, "X")
        await service.say(ALERT, "A", "pB")
        await monitor.remove_track("B")
        await trio.sleep(60)
        await service.say(ALERT, "B")
        assert dict(monitor.status().results) == {"unknown_track": 3}

    run(body, sinks=[CallbackSink(events.append)])
    assert events == []


def test_an_inherited_level_is_a_tracks_past() -> None:
    """With "changes" the next camera's first alert is no news after an alert, its first clear is."""
    events: list[ResultEvent] = []

    async def body(service: Service, monitor: Monitor) -> None:
        await kit.add(monitor, "A")
        await trio.sleep(0.1)
        await service.say(ALERT, "A")
        await monitor.remove_track("A")
        await monitor.add_track(TrackInfo("pA", "B"), Still())
        await service.say(ALERT, "B", "pA")
        await service.say(CLEAR, "B", "pA")

    run(body, notify="changes", sinks=[CallbackSink(events.append)])
    assert [(event.track_id, event.type) for event in events] == [("A", ALERT), ("B", CLEAR)]


def test_a_change_that_failed_is_delivered_when_the_sink_works_again() -> None:
    """Although the level changes no more, and the track may be gone; until then the track counts as behind."""
    heard: list[tuple[str, ResultType]] = []
    works = False

    def callback(event: ResultEvent) -> None:
        if not works:
            raise OSError("nobody there")
        heard.append((event.track_id, event.type))

    async def body(service: Service, monitor: Monitor) -> None:
        nonlocal works
        await kit.add(monitor, "A", "B")
        await trio.sleep(1)
        await service.say(ALERT, "A")
        await service.say(SUSPICIOUS, "B")
        await monitor.remove_track("B")
        await trio.sleep(200)
        (sink,) = monitor.status().sinks
        assert (sink.behind, sink.waiting, sink.delivered) == (2, 0, 0)
        works = True
        await trio.sleep(16)
        (sink,) = monitor.status().sinks
        assert (sink.behind, sink.delivered) == (0, 2)

    with kit.without_log():
        run(body, notify="changes", sinks=[CallbackSink(callback)])
    assert sorted(heard) == [("A", ALERT), ("B", SUSPICIOUS)]


def test_a_change_that_failed_is_tried_once_more_at_the_close() -> None:
    """There is no later."""
    tries: list[float] = []

    def callback(_event: ResultEvent) -> None:
        tries.append(trio.current_time())
        raise OSError("nobody there")

    async def body(service: Service, monitor: Monitor) -> None:
        await kit.add(monitor, "A")
        await trio.sleep(1)
        await service.say(ALERT, "A")

    with kit.without_log():
        run(body, notify="changes", sinks=[CallbackSink(callback)])
    assert len(tries) == 2


def test_a_result_that_arrives_while_the_sinks_are_restarted_is_delivered_afterwards() -> None:
    """It waits in the sink's mailbox, which outlives the actor and its supervisor; and the uplink lives on."""
    events: list[ResultEvent] = []

    async def body(service: Service, monitor: Monitor) -> None:
        await kit.add(monitor, "A")
        await trio.sleep(1)
        await kit.kill_supervisor(monitor, "sinks")
        await service.say(ALERT, "A")
        assert events == []
        await trio.sleep(30)
        assert len(service.attempts) == 1

    with kit.without_log():
        run(body, sinks=[CallbackSink(events.append)])
    assert [event.type for event in events] == [ALERT]


def test_what_waits_for_a_sink_at_the_close_still_goes_out_within_a_second() -> None:
    """One after the other, because they are of one track; what would take longer is dead."""
    told: list[ResultType] = []

    async def callback(event: ResultEvent) -> None:
        await trio.sleep(0.3)
        told.append(event.type)

    async def body(service: Service, monitor: Monitor) -> None:
        await kit.add(monitor, "A")
        await trio.sleep(1)
        for number in (ALERT, CLEAR, SUSPICIOUS, ALERT, CLEAR):
            await service.say(number, "A")

    run(body, sinks=[CallbackSink(callback)])
    assert told == [ALERT, CLEAR, SUSPICIOUS]


def test_a_stuck_callback_is_cancelled_after_thirty_seconds(caplog: pytest.LogCaptureFixture) -> None:
    """It is counted and said once a minute, the next event of its track comes then, those of others at once."""
    heard: list[tuple[float, str]] = []

    async def callback(event: ResultEvent) -> None:
        heard.append((trio.current_time(), event.track_id))
        if event.track_id == "A":
            await trio.sleep_forever()

    async def body(service: Service, monitor: Monitor) -> None:
        await kit.add(monitor, "A", "B")
        await trio.sleep(1)
        for track in ("A", "A", "B"):
            await service.say(ALERT, track)
        await trio.sleep(29.9)
        (sink,) = monitor.status().sinks
        assert (sink.delivered, sink.timed_out, sink.waiting) == (1, 0, 2)
        await trio.sleep(31)
        (sink,) = monitor.status().sinks
        assert (sink.delivered, sink.timed_out, sink.waiting, sink.dropped) == (1, 2, 0, 0)

    run(body, sinks=[CallbackSink(callback)])
    assert heard == [(1.0, "A"), (1.0, "B"), (31.0, "A")]
    said = [record.getMessage() for record in caplog.records if record.name == OURS]
    assert said == ["the sink callback took longer than 30 s and was cancelled"]


def test_a_raising_callback_is_counted_and_said_once_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    """By the type of what it raises; the events after it are delivered to it all the same."""

    def callback(_event: ResultEvent) -> None:
        raise ZeroDivisionError

    async def body(service: Service, monitor: Monitor) -> None:
        await kit.add(monitor, "A")
        await trio.sleep(1)
        for _ in range(90):
            await service.say(ALERT, "A")
            await trio.sleep(1)
        (sink,) = monitor.status().sinks
        assert (sink.failed, sink.delivered) == (90, 0)

    run(body, sinks=[CallbackSink(callback)])
    assert [record.getMessage() for record in caplog.records if record.name == OURS] == ["the sink callback failed"] * 2


def test_each_type_of_exception_is_said_by_itself(caplog: pytest.LogCaptureFixture) -> None:
    """A second fault is not hidden behind the first; with its traceback."""
    faults = [ZeroDivisionError("first"), LookupError("second"), ZeroDivisionError("third")]

    def callback(_event: ResultEvent) -> None:
        raise faults.pop(0)

    async def body(service: Service, monitor: Monitor) -> None:
        await kit.add(monitor, "A")
        await trio.sleep(1)
        for _ in range(3):
            await service.say(ALERT, "A")

    run(body, sinks=[CallbackSink(callback)])
    said = [record.exc_info for record in caplog.records if record.name == OURS]
    assert [str(info[1]) for info in said if info is not None] == ["first", "second"]


@pytest.mark.parametrize(("notify", "heard"), [("all", [CLEAR, ALERT, ERROR]), ("changes", [ALERT, ERROR])])
def test_several_sinks_hear_the_same(notify: str, heard: list[ResultType]) -> None:
    """One that fails keeps nothing from the others."""
    told: dict[str, list[ResultType]] = {"callback": [], "second": [], "third": []}

    def sink(name: str) -> CallbackSink:
        def callback(event: ResultEvent) -> None:
            told[name].append(event.type)
            if name == "second":
                raise OSError("nobody there")

        return CallbackSink(callback, name)

    async def body(service: Service, monitor: Monitor) -> None:
        await kit.add(monitor, "A")
        await trio.sleep(0.1)
        for number in (CLEAR, ALERT, ERROR):
            await service.say(number, "A")
        assert [status.name for status in monitor.status().sinks] == list(told)
        assert {name: types[: len(heard)] for name, types in told.items()} == dict.fromkeys(told, heard)

    with kit.without_log():
        run(body, notify=notify, sinks=[sink(name) for name in told])


def test_a_sink_that_crashes_again_and_again_is_started_again_and_takes_no_other_with_it() -> None:
    """It is permanent and has a backoff of its own, whatever it was that escaped its actor."""
    events: list[ResultEvent] = []

    async def body(service: Service, monitor: Monitor) -> None:
        await kit.add(monitor, "A")
        await trio.sleep(1)
        other = monitor._hub.refs.sink("other")
        for until_next in (0.3, 0.6, 1.1, 2.1, 30):
            await kit.kill(monitor, "callback")
            await trio.sleep(until_next)
        assert other is not None
        assert monitor._hub.refs.sink("other") is other
        assert not other.stopped
        assert len(service.attempts) == 1
        await service.say(ALERT, "A")

    with kit.without_log():
        run(body, sinks=[CallbackSink(events.append), CallbackSink(print, "other")])
    assert [event.type for event in events] == [ALERT]


def test_every_event_is_in_its_sinks_status() -> None:
    """Whether it was delivered, refused by a full queue, in hand of a sink that crashed, or waits."""

    async def stuck(_event: ResultEvent) -> None:
        await trio.sleep(25)

    async def body(_service: Service, monitor: Monitor) -> None:
        await kit.add(monitor, "A", "B")
        await trio.sleep(1)
        for n in range(34):
            monitor._hub.result(WireResult((ALERT, CLEAR)[n % 2], "pA", "A"))
        for _ in range(10):
            monitor._hub.result(WireResult(CLEAR, "pA", "A"))
        for _ in range(3):
            monitor._hub.result(WireResult(ALERT, "pB", "B"))
        await trio.sleep(1)
        for _ in range(3):
            (sink,) = monitor.status().sinks
            told = sink.delivered + sink.failed + sink.timed_out + sink.dropped + sink.waiting
            assert told == sum(monitor.status().results.values()) == 47
            assert sink.dropped >= 10
            await kit.kill(monitor, "callback")
            await trio.sleep(60)

    with kit.without_log():
        run(body, sinks=[CallbackSink(stuck)])


def test_the_log_names_nobody(caplog: pytest.LogCaptureFixture) -> None:
    """One line a result, its level by the verdict; who it was is in `extra` only, without control characters."""
    caplog.set_level(logging.INFO, OURS)
    eve = "eve\n\x1b[31m\u202eroot"

    async def body(service: Service, monitor: Monitor) -> None:
        await monitor.add_track(TrackInfo(eve, "A", source="\x1b[2J"), Still())
        await trio.sleep(0.1)
        for number in (CLEAR, SUSPICIOUS, ALERT, ERROR):
            await service.say(number, "A", eve)

    run(body, sinks=[LogSink()])
    records = [record for record in caplog.records if record.name == OURS]
    assert [(record.levelname, record.getMessage()) for record in records] == [
        ("INFO", "deepfake level clear (was unknown)"),
        ("WARNING", "deepfake level suspicious (was clear)"),
        ("ERROR", "deepfake level alert (was suspicious)"),
        ("INFO", "deepfake level error (was alert)"),
    ]
    assert {record.__dict__["lk.pii.participant"] for record in records} == {"eve[31mroot"}
    assert {record.__dict__["lk.pii.track"] for record in records} == {"A"}


def test_two_sinks_have_two_names() -> None:
    """The name is the actor's and the counters', so that the error names it."""
    with pytest.raises(ValueError, match="two sinks are called 'callback'"):
        Monitor(service=kit.KEY, sinks=[CallbackSink(print), CallbackSink(repr)])
