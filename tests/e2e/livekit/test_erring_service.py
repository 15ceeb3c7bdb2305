"""A service that errs, in a real room: what people see of it by the last verdict, and by the evidence.

`--log-cli-level=INFO` shows the figures.
"""

from __future__ import annotations

import itertools
import logging
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import pytest
from livekit_harness.process import until
from livekit_harness.room import Room

from ds_actors.detection import Sample
from ds_actors.detection.events import ResultType
from ds_actors.sandbox import judge_marker

LAST = "sampling=lambda: AdaptiveSampling(4.0, 8.0)"
EVIDENCE = "sampling=lambda: EvidenceSampling(4.0, 8.0, 4.0, unanswered=2), assessment=Evidence(correlated_for=0.05)"
LOGGER = logging.getLogger(__name__)
SMALL = {"width": 320, "height": 180}


def err_once_in_five(room: Room) -> None:
    """Let the service answer the opposite of the truth to each participant's every fifth sample, without end."""
    numbers: defaultdict[str, Iterator[int]] = defaultdict(itertools.count)

    def judge(sample: Sample, elapsed: float) -> ResultType:
        truth = judge_marker(sample, elapsed)
        if next(numbers[sample.participant]) % 5 != 4:
            return truth
        return ResultType.ALERT if truth is ResultType.CLEAR else ResultType.CLEAR

    room.service.otherwise = judge


def accusations(packets: list[dict[str, Any]]) -> int:
    """Return how often an alert began."""
    levels = [packet["level"] for packet in packets]
    return sum(level == "alert" != before for before, level in itertools.pairwise(["clear", *levels]))


@pytest.mark.parametrize("written", [LAST, EVIDENCE], ids=["last", "evidence"])
def test_a_fifth_of_wrong_answers_accuses_alice_by_the_last_verdict_and_not_by_the_evidence(
    room: Room, written: str
) -> None:
    """Bob is manipulated and alerted either way; alice's events say that she cannot be judged."""
    err_once_in_five(room)
    room.join("alice", "bob", "carol")
    for who in ("alice", "bob"):
        room.camera(who, **SMALL)
    room.paint("bob", 0.2)
    room.watch(written=written)

    def of(who: str, level: str | None = None) -> list[dict[str, Any]]:
        return room.packets("carol", level, participant_id=who)

    until(lambda: of("bob", "alert"), 30)
    until(lambda: len(of("alice")) >= 80, 90)
    alice, bob = of("alice"), of("bob")
    LOGGER.info("alice: %d alerts begin in %d answers; bob: %d", accusations(alice), len(alice), accusations(bob))
    if written == LAST:
        assert accusations(alice) >= 10
        assert accusations(bob) >= 10
        assert "confidence" not in alice[-1]
    else:
        assert accusations(alice) == 0
        assert accusations(bob) == 1
        assert alice[0]["reliable"]
        assert not alice[-1]["reliable"]
        assert all(0 < packet["confidence"] < 1 for packet in (*alice, *bob))
