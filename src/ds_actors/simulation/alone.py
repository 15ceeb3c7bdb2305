"""One track without the room around it: its policy, its judge, its level. Pure.

Without faults, budget, mutes, losses and a bound of the link, tracks meet only in the outbox, and there for the
milliseconds of a capture. What is left of `Simulation` is then three times in order: when the next sample is due, when
its capture ends, when the oldest answer arrives. Policy and evidence are the monitor's own objects. In a room of one
track the outcome equals `Simulation`'s, as a law of the tests says, and takes a fifth of the time.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final

from attrs import define, field

from ds_actors.detection.events import Level, TrackInfo
from ds_actors.detection.levels.assessed_track import Assessment
from ds_actors.detection.levels.evidence import Evidence, EvidenceFilter
from ds_actors.detection.sampling import SHORTEST_GAP, SampleDue, SampleSent, SamplingPolicy, Started, Verdict
from ds_actors.sandbox.room import Activity, Room
from ds_actors.simulation._track import SimulatedTrack
from ds_actors.simulation.outcome import Outcome
from ds_actors.simulation.service import Manipulation

_DUE: Final = SampleDue()
_VERDICTS: Final = {level: Verdict(level) for level in Level}


@define(eq=False)
class LoneTrack:
    """One policy on one track of a room.

    Args:
        room: its `seconds`, `capture` and `sample_bytes` count.
        name: what the policy is called in the outcome.
        policy: one of its own.
        answer: what the judge answers to a sample of that true level that arrives at that time; None for no answer.
        latency: seconds from a sample to its answer.
        evidence: makes levels of verdicts that may be wrong; None: the last verdict is the level.
        manipulations: of this track, in order, apart from each other.
    """

    room: Room
    name: str
    policy: SamplingPolicy
    answer: Callable[[Level, float], Level | None]
    latency: float
    evidence: Evidence | None = None
    manipulations: Sequence[Activity] = ()
    _track: SimulatedTrack = field(init=False)
    _assessment: Assessment = field(init=False)
    _truths: list[Manipulation] = field(init=False)
    _next: int = field(default=0, init=False)
    """The first manipulation that has not ended."""

    def __attrs_post_init__(self) -> None:
        info = TrackInfo("p1", "TR_p1_1")
        self._track = SimulatedTrack(info, self.policy, [])
        self._assessment = Assessment(info)
        if self.evidence is not None:
            self._assessment.evidence = EvidenceFilter(self.evidence)
        self._truths = [Manipulation(info.track, each.begins, each.ends) for each in self.manipulations]

    def run(self) -> Outcome:
        """Simulate the track to the end of the room.

        Raises:
            ValueError: when a sample falls due while one is being captured, which only a room with an outbox decides.
        """
        policy, answers, track = self.policy, deque[tuple[float, Level, Manipulation | None]](), self._track
        capture, end, sent = self.room.capture, self.room.seconds, SampleSent(self.room.sample_bytes)
        now = track.since = 0.0
        captured, not_before = math.inf, -math.inf
        planned = policy.on(Started(), now).due
        while True:
            due = math.inf if planned is None else max(now, not_before, planned)
            answered = answers[0][0] if answers else math.inf
            now = min(due, captured, answered)
            if now >= end:
                break
            if now == captured:
                captured = math.inf
                track.sent += 1
                track.longest = max(track.longest, now - track.since)
                track.since = now
                planned = policy.on(sent, now).due
                manipulation = self._manipulated_at(now)
                said = self.answer(Level.CLEAR if manipulation is None else Level.ALERT, now)
                if said is not None:
                    answers.append((now + self.latency, said, manipulation))
            elif now == answered:
                _, said, manipulation = answers.popleft()
                if self._judged(said, manipulation, now):
                    planned = policy.on(_VERDICTS[self._assessment.level], now).due
            else:
                if captured < math.inf:
                    raise ValueError(f"{self.name} plans samples less than a capture ({capture:g} s) apart")
                track.due += 1
                not_before = now + SHORTEST_GAP
                planned = policy.on(_DUE, now).due
                captured = now + capture
        return self._outcome(end, left=captured < math.inf)

    def _manipulated_at(self, now: float) -> Manipulation | None:
        truths = self._truths
        while self._next < len(truths) and truths[self._next].ends <= now:
            self._next += 1
        if self._next < len(truths) and truths[self._next].begins <= now:
            return truths[self._next]
        return None

    def _judged(self, said: Level, manipulation: Manipulation | None, now: float) -> bool:
        """Apply an answer; return whether it is a verdict."""
        if manipulation is not None and manipulation.found is None and said.elevated:
            manipulation.found = now
        if not said.is_verdict:
            return False
        assessment = self._assessment
        before = assessment.level
        assessment.level = assessment.observe(said, now)
        self._track.judged(before, assessment.level, manipulation, now)
        return True

    def _outcome(self, end: float, *, left: bool) -> Outcome:
        track = self._track
        known = [each for each in self._truths if each.begins < end]
        manipulated = sum(min(each.ends, end) - each.begins for each in known)
        return Outcome(
            self.name,
            1,
            end,
            track.due,
            track.sent,
            track.sent * self.room.sample_bytes,
            {},
            int(left),
            [manipulation.detection() for manipulation in known],
            1.0,
            max(track.longest, end - track.since),
            track.false_alarms,
            max(0.0, end - manipulated) / 3_600,
            int(not self._assessment.reliable),
        )
