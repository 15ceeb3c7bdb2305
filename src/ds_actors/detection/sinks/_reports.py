"""Which track's level a sink must still receive, and when to try again: the rule behind `notify="changes"`. Pure.

A change of level is reported when the sink accepted it, not when it was first tried. Until then its track is *behind*,
and its current level is tried again: 15 s after the last failure at the latest, about a second after any success.
With a cooldown, a change may also be *held*: it is delivered when the cooldown is over, if it is still true then.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Final

from attrs import define, field

from ds_actors._backoff import ExponentialBackoff
from ds_actors.detection.events import Level, ResultEvent
from ds_actors.detection.sinks._cooldown import LevelCooldown

LOOK_EVERY: Final = 1.0
"""Seconds between two looks at what is due."""
RETRY_WITHIN: Final = 15.0
"""Seconds from a failure to the next try, at most."""
ENDED_KEPT_FOR: Final = 600.0
"""Seconds for which the last level of an ended track is tried."""
ENDED_LIMIT: Final = 2_000
"""Ended tracks whose last level is kept; the oldest go first."""

_CEILING: Final = ExponentialBackoff(base=LOOK_EVERY, cap=RETRY_WITHIN)


@define
class _TrackReport:
    wanted: ResultEvent
    """The event that made the track's level what it is."""
    known: Level | None
    """The level that the receiver has for this track; None while that is not certain."""
    due_at: float
    known_before: Level | None = None
    """`known` before the attempt that was begun last."""
    failures: int = 0
    failed_at: float = 0.0

    @property
    def settled(self) -> bool:
        return self.known is self.wanted.level


@define
class LevelReports:
    """What one sink has received of each track's level; times are monotonic, in seconds.

    The caller calls `begin` before each attempt, and `accepted`, `failed` or `refused` after it. An attempt that ends
    without one of these, as in a crash, leaves open what the receiver knows, and the level is tried again.
    """

    cooldown: LevelCooldown = field(factory=LevelCooldown)
    _reports: dict[str, _TrackReport] = field(factory=dict[str, _TrackReport], init=False)
    _behind: set[str] = field(factory=set[str], init=False)
    _held: set[str] = field(factory=set[str], init=False)
    """Those of `_behind` that wait for the end of a cooldown."""
    _ended: OrderedDict[str, float] = field(factory=OrderedDict[str, float], init=False)
    """When each ended track ended, the earliest first."""
    _failing: bool = field(default=False, init=False)
    """A track that is behind failed since the last success."""

    @property
    def behind(self) -> int:
        """The number of tracks whose current level the sink has not accepted, without those that are held."""
        return len(self._behind) - len(self._held)

    def __len__(self) -> int:
        return len(self._reports)

    def track_added(self, track: str) -> None:
        """Keep what is known of a track for as long as it lives."""
        self._ended.pop(track, None)

    def track_ended(self, track: str, now: float) -> None:
        """Keep trying its last level for ten minutes, then forget the track."""
        if track in self._reports:
            self._ended.setdefault(track, now)
        self._forget_old(now)

    def changed(self, event: ResultEvent, now: float, *, live: bool) -> None:
        """Take a verdict that changed its track's level: from now on the receiver must get this one."""
        track = event.track_id
        report = self._reports.get(track)
        if report is None:
            report = self._reports[track] = _TrackReport(event, event.previous_level, now)
        else:
            report.wanted, report.failures, report.due_at = event, 0, now
        self._held.discard(track)
        self._settle(track, report)
        if not live:
            self.track_ended(track, now)

    def needs(self, event: ResultEvent, now: float) -> bool:
        """Return whether to deliver this event; False for a level that the receiver certainly has already.

        Also False during a cooldown, after which `due` returns the track's event, if it is still behind.
        """
        report = self._reports.get(event.track_id)
        if report is not None and event.level.is_verdict and report.known is event.level:
            return False
        passes = self.cooldown.passes(event, now)
        if not passes and event.track_id in self._behind:
            self._held.add(event.track_id)
        return passes

    def restarted(self) -> None:
        """Record that no attempt is under way any more."""
        self.cooldown.nothing_is_on_its_way()

    def begin(self, event: ResultEvent) -> None:
        """Record that an attempt begins: until it ends, the receiver may have the old level or this one."""
        self.cooldown.begins(event)
        report = self._reports.get(event.track_id)
        if report is not None and event.level.is_verdict:
            report.known_before, report.known = report.known, None

    def accepted(self, event: ResultEvent, now: float) -> None:
        """Record that the sink accepted an event: it works, so that all tracks that are behind are due soon."""
        self.cooldown.ends(event)
        self.cooldown.delivered(event, now)
        report = self._reports.get(event.track_id)
        if report is not None and event.level.is_verdict:
            report.known, report.failures = event.level, 0
            self._settle(event.track_id, report)
        if self._failing:
            self._failing = False
            for track in self._behind:
                waiting = self._reports[track]
                waiting.due_at = min(waiting.due_at, waiting.failed_at + LOOK_EVERY)

    def failed(self, event: ResultEvent, now: float, u: float) -> None:
        """Record a failure that leaves open whether the receiver got the event; `u`, in [0, 1), draws the jitter."""
        self.cooldown.ends(event)
        report = self._reports.get(event.track_id)
        if report is not None and event.level.is_verdict:
            self._try_again(event.track_id, report, now, u)

    def refused(self, event: ResultEvent, now: float, u: float) -> None:
        """Record a failure after which the receiver certainly has what it had before."""
        report = self._reports.get(event.track_id)
        if report is not None and event.level.is_verdict:
            report.known = report.known_before
        self.failed(event, now, u)

    def lost(self, event: ResultEvent, now: float, u: float) -> None:
        """Record that an accepted event was given up later, before it reached the receiver."""
        report = self._reports.get(event.track_id)
        if report is not None and (event is report.wanted or report.known is event.level):
            report.known = None
            self._try_again(event.track_id, report, now, u)

    def due(self, now: float, on_its_way: Callable[[str], bool]) -> list[ResultEvent]:
        """Return the events to deliver now, one a track, the one that has been due longest first.

        `on_its_way` says whether an event of that track already waits for its delivery, or is in it.
        """
        self._forget_old(now)
        found = [self._reports[track] for track in self._behind if not on_its_way(track)]
        ready = [report for report in found if report.due_at <= now and self.cooldown.passes(report.wanted, now)]
        self._held.difference_update(report.wanted.track_id for report in ready)
        return [report.wanted for report in sorted(ready, key=lambda report: report.due_at)]

    def outstanding(self) -> list[ResultEvent]:
        """Return the event of each track that is behind, due or not: what a last attempt at the close is for."""
        return [self._reports[track].wanted for track in self._behind]

    def _try_again(self, track: str, report: _TrackReport, now: float, u: float) -> None:
        self._failing = True
        report.failures += 1
        report.failed_at = now
        report.due_at = now + _CEILING.ceiling(report.failures) * (1 + u) / 2
        self._settle(track, report)

    def _settle(self, track: str, report: _TrackReport) -> None:
        if report.settled:
            self._behind.discard(track)
            self._held.discard(track)
        else:
            self._behind.add(track)

    def _forget_old(self, now: float) -> None:
        while self._ended:
            track, ended_at = next(iter(self._ended.items()))
            if now - ended_at < ENDED_KEPT_FOR and len(self._ended) <= ENDED_LIMIT:
                break
            del self._ended[track], self._reports[track]
            self._behind.discard(track)
            self._held.discard(track)
