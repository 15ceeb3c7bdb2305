"""One track without a room: what the whole simulator says, sooner."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ds_actors.detection.events import Level
from ds_actors.detection.levels.evidence import Evidence
from ds_actors.detection.sampling import AdaptiveSampling, DecayingSampling, EvidenceSampling, Jitter, SamplingPolicy
from ds_actors.sandbox import parse_script
from ds_actors.sandbox.erring import ErringJudges
from ds_actors.sandbox.room import Room
from ds_actors.simulation import Simulation
from ds_actors.simulation.alone import LoneTrack

POLICIES: dict[str, Callable[[], SamplingPolicy]] = {
    "evidence": lambda: EvidenceSampling(0.3, 8.0, 0.4),
    "jittered": lambda: EvidenceSampling(0.3, 6.0, 0.3, jitter=Jitter(0.8, b"key")),
    "adaptive": lambda: AdaptiveSampling(0.25, 2.0),
    "decaying": lambda: DecayingSampling(0.2, 1.0),
}


@settings(max_examples=25)
@given(
    st.sampled_from(sorted(POLICIES)),
    st.sampled_from([None, Evidence(), Evidence(clear_below=0.2, max_false_alarms=1.0)]),
    st.floats(0.0, 3.0),
    st.sampled_from([0.0, 0.4]),
    st.integers(0, 1_000),
)
def test_a_lone_track_has_the_outcome_of_a_room_of_one(
    name: str, evidence: Evidence | None, latency: float, lasting: float, seed: int
) -> None:
    """Every figure: samples, detections, false alarms, gaps; for any policy, judge and latency."""
    script = parse_script(
        "[room]\nparticipants = 1\njoins_within = 0\nseconds = 1500\nmanipulated = 1\nmanipulated_every = 200\n"
        f"[service]\nlatency = {latency!r}\n"
        f"[[judge]]\nmisses = 0.2\nfalse_flags = 0.05\nerrors = 0.05\nlost = 0.05\nsuspicious = 0.3\n"
        f"lasting = {lasting!r}"
    )
    make = POLICIES[name]
    simulation = Simulation(script, make, name, random.Random(seed).random, evidence)
    simulation.run()
    judges = ErringJudges(script.judges, random.Random(seed).random)

    def answer(truth: Level, now: float) -> Level | None:
        return judges.answer(truth, "p1", "TR_p1_1", now)

    lone = LoneTrack(script.room, name, make(), answer, latency, evidence, script.room.manipulations())
    assert lone.run() == simulation.outcome()


def test_samples_less_than_a_capture_apart_are_refused() -> None:
    """What becomes of them is the outbox's to say, which a lone track lacks."""
    room = Room(participants=1, seconds=10.0, capture=0.5)
    with pytest.raises(ValueError, match="adaptive plans samples less than a capture"):
        LoneTrack(room, "adaptive", AdaptiveSampling(4.0, 4.0), lambda truth, _now: truth, 0.3).run()
