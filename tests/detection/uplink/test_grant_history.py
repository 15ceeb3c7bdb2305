"""What is remembered of the turns that tracks and participants were granted."""

from __future__ import annotations

from ds_actors.detection.events import Level
from ds_actors.detection.turns import RequestTurn
from ds_actors.detection.uplink.grant_history import GrantHistory


def request(track: str, participant: str) -> RequestTurn:
    return RequestTurn(track, participant, Level.CLEAR, None)


def test_the_clock_counts_new_participants_and_grants() -> None:
    """So a new participant comes after everyone who was granted a turn before."""
    history = GrantHistory()
    first, second = history.track(request("A1", "alice")), history.track(request("A2", "alice"))
    assert (first.last, first.participant.last) == (0, 1)
    history.granted(first)
    assert (first.last, second.last, second.participant.last) == (2, 0, 2)
    bob = history.track(request("B1", "bob"))
    assert (bob.last, bob.participant.last) == (0, 3)
    history.granted(second)
    assert (second.last, first.last, first.participant.last) == (4, 2, 4)


def test_a_track_that_changes_its_participant_begins_anew_and_its_old_one_is_forgotten() -> None:
    """Its sid alone gives no one the history of another."""
    history = GrantHistory()
    track = history.track(request("A", "alice"))
    history.granted(track)
    assert history.track(request("A", "alice")) is track
    moved = history.track(request("A", "bob"))
    assert (moved.name, moved.last) == ("bob", 0)
    assert set(history.participants) == {"bob"}


def test_a_participant_is_forgotten_with_its_last_track() -> None:
    """Not before; forgetting what is not known changes nothing."""
    history = GrantHistory()
    for track in ("A1", "A2"):
        history.track(request(track, "alice"))
    history.forget("A1")
    history.forget("A1")
    assert set(history.participants) == {"alice"}
    history.forget("A2")
    assert not history.participants
    assert not history.tracks
