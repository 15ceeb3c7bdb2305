"""When each track and each participant was granted a turn last. Pure."""

from __future__ import annotations

from attrs import define

from ds_actors.detection.turns import RequestTurn


@define(eq=False)
class ParticipantGrants:
    """One participant, as long as it has tracks."""

    last: int
    """Its last grant, or when it became known, so that leaving and coming back gains nothing."""
    tracks: int = 0
    late: int = 0
    """Turns outside the window: captures under way, and frames that wait for the next free turn."""


@define(eq=False)
class TrackGrants:
    """One track."""

    name: str
    """The participant's."""
    participant: ParticipantGrants
    last: int = 0
    """Its last grant; 0 before the first."""


class GrantHistory:
    """All tracks that are known, with a clock that counts grants and new participants."""

    def __init__(self) -> None:
        self.tracks: dict[str, TrackGrants] = {}
        self.participants: dict[str, ParticipantGrants] = {}
        self._clock = 0

    def track(self, request: RequestTurn) -> TrackGrants:
        """Return the record of a request's track, a new one when the track changed its participant."""
        track = self.tracks.get(request.track)
        if track is not None and track.name == request.participant:
            return track
        self.forget(request.track)
        participant = self.participants.get(request.participant)
        if participant is None:
            self._clock += 1
            participant = self.participants[request.participant] = ParticipantGrants(self._clock)
        participant.tracks += 1
        track = self.tracks[request.track] = TrackGrants(request.participant, participant)
        return track

    def granted(self, track: TrackGrants) -> None:
        """Note a grant."""
        self._clock += 1
        track.participant.last = track.last = self._clock

    def forget(self, name: str) -> None:
        """Forget a track, and its participant with the last one."""
        track = self.tracks.pop(name, None)
        if track is not None:
            track.participant.tracks -= 1
            if not track.participant.tracks:
                del self.participants[track.name]
