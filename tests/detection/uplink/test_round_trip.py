"""How long an answer takes, where that can be known."""

from __future__ import annotations

import pytest

from ds_actors.detection.uplink.round_trip import RoundTrip


def test_one_outstanding_sample_is_measured() -> None:
    """From the send's return to the result."""
    trip = RoundTrip()
    trip.sent("A", 1.0)
    trip.answered("A", 1.25)
    assert trip.seconds == pytest.approx(0.25)


def test_with_two_outstanding_nothing_is_measured() -> None:
    """The wire has no sequence, so that an answer may belong to either."""
    trip = RoundTrip()
    trip.sent("A", 1.0)
    trip.sent("B", 1.1)
    trip.answered("B", 1.2)
    assert trip.seconds is None
    trip.answered("A", 1.3)
    assert trip.seconds == pytest.approx(0.3)


def test_an_answer_to_another_track_measures_nothing() -> None:
    """A second answer to one sample, or a made-up one."""
    trip = RoundTrip()
    trip.sent("A", 1.0)
    trip.answered("A", 1.2)
    trip.sent("B", 2.0)
    trip.answered("A", 2.1)
    assert trip.seconds == pytest.approx(0.2)


def test_a_sample_that_is_never_answered_stops_counting_after_half_a_minute() -> None:
    """Else one silent answer would end the measuring for the whole connection."""
    trip = RoundTrip()
    trip.sent("A", 0.0)
    trip.sent("A", 31.0)
    trip.answered("A", 31.5)
    assert trip.seconds == pytest.approx(0.5)


def test_a_new_connection_owes_nothing() -> None:
    """What was sent on the one before is not answered any more."""
    trip = RoundTrip()
    trip.sent("A", 0.0)
    trip.connected()
    trip.sent("B", 1.0)
    trip.answered("B", 1.5)
    assert trip.seconds == pytest.approx(0.5)
