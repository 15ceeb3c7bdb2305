"""The simulator moment by moment: what each policy hears when, and what the outcome makes of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import pytest
from attrs import define, field
from hypothesis import given, settings
from hypothesis import strategies as st

from ds_actors.detection.events import Level
from ds_actors.detection.levels.evidence import Evidence
from ds_actors.detection.sampling import (
    Plan,
    Promise,
    SampleDue,
    SamplingEvent,
    SamplingPolicy,
    Scene,
    Speaking,
    Verdict,
)
from ds_actors.sandbox import parse_script
from ds_actors.simulation import Detection, Simulation
from ds_actors.simulation.outcome import jain

PROMISE: Final = Promise(30.0, 0.01, 100.0, 100.0)


@define(eq=False)
class Listed:
    """Samples at the times of a list, whatever happens, and notes what it hears."""

    times: list[float]
    heard: list[tuple[float, str]] = field(factory=list[tuple[float, str]])
    promise: Promise = PROMISE

    def on(self, event: SamplingEvent, now: float, /) -> Plan:
        words = [type(event).__name__]
        match event:
            case Speaking(active):
                words.append(str(active))
            case Scene(signature):
                words.append(f"{signature[0]} x {len(signature)}")
            case Verdict(level):
                words.append(level.value)
            case _:
                words += [
                    str(value) for value in (getattr(event, "reason", None), getattr(event, "size", None)) if value
                ]
        self.heard.append((round(now, 6), " ".join(words)))
        if isinstance(event, SampleDue):
            self.times.pop(0)
        return Plan(self.times[0] if self.times else None, "")

    def at(self, *names: str) -> list[float]:
        """Return when it heard of events that begin so."""
        return [when for when, what in self.heard if what.startswith(names)]


def nothing_is_drawn() -> float:
    raise AssertionError("nothing here is random")


def simulation(
    text: str, *times: list[float], random: Callable[[], float] = nothing_is_drawn, **options: Any
) -> tuple[Simulation, list[Listed]]:
    """Return a simulation that has not begun, and its policies: one for each list of times, in the tracks' order."""
    policies = [Listed(list(each)) for each in times]
    remaining: list[SamplingPolicy] = list(policies)
    return Simulation(parse_script(text), lambda: remaining.pop(0), "name", random, **options), policies


def room(participants: int, seconds: float = 100.0, **more: object) -> str:
    """Return a room whose captures take no time, all of whose participants are there from the beginning."""
    values = {"joins_within": 0, "capture": 0, "sample_bytes": 1_000, **more}
    lines = [f"{key} = {value}" for key, value in values.items()]
    return "\n".join(["[room]", f"participants = {participants}", f"seconds = {seconds}", *lines, ""])


def activity(kind: str, begins: float, ends: float | None = None, who: str = "p1") -> str:
    until = "" if ends is None else f"until = {ends}\n"
    return f'[[{kind}]]\nparticipant = "{who}"\nfrom = {begins}\n{until}'


def verdict(level: str, begins: float, ends: float, who: str = "p1") -> str:
    return f'[[verdict]]\nparticipant = "{who}"\nfrom = {begins}\nuntil = {ends}\nlevel = "{level}"\n'


# ---- time


def test_participants_join_one_after_the_other_with_all_their_tracks() -> None:
    """They join evenly over the time of the script."""
    here, policies = simulation(room(4, tracks_each=2, joins_within=2), *[list[float]() for _ in range(8)])
    here.run()
    assert [policy.at("Started") for policy in policies] == [[at] for at in (0.0, 0.0, 0.5, 0.5, 1.0, 1.0, 1.5, 1.5)]
    assert list(here._by_sid)[:3] == ["TR_p1_1", "TR_p1_2", "TR_p2_1"]


def test_a_sample_falls_due_is_captured_sent_and_answered() -> None:
    """The policy hears of each step in order; the link is up from the beginning."""
    here, (policy,) = simulation(room(1, capture=0.25) + "[service]\nlatency = 0.5\n", [0.0, 3.0])
    here.run()
    assert policy.heard == [
        (0.0, "Started"),
        *((0.0, "SampleDue"), (0.25, "SampleSent 1000"), (0.75, "Verdict clear")),
        *((3.0, "SampleDue"), (3.25, "SampleSent 1000"), (3.75, "Verdict clear")),
    ]
    outcome = here.outcome()
    assert (outcome.policy, outcome.tracks, outcome.seconds) == ("name", 1, 100.0)
    assert (outcome.due, outcome.sent, outcome.sent_bytes, outcome.left) == (2, 2, 2_000, 0)


def test_what_would_happen_at_the_end_does_not() -> None:
    """A run ends just before its moment, and at the latest with the scenario."""
    here, (policy,) = simulation(room(1), [5.0, 10.0, 100.0])
    here.run(5.0)
    assert (here.now, policy.at("SampleDue")) == (5.0, [])
    here.run(5.1)
    assert (here.now, policy.at("SampleDue")) == (5.1, [5.0])
    here.run(1_000.0)
    assert (here.now, policy.at("SampleDue")) == (100.0, [5.0, 10.0])


@settings(max_examples=20)
@given(st.lists(st.floats(0, 60), max_size=5))
def test_a_run_in_pieces_has_the_outcome_of_one_run(pieces: list[float]) -> None:
    """The moments at which it pauses make no difference."""
    text = room(3, 50.0, manipulated=2, manipulated_for=5) + activity("muted", 10, 20, "p2")
    times = [[0.5 * number for number in range(100)]] * 3
    whole, _ = simulation(text, *times)
    cut, _ = simulation(text, *times)
    whole.run()
    for until in sorted(pieces):
        cut.run(until)
    cut.run()
    assert cut.outcome() == whole.outcome()


def test_before_it_begins_there_is_nothing() -> None:
    """It has no sample, no gap, no genuine time, and full fairness."""
    outcome = simulation(room(2, manipulated=1), [], [])[0].outcome()
    assert (outcome.due, outcome.sent, outcome.sent_bytes, outcome.left) == (0, 0, 0, 0)
    assert (outcome.fairness, outcome.longest_gap, outcome.genuine_hours) == (1.0, 0.0, 0.0)


def test_only_what_is_planned_is_scheduled() -> None:
    """A track without a plan leaves nothing behind."""
    here, (policy,) = simulation(room(1) + "".join(activity("speaking", at, at + 0.5) for at in range(50)), [60.0])
    here.run(55.0)
    assert len(policy.at("Speaking")) == 100
    assert sum(function == here._fall_due for _, _, function, _ in here._heap) == 1
    here.run(70.0)
    assert not any(function == here._fall_due for _, _, function, _ in here._heap)


def test_a_plan_that_changes_replaces_the_one_before() -> None:
    """The earlier time passes without a sample."""

    @define(eq=False)
    class Later(Listed):
        def on(self, event: SamplingEvent, now: float, /) -> Plan:
            super().on(event, now)
            return Plan(30.0 if now < 5 else 20.0 if now < 20 else None, "")

    policy = Later([0.0])
    here = Simulation(parse_script(room(1) + activity("speaking", 5, 10)), lambda: policy, "name", nothing_is_drawn)
    here.run()
    assert policy.at("SampleDue") == [20.0]


# ---- captures


def test_a_capture_may_take_two_seconds_and_no_longer() -> None:
    """Then the sample is dropped, as one that draws a lost frame is."""
    for capture, heard in ((2.0, (2.0, "SampleSent 1000")), (2.001, (2.0, "SampleDropped no_frame"))):
        here, (policy,) = simulation(room(1, capture=capture), [0.0])
        here.run()
        assert policy.heard[2] == heard
    here, (policy,) = simulation(room(1, no_frame=0.5), [0.0, 5.0, 10.0], random=iter([0.49, 0.5, 0.1]).__next__)
    here.run()
    assert policy.at("SampleSent") == [5.0]
    assert policy.at("SampleDropped no_frame") == [2.0, 12.0]
    assert here.outcome().dropped == {"no_frame": 2}


def test_nine_at_once_do_not_wait_for_slow_captures() -> None:
    """Eight turns are granted at a time; a capture gives its own back when it is late."""
    here, policies = simulation(room(9, capture=1.0), *[[0.0]] * 9)
    here.run()
    assert [policy.at("SampleSent") for policy in policies] == [[1.0]] * 8 + [[1.3]]


def test_captures_that_are_not_late_keep_their_turns() -> None:
    """The ninth waits for the first to be sent."""
    here, policies = simulation(room(9, capture=0.25), *[[0.0]] * 9)
    here.run()
    assert [policy.at("SampleSent") for policy in policies] == [[0.25]] * 8 + [[0.5]]


def test_a_participant_who_is_muted_frees_its_turn_and_what_it_captured_is_lost() -> None:
    """The track that waits has that turn at once."""
    here, policies = simulation(room(9, capture=0.25) + activity("muted", 0.125), *[[0.0]] * 9)
    here.run()
    assert policies[0].at("SampleSent") == []
    assert policies[8].at("SampleSent") == [0.375]
    assert here.outcome().dropped == {"muted": 1}


def test_a_late_capture_that_was_muted_returns_no_turn() -> None:
    """It gives no frame either, though the track has another turn by then."""
    here, (policy,) = simulation(room(1, capture=1.0) + activity("muted", 0.1, 0.2), [0.0, 0.5])
    here.run()
    assert policy.at("SampleSent") == [1.5]
    assert policy.at("SampleDropped") == [0.1]


def test_a_sample_under_way_is_left() -> None:
    """A sample that waits for its turn is left too."""
    here, _ = simulation(room(9, capture=0.25), *[[0.0]] * 9)
    here.run(0.125)
    account = here.outbox.account()
    assert (account.waiting, account.granted, here.outcome().left) == (1, 8, 9)


def test_a_capture_under_way_outlives_its_connection() -> None:
    """Its turn was granted, and is not granted again."""
    text = room(1, capture=0.5) + '[[fault]]\nkind = "drop"\nfrom = 0.25\n'
    here, (policy,) = simulation(text, [0.0], random=lambda: 0.2)
    here.run(0.375)
    account = here.outbox.account()
    assert (account.waiting, account.granted) == (0, 1)
    here.run()
    assert policy.at("SampleSent") == [0.5]


def test_a_sample_that_falls_due_during_another_ones_capture_is_superseded() -> None:
    """The policy hears of it."""
    here, (policy,) = simulation(room(1, capture=0.25), [0.0, 0.125, 1.0])
    here.run()
    assert policy.at("SampleDropped superseded") == [0.125]
    assert policy.at("SampleSent") == [0.25, 1.25]


def test_every_second_scene_is_bright() -> None:
    """Each sample carries the signature of its scene; without scenes there are none."""
    text = room(1) + activity("scene", 5).replace("until", "#") + activity("scene", 8) + activity("scene", 9, who="p2")
    here, (policy,) = simulation(text, [0.0, 6.0, 7.0, 9.5])
    here.run()
    assert [what for _, what in policy.heard if what.startswith("Scene")] == [
        "Scene 60 x 64",
        "Scene 200 x 64",
        "Scene 200 x 64",
        "Scene 60 x 64",
    ]


# ---- link and budget


def test_a_narrow_link_carries_one_sample_after_the_other() -> None:
    """Each takes its time; what the first two tell of the link lets the others begin in time."""
    text = room(3, sample_bytes=2_000 - 31) + "[link]\nbytes_per_second = 4000\n"
    here, policies = simulation(text, *[[0.0]] * 3)
    here.run()
    assert sorted(at for policy in policies for at in policy.at("SampleSent")) == pytest.approx(
        [0.5, 1.0, 1.5], abs=0.01
    )


def test_the_budget_is_used_as_soon_as_it_holds_enough() -> None:
    """Ten samples a second, though each capture takes longer than that; and the outbox is not asked twice for it."""
    text = room(20, capture=0.25) + "[budget]\nsamples_per_minute = 600\nburst_seconds = 0.1\n"
    here, policies = simulation(text, *[[0.0]] * 20)
    here.run(1.0)
    wakes = [when for when, _, function, _ in here._heap if function == here.pump]
    assert len(wakes) == len(set(wakes)) <= 2
    here.run()
    sent = sorted(at for policy in policies for at in policy.at("SampleSent"))
    assert sent == pytest.approx([0.25 + 0.1 * number for number in range(len(sent))], abs=0.01)
    assert len(sent) > 10


def test_the_link_connects_at_the_beginning_unless_a_fault_is_there() -> None:
    """It connects after the end of the fault."""
    text = room(1) + '[[fault]]\nkind = "refuse_connections"\nuntil = 10\n'
    here, (policy,) = simulation(text, [0.0, 20.0, 30.0], random=lambda: 0.5)
    here.run()
    assert policy.at("SampleSent")[1:] == [20.0, 30.0]
    assert 10.0 < policy.at("SampleSent")[0] < 20.0


@pytest.mark.parametrize("evidence", [None, Evidence()])
def test_alerts_go_first_unless_levels_are_the_evidences(evidence: Evidence | None) -> None:
    """With evidence, a sample decides nothing more during an alert."""
    here, _ = simulation(room(1), [], evidence=evidence)
    assert here.outbox._alerts_first is (evidence is None)


# ---- participants


def test_who_speaks_is_heard_from_the_beginning_to_the_end() -> None:
    """This holds also for a participant who speaks when joining, and for no other one."""
    text = room(2, joins_within=10) + activity("speaking", 1, 8, "p2") + activity("speaking", 20, who="p1")
    text += activity("speaking", 3, 4, "p2") + activity("speaking", 1, who="p9")
    here, policies = simulation(text, [], [])
    here.run()
    assert policies[0].heard == [(0.0, "Started"), (20.0, "Speaking True")]
    assert policies[1].heard == [(5.0, "Started"), (8.0, "Speaking False")]
    still, policies = simulation(room(2, joins_within=10) + activity("speaking", 1, 8, "p2"), [], [])
    still.run()
    assert policies[1].heard == [(5.0, "Started"), (5.0, "Speaking True"), (8.0, "Speaking False")]


def test_who_is_muted_is_paused_also_from_before_joining() -> None:
    """A second mute of the same participant changes nothing."""
    text = room(2, joins_within=10) + activity("muted", 1, 8, "p2") + activity("muted", 2, 9, "p2")
    text += activity("muted", 20, who="p1") + activity("muted", 1, who="p9")
    here, policies = simulation(text, [], [])
    here.run()
    assert policies[0].heard == [(0.0, "Started"), (20.0, "Paused")]
    assert policies[1].heard == [(5.0, "Started"), (5.0, "Paused"), (8.0, "Resumed")]


@pytest.mark.parametrize(
    ("muted", "times", "gap"),
    [
        ([], [40.0, 80.0, 90.0], 40.0),
        ([], [20.0, 70.0, 90.0], 50.0),
        ([], [20.0, 30.0], 70.0),
        ([(30, 90)], [10.0, 95.0], 20.0),  # from the last sample to the mute
        ([(15, 60)], [10.0], 40.0),  # from the unmuting to the end
        ([(15, 60)], [10.0, 85.0], 25.0),  # from the unmuting to the next sample
        ([(15, None)], [10.0], 10.0),
        ([(10, 20), (15, 50)], [10.5], 80.0),  # it is unmuted once
        ([(10, 20), (30, 99)], [5.0], 10.0),
    ],
)
def test_the_longest_gap_leaves_out_the_time_of_mutes(
    muted: list[tuple[float, float | None]], times: list[float], gap: float
) -> None:
    """It is between samples, before the first, or after the last."""
    here, _ = simulation(room(1) + "".join(activity("muted", *span) for span in muted), times)
    here.run()
    assert here.outcome().longest_gap == gap


def test_the_longest_gap_of_a_track_counts_from_its_join_or_its_first_unmuting() -> None:
    """The outcome has the longest of all tracks."""
    here, _ = simulation(room(2, joins_within=10), [0.5 * n for n in range(200)], [65.0])
    here.run()
    assert here.outcome().longest_gap == 60.0
    here, _ = simulation(room(1, joins_within=0) + activity("muted", 0, 30), [])
    here.run()
    assert here.outcome().longest_gap == 70.0
    here, _ = simulation(room(2, joins_within=10) + activity("muted", 1, 55, "p2"), [0.5 * n for n in range(200)], [])
    here.run()
    assert here.outcome().longest_gap == 45.0


def test_a_sample_that_arrives_after_its_track_was_muted_begins_no_gap() -> None:
    """The sample was on its way."""
    text = room(1, sample_bytes=4_000) + "[link]\nbytes_per_second = 1000\n" + activity("muted", 2)
    here, (policy,) = simulation(text, [0.0])
    here.run()
    assert policy.at("SampleSent") == [4.031]
    assert here.outcome().longest_gap == 2.0


def test_fairness_is_between_participants_and_leaves_out_who_was_never_due() -> None:
    """A participant's share is what was sent of the due samples of all its tracks."""
    draws = iter([0.1, 0.9, 0.9, 0.1, 0.9, 0.1, 0.9])
    times = [[0.0], [0.0], [0.0, 10.0, 20.0], [5.0, 25.0], [], []]
    here, _ = simulation(room(3, tracks_each=2, no_frame=0.5), *times, random=draws.__next__)
    here.run()
    outcome = here.outcome()
    assert [(track.due, track.sent) for track in here._by_sid.values()] == [
        (1, 0),
        (1, 1),
        (3, 2),
        (2, 1),
        (0, 0),
        (0, 0),
    ]
    assert (outcome.due, outcome.sent) == (7, 4)
    assert outcome.fairness == pytest.approx(jain([1 / 2, 3 / 5]))


# ---- answers


def test_a_manipulation_is_found_by_the_first_elevated_answer() -> None:
    """A later answer and one to a genuine sample find nothing; a policy hears of no error."""
    text = room(1) + "[service]\nlatency = 0.5\n" + verdict("error", 5, 7) + verdict("suspicious", 10, 20)
    here, (policy,) = simulation(text, [1.0, 6.0, 12.0, 14.0, 21.0])
    here.run()
    assert here.outcome().detections == [Detection("TR_p1_1", 10.0, 2.5, None)]
    assert [what for _, what in policy.heard if what.startswith("Verdict")] == [
        *("Verdict clear", "Verdict suspicious", "Verdict suspicious", "Verdict clear"),
    ]


def test_a_judge_that_misses_finds_nothing_and_one_that_flags_accuses() -> None:
    """An alert that begins with an answer to a genuine sample is false, on any track."""
    judge = '[[judge]]\nparticipant = "p1"\nmisses = 1\n[[judge]]\nparticipant = "p2"\nfalse_flags = 1\n'
    text = room(2) + verdict("alert", 10, 20) + judge
    here, _ = simulation(text, [12.0, 14.0], [1.0, 2.0], random=lambda: 0.5)
    here.run()
    outcome = here.outcome()
    assert (outcome.missed, outcome.false_alarms) == (1, 1)


def test_detections_are_in_the_order_of_their_beginnings() -> None:
    """The track's name decides between those that begin together; one that begins at the end does not count."""
    text = room(2) + verdict("alert", 50, 60, "p1") + verdict("alert", 50, 60, "p2") + verdict("alert", 10, 20, "p2")
    here, _ = simulation(text + verdict("alert", 100, 110), [], [])
    here.run()
    found = [(each.begins, each.track) for each in here.outcome().detections]
    assert found == [(10.0, "TR_p2_1"), (50.0, "TR_p1_1"), (50.0, "TR_p2_1")]


def test_genuine_hours_are_those_of_all_tracks_without_manipulation_so_far() -> None:
    """A manipulation under way counts to this moment; one to come does not count."""
    text = room(2) + verdict("alert", 10, 20) + verdict("alert", 40, 60, "p2") + verdict("alert", 90, 150)
    here, _ = simulation(text, [], [])
    for until, genuine in ((10.0, 20.0), (50.0, 80.0), (100.0, 160.0)):
        here.run(until)
        assert here.outcome().genuine_hours == pytest.approx(genuine / 3_600)
    here, _ = simulation(room(1) + verdict("alert", 0, 60) + verdict("alert", 50, 200), [])
    here.run()
    assert here.outcome().genuine_hours == 0.0


def test_levels_are_confirmed_as_often_as_wished() -> None:
    """Without confirmation one flag is enough."""
    for needed, alarms in ((1, [0.0]), (2, [2.0])):
        here, _ = simulation(room(1) + verdict("alert", 10, 20), [10.0, 12.0, 14.0], min_confirmations=needed)
        here.run()
        assert here.outcome().alarm_delays == alarms


def test_tracks_that_cannot_be_judged_are_counted() -> None:
    """The evidence says so of the one that is flagged each time."""
    flagged = '[[judge]]\nparticipant = "p1"\nfalse_flags = 1\n'
    times = [10.0 * number for number in range(2_000)]
    here, _ = simulation(room(3, 20_000.0) + flagged, times, times, times, random=lambda: 0.5, evidence=Evidence())
    here.run()
    assert here.outcome().unreliable == 1


def test_the_level_of_a_track_is_its_urgency() -> None:
    """A due sample's request has the level that the last verdict made."""
    here, _ = simulation(room(1) + verdict("alert", 0, 100), [0.0, 5.0])
    here.run(1.0)
    assert here._by_sid["TR_p1_1"].sampler._urgency is Level.ALERT
    here.run(6.0)
    assert here._by_sid["TR_p1_1"].sampler._urgency is Level.ALERT
