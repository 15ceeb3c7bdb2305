"""One track's state, by itself."""

from __future__ import annotations

from types import SimpleNamespace
from typing import cast

from ds_actors.detection.events import Level, TrackInfo
from ds_actors.detection.levels.assessed_track import Assessment
from ds_actors.detection.levels.confirmation import Confirmation
from ds_actors.detection.levels.evidence import Evidence, EvidenceFilter

INFO = TrackInfo("alice", "A")


def test_without_more_the_last_verdict_is_the_level() -> None:
    """And nothing waits for confirmation."""
    track = Assessment(INFO, Level.SUSPICIOUS)
    assert track.observe(Level.ALERT, 1.0) is Level.ALERT
    assert track.attention is Level.SUSPICIOUS  # the caller stores the level
    assert track.unconfirmed == ""


def test_an_unconfirmed_verdict_is_attended_to_and_said() -> None:
    """With how many there are, of how many that are needed."""
    track = Assessment(INFO, confirmation=Confirmation(3))
    assert track.unconfirmed == ""
    assert track.observe(Level.ALERT, 1.0) is Level.UNKNOWN
    assert track.attention is Level.ALERT
    assert track.unconfirmed == "Not confirmed: alert, 1 of 3."


def test_evidence_makes_the_level_where_there_is_any() -> None:
    """One alert of an unreliable service is none yet."""
    evidence = EvidenceFilter(Evidence())
    track = Assessment(INFO, evidence=evidence)
    track.observe(Level.ALERT, 1.0)
    assert evidence.samples > 0


def test_what_another_track_left_is_taken_over_where_both_have_it() -> None:
    """A track that has none stays without, and nothing is taken over from a track that had none."""
    plain = Assessment(INFO)
    plain.inherit(EvidenceFilter(Evidence()), Confirmation(3))
    assert (plain.evidence, plain.confirmation) == (None, None)
    waiting = Confirmation(3)
    waiting.observe(Level.ALERT)
    track = Assessment(INFO, evidence=EvidenceFilter(Evidence()), confirmation=Confirmation(3))
    track.inherit(None, None)
    attention = [track.attention]
    seen = EvidenceFilter(Evidence())
    seen.observe(Level.ALERT, 1.0)
    track.inherit(seen, waiting)
    assert [*attention, track.attention] == [Level.UNKNOWN, Level.ALERT]
    assert track.evidence is not None
    assert track.evidence.samples == seen.samples


def test_a_track_is_as_reliable_as_its_evidence() -> None:
    """And without any, it is reliable."""
    assert Assessment(INFO).reliable
    for reliable in (True, False):
        evidence = cast("EvidenceFilter", SimpleNamespace(reliable=reliable))
        assert Assessment(INFO, evidence=evidence).reliable is reliable
