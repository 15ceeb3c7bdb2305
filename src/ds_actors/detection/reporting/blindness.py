"""When tracks that should be checked are not, and which lines of the log that deserves. Pure.

A track is blind when it should be checked and its coverage says that it is not (`Coverage.is_blind`). The monitor is
blind when a track has been blind for 30 s, or its room has been reconnecting for as long. Trouble that comes and goes
adds up: time in which a track is checked takes half as much off, so that more than a third of the time is reported too.

    one has been blind for 30 s                  -> WARNING
    twice as many as in the last warning         -> WARNING
    another one, 300 s after the last warning    -> WARNING
    none for 30 s (900 s, when it had returned)  -> INFO

Whatever happens, a day has fewer than 300 warnings, apart from those about twice as many.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Final

from attrs import define, field, frozen

from ds_actors.detection.coverage import Coverage
from ds_actors.detection.reporting.notes import FLAPPING_WITHIN, REMIND_EVERY, STABLE_AFTER, Note

BLIND_AFTER: Final = 30.0
"""Seconds for which a track is blind before that is reported."""
SIGHT_WEIGHS: Final = 0.5
"""What a second in which a track is checked takes off the seconds for which it was blind."""
REMEMBERED: Final = 10_000
"""Tracks that were reported blind and are remembered as such, until the trouble is over."""

_ROOM: Final = None
_CAUSES: Final[Mapping[Coverage, str]] = {
    Coverage.UNJUDGED: "the service answers only with errors, or with types that this version does not know",
    Coverage.STALE: "the service does not answer their samples, or none can be made and sent in time (see `dropped`)",
    Coverage.NO_FRAMES: "no frames arrive; the publisher may withhold permission, or the media server forwards nothing",
    Coverage.FAILING: "their actors crash; the log has the errors",
    Coverage.TOO_SMALL: "their pictures are too small to judge",
    Coverage.ENCRYPTED: "they are end-to-end encrypted, and the key is missing or wrong",
    Coverage.NOT_SUBSCRIBED: "the media server has not granted the subscription",
    Coverage.NOT_MONITORED: "they are over the limit of tracks, or their sampling policy raised an error",
}


@frozen
class Sight:
    """The facts at one moment."""

    blind: Mapping[str, Coverage]
    """The coverage of each blind track, by its sid."""
    wanted: int
    """How many tracks should be checked."""
    no_uplink: str = ""
    """Why there is no connection to the service; empty when there is one."""
    reconnecting: bool = False
    """True while the room is reconnecting."""
    slow_link: bool = False
    """True while the link to the service is slow."""


@define(eq=False)
class _Record:
    """How long one track, or the room, was blind."""

    began: float
    """When it was first blind."""
    since: float | None
    """Since when it is blind without a break; None while it is not."""
    seconds: float = 0.0
    """For how long it was blind, less what it was checked since; `BLIND_AFTER` at most."""

    def add(self, now: float, passed: float, *, blind: bool) -> None:
        """Add the time since the last look."""
        if blind and self.since is not None:
            self.seconds = min(BLIND_AFTER, self.seconds + passed)
        elif blind:
            self.since = now
        else:
            self.since = None
            self.seconds -= SIGHT_WEIGHS * passed

    @property
    def is_blind(self) -> bool:
        """Whether it was blind at the last look."""
        return self.since is not None

    @property
    def is_overdue(self) -> bool:
        """Whether it is blind, and was for long enough to be reported."""
        return self.is_blind and self.seconds >= BLIND_AFTER

    def is_unbroken(self, now: float) -> bool:
        """Whether it was blind all that time."""
        return self.since is not None and now - self.since >= BLIND_AFTER


@define
class Blindness:
    """Decides when the monitor is blind; all times are seconds on one monotonic clock."""

    cause: str = field(default="", init=False)
    """The likely cause; empty while the monitor is not blind."""
    _records: dict[str | None, _Record] = field(factory=dict[str | None, _Record], init=False)
    """Of each track that is blind, or was a moment ago; the room's under None."""
    _looked: float = field(default=0.0, init=False)
    _reported: set[str | None] = field(factory=set[str | None], init=False)
    _began: float | None = field(default=None, init=False)
    _calm_since: float | None = field(default=None, init=False)
    _over_at: float | None = field(default=None, init=False)
    _warned: float | None = field(default=None, init=False)
    _returned: bool = field(default=False, init=False)

    def look(self, sight: Sight, now: float) -> Note | None:
        """Take the newest facts, and return a line for the log when one is due; call it every few seconds."""
        passed, self._looked = now - self._looked, now
        blind = {*sight.blind, _ROOM} if sight.reconnecting else {*sight.blind}
        for key, record in self._records.items():
            record.add(now, passed, blind=key in blind)
        for key in blind - self._records.keys():
            self._records[key] = _Record(now, now)
        self._records = {key: record for key, record in self._records.items() if record.is_blind or record.seconds > 0}
        overdue = {key for key, record in self._records.items() if record.is_overdue}
        if blind:
            self._calm_since = None
        if overdue:
            return self._blind(overdue, sight, now)
        return None if blind or self._began is None else self._calm(self._began, now)

    def _blind(self, overdue: set[str | None], sight: Sight, now: float) -> Note | None:
        if self._began is None:
            self._began = min(self._records[key].began for key in overdue)
            self._reported = set()
            self._returned = self._over_at is not None and now - self._over_at < FLAPPING_WITHIN
        self.cause = _likely_cause(overdue, sight)
        unreported = overdue - self._reported
        twice = bool(self._reported) and len(overdue) >= 2 * len(self._reported)
        if not unreported or not (twice or self._warned is None or self._may_warn(now)):
            return None
        self._warned = now
        self._reported = overdue if len(self._reported) > REMEMBERED else self._reported | overdue
        unbroken = any(self._records[key].is_unbroken(now) for key in overdue)
        return Note("warning", f"{_described(overdue, sight, now - self._began, unbroken=unbroken)}: {self.cause}")

    def _may_warn(self, now: float) -> bool:
        assert self._warned is not None
        first = not self._reported and not self._returned
        return first or now - self._warned >= REMIND_EVERY

    def _calm(self, began: float, now: float) -> Note | None:
        if self._calm_since is None:
            self._calm_since = now
        if now - self._calm_since < (FLAPPING_WITHIN if self._returned else STABLE_AFTER):
            return None
        seconds, reported = self._calm_since - began, bool(self._reported)
        self._began, self._calm_since, self._over_at, self.cause = None, None, now, ""
        self._records.clear()
        if not reported:
            return None
        return Note("info", f"no track that should be checked is left unchecked, after {seconds:.0f} s")


def _described(overdue: set[str | None], sight: Sight, seconds: float, *, unbroken: bool) -> str:
    counts = Counter(sight.blind[key].value for key in overdue if key is not None)
    if not counts:
        return f"nothing has been checked for {seconds:.0f} s, because the room is reconnecting"
    shown = ", ".join(f"{count} {coverage}" for coverage, count in sorted(counts.items()))
    checked = f"{counts.total()} of {sight.wanted} tracks that should be checked"
    how = "have not been" if unbroken else "have been only at times"
    return f"{checked} {how} for {seconds:.0f} s ({shown})"


def _likely_cause(overdue: set[str | None], sight: Sight) -> str:
    if _ROOM in overdue:
        return "the connection to the room's server was lost"
    counts = Counter(sight.blind[key] for key in overdue if key is not None)
    most = max(counts, key=lambda coverage: (counts[coverage], coverage))
    if most is Coverage.STALE and sight.no_uplink:
        return f"there is no connection to the detection service: {sight.no_uplink}"
    if most is Coverage.STALE and sight.slow_link:
        return "the link to the detection service is too slow for them"
    return _CAUSES[most]
