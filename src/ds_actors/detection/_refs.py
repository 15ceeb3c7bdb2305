"""References to the monitor's actors that survive restarts of the supervisors above them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from attrs import define, field

from ds_actors import ActorRef, ActorStopped, Supervisor, SupervisorRef
from ds_actors.detection.tracks.messages import AudioMessage, TrackMessage
from ds_actors.detection.turns import OutboxMessage


@define(eq=False)
class TreeRefs:
    """Finds actors in the tree, and caches each reference until its actor stops."""

    supervisor: Supervisor
    _tracks: dict[str, ActorRef[TrackMessage]] = field(factory=dict[str, ActorRef[TrackMessage]], init=False)
    _sinks: dict[str, ActorRef[Any]] = field(factory=dict[str, ActorRef[Any]], init=False)
    _uplink: ActorRef[OutboxMessage] | None = field(default=None, init=False)

    def uplink(self) -> ActorRef[OutboxMessage]:
        """Return the uplink's reference."""
        if self._uplink is None:
            self._uplink = self.supervisor.find_actor("uplink")
        return self._uplink

    def tracks(self) -> SupervisorRef:
        """Return the reference of the tracks' supervisor.

        Raises:
            ActorStopped: when the monitor is closed or not open yet.
        """
        try:
            return self.supervisor.find_supervisor("tracks")
        except LookupError:
            raise ActorStopped("the monitor is closed") from None

    def track(self, track: str) -> ActorRef[TrackMessage] | None:
        """Return the reference of a live track's actor; None when it has no actor at the moment."""
        ref = self._tracks.get(track)
        if ref is not None and not ref.stopped:
            return ref
        # The tracks' supervisor was restarted with its actors, or it has ended because the monitor closes.
        try:
            actors = self.tracks().actors()
        except ActorStopped:
            return None
        return _remembered(track, actors, self._tracks)

    def tell_track(self, track: str, message: AudioMessage) -> None:
        """Tell a live track's actor; a track that has no actor at the moment learns the same when it starts."""
        ref: ActorRef[Any] | None = self.track(track)
        if ref is not None:
            ref.tell(message)

    def add_track(self, track: str, ref: ActorRef[TrackMessage]) -> None:
        """Keep the reference of a track that was just started."""
        self._tracks[track] = ref

    def forget_track(self, track: str) -> None:
        """Drop the reference of a track that ended."""
        self._tracks.pop(track, None)

    def sink(self, name: str) -> ActorRef[Any] | None:
        """Return the reference of a sink's actor; None while the sinks' supervisor is being restarted."""
        ref = self._sinks.get(name)
        if ref is not None and not ref.stopped:
            return ref
        try:
            actors = self.supervisor.find_supervisor("sinks").actors()
        except (LookupError, ActorStopped):
            return None
        return _remembered(name, actors, self._sinks)


def _remembered(name: str, actors: Iterable[ActorRef[Any]], refs: dict[str, ActorRef[Any]]) -> ActorRef[Any] | None:
    """Keep the reference of the actor with that name, and return it; None without such an actor."""
    for actor in actors:
        if actor.name == name:
            refs[name] = actor
            return actor
    return None
