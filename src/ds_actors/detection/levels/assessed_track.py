"""One track's level: its last verdict, several verdicts in a row, or what the evidence makes of all. Pure."""

from __future__ import annotations

from attrs import define

from ds_actors.detection.events import Level, TrackInfo
from ds_actors.detection.levels.confirmation import Confirmation
from ds_actors.detection.levels.evidence import EvidenceFilter


@define
class Assessment:
    """One track's state; its level is its last verdict, a confirmed one, or what the evidence makes of all verdicts."""

    info: TrackInfo
    level: Level = Level.UNKNOWN
    has_verdict: bool = False
    """True after a verdict or an inherited level; before that, a first CLEAR is not a change."""
    last_result: float | None = None
    erring: bool = False
    """The last result was an error."""
    ended: float | None = None
    successor: str | None = None
    """The sid of the track that took over this one's level."""
    evidence: EvidenceFilter | None = None
    """What makes verdicts a level; None where the last verdict is the level."""
    confirmation: Confirmation | None = None
    """What lets the level rise only after several verdicts in a row; None where one verdict is enough."""

    @property
    def attention(self) -> Level:
        """The level by which the track is sampled: its level, or a verdict that waits for confirmation."""
        return self.level if self.confirmation is None else self.confirmation.attention

    @property
    def reliable(self) -> bool:
        """False when the judge flags this track so often without an alarm that it cannot be judged."""
        return self.evidence is None or self.evidence.reliable

    @property
    def unconfirmed(self) -> str:
        """A sentence about a verdict that waits for confirmation; empty where none does."""
        confirmation = self.confirmation
        if confirmation is None or not confirmation.waiting:
            return ""
        return f"Not confirmed: {confirmation.attention.value}, {confirmation.waiting} of {confirmation.needed}."

    def observe(self, verdict: Level, now: float) -> Level:
        """Return the level that a verdict makes of the track; the caller stores it."""
        if self.evidence is not None:
            return self.evidence.observe(verdict, now)
        return verdict if self.confirmation is None else self.confirmation.observe(verdict)

    def inherit(self, evidence: EvidenceFilter | None, confirmation: Confirmation | None) -> None:
        """Take over what another track's verdicts left."""
        if self.evidence is not None and evidence is not None:
            self.evidence.adopt(evidence)
        if self.confirmation is not None and confirmation is not None:
            self.confirmation.adopt(confirmation)
