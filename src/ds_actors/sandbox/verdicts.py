"""What the service answers, by stated rules: everything clear, a script, the painted patch, or any mix of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, Protocol

from attrs import field, frozen

from ds_actors.detection.events import Level, ResultType, Sample, WireResult
from ds_actors.sandbox.marker import judge_marker
from ds_actors.sandbox.script import Script

Judge = Callable[[Sample, float], ResultType | None]
"""Returns the verdict on a sample; its second argument is the seconds since the service began. None: no answer."""

_TYPES: Final = {kind.level: kind for kind in ResultType}


class Verdicts(Protocol):
    """What decides the answers; called in a worker thread, one sample at a time."""

    def judge(self, sample: Sample, now: float, /) -> list[WireResult]:
        """Return the answers to a sample that arrived `now` seconds after the service began; none, one or several."""
        ...


def always_clear(_sample: Sample, _now: float) -> ResultType:
    """Judge everything clear."""
    return ResultType.CLEAR


@frozen
class JudgeVerdicts:
    """A plain function as Verdicts: one answer a sample at most."""

    function: Judge

    def judge(self, sample: Sample, now: float, /) -> list[WireResult]:
        """Return the function's answer."""
        kind = self.function(sample, now)
        return [] if kind is None else [WireResult(int(kind), sample.participant, sample.track)]


@frozen
class MarkerVerdicts:
    """A stand-in, not a deepfake detector: looks for the patch that `paint_marker` paints."""

    def judge(self, sample: Sample, now: float, /) -> list[WireResult]:
        """Return suspicious for a little of the patch, alert for more, error for what is no picture."""
        return [WireResult(int(judge_marker(sample, now)), sample.participant, sample.track, _STAND_IN)]


_STAND_IN: Final = "Stand-in verdict: a painted patch was looked for, nothing else."


@frozen
class ScriptedVerdicts:
    """What a script says; where no entry matches its default, and without one what `otherwise` says."""

    script: Script
    otherwise: Verdicts = field(factory=lambda: JudgeVerdicts(always_clear))

    def judge(self, sample: Sample, now: float, /) -> list[WireResult]:
        """Return the answers of the last entry that matches."""
        for entry in reversed(self.script.verdicts):
            if entry.matches(sample.participant, sample.track, now):
                return _answers(sample, entry.level, entry.message, entry.answers)
        if self.script.default is not None:
            return _answers(sample, self.script.default, "", 1)
        return self.otherwise.judge(sample, now)


@frozen
class MostSevere:
    """Asks several Verdicts and gives the answers of the one whose last answer is the most severe."""

    parts: Sequence[Verdicts]

    def judge(self, sample: Sample, now: float, /) -> list[WireResult]:
        """Return those answers; the earlier part rules where two are alike."""
        nothing: list[WireResult] = []
        return max((part.judge(sample, now) for part in self.parts), key=_severity, default=nothing)


def _severity(answers: list[WireResult]) -> int:
    return ResultType.from_wire(answers[-1].number).level.severity if answers else -1


def _answers(sample: Sample, level: Level | None, message: str, count: int) -> list[WireResult]:
    if level is None:
        return []
    return [WireResult(int(_TYPES[level]), sample.participant, sample.track, message)] * count
