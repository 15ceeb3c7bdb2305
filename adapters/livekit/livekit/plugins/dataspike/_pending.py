"""Results that wait while LiveKit reconnects: the newest of each track, and its last alert. Pure."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import Final

from attrs import define, field

from ds_actors.detection.events import Level, ResultEvent

KEPT_FOR: Final = 60.0
TRACKS_KEPT: Final = 2_000


@define
class PendingResults:
    """Results that wait for the room, in order per track; the oldest tracks go first."""

    dropped: int = 0
    """Results that were replaced, were too old, or belonged to too many tracks."""
    lost: list[ResultEvent] = field(factory=list[ResultEvent])
    """The newest result of each track that was given up, because of its age or because of too many tracks."""
    _tracks: OrderedDict[str, list[tuple[float, ResultEvent]]] = field(
        factory=OrderedDict[str, list[tuple[float, ResultEvent]]]
    )

    def __contains__(self, track: str) -> bool:
        return track in self._tracks

    def __len__(self) -> int:
        return len(self._tracks)

    def hold(self, event: ResultEvent, now: float) -> None:
        """Keep a result; of the same track, only this result and the last alert before it stay."""
        kept = self._tracks.get(event.track_id, [])
        stay = [] if event.level is Level.ALERT else [(at, held) for at, held in kept if held.level is Level.ALERT]
        self.dropped += len(kept) - len(stay)
        self._tracks[event.track_id] = [*stay, (now, event)]
        if len(self._tracks) > TRACKS_KEPT:
            _, oldest = self._tracks.popitem(last=False)
            self.dropped += len(oldest)
            self.lost.append(oldest[-1][1])

    def put_back(self, taken: Sequence[tuple[float, ResultEvent]]) -> None:
        """Put results of one track that were taken but not sent back, before the ones that came meanwhile."""
        if taken:
            newer = self._tracks.pop(taken[0][1].track_id, [])
            for at, event in (*taken, *newer):
                self.hold(event, at)

    def take(self, now: float) -> list[tuple[float, ResultEvent]]:
        """Take out one track's results of the last 60 s, in order, each with the time since when it was kept.

        The list is empty when nothing is left.
        """
        while self._tracks:
            _, kept = self._tracks.popitem(last=False)
            fresh = [(since, event) for since, event in kept if now - since <= KEPT_FOR]
            self.dropped += len(kept) - len(fresh)
            if fresh:
                return fresh
            self.lost.append(kept[-1][1])
        return []
