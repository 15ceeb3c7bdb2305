"""One track without a room, moment by moment."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import pytest
from attrs import define, field

from ds_actors.detection.events import Level
from ds_actors.detection.levels.evidence import Evidence
from ds_actors.detection.sampling import Plan, Promise, SampleDue, SamplingEvent, SamplingPolicy, Started
from ds_actors.sandbox.room import Activity, Room
from ds_actors.simulation import Detection, Outcome
from ds_actors.simulation.alone import LoneTrack

CLEAR, ALERT = Level.CLEAR, Level.ALERT
PROMISE: Final = Promise(30.0, 0.01, 100.0, 100.0)
Answer = Callable[[Level, float], Level | None]


@define
class Listed:
    """Samples at the times of a list, and notes what it hears."""

    times: list[float]
    heard: list[tuple[float, str]] = field(factory=list[tuple[float, str]])
    promise: Promise = PROMISE

    def on(self, event: SamplingEvent, now: float, /) -> Plan:
        level = getattr(event, "level", None)
        self.heard.append((now, type(event).__name__ if level is None else f"{type(event).__name__} {level.value}"))
        if isinstance(event, SampleDue):
            self.times.pop(0)
        return Plan(self.times[0] if self.times else None, "")


@define
class Eager:
    """Always plans a sample for now, or for an earlier time."""

    promise: Promise = PROMISE

    def on(self, _event: SamplingEvent, _now: float, /) -> Plan:
        return Plan(0.0, "")


@define
class Once(Eager):
    """Takes one sample, for which it plans as soon as an answer has come."""

    def on(self, event: SamplingEvent, now: float, /) -> Plan:
        return Plan(now if isinstance(event, Started) else None, "")


def truly(truth: Level, _now: float) -> Level:
    return truth


def alone(
    policy: SamplingPolicy, *spans: tuple[float, float], answer: Answer = truly, latency: float = 0.5, **more: Any
) -> Outcome:
    """Simulate a track that is manipulated in these spans, by default for 100 s with captures that take no time."""
    evidence = more.pop("evidence", None)
    figures: dict[str, Any] = {"seconds": 100.0, "capture": 0.0, "sample_bytes": 1_000, **more}
    room = Room(participants=1, **figures)
    manipulations = [Activity("p1", begins, ends) for begins, ends in spans]
    return LoneTrack(room, "name", policy, answer, latency, evidence, manipulations).run()


def test_a_policy_hears_of_its_samples_in_order() -> None:
    """The start, the due sample, its send after the capture, the verdict after the latency."""
    policy = Listed([1.0, 3.0])
    outcome = alone(policy, answer=lambda _truth, now: ALERT if now > 2 else CLEAR, latency=1.0, capture=0.25)
    assert policy.heard == [
        (0.0, "Started unknown"),
        *((1.0, "SampleDue"), (1.25, "SampleSent"), (2.25, "Verdict clear")),
        *((3.0, "SampleDue"), (3.25, "SampleSent"), (4.25, "Verdict alert")),
    ]
    assert (outcome.policy, outcome.tracks, outcome.seconds, outcome.fairness) == ("name", 1, 100.0, 1.0)
    assert (outcome.due, outcome.sent, outcome.sent_bytes, outcome.dropped, outcome.left) == (2, 2, 2_000, {}, 0)
    assert outcome.unreliable == 0


def test_what_happens_at_the_end_is_over() -> None:
    """A sample that falls due then does not count, and a capture under way is left."""
    outcome = alone(Listed([90.0, 99.9, 100.0]), capture=0.1)
    assert (outcome.due, outcome.sent, outcome.left) == (2, 1, 1)
    outcome = alone(Listed([90.0, 100.0]), capture=0.1)
    assert (outcome.due, outcome.sent, outcome.left) == (1, 1, 0)


def test_samples_are_never_closer_than_5_ms() -> None:
    """A policy may plan a time that has passed."""
    assert alone(Eager(), seconds=1.001).sent == 201


def test_a_sample_due_before_the_last_is_captured_is_refused() -> None:
    """A sample may fall due at the moment at which the capture ends."""
    assert alone(Listed([1.0, 1.5]), capture=0.5).sent == 2
    with pytest.raises(ValueError, match=r"name plans samples less than a capture \(0\.5 s\) apart"):
        alone(Listed([1.0, 1.25]), capture=0.5)


def test_a_sample_is_manipulated_from_the_beginning_until_just_before_the_end() -> None:
    """The end of its capture counts; the next manipulation is its own."""
    truths: list[tuple[float, Level]] = []

    def answer(truth: Level, now: float) -> Level:
        truths.append((now, truth))
        return truth

    times = [9.0, 10.0, 19.0, 20.0, 30.0, 31.0, 45.0]
    alone(Listed(list(times)), (10.0, 20.0), (22.0, 23.0), (24.0, 25.0), (31.0, 40.0), (44.0, 46.0), answer=answer)
    assert truths == list(zip(times, [CLEAR, ALERT, ALERT, CLEAR, CLEAR, ALERT, ALERT], strict=True))


def test_a_manipulation_is_found_by_the_first_elevated_answer_to_one_of_its_samples() -> None:
    """Delays from its beginning to the answer, and from its end to the answer that clears the alert."""
    answers = iter([CLEAR, Level.SUSPICIOUS, ALERT, ALERT, CLEAR])
    outcome = alone(
        Listed([9.0, 12.0, 14.0, 16.0, 21.0]), (10.0, 20.0), (50.0, 60.0), answer=lambda _t, _n: next(answers)
    )
    assert outcome.detections == [
        Detection("TR_p1_1", 10.0, 2.5, 4.5, 1.5),
        Detection("TR_p1_1", 50.0, None, None, None),
    ]
    assert outcome.false_alarms == 0


def test_an_elevated_answer_to_a_genuine_sample_finds_nothing() -> None:
    """It is a false alarm, once until it is cleared."""
    answers = iter([ALERT, ALERT, CLEAR, ALERT])
    outcome = alone(Listed([1.0, 2.0, 3.0, 4.0]), (50.0, 60.0), answer=lambda _t, _n: next(answers))
    assert (outcome.false_alarms, outcome.missed) == (2, 1)


def test_an_answer_that_is_no_verdict_and_a_missing_one_change_nothing() -> None:
    """The policy does not hear of them, and its plan stays."""
    policy = Listed([1.0, 2.0, 3.0])
    answers = iter([ALERT, Level.ERROR, None])
    outcome = alone(policy, (0.5, 60.0), answer=lambda _t, _n: next(answers))
    assert [what for _, what in policy.heard if what.startswith("Verdict")] == ["Verdict alert"]
    assert outcome.detections == [Detection("TR_p1_1", 0.5, 1.0, 1.0, None)]


def test_without_a_plan_only_answers_are_left() -> None:
    """The track then waits for the end of the room."""
    outcome = alone(Once(), (0.0, 60.0), latency=2.0)
    assert (outcome.sent, outcome.found, outcome.longest_gap) == (1, [2.0], 100.0)


def test_the_longest_gap_is_between_samples_or_before_the_first_or_after_the_last() -> None:
    """Counted from the beginning to the end of the room."""
    assert alone(Listed([40.0, 80.0, 90.0])).longest_gap == 40.0
    assert alone(Listed([20.0, 70.0, 90.0])).longest_gap == 50.0
    assert alone(Listed([20.0, 30.0])).longest_gap == 70.0


def test_genuine_hours_are_those_without_manipulation_within_the_room() -> None:
    """One that is under way at the end counts to there; one that begins then does not count."""
    outcome = alone(Listed([]), (10.0, 20.0), (90.0, 150.0), (100.0, 110.0))
    assert outcome.genuine_hours == pytest.approx(80 / 3_600)
    assert len(outcome.detections) == 2
    assert alone(Listed([]), (0.0, 150.0)).genuine_hours == 0.0


def test_evidence_makes_the_levels_and_may_find_the_track_unreliable() -> None:
    """A single flag is then no alert; a genuine track that is flagged for days is not judged well."""
    evidence = Evidence()
    outcome = alone(
        Listed([1.0, 2.0]), (0.5, 60.0), answer=lambda _t, now: ALERT if now < 2 else CLEAR, evidence=evidence
    )
    assert (outcome.found, outcome.alarm_delays, outcome.unreliable) == ([1.0], [], 0)
    flagged = alone(
        Listed([10.0 * n for n in range(9_000)]), answer=lambda _t, _n: ALERT, evidence=evidence, seconds=1e5
    )
    assert flagged.unreliable == 1
