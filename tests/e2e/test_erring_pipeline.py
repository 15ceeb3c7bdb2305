"""A service that errs, over a real WebSocket and in real time: what is said of people with and without evidence."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Literal

import numpy as np
import pytest
import trio
from attrs import define

from ds_actors.detection import (
    CallbackSink,
    Dataspike,
    Evidence,
    EvidenceSampling,
    Frame,
    Level,
    Monitor,
    ResultEvent,
    ResultType,
    TrackInfo,
)
from ds_actors.detection.events import Sample
from ds_actors.sandbox import judge_marker, open_sandbox, paint_marker

WEIGHED = Evidence(misses=0.3, false_flags=0.15, correlated_for=0.02)


@define
class Camera:
    """A grey picture, tampered with or not."""

    tampered: bool

    async def capture(self) -> Frame:
        await trio.lowlevel.checkpoint()
        picture = np.full((120, 160, 3), 128, np.uint8)
        if self.tampered:
            picture = paint_marker(picture, 0.2)
        return Frame(160, 120, "rgb24", picture.tobytes())

    async def aclose(self) -> None:
        await trio.lowlevel.checkpoint()


def erring() -> Callable[[Sample, float], ResultType]:
    """Return a judge that gets every fifth sample of each participant wrong, beginning with the third."""
    seen: Counter[str] = Counter()

    def judge(sample: Sample, elapsed: float) -> ResultType:
        seen[sample.participant] += 1
        truth = judge_marker(sample, elapsed)
        if seen[sample.participant] % 5 != 3:
            return truth
        return ResultType.ALERT if truth is ResultType.CLEAR else ResultType.CLEAR

    return judge


@pytest.mark.parametrize("assessment", ["last", WEIGHED])
async def test_evidence_accuses_only_who_is_manipulated(assessment: Literal["last"] | Evidence) -> None:
    """The last verdict accuses genuine Bob and clears Alice in the middle of her manipulation, again and again."""
    events: dict[str, list[ResultEvent]] = {"alice": [], "bob": []}
    sampling = lambda: EvidenceSampling(5, 10, 5)  # noqa: E731
    sinks = [CallbackSink(lambda event: events[event.participant_id].append(event))]
    async with open_sandbox(erring()) as sandbox:
        service = Dataspike(api_key="k", url=sandbox.url)
        async with Monitor(service=service, sampling=sampling, assessment=assessment, sinks=sinks) as monitor:
            await monitor.add_track(TrackInfo("alice", "TR_a"), Camera(tampered=True))
            await monitor.add_track(TrackInfo("bob", "TR_b"), Camera(tampered=False))
            with trio.fail_after(40):
                while min(map(len, events.values())) < 20:
                    await trio.sleep(0.05)
    accused = [event.level for event in events["bob"]].count(Level.ALERT)
    levels = [event.level for event in events["alice"]]
    doubts = levels[levels.index(Level.ALERT) :].count(Level.CLEAR)
    if assessment == "last":
        assert accused >= 3
        assert doubts >= 3
    else:
        assert (accused, doubts) == (0, 0)
        assert events["alice"][-1].confidence is not None
