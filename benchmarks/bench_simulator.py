"""The simulator: CPU microseconds per simulated sample, and the share of the monitor's own decisions.

Yardstick: the same decisions alone. For each sample, a policy handles SampleDue, SampleSent and a Verdict, a turn is
requested, granted, delivered and settled in an `Outbox`, and `Assessments` applies a result. The simulator adds the
sampler around the policy, the heap, the cameras, the link and the service. A room of 50 for two hours, adaptive at 0.2
and 1 fps, five people manipulated for half a minute. Goal: 20 us or less per sample; a day of that room in under a
minute.
"""

from __future__ import annotations

import random
from time import process_time

from _compare import Goal, compare, rounds

from ds_actors.detection import AdaptiveSampling, Level, TrackInfo
from ds_actors.detection.events import ResultType, Sample, WireResult
from ds_actors.detection.levels.assessment import Assessments
from ds_actors.detection.sampling import SampleDue, SampleSent, Started, Verdict
from ds_actors.detection.turns import Deliver, RequestTurn
from ds_actors.detection.uplink.outbox import Outbox
from ds_actors.sandbox.room import Room
from ds_actors.sandbox.script import Script
from ds_actors.simulation import Simulation

PEOPLE, SECONDS, FPS = 50, 7_200.0, 0.2
DATA = bytes(70_000)


def simulated() -> float:
    """Return the CPU seconds per sample of the simulated room."""
    room = Room(participants=PEOPLE, seconds=SECONDS, manipulated=5)
    simulation = Simulation(Script(room=room), AdaptiveSampling, "adaptive", random.Random(0).random)
    begin = process_time()
    simulation.run()
    return (process_time() - begin) / simulation.outcome().sent


def decided() -> float:
    """Return the CPU seconds per sample of the decisions alone."""
    infos = [TrackInfo(f"p{n}", f"T{n}") for n in range(PEOPLE)]
    outbox, assessments = Outbox(), Assessments()
    policies = [AdaptiveSampling(FPS, 1.0) for _ in infos]
    for info, policy in zip(infos, policies, strict=True):
        assessments.add_track(info, 0.0)
        policy.on(Started(Level.UNKNOWN), 0.0)
    due, sent, clear = SampleDue(), SampleSent(len(DATA)), Verdict(Level.CLEAR)
    begin = process_time()
    for number in range(samples := int(PEOPLE * SECONDS * FPS)):
        info, policy = infos[number % PEOPLE], policies[number % PEOPLE]
        now = number / (PEOPLE * FPS)
        policy.on(due, now)
        outbox.put(RequestTurn(info.track, info.participant, assessments.level(info.track), None), now)
        request = outbox.take(now)
        assert isinstance(request, RequestTurn)
        outbox.settle(request, now)
        outbox.put(Deliver(info.track, Sample(info.participant, info.track, 0, DATA, now)), now)
        message = outbox.take(now)
        assert isinstance(message, Deliver)
        outbox.settle(message, now)
        policy.on(sent, now)
        assessments.result(WireResult(ResultType.CLEAR, info.participant, info.track), now, 0)
        policy.on(clear, now)
    return (process_time() - begin) / samples


def main() -> None:
    """Print the row."""
    compare(
        "a simulated sample (goal: 20 us or less)",
        simulated,
        {"the decisions alone": decided},
        (Goal("the decisions alone"),),
        rounds=rounds(5),
    )
    day = simulated() * PEOPLE * 86_400 * FPS
    print(f"a day of a room of {PEOPLE}: {day:.1f} s (goal: under 60 s)")


if __name__ == "__main__":
    main()
