"""A judge that errs: it misses, flags the innocent, fails to answer, in each frame or for a while. Pure.

[[judge]]                    # when several match, the last one in the file decides
participant = "p1"           # without it: all participants; likewise track
from = 0                     # seconds since the service began; likewise until
misses = 0.2                 # the share of elevated verdicts that are answered with clear
false_flags = 0.02           # the share of clear verdicts that are answered with alert
suspicious = 0.0             # the share of elevated answers that say suspicious instead of alert
errors = 0.0                 # the share of samples that are answered with an error
lost = 0.0                   # the share of samples that are not answered
lasting = 0.0                # seconds for which an error persists on a track: a person, a light; 0: each frame anew
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Final

from attrs import define, field, frozen

from ds_actors.detection.events import Level
from ds_actors.sandbox._toml import ScriptError, known, number, text, times

_SHARES: Final = ("misses", "false_flags", "suspicious", "errors", "lost")
_KEYS: Final = ("participant", "track", "from", "until", *_SHARES, "lasting")


@frozen
class ErringJudge:
    """One `[[judge]]`: the shares of wrong, failed and missing answers; for all, one participant or one track."""

    misses: float = 0.0
    false_flags: float = 0.0
    suspicious: float = 0.0
    errors: float = 0.0
    lost: float = 0.0
    lasting: float = 0.0
    """Seconds for which one draw decides about all samples of a track."""
    begins: float = 0.0
    ends: float = math.inf
    participant: str | None = None
    track: str | None = None

    def matches(self, participant: str, track: str, now: float) -> bool:
        """Return True for a sample of that participant and track, `now` seconds after the service began."""
        return (
            self.begins <= now < self.ends and self.participant in (None, participant) and self.track in (None, track)
        )

    def answer(self, truth: Level | None, u: float, confusion: float) -> Level | None:
        """Return the answer to a sample with that true level; None for no answer.

        `u` and `confusion` are independent draws in [0, 1): of the error, and of the elevated answer's level.
        """
        if truth is None or u < self.lost:
            return None
        u -= self.lost
        if u < self.errors:
            return Level.ERROR
        rest = 1.0 - self.lost - self.errors
        if truth.elevated and u - self.errors < self.misses * rest:
            return Level.CLEAR
        if truth is Level.CLEAR and u - self.errors < self.false_flags * rest:
            truth = Level.ALERT
        return Level.SUSPICIOUS if truth is Level.ALERT and confusion < self.suspicious else truth


@define
class ErringJudges:
    """All judges of a script, with the draws that last.

    Args:
        judges: the entries, in the order of the file.
        random: draws in [0, 1).
    """

    judges: tuple[ErringJudge, ...]
    random: Callable[[], float]
    _held: dict[str, tuple[int, float]] = field(factory=dict[str, tuple[int, float]], init=False)
    """By track: the number of the period of `lasting` seconds, and its draw."""

    def answer(self, truth: Level | None, participant: str, track: str, now: float) -> Level | None:
        """Return what the last judge that matches answers; the truth when none matches."""
        for judge in reversed(self.judges):
            if judge.matches(participant, track, now):
                return judge.answer(truth, self._draw(judge, track, now), self.random() if judge.suspicious else 1.0)
        return truth

    def _draw(self, judge: ErringJudge, track: str, now: float) -> float:
        if not judge.lasting:
            return self.random()
        period = int(now // judge.lasting)
        held = self._held.get(track)
        if held is None or held[0] != period:
            held = self._held[track] = (period, self.random())
        return held[1]


def parse_judge(entry: dict[str, Any]) -> ErringJudge:
    """Return the judge that an entry describes.

    Raises:
        ScriptError: when a value is invalid, or lost and errors make more than all samples.
    """
    known(entry, _KEYS)
    begins, ends = times(entry)
    shares = {key: number(entry, key, 0.0, 0.0, 1.0) for key in _SHARES}
    if shares["lost"] + shares["errors"] > 1:
        raise ScriptError(f"lost ({shares['lost']:g}) and errors ({shares['errors']:g}) must add up to 1 at most")
    return ErringJudge(
        **shares,
        lasting=number(entry, "lasting", 0.0, 0.0, 31 * 86_400),
        begins=begins,
        ends=math.inf if ends is None else ends,
        participant=text(entry, "participant"),
        track=text(entry, "track"),
    )
