"""The service's answers: everything clear, a script, the painted patch, or a combination of them."""

from __future__ import annotations

import random as random_module
from collections.abc import Callable, Sequence
from typing import Final, Protocol

from attrs import define, field, frozen

from ds_actors.detection.events import Level, ResultType, Sample, WireResult
from ds_actors.sandbox.erring import ErringJudges
from ds_actors.sandbox.marker import judge_marker
from ds_actors.sandbox.script import Script

Judge = Callable[[Sample, float], ResultType | None]
"""Returns the verdict on a sample, or None for no answer; the second argument is seconds since the start."""

_TYPES: Final = {kind.level: kind for kind in ResultType}


class Verdicts(Protocol):
    """Decides the answers; called in a worker thread, one sample at a time."""

    def judge(self, sample: Sample, now: float, /) -> list[WireResult]:
        """Return the answers (none, one or several) to a sample that arrived `now` seconds after the service began."""
        ...


def always_clear(_sample: Sample, _now: float) -> ResultType:
    """Answer clear to everything."""
    return ResultType.CLEAR


@frozen
class JudgeVerdicts:
    """Adapts a function to Verdicts: at most one answer per sample."""

    function: Judge

    def judge(self, sample: Sample, now: float, /) -> list[WireResult]:
        """Return the function's answer."""
        kind = self.function(sample, now)
        return [] if kind is None else [WireResult(int(kind), sample.participant, sample.track)]


@frozen
class MarkerVerdicts:
    """A stand-in, not a deepfake detector: looks for the patch that `paint_marker` paints."""

    def judge(self, sample: Sample, now: float, /) -> list[WireResult]:
        """Return suspicious for a small share of the patch, alert for a larger one, error for an unreadable picture."""
        return [WireResult(int(judge_marker(sample, now)), sample.participant, sample.track, _STAND_IN)]


_STAND_IN: Final = "Stand-in verdict: only a painted patch was looked for."


@define
class ScriptedVerdicts:
    """Answers by a script; where no entry matches, by its default, and without a default by `otherwise`.

    The script's judges err as often as they say; `random` draws their errors, in [0, 1).
    """

    script: Script
    otherwise: Verdicts = field(factory=lambda: JudgeVerdicts(always_clear))
    random: Callable[[], float] = random_module.random
    _judges: ErringJudges = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._judges = ErringJudges(self.script.judges, self.random)

    def judge(self, sample: Sample, now: float, /) -> list[WireResult]:
        """Return the answers of the last entry that matches, after the judges' errors."""
        right = self._right(sample, now)
        if not self.script.judges:
            return right
        answers: list[WireResult] = []
        for answer in right:
            truth = ResultType.from_wire(answer.number).level
            level = self._judges.answer(truth, sample.participant, sample.track, now)
            answers += [answer] if level is truth else _answers(sample, level, "", 1)
        return answers

    def _right(self, sample: Sample, now: float) -> list[WireResult]:
        for entry in reversed(self.script.verdicts):
            if entry.matches(sample.participant, sample.track, now):
                return _answers(sample, entry.level, entry.message, entry.answers)
        if self.script.default is not None:
            return _answers(sample, self.script.default, "", 1)
        return self.otherwise.judge(sample, now)


@frozen
class MostSevere:
    """Asks several Verdicts and returns the answers of the one whose last answer is the most severe."""

    parts: Sequence[Verdicts]

    def judge(self, sample: Sample, now: float, /) -> list[WireResult]:
        """Return those answers; of two equally severe ones the earlier part decides."""
        nothing: list[WireResult] = []
        return max((part.judge(sample, now) for part in self.parts), key=_severity, default=nothing)


def _severity(answers: list[WireResult]) -> int:
    return ResultType.from_wire(answers[-1].number).level.severity if answers else -1


def _answers(sample: Sample, level: Level | None, message: str, count: int) -> list[WireResult]:
    if level is None:
        return []
    return [WireResult(int(_TYPES[level]), sample.participant, sample.track, message)] * count
