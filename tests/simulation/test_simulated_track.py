"""What a simulated track counts: alerts of manipulations, and false ones."""

from __future__ import annotations

from ds_actors.detection.events import Level, TrackInfo
from ds_actors.detection.sampling import AdaptiveSampling
from ds_actors.simulation import Detection
from ds_actors.simulation._track import SimulatedTrack
from ds_actors.simulation.service import Manipulation

CLEAR, SUSPICIOUS, ALERT = Level.CLEAR, Level.SUSPICIOUS, Level.ALERT


def track() -> SimulatedTrack:
    return SimulatedTrack(TrackInfo("p1", "TR_p1_1"), AdaptiveSampling(), [])


def manipulation() -> Manipulation:
    """Return one from 10 to 20 s."""
    return Manipulation("TR_p1_1", 10.0, 20.0)


def test_its_sampler_is_the_monitors_and_grants_go_to_the_track() -> None:
    """The outbox hands a turn to the track that requested it."""
    here = track()
    assert here.sampler.grantee is here
    assert here.sampler.policy is here.policy


def test_the_first_alert_of_a_manipulation_is_the_one_that_counts() -> None:
    """A suspicion does not count as an alert, nor as a false alarm."""
    here, found = track(), manipulation()
    here.judged(CLEAR, SUSPICIOUS, found, 11.0)
    assert found.detection().alarm_after is None
    here.judged(SUSPICIOUS, ALERT, found, 12.0)
    here.judged(ALERT, ALERT, found, 13.0)
    here.judged(ALERT, SUSPICIOUS, found, 14.0)
    here.judged(SUSPICIOUS, ALERT, found, 15.0)
    assert found.detection() == Detection("TR_p1_1", 10.0, None, 2.0, None)
    assert here.false_alarms == 0


def test_an_alert_that_is_under_way_counts_from_the_beginning_of_the_manipulation() -> None:
    """Until then it was a false alarm."""
    here, found = track(), manipulation()
    here.judged(CLEAR, ALERT, None, 9.0)
    here.judged(ALERT, ALERT, found, 12.0)
    assert found.alarmed == 10.0
    assert here.false_alarms == 1


def test_a_false_alarm_is_counted_when_it_begins() -> None:
    """It begins with an answer to a genuine sample; its length does not matter."""
    here, counts = track(), list[int]()
    for before, level in ((CLEAR, CLEAR), (CLEAR, SUSPICIOUS), (CLEAR, ALERT), (ALERT, ALERT), (ALERT, CLEAR)):
        here.judged(before, level, None, 5.0)
        counts.append(here.false_alarms)
    here.judged(SUSPICIOUS, ALERT, None, 6.0)
    assert (*counts, here.false_alarms) == (0, 0, 1, 1, 1, 2)


def test_an_alert_is_cleared_by_the_first_answer_after_the_manipulation_that_ends_it() -> None:
    """An answer at the moment of its end counts; later false alarms do not move it."""
    for at in (20.0, 23.0):
        here, found = track(), manipulation()
        here.judged(CLEAR, ALERT, found, 12.0)
        here.judged(ALERT, ALERT, None, at)
        assert found.detection().clear_after is None
        here.judged(ALERT, CLEAR, None, at)
        here.judged(CLEAR, ALERT, None, 30.0)
        here.judged(ALERT, CLEAR, None, 31.0)
        assert (found.cleared, here.false_alarms) == (at, 1)


def test_an_alert_that_pauses_within_its_manipulation_is_not_cleared_by_that() -> None:
    """Only the end of the last one counts, and no other change of level."""
    here, found = track(), manipulation()
    here.judged(CLEAR, ALERT, found, 12.0)
    here.judged(ALERT, SUSPICIOUS, found, 19.0)
    here.judged(SUSPICIOUS, CLEAR, None, 21.0)
    assert found.cleared is None
    here.judged(CLEAR, ALERT, found, 22.0)
    here.judged(ALERT, ALERT, found, 23.0)
    assert found.cleared is None
    here.judged(ALERT, CLEAR, None, 24.0)
    assert found.cleared == 24.0
