"""Which samples wait for a model, which are judged next, and which are dropped. Pure.

At every moment received = taken + dropped by reason + waiting. A track has at most one sample waiting and one in a
batch, so its answers come in the order of its samples.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from typing import Final, Literal

from attrs import define, field, frozen

from ds_actors.detection.events import Sample

_FIRST: Final = -1
"""The turn of a track whose turn came to nothing: it is next, before those that had none yet."""

DropReason = Literal["superseded", "expired", "overloaded", "disconnected", "closing"]


@frozen
class QueueLimits:
    """What the queue holds, and how long.

    Raises:
        ValueError: for figures that make no sense.
    """

    batch: int = 1
    """The most samples of one batch."""
    batch_wait: float = 0.0
    """Seconds that a sample waits for its batch to become full."""
    deadline: float = 2.0
    """Seconds from a sample's arrival to its answer; one that would be answered later is not judged."""
    samples: int = 1_024
    """The most samples that wait."""
    size: int = 256 * 1024 * 1024
    """The most bytes of samples that wait."""
    tracks: int = 2_048
    """The most tracks of one connection that are known at a time, above the 2,000 of one monitor: a track that is not
    known any more comes as a new one, whose turn is next."""

    def __attrs_post_init__(self) -> None:
        for name in ("batch", "samples", "size", "tracks"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be 1 or more, not {getattr(self, name)!r}")
        if not (math.isfinite(self.deadline) and self.deadline > 0):
            raise ValueError(f"deadline must be a finite number of seconds above 0, not {self.deadline!r}")
        if not 0 <= self.batch_wait < self.deadline:
            raise ValueError(f"batch_wait must be 0 or more seconds, below the deadline, not {self.batch_wait!r}")


@frozen(eq=False)
class WaitingSample:
    """A sample that arrived over the connection of that number."""

    connection: int
    sample: Sample
    arrived: float
    """Seconds, on the clock of the caller."""
    since: float
    """Since when its track waits: a newer sample takes the place of the older one."""


@frozen(eq=False)
class DroppedSample:
    """A sample that is not judged."""

    waiting: WaitingSample
    reason: DropReason


TrackKey = tuple[str, str, str]


@define(eq=False)
class _Track:
    served: int = 0
    """The number of the last turn it had; 0 before the first."""
    waiting: WaitingSample | None = None
    busy: bool = False


@define(eq=False)
class _QueuedConnection:
    served: int = 0
    tracks: dict[TrackKey, _Track] = field(factory=dict[TrackKey, _Track])
    """By last arrival, the oldest first."""
    ready: dict[TrackKey, _Track] = field(factory=dict[TrackKey, _Track])
    """Those that have a sample waiting and none in a batch."""

    def size(self) -> int:
        return sum(len(track.waiting.sample.data) for track in self.tracks.values() if track.waiting)


@define(eq=False)
class SampleQueue:
    """Takes samples, and gives batches; turns go round the connections, and round each connection's tracks."""

    limits: QueueLimits
    received: int = field(default=0, init=False)
    taken: int = field(default=0, init=False)
    dropped: Counter[DropReason] = field(factory=Counter["DropReason"], init=False)
    waiting: int = field(default=0, init=False)
    _size: int = field(default=0, init=False)
    _turn: int = field(default=0, init=False)
    _connections: dict[int, _QueuedConnection] = field(factory=dict[int, _QueuedConnection], init=False)

    def join(self, connection: int) -> None:
        """Begin a connection; it has its turn after those that wait already."""
        self._connections[connection] = _QueuedConnection(served=self._turn)

    def leave(self, connection: int) -> list[DroppedSample]:
        """End a connection, and drop what waits of it."""
        left = self._connections.pop(connection, None)
        waiting = [] if left is None else [track.waiting for track in left.tracks.values() if track.waiting]
        return [self._dropped(entry, "disconnected") for entry in waiting]

    def close(self) -> list[DroppedSample]:
        """Drop everything that waits."""
        return [self._remove(entry, "closing") for entry in self._entries()]

    def offer(self, connection: int, sample: Sample, now: float) -> list[DroppedSample]:
        """Take a sample; return what is dropped for it, perhaps the sample itself."""
        self.received += 1
        known = self._connections[connection]
        key = (sample.participant, sample.track, sample.format)
        track = known.tracks.pop(key, None)
        dropped: list[DroppedSample] = []
        if track is None:
            track = _Track()
            if len(known.tracks) >= self.limits.tracks:
                dropped += self._forget_track(known)
        since = now
        if track.waiting is not None:
            since = track.waiting.since
            dropped.append(self._dropped(track.waiting, "superseded"))
        track.waiting = WaitingSample(connection, sample, now, since)
        known.tracks[key] = track
        if not track.busy:
            known.ready[key] = track
        self.waiting += 1
        self._size += len(sample.data)
        return dropped + self._drop_excess()

    def take(
        self, now: float, takes: float = 0.0, *, behind: float = 0.0
    ) -> tuple[list[WaitingSample], list[DroppedSample]]:
        """Return the next batch, empty when none is due, and the samples whose deadline cannot be kept.

        Args:
            now: seconds.
            takes: the seconds that a batch is expected to take.
            behind: the seconds until it can begin; a sample for which that is too late is left to another model.
        """
        dropped = self.expire(now + takes)
        if self.due() > now:
            return [], dropped
        batch: list[WaitingSample] = []
        while len(batch) < self.limits.batch:
            ready = [known for known in self._connections.values() if known.ready]
            if not ready:
                break
            connection = min(ready, key=_served)
            key, track = min(connection.ready.items(), key=_served_track)
            assert track.waiting is not None
            if track.waiting.arrived + self.limits.deadline < now + behind + takes:
                break
            self._turn += 1
            connection.served = track.served = self._turn
            batch.append(track.waiting)
            self._size -= len(track.waiting.sample.data)
            track.waiting, track.busy = None, True
            del connection.ready[key]
        self.taken += len(batch)
        self.waiting -= len(batch)
        return batch, dropped

    def done(self, batch: Iterable[WaitingSample]) -> None:
        """Free the tracks of a batch that was judged, or failed: their next samples may be taken."""
        for entry in batch:
            connection = self._connections.get(entry.connection)
            key = (entry.sample.participant, entry.sample.track, entry.sample.format)
            track = None if connection is None else connection.tracks.get(key)
            if connection is not None and track is not None:
                track.busy = False
                if track.waiting is not None:
                    connection.ready[key] = track

    def give_back(self, batch: Iterable[WaitingSample]) -> list[DroppedSample]:
        """Let a batch wait again that no model began; return what cannot, and is dropped."""
        dropped: list[DroppedSample] = []
        for entry in batch:
            self.taken -= 1
            self.waiting += 1
            self._size += len(entry.sample.data)
            known = self._connections.get(entry.connection)
            key = (entry.sample.participant, entry.sample.track, entry.sample.format)
            track = None if known is None else known.tracks.get(key)
            if known is None or track is None:
                dropped.append(self._dropped(entry, "disconnected"))
                continue
            track.busy, track.served = False, _FIRST
            if track.waiting is None:
                track.waiting = entry
            else:
                dropped.append(self._dropped(entry, "superseded"))
            known.ready[key] = track
        return dropped + self._drop_excess()

    def due(self) -> float:
        """Return when the next batch may be taken: in the past when it is full, infinity when nothing waits."""
        since = [
            track.waiting.since
            for known in self._connections.values()
            for track in known.ready.values()
            if track.waiting is not None
        ]
        if len(since) >= self.limits.batch:
            return -math.inf
        return min(since) + self.limits.batch_wait if since else math.inf

    def expires(self) -> float:
        """Return when the next waiting sample reaches its deadline; infinity when none waits."""
        arrived = (entry.arrived for entry in self._entries())
        return min(arrived, default=math.inf) + self.limits.deadline

    def expire(self, now: float) -> list[DroppedSample]:
        """Drop the samples whose deadline is over at that time."""
        over = [entry for entry in self._entries() if entry.arrived + self.limits.deadline < now]
        return [self._remove(entry, "expired") for entry in over]

    def _entries(self) -> list[WaitingSample]:
        return [
            track.waiting
            for known in self._connections.values()
            for track in known.tracks.values()
            if track.waiting is not None
        ]

    def _forget_track(self, known: _QueuedConnection) -> list[DroppedSample]:
        idle = next((key for key, track in known.tracks.items() if not track.busy and track.waiting is None), None)
        if idle is not None:
            del known.tracks[idle]
            return []
        key = next((key for key, track in known.tracks.items() if track.waiting is not None), None)
        if key is None:
            return []  # all are in batches, which bounds them
        waiting = known.tracks[key].waiting
        assert waiting is not None
        dropped = self._remove(waiting, "overloaded")
        if not known.tracks[key].busy:
            del known.tracks[key]
        return [dropped]

    def _drop_excess(self) -> list[DroppedSample]:
        dropped: list[DroppedSample] = []
        while self.waiting > self.limits.samples or self._size > self.limits.size:
            dropped.append(self._drop_of_fullest())
        return dropped

    def _drop_of_fullest(self) -> DroppedSample:
        """Drop the oldest sample of the connection that has the most bytes waiting."""
        fullest = max(self._connections.values(), key=_QueuedConnection.size)
        waiting = [track.waiting for track in fullest.tracks.values() if track.waiting is not None]
        return self._remove(min(waiting, key=_arrival), "overloaded")

    def _remove(self, entry: WaitingSample, reason: DropReason) -> DroppedSample:
        connection = self._connections[entry.connection]
        key = (entry.sample.participant, entry.sample.track, entry.sample.format)
        connection.tracks[key].waiting = None
        connection.ready.pop(key, None)
        return self._dropped(entry, reason)

    def _dropped(self, entry: WaitingSample, reason: DropReason) -> DroppedSample:
        self.waiting -= 1
        self._size -= len(entry.sample.data)
        self.dropped[reason] += 1
        return DroppedSample(entry, reason)


def _served(connection: _QueuedConnection) -> int:
    return connection.served


def _served_track(item: tuple[TrackKey, _Track]) -> int:
    return item[1].served


def _arrival(entry: WaitingSample) -> float:
    return entry.arrived
