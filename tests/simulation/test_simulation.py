"""The simulator by itself: its counts, and that they add up."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ds_actors.detection.sampling import AdaptiveSampling, Budget, Budgeted, SamplingPolicy, SpeakerSampling
from ds_actors.sandbox import ScriptError, parse_script
from ds_actors.simulation import Outcome, Simulation
from ds_actors.simulation.outcome import Detection


def simulated(text: str, factory: Callable[[], SamplingPolicy] = AdaptiveSampling, seed: int = 0) -> Outcome:
    simulation = Simulation(parse_script(text), factory, "policy", random.Random(seed).random)
    simulation.run()
    return simulation.outcome()


def test_a_quiet_room_costs_what_its_rates_say() -> None:
    """Ten tracks at 0.2 fps for 100 s: 20 samples each."""
    outcome = simulated("[room]\nparticipants = 10\nseconds = 100\njoins_within = 0\nsample_bytes = 1000\ncapture = 0")
    assert (outcome.due, outcome.sent, outcome.sent_bytes, outcome.dropped) == (200, 200, 200_000, {})
    assert (outcome.fairness, outcome.longest_gap) == (1.0, 5.0)
    assert (outcome.detections, outcome.quantile(0.5)) == ([], None)


def test_what_a_slow_link_cannot_carry_in_time_is_dropped_with_that_reason() -> None:
    """Samples of 10 s: the first of all is sent, as nothing is known before, and then one for each time of hope."""
    link = "[link]\nbytes_per_second = 1000"
    outcome = simulated(f"[room]\nparticipants = 3\nseconds = 600\nsample_bytes = 10000\n{link}")
    assert outcome.dropped["link_too_slow"] > 20
    assert 0 < outcome.sent < 20
    assert outcome.due == outcome.sent + sum(outcome.dropped.values()) + outcome.left


def test_a_manipulation_is_found_with_the_next_sample_and_its_answer() -> None:
    """It begins at 12 s, the sample is due at 15, the answer takes a second; the second one is over before that."""
    text = """
        [room]
        participants = 1
        seconds = 60
        joins_within = 0
        capture = 0
        [service]
        latency = 1
        [[verdict]]
        participant = "p1"
        from = 12
        until = 14
        level = "suspicious"
        [[verdict]]
        participant = "p1"
        from = 14
        until = 20
        level = "alert"
        [[verdict]]
        from = 42.5
        until = 44.5
        level = "alert"
    """
    outcome = simulated(text)
    assert outcome.detections == [
        Detection("TR_p1_1", 12.0, 4.0, 4.0, outcome.detections[0].clear_after),
        Detection("TR_p1_1", 42.5, None),
    ]
    assert (outcome.found, outcome.missed, outcome.quantile(0.5), outcome.quantile(0.99)) == ([4.0], 1, 4.0, None)
    assert outcome.sent == 17  # twelve, and at burst from the answer at 16 until the one that clears it at 21


def test_who_speaks_or_is_muted_is_sampled_accordingly() -> None:
    """Twice the rate while speaking, also for a participant who speaks when joining; no samples while muted."""
    text = """
        [room]
        participants = 3
        seconds = 100
        joins_within = 0.03
        [[speaking]]
        participant = "p3"
        [[muted]]
        participant = "p2"
        from = 10
        until = 60
    """
    simulation = Simulation(parse_script(text), lambda: SpeakerSampling(0.2, 0.4), "", random.random)
    simulation.run()
    sent = {track.info.participant: track.sent for track in simulation._by_sid.values()}
    assert sent == {"p1": 20, "p2": 10, "p3": 40}


def test_the_rooms_budget_bounds_what_is_sent_and_serves_everybody() -> None:
    """Fifty tracks want 600 samples a minute and get 60."""
    outcome = simulated("[room]\nseconds = 300\n[budget]\nsamples_per_minute = 60\nburst_seconds = 10")
    assert 295 <= outcome.sent <= 311
    assert outcome.dropped["superseded"] > 2_000
    assert outcome.fairness > 0.95
    assert outcome.longest_gap < 60


def test_a_track_budget_costs_less_and_finds_later() -> None:
    """What a comparison is for."""
    text = "[room]\nseconds = 600\nmanipulated = 20\nmanipulated_for = 60"
    free = simulated(text)
    bound = simulated(text, lambda: Budgeted(AdaptiveSampling(), Budget(samples_per_minute=6)))
    assert bound.sent < 0.6 * free.sent
    assert (bound.quantile(0.5) or math.inf) > (free.quantile(0.5) or math.inf)


@pytest.mark.parametrize(
    ("fault", "down"),
    [
        ('kind = "drop"\nfrom = 100', 1),
        ('kind = "silence"\nfrom = 100\nuntil = 160', 60),
        ('kind = "refuse_connections"\nfrom = 0\nuntil = 60', 70),
        ('kind = "refuse"\nstatus = 401\nuntil = 10', 45),
        ('kind = "refuse"\nstatus = 429\nretry_after = 20\nuntil = 10', 40),
        ('kind = "close"\ncode = 1011\nafter = 5\nuntil = 100', 120),
        ('kind = "oversized"\nfrom = 100\nuntil = 130', 40),
        ('kind = "garbage"\nfrom = 100\nuntil = 130', 40),
    ],
)
def test_an_outage_costs_samples_and_the_link_comes_back(fault: str, down: float) -> None:
    """Each kind of fault; afterwards everything is as before, and every due sample is accounted for."""
    outcome = simulated(f"[room]\nparticipants = 10\nseconds = 300\n[[fault]]\n{fault}")
    assert outcome.due == outcome.sent + sum(outcome.dropped.values()) + outcome.left
    assert outcome.due - outcome.sent <= 2 * down + 10
    assert outcome.sent < outcome.due or "drop" in fault or "garbage" in fault
    assert outcome.longest_gap < down + 20


def test_frames_that_do_not_come_are_dropped_and_hold_nobody_up() -> None:
    """A tenth of the captures give none; the same seed draws the same."""
    text = "[room]\nseconds = 200\nno_frame = 0.1"
    outcome = simulated(text, seed=1)
    assert 100 < outcome.dropped["no_frame"] < 300
    assert outcome == simulated(text, seed=1)
    assert outcome != simulated(text, seed=2)


@settings(max_examples=30)
@given(st.data())
def test_every_due_sample_is_accounted_for(data: st.DataObject) -> None:
    """due = sent + dropped + left, whatever happens."""
    kinds = st.sampled_from(["drop", "silence", "refuse_connections", "close", "garbage", "oversized", "slow"])
    faults = "".join(
        f'[[fault]]\nkind = "{kind}"\nfrom = {begins}\n' + ("" if kind == "drop" else f"until = {begins + 15}\n")
        for kind, begins in data.draw(st.lists(st.tuples(kinds, st.integers(0, 90)), max_size=4))
    )
    muted = "".join(
        f'[[muted]]\nparticipant = "p{who}"\nfrom = {begins}\nuntil = {begins + 20}\n'
        for who, begins in data.draw(st.lists(st.tuples(st.integers(1, 5), st.integers(0, 90)), max_size=4))
    )
    room = f"""
        [room]
        participants = 5
        tracks_each = 2
        seconds = 100
        no_frame = {data.draw(st.sampled_from([0, 0.3]))}
        capture = {data.draw(st.sampled_from([0, 0.02, 0.5]))}
        manipulated = 3
        [link]
        bytes_per_second = {data.draw(st.sampled_from([70_000, 10_000_000]))}
    """
    outcome = simulated(room + faults + muted, lambda: AdaptiveSampling(0.5, 2))
    assert outcome.due == outcome.sent + sum(outcome.dropped.values()) + outcome.left
    assert 0 <= outcome.left <= 10
    assert 0 < outcome.fairness <= 1


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[room]\nparticipants = 10001", "room: participants must be a number from 1 to 10000"),
        ("[room]\nparticipants = 200\ntracks_each = 200", "room: 200 x 200 tracks are more than 10000"),
        ("[room]\nparticipants = 2.5", "room: participants must be a whole number"),
        ("[room]\nplaces = 3", "room: 'places' is not known here"),
        ("[[room]]", r"write room as \[room\]"),
        ("[link]\nbytes_per_second = 0", "link: bytes_per_second"),
        ("[budget]", "budget: a budget needs"),
        ("[budget]\nsamples_per_minute = 'x'", "budget: samples_per_minute must be"),
        ("[service]\nlatency = -1", "service: latency must be a number of seconds"),
        ("[[speaking]]\nfrom = 1", "speaking 1: participant is missing"),
    ],
)
def test_what_a_scenario_says_wrong_is_named(text: str, words: str) -> None:
    """The error names the table, the key and the expected value."""
    with pytest.raises(ScriptError, match=words):
        parse_script(text)


def test_the_example_in_the_rooms_documentation_is_one() -> None:
    """It parses, and the sandbox follows its manipulations too."""
    from ds_actors.sandbox import room

    script = parse_script((room.__doc__ or "").partition("\n\n")[2])
    assert script.room.participants == 50
    assert len(script.verdicts) == 10
    assert script.room.budget == Budget(600, 500_000)
    times = [manipulation.begins for manipulation in script.room.manipulations()]
    assert len(set(times)) == 10
    assert 60 <= min(times) < max(times) <= 540


def test_the_order_of_events_is_the_monitors() -> None:
    """A policy receives the same events about a sample as in a call."""
    heard: list[str] = []

    class Listening(AdaptiveSampling):
        def on(self, event: Any, now: float, /) -> Any:
            heard.append(type(event).__name__)
            return super().on(event, now)

    simulated("[room]\nparticipants = 1\nseconds = 1", Listening)
    assert heard == ["Started", "SampleDue", "SampleSent", "Verdict"]
