"""The level of each track, and the shelf that keeps it: verdicts, memory, inheritance. Pure.

The monitor owns the shelf, so a level outlives its track's actor and, in part, the track. A live track is found
by its sid alone; an ended one for 60 s by its sid, and by identity and kind for as long as the room remembers.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from typing import Final

from attrs import define, field, frozen

from ds_actors.detection.events import (
    Kind,
    Level,
    ResultEvent,
    ResultType,
    TrackInfo,
    WireResult,
    clean_message,
)
from ds_actors.detection.levels.assessed_track import Assessment
from ds_actors.detection.levels.confirmation import Confirmation
from ds_actors.detection.levels.evidence import Evidence, EvidenceFilter

LATE_RESULTS: Final = 60.0
"""Seconds during which an ended track's results still count."""
MEMORY_AFTER_LEAVING: Final = 600.0
"""Seconds during which a level is remembered after its identity left."""
MEMORY_LIMIT: Final = 10_000
"""The most ended tracks and remembered levels that are kept; the oldest are dropped first."""


@frozen
class Applied:
    """The effect of one result."""

    event: ResultEvent
    track: str
    """The track to notify: the result's own, or the successor of an ended one."""
    level: Level | None
    """That track's new level when the result is a verdict that counts for it; None otherwise."""
    notable: bool
    """True when the result passes the "changes" filter: a change of level, or a first error."""
    verdict: Level
    """What the service said of this sample."""


@define
class _Remembered:
    level: Level
    evidence: EvidenceFilter | None = None
    confirmation: Confirmation | None = None
    sources: list[str] = field(factory=list[str])
    """The ended tracks whose level this is."""


@define
class Assessments:
    """The shelf: every live track, the tracks that ended in the last minute, and the remembered levels."""

    tracks: dict[str, Assessment] = field(factory=dict[str, Assessment])
    counts: Counter[str] = field(factory=Counter[str])
    """Results by outcome: clear, suspicious, alert, error, unknown, unknown_track."""
    evidence: Evidence | None = None
    """What is assumed of verdicts that may be wrong; None where the last verdict is the level."""
    min_confirmations: int = 1
    """The number of verdicts in a row that raise a level; above 1 only without evidence."""
    _ended: OrderedDict[str, Assessment] = field(factory=OrderedDict[str, Assessment])
    _alone: dict[tuple[str, Kind], list[str]] = field(factory=dict[tuple[str, Kind], list[str]])
    """The ended tracks without a successor."""
    _memory: OrderedDict[tuple[str, Kind], _Remembered] = field(factory=OrderedDict[tuple[str, Kind], _Remembered])
    _left: OrderedDict[str, float] = field(factory=OrderedDict[str, float])
    """When each identity left, the earliest first; their tracks may end, or get verdicts, after that."""

    def add_track(self, info: TrackInfo, now: float) -> Level:
        """Add a track and return its level, inherited from the participant's last track of the kind.

        A known track keeps its level: adding is idempotent.
        """
        self._forget_old(now)
        known = self.tracks.get(info.track)
        if known is not None:
            known.info = info
            return known.level
        self.participant_joined(info.participant)
        if info.track in self._ended:  # a sid that comes back ends again later, after those that ended before
            self._ended.move_to_end(info.track, last=False)
            self._forget_ended()
        assessment = Assessment(info)
        if self.evidence is not None:
            assessment.evidence = EvidenceFilter(self.evidence)
        elif self.min_confirmations > 1:
            assessment.confirmation = Confirmation(self.min_confirmations)
        remembered = self._memory.pop((info.participant, info.kind), None)
        if remembered is not None:
            assessment.level, assessment.has_verdict = remembered.level, remembered.level.is_verdict
            assessment.inherit(remembered.evidence, remembered.confirmation)
        # Also those that ended at clear: their late results concern the participant's newest track.
        for sid in self._alone.pop((info.participant, info.kind), ()):
            ended = self._ended.get(sid)
            if ended is not None:
                ended.successor = info.track
        self.tracks[info.track] = assessment
        return assessment.level

    def end_track(self, track: str, now: float) -> None:
        """Remove a track; the most severe level above clear stays with its participant and kind."""
        self._forget_old(now)
        assessment = self.tracks.pop(track, None)
        if assessment is None:
            return
        assessment.ended = now
        self._ended[track] = assessment
        self._alone.setdefault((assessment.info.participant, assessment.info.kind), []).append(track)
        while len(self._ended) > MEMORY_LIMIT:
            self._forget_ended()
        if assessment.attention.elevated:
            self._remember(assessment, assessment.level)

    def participant_left(self, identity: str, now: float) -> None:
        """Begin to forget an identity: its remembered levels expire in ten minutes."""
        self._forget_old(now)
        self._left.pop(identity, None)
        self._left[identity] = now
        while len(self._left) > MEMORY_LIMIT:
            self._forget(next(iter(self._left)))

    def participant_joined(self, identity: str) -> None:
        """Keep the remembered levels of an identity that is back."""
        self._left.pop(identity, None)

    def level(self, track: str) -> Level:
        """Return a live track's level; UNKNOWN for any other."""
        assessment = self.tracks.get(track)
        return Level.UNKNOWN if assessment is None else assessment.level

    def attention(self, track: str) -> Level:
        """Return the level by which a live track is sampled; UNKNOWN for any other track."""
        assessment = self.tracks.get(track)
        return Level.UNKNOWN if assessment is None else assessment.attention

    def clear(self) -> None:
        """Forget everything, as at close."""
        self.tracks.clear()
        self._ended.clear()
        self._alone.clear()
        self._memory.clear()
        self._left.clear()

    def result(self, result: WireResult, now: float, wall_ms: int) -> Applied | None:
        """Apply one answer of the service; return None, and count it, when it belongs to no known track.

        Args:
            result: the answer as it arrived.
            now: monotonic clock, seconds.
            wall_ms: wall clock, milliseconds since the epoch.
        """
        self._forget_old(now)
        assessment = self.tracks.get(result.track) or self._ended.get(result.track)
        if assessment is None or assessment.info.participant != result.participant:
            self.counts["unknown_track"] += 1
            return None
        kind = ResultType.from_wire(result.number)
        level = verdict = kind.level
        self.counts[level.value] += 1
        assessment.last_result = now
        evidence, message = assessment.evidence, result.message
        if verdict.is_verdict:
            level = assessment.observe(verdict, now)
            message = message if level is verdict else assessment.unconfirmed
            kind = ResultType.from_level(level)
        previous = assessment.level
        event = ResultEvent(
            kind,
            assessment.info.participant,
            assessment.info.track,
            clean_message(message, level),
            wall_ms,
            assessment.info.participant_sid,
            assessment.info.source,
            previous,
            self.counts.total(),
            None if evidence is None else evidence.probability(now),
            None if evidence is None else evidence.samples,
            None if evidence is None else evidence.reliable,
        )
        if not verdict.is_verdict:
            before, assessment.erring = assessment.erring, verdict is Level.ERROR
            return Applied(event, result.track, None, notable=assessment.erring and not before, verdict=verdict)
        changed = level is not previous if assessment.has_verdict else level.elevated
        assessment.has_verdict, assessment.erring, assessment.level = level.is_verdict, False, level
        if assessment.ended is not None:
            track, raised = self._late(assessment, verdict, level)
            return Applied(event, track, raised, notable=changed, verdict=verdict)
        return Applied(event, result.track, level, notable=changed, verdict=verdict)

    def _late(self, ended: Assessment, verdict: Level, level: Level) -> tuple[str, Level | None]:
        """Apply an ended track's verdict: to the memory, or to the successor, which it may only raise."""
        sid = ended.successor
        while sid is not None and sid not in self.tracks:  # the successor ended too, and may have its own successor
            sid = self._ended[sid].successor if sid in self._ended else None
        if sid is None:
            if ended.attention.elevated:
                self._remember(ended, level)
            else:
                self._relent(ended)
            return ended.info.track, None
        successor = self.tracks[sid]
        if successor.confirmation is not None and verdict.severity > successor.level.severity:
            # The successor has the earlier unconfirmed verdicts, and counts on.
            successor.level = successor.confirmation.observe(verdict)
            successor.has_verdict = successor.level.is_verdict
            return successor.info.track, successor.level
        if level.elevated and level.severity > successor.level.severity:
            successor.level, successor.has_verdict = level, True
            if successor.evidence is not None and ended.evidence is not None:
                successor.evidence.adopt(ended.evidence)
            return successor.info.track, level
        return successor.info.track, None

    def _remember(self, assessment: Assessment, level: Level) -> None:
        key = (assessment.info.participant, assessment.info.kind)
        remembered = self._memory.setdefault(key, _Remembered(level))
        if level.severity >= remembered.level.severity or remembered.sources == [assessment.info.track]:
            remembered.level = level
            remembered.evidence, remembered.confirmation = assessment.evidence, assessment.confirmation
        if assessment.info.track not in remembered.sources:
            remembered.sources = [*remembered.sources[-15:], assessment.info.track]
        self._memory.move_to_end(key)
        while len(self._memory) > MEMORY_LIMIT:
            self._memory.popitem(last=False)

    def _relent(self, assessment: Assessment) -> None:
        # The last verdict decides: an ended track's late CLEAR removes a level that only that track had left.
        key = (assessment.info.participant, assessment.info.kind)
        remembered = self._memory.get(key)
        if remembered is not None and remembered.sources == [assessment.info.track]:
            del self._memory[key]

    def _forget_old(self, now: float) -> None:
        while self._ended:
            oldest = next(iter(self._ended.values()))
            if oldest.ended is None or now - oldest.ended < LATE_RESULTS:
                break
            self._forget_ended()
        while self._left:
            identity, left_at = next(iter(self._left.items()))
            if now - left_at < MEMORY_AFTER_LEAVING:
                break
            self._forget(identity)

    def _forget_ended(self) -> None:
        sid, assessment = self._ended.popitem(last=False)
        key = (assessment.info.participant, assessment.info.kind)
        alone = self._alone.get(key, [])
        if sid in alone:
            alone.remove(sid)
            if not alone:
                del self._alone[key]

    def _forget(self, identity: str) -> None:
        del self._left[identity]
        self._memory.pop((identity, "video"), None)
        self._memory.pop((identity, "audio"), None)
