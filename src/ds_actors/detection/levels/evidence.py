"""From verdicts that may be wrong to the probability that a track is manipulated. Pure.

A track is either genuine or manipulated and changes its state at random: a hidden Markov model with two states in
continuous time. Each verdict updates the odds by its likelihood ratio, and between verdicts the odds return to what the
model expects without any. The rule "alarm when the odds reach a bound" is Shiryaev's; when manipulations are rare
and do not end, the odds are the Shiryaev-Roberts statistic, and with a floor in place of the prior they are Page's
CUSUM.

The bound comes from the target. While a track is genuine, a verdict's likelihood ratio is 1 on average, so that the
expected odds grow by at most 1 / between per second; a bound B is reached at most 3,600 / (between x B) times per hour.
This holds when the judge flags genuine samples no more often than the model assumes, however often it misses.

Sources: Shiryaev, "On Optimum Methods in Quickest Detection Problems" (Theory of Probability and its Applications 8,
1963); Page, "Continuous Inspection Schemes" (Biometrika 41, 1954); Pollak, "Optimal Detection of a Change in
Distribution" (Annals of Statistics 13, 1985); Rabiner, "A Tutorial on Hidden Markov Models" (Proceedings of the IEEE
77, 1989); for the effective number of correlated samples, Priestley, "Spectral Analysis and Time Series" (1981),
section 5.3.
"""

from __future__ import annotations

import math
from typing import Final

from attrs import define, field, fields, frozen

from ds_actors.detection.events import Level

MOST_LOG_ODDS: Final = 30.0
"""The odds stay within e^-30 and e^30, so that the probability is never 0 or 1 and one track can always change."""
_MOST_ALARM_ODDS: Final = math.exp(25.0)
_TINY: Final = 1e-9
_PRIOR_VERDICTS: Final = 50.0
"""Verdicts that the configured rate of false flags is worth against the track's own."""
_MOST_VERDICTS: Final = 2_000.0
"""Verdicts that a track's own rate is learned from; older ones lose weight."""
_UNRELIABLE: Final = 4.0
"""How many times the configured rate of false flags makes a track's verdicts unreliable."""


@frozen(kw_only=True)
class Evidence:
    """What is assumed of the judge and of manipulations, and how often a false alarm is acceptable.

    Args:
        misses: the share of manipulated samples that the judge answers with clear.
        false_flags: the share of genuine samples that it flags; rather too high than too low.
        between: mean seconds from one manipulation of a track to the next.
        lasting: mean seconds of a manipulation.
        max_false_alarms: the most false alarms per hour and track.
        correlated_for: seconds over which the judge's errors on a track resemble each other; verdicts that follow
            sooner count for less.
        clear_below: the probability of manipulation below which a track is clear.
        suspicious_weight: what a SUSPICIOUS verdict counts against an ALERT, above 0, 1 at most.

    Raises:
        ValueError: for a value outside its bounds, a judge that is no better than chance, or a target that would alarm
            below `clear_below`; the error names it.
    """

    misses: float = 0.2
    false_flags: float = 0.02
    between: float = 600.0
    lasting: float = 30.0
    max_false_alarms: float = 0.1
    correlated_for: float = 0.25
    clear_below: float = 0.05
    suspicious_weight: float = 0.5

    def __attrs_post_init__(self) -> None:
        for attribute in fields(Evidence):
            value: object = getattr(self, attribute.name)
            if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < math.inf:
                raise ValueError(f"{attribute.name} must be a finite number above 0, not {value!r}")
        for name in ("misses", "false_flags", "clear_below"):
            if getattr(self, name) >= 1:
                raise ValueError(f"{name} is a share and must be below 1, not {getattr(self, name)!r}")
        if self.suspicious_weight > 1:
            raise ValueError(f"suspicious_weight must be at most 1, not {self.suspicious_weight!r}")
        if self.misses + self.false_flags >= 1:
            raise ValueError(
                f"misses ({self.misses:g}) and false_flags ({self.false_flags:g}) must add up to less than 1:"
                " a judge with these rates is no better than chance"
            )
        if self.alarm_odds > _MOST_ALARM_ODDS:
            raise ValueError(
                f"max_false_alarms={self.max_false_alarms:g} with between={self.between:g} asks for odds of"
                f" {self.alarm_odds:.3g}, more than any evidence gives; raise one of them"
            )
        if self.alarm_at <= self.clear_below:
            raise ValueError(
                f"with max_false_alarms={self.max_false_alarms:g} and between={self.between:g} an alarm would begin"
                f" at a probability of {self.alarm_at:.3g}, which is clear by clear_below={self.clear_below:g};"
                " lower max_false_alarms"
            )

    @property
    def alarm_odds(self) -> float:
        """The odds of manipulation at which an alarm begins."""
        return 3_600 / (self.between * self.max_false_alarms)

    @property
    def alarm_at(self) -> float:
        """The probability of manipulation at which an alarm begins."""
        return self.alarm_odds / (1 + self.alarm_odds)

    @property
    def prior(self) -> float:
        """The share of time in which a track is manipulated."""
        return max(_TINY, min(1 - _TINY, self.lasting / (self.between + self.lasting)))

    def keeps(self, seconds: float) -> float:
        """Return the share of today's knowledge that is left after that time."""
        return math.exp(-max(0.0, seconds) * (1 / self.between + 1 / self.lasting))

    def independence(self, seconds: float) -> float:
        """Return what a verdict counts that follows another one after that time, from 0 to 1.

        With errors that resemble each other by r = e^(-t / correlated_for), n verdicts are worth n x (1 - r) / (1 + r).
        """
        return math.tanh(max(0.0, seconds) / (2 * self.correlated_for))


@define
class EvidenceFilter:
    """The state of one track: the odds of manipulation, and the level that follows from them.

    A track whose verdicts flag it again and again without an alarm raises its own rate of false flags, so that a face
    or a light that confuses the judge is not accused; the rate never falls below the configured one.
    """

    model: Evidence = field(factory=Evidence)
    level: Level = Level.UNKNOWN
    samples: float = field(default=0.0, init=False)
    """The number of verdicts behind the probability: each counts by its independence, and fades as knowledge does."""
    _log_odds: float = field(init=False)
    _at: float | None = field(default=None, init=False)
    """When the last verdict arrived."""
    _flags: float = field(init=False)
    _verdicts: float = field(default=_PRIOR_VERDICTS, init=False)

    def __attrs_post_init__(self) -> None:
        self._log_odds = _logit(self.model.prior)
        self._flags = self.model.false_flags * _PRIOR_VERDICTS

    @property
    def false_flags(self) -> float:
        """The rate of false flags that is assumed for this track."""
        return max(self.model.false_flags, min(self._flags / self._verdicts, (1 - self.model.misses) / 2))

    @property
    def reliable(self) -> bool:
        """False when the judge flags this track so often without a manipulation that it cannot be judged well."""
        return self.false_flags < min(_UNRELIABLE * self.model.false_flags, (1 - self.model.misses) / 2)

    def probability(self, now: float) -> float:
        """Return the probability that the track is manipulated at `now`, above 0 and below 1."""
        return _probability(self._expected(now))

    def observe(self, verdict: Level, now: float) -> Level:
        """Take a verdict that arrived at `now` (monotonic seconds), and return the level.

        Anything but a verdict is no evidence. An alert ends when the track is clear, not when it is merely doubtful.
        """
        if not verdict.is_verdict:
            return self.level
        log_odds = self._expected(now)
        seconds = math.inf if self._at is None else now - self._at
        weight = self.model.independence(seconds)
        self.samples = self.samples * self.model.keeps(seconds) + weight
        flags = 0.0 if verdict is Level.CLEAR else 1.0
        share = self.model.suspicious_weight if verdict is Level.SUSPICIOUS else 1.0
        log_odds += weight * share * self._likelihood(flags)
        self._log_odds = max(-MOST_LOG_ODDS, min(MOST_LOG_ODDS, log_odds))
        self._at = now if self._at is None else max(now, self._at)
        self._learn(flags * share, weight)
        self.level = self._decided()
        return self.level

    def adopt(self, other: EvidenceFilter) -> None:
        """Take over another track's evidence, as a successor does."""
        self.level, self.samples = other.level, other.samples
        self._log_odds, self._at = other._log_odds, other._at
        self._flags, self._verdicts = other._flags, other._verdicts

    def _expected(self, now: float) -> float:
        if self._at is None:
            return self._log_odds
        keeps, prior = self.model.keeps(now - self._at), self.model.prior
        # Both probabilities are carried, because 1 - p loses its digits where p is near 1.
        manipulated = prior + (_probability(self._log_odds) - prior) * keeps
        genuine = (1 - prior) + (_probability(-self._log_odds) - (1 - prior)) * keeps
        return math.log(manipulated) - math.log(genuine)

    def _likelihood(self, flags: float) -> float:
        misses, false_flags = self.model.misses, self.false_flags
        return math.log((1 - misses) / false_flags if flags else misses / (1 - false_flags))

    def _learn(self, flags: float, weight: float) -> None:
        genuine = weight * _probability(-self._log_odds)
        self._flags += genuine * flags
        self._verdicts += genuine
        if self._verdicts > _MOST_VERDICTS:
            self._flags, self._verdicts = self._flags / 2, self._verdicts / 2

    def _decided(self) -> Level:
        probability = _probability(self._log_odds)
        if probability >= self.model.alarm_at:
            return Level.ALERT
        if probability < self.model.clear_below:
            return Level.CLEAR
        return Level.ALERT if self.level is Level.ALERT else Level.SUSPICIOUS


def _probability(log_odds: float) -> float:
    return 1 / (1 + math.exp(-log_odds))


def _logit(probability: float) -> float:
    return math.log(probability / (1 - probability))
