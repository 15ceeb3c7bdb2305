"""When tracks that should be checked are not, and which lines of the log that deserves. Pure.

A track is blind when it should be checked and its coverage says that it is not (`Coverage.is_blind`). The monitor is
blind when a track has been blind for 30 s, or its room has been reconnecting for as long.

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


@define
class Blindness:
    """Decides when the monitor is blind; all times are seconds on one monotonic clock."""

    cause: str = field(default="", init=False)
    """The likely cause; empty while the monitor is not blind."""
    _since: dict[str | None, float] = field(factory=dict[str | None, float], init=False)
    """Since when each track, or the room, is blind."""
    _reported: set[str | None] = field(factory=set[str | None], init=False)
    _began: float | None = field(default=None, init=False)
    _calm_since: float | None = field(default=None, init=False)
    _over_at: float | None = field(default=None, init=False)
    _warned: float | None = field(default=None, init=False)
    _returned: bool = field(default=False, init=False)

    def look(self, sight: Sight, now: float) -> Note | None:
        """Take the newest facts, and return a line for the log when one is due; call it every few seconds."""
        keys = {*sight.blind, _ROOM} if sight.reconnecting else {*sight.blind}
        self._since = {key: self._since.get(key, now) for key in keys}
        overdue = {key for key, since in self._since.items() if now - since >= BLIND_AFTER}
        if overdue:
            return self._blind(overdue, sight, now)
        return None if self._began is None else self._calm(sight, now)

    def _blind(self, overdue: set[str | None], sight: Sight, now: float) -> Note | None:
        if self._began is None:
            self._began = min(self._since[key] for key in overdue)
            self._reported = set()
            self._returned = self._over_at is not None and now - self._over_at < FLAPPING_WITHIN
        self.cause = _likely_cause(overdue, sight)
        unreported = overdue - self._reported
        twice = bool(self._reported) and len(overdue) >= 2 * len(self._reported)
        if not unreported or not (twice or self._warned is None or self._may_warn(now)):
            return None
        self._warned = now
        self._reported = overdue if len(self._reported) > REMEMBERED else self._reported | overdue
        return Note("warning", f"{_described(overdue, sight, now - self._began)}: {self.cause}")

    def _may_warn(self, now: float) -> bool:
        assert self._warned is not None
        first = not self._reported and not self._returned
        return first or now - self._warned >= REMIND_EVERY

    def _calm(self, sight: Sight, now: float) -> Note | None:
        assert self._began is not None
        if self._since:
            self._calm_since = None
            return None
        if self._calm_since is None:
            self._calm_since = now
        if now - self._calm_since < (FLAPPING_WITHIN if self._returned else STABLE_AFTER):
            return None
        seconds, reported = self._calm_since - self._began, bool(self._reported)
        self._began, self._calm_since, self._over_at, self.cause = None, None, now, ""
        if not reported:
            return None
        return Note("info", f"no track that should be checked is left unchecked, after {seconds:.0f} s")


def _described(overdue: set[str | None], sight: Sight, seconds: float) -> str:
    counts = Counter(sight.blind[key].value for key in overdue if key is not None)
    if not counts:
        return f"nothing has been checked for {seconds:.0f} s, because the room is reconnecting"
    shown = ", ".join(f"{count} {coverage}" for coverage, count in sorted(counts.items()))
    checked = f"{counts.total()} of {sight.wanted} tracks that should be checked"
    return f"{checked} have not been for {seconds:.0f} s ({shown})"


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
