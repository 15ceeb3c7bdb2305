"""The law of `notify="changes"`: once a sink works again, its receiver soon has every track's current level."""

from __future__ import annotations

from functools import partial
from typing import Literal

import monitor_kit as kit
import trio
from attrs import define, field
from hypothesis import given, settings
from hypothesis import strategies as st

from ds_actors._mailbox import EMPTY
from ds_actors.detection import AdaptiveSampling, Monitor, ResultEvent, ResultType, Undelivered
from ds_actors.detection.events import Level, WireResult
from ds_actors.detection.sinks._queue import SinkQueue
from ds_actors.detection.sinks._reports import LOOK_EVERY, RETRY_WITHIN, LevelReports

Fault = Literal["", "raise", "refuse", "take and raise", "hang", "take and hang", "keep and lose"]
FAULTS: list[Fault] = ["", "raise", "refuse", "take and raise", "hang", "take and hang", "keep and lose"]
TYPES = [ResultType.CLEAR, ResultType.SUSPICIOUS, ResultType.ALERT, ResultType.ERROR]
TRACKS = "ABC"
INTERVAL = RETRY_WITHIN + LOOK_EVERY


@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("result"), st.integers(0, 2), st.sampled_from(TYPES[:3])),
            st.tuples(st.sampled_from(["take", "accept", "fail", "fail late", "refuse", "lose"]), st.integers(0, 2)),
            st.tuples(st.sampled_from(["crash", "look", "wait", "outage"]), st.integers(0, 60)),
        ),
        max_size=60,
    ),
    st.floats(0, 0.999),
)
def test_whatever_failed_in_between_the_receiver_has_the_levels(script: list[tuple[object, ...]], u: float) -> None:
    """Results, attempts, failures and crashes in any order: one interval after it works again, nothing is owed."""
    queue, reports = SinkQueue(per_track=2), LevelReports()
    levels = dict.fromkeys("012", Level.UNKNOWN)
    receiver = dict.fromkeys("012", Level.UNKNOWN)
    hand: dict[str, ResultEvent] = {}
    taken: list[ResultEvent] = []
    now = 0.0

    def look() -> None:
        for owed in reports.due(now, queue.holds):
            queue.put(owed)

    def take() -> None:
        while (event := queue.take()) is not EMPTY:
            if reports.needs(event, now):
                reports.begin(event)
                hand[event.track_id] = event
            else:
                queue.settle(event)

    def end(event: ResultEvent, how: object) -> None:
        del hand[event.track_id]
        if how in ("accept", "fail late"):
            receiver[event.track_id] = event.level
        if how == "accept":
            reports.accepted(event, now)
        elif how == "lose":
            reports.accepted(event, now)
            taken.append(event)
        else:
            (reports.refused if how == "refuse" else reports.failed)(event, now, u)
        queue.settle(event)

    def pass_seconds(seconds: float, how: str) -> None:
        nonlocal now
        until = now + seconds
        while now < until:
            look()
            take()
            while hand:
                end(next(iter(hand.values())), how)
                take()
            now += LOOK_EVERY

    for number, step in enumerate(script):
        match step:
            case ("result", int(track), ResultType() as kind):
                sid = str(track)
                before, levels[sid] = levels[sid], kind.level
                if before is not kind.level and (before, kind.level) != (Level.UNKNOWN, Level.CLEAR):
                    event = ResultEvent(kind, "alice", sid, "", number, previous_level=before)
                    reports.changed(event, now, live=True)
                    queue.put(event)
            case ("take", _):
                take()
            case ("crash", _):
                queue.interrupted()
                hand.clear()
            case ("look", _):
                look()
            case ("wait", int(seconds)):
                now += seconds
            case ("outage", int(seconds)):
                pass_seconds(seconds, "fail")
            case (how, track) if str(track) in hand:
                end(hand[str(track)], how)
            case _:
                pass
    for event in tuple(hand.values()):
        end(event, "fail")
    for event in taken:
        reports.lost(event, now, u)
    pass_seconds(INTERVAL, "accept")
    assert {sid: said(level) for sid, level in receiver.items()} == {sid: said(level) for sid, level in levels.items()}
    assert reports.behind == 0
    assert len(reports) <= 3


def said(level: Level) -> Level:
    """A first clear is not told: who hears nothing of a track takes it for clear."""
    return Level.CLEAR if level is Level.UNKNOWN else level


@define(eq=False)
class Faulty:
    """A sink that fails on command, and what its receiver was last told of each track."""

    fault: Fault = ""
    receiver: dict[str, Level] = field(factory=dict[str, Level])
    name: str = "faulty"
    _kept: list[ResultEvent] = field(factory=list[ResultEvent])
    _report: object = None
    _works: trio.Event = field(factory=trio.Event)

    def when_lost(self, report: object, /) -> None:
        self._report = report

    async def deliver(self, event: ResultEvent, /) -> None:
        fault = self.fault
        await trio.lowlevel.checkpoint()
        if event.level.is_verdict and (not fault or fault.startswith("take")):
            self.receiver[event.track_id] = event.level
        if fault.endswith("hang"):
            await self._works.wait()
            raise OSError("the connection was reset")
        if fault.endswith("raise"):
            raise OSError("nobody there")
        if fault == "refuse":
            raise Undelivered("not now")
        if fault == "keep and lose":
            self._kept.append(event)

    def become(self, fault: Fault) -> None:
        """Fail that way from now on; what was kept is given up, and what hung ends."""
        self.fault = fault
        self._works.set()
        self._works = trio.Event()
        kept, self._kept = self._kept, []
        for event in kept:
            assert callable(self._report)
            self._report(event)


@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("result"), st.sampled_from(TRACKS), st.sampled_from(TYPES)),
            st.tuples(st.just("become"), st.sampled_from(FAULTS)),
            st.tuples(st.just("sleep"), st.integers(0, 40)),
            st.tuples(st.sampled_from(["kill the actor", "kill the supervisor"])),
        ),
        max_size=25,
    )
)
@settings(max_examples=60)
def test_the_sink_of_a_live_monitor_keeps_the_law(script: list[tuple[object, ...]]) -> None:
    """Failing, hanging, losing what it took, its actor or its supervisor killed: the levels arrive all the same."""
    sink = Faulty()

    async def body(service: kit.Service, monitor: Monitor) -> None:
        service.silent |= set(TRACKS)
        await kit.add(monitor, *TRACKS)
        await trio.sleep(1)
        for step in script:
            match step:
                case ("result", str(track), ResultType() as kind):
                    monitor._hub.result(WireResult(kind, f"p{track}", track))
                case ("become", str() as fault):
                    sink.become(fault)  # type: ignore[arg-type]
                case ("sleep", int(seconds)):
                    await trio.sleep(seconds)
                case ("kill the actor",):
                    await kit.kill(monitor, "faulty")
                case _ if "sinks/faulty" in kit.living(monitor):
                    await kit.kill_supervisor(monitor, "sinks")
                case _:
                    pass
        while "sinks/faulty" not in kit.living(monitor):
            await trio.sleep(1)
        sink.become("")
        await trio.sleep(INTERVAL)
        for track in TRACKS:
            assert said(sink.receiver.get(track, Level.UNKNOWN)) is said(monitor.level(track))
        assert monitor.status().sinks[0].behind == 0

    with kit.without_log():
        kit.run(body, sampling=partial(AdaptiveSampling, 0.001, 0.001), notify="changes", sinks=[sink])
