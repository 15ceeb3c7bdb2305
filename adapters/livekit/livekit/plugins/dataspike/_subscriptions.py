"""Asks for the publications that are to be watched, once each, and tells which of them only the detector asked for.

A host's own subscription is not visible before its track arrives. With `patience`, a publication is therefore asked
for only when it stayed without a track for that long: a host that subscribes to everything is faster. One video track
that arrives unasked shows that the host subscribes too.
"""

from __future__ import annotations

from typing import Final

from attrs import define, field
from livekit import rtc

PATIENCE: Final = 1.0
"""Seconds that a publication must stay without a track before it is asked for."""
SESSION_PATIENCE: Final = 3.0
"""The same where there is a session, whose room LiveKit connects with all subscriptions unless told otherwise.

On a starved machine their tracks may take longer than a second; the detector would then believe to be the only reader.
"""
REMEMBERED: Final = 10_000
LEAVING: Final = 2.0
"""Seconds: the SDK unsubscribes this shortly before a track that ends."""


@define(eq=False)
class Subscriptions:
    """The detector's subscriptions of one room; times are seconds of the loop's clock."""

    enabled: bool
    """False when the host subscribes by itself."""
    host_subscribes: bool = field(default=False, init=False)
    """True after a video track arrived for which the detector had not asked."""
    _asked: dict[str, rtc.RemoteTrackPublication] = field(factory=dict[str, rtc.RemoteTrackPublication], init=False)
    _unsubscribed: dict[str, float] = field(factory=dict[str, float], init=False)
    _since: dict[str, tuple[rtc.RemoteTrackPublication, float]] = field(
        factory=dict[str, tuple[rtc.RemoteTrackPublication, float]], init=False
    )
    """Since when a publication has been seen without a track."""

    def wanted(self, publication: rtc.RemoteTrackPublication) -> bool:
        """Return whether a publication without a track should have one; a host that unsubscribes decides against it."""
        return self.enabled and publication.sid not in self._unsubscribed

    def ask(self, publication: rtc.RemoteTrackPublication, now: float, patience: float) -> float | None:
        """Subscribe to a publication without a track, once; return in how many seconds to ask again, if then."""
        if not self.wanted(publication) or self.asked_for(publication):
            return None
        seen = self._since.get(publication.sid)
        if seen is None or seen[0] is not publication:
            seen = self._since[publication.sid] = (publication, now)
        left = seen[1] + patience - now
        if left > 0:
            return left
        self._since.pop(publication.sid)
        self._asked[publication.sid] = publication
        publication.set_subscribed(True)
        return None

    def arrived(self, publication: rtc.RemoteTrackPublication) -> bool:
        """Note a publication that has a track; return whether it is the first to show that the host subscribes."""
        self._since.pop(publication.sid, None)
        if self.host_subscribes or publication.kind != rtc.TrackKind.KIND_VIDEO or self.asked_for(publication):
            return False
        self.host_subscribes = True
        return True

    def asked_for(self, publication: rtc.RemoteTrackPublication) -> bool:
        """Return whether the detector asked for this publication."""
        return self._asked.get(publication.sid) is publication

    def subscribed(self, sid: str) -> None:
        """Note the event of a subscription."""
        self._unsubscribed.pop(sid, None)

    def unsubscribed(self, sid: str, now: float) -> None:
        """Note the event of an end of a subscription; another one is the host's."""
        self._asked.pop(sid, None)
        self._unsubscribed[sid] = now
        if len(self._unsubscribed) > REMEMBERED:
            del self._unsubscribed[next(iter(self._unsubscribed))]

    def gone(self, sid: str, now: float) -> None:
        """Forget a publication that is gone."""
        self._asked.pop(sid, None)
        self._since.pop(sid, None)
        at = self._unsubscribed.get(sid)
        if at is not None and now - at < LEAVING:
            del self._unsubscribed[sid]
