"""Which track's level a sink must still receive, and when: one rule a test."""

from __future__ import annotations

from ds_actors.detection.events import Level, ResultEvent, ResultType
from ds_actors.detection.sinks._cooldown import LevelCooldown
from ds_actors.detection.sinks._reports import ENDED_KEPT_FOR, ENDED_LIMIT, RETRY_WITHIN, LevelReports

CLEAR, SUSPICIOUS, ALERT = Level.CLEAR, Level.SUSPICIOUS, Level.ALERT


def event(level: Level, previous: Level = CLEAR, track: str = "A") -> ResultEvent:
    return ResultEvent(ResultType[level.name], "alice", track, "", 0, previous_level=previous)


def due(reports: LevelReports, now: float) -> list[ResultEvent]:
    return reports.due(now, lambda _track: False)


def changed(reports: LevelReports, event: ResultEvent, now: float = 0.0) -> ResultEvent:
    reports.changed(event, now, live=True)
    return event


def accepted(reports: LevelReports, event: ResultEvent, now: float = 0.0) -> None:
    reports.begin(event)
    reports.accepted(event, now)


def failed(reports: LevelReports, event: ResultEvent, now: float) -> None:
    reports.begin(event)
    reports.failed(event, now, 0.0)


def refused(reports: LevelReports, event: ResultEvent, now: float) -> None:
    reports.begin(event)
    reports.refused(event, now, 0.0)


def test_a_change_is_reported_when_it_was_accepted() -> None:
    """Until then its track is behind."""
    reports = LevelReports()
    alert = changed(reports, event(ALERT))
    assert due(reports, 0) == [alert]
    reports.begin(alert)
    assert reports.behind == 1
    reports.accepted(alert, 0)
    assert (reports.behind, due(reports, 1e9)) == (0, [])


def test_a_failure_is_tried_again_later_and_later_but_within_the_interval() -> None:
    """After 0.5, 1, 2, 4 and from then on 7.5 to 15 s, as the jitter falls."""
    reports = LevelReports()
    alert = changed(reports, event(ALERT))
    waits: list[float] = []
    for _ in range(7):
        failed(reports, alert, 100.0)
        waits.append(next(n / 8 for n in range(200) if due(reports, 100 + n / 8)))
    assert waits == [0.5, 1.0, 2.0, 4.0, 7.5, 7.5, 7.5]
    reports.begin(alert)
    reports.failed(alert, 100.0, 0.999)
    assert due(reports, 100 + RETRY_WITHIN) == [alert]


def test_only_the_current_level_is_tried_again() -> None:
    """What happened before it is past."""
    reports = LevelReports()
    failed(reports, changed(reports, event(ALERT)), 0)
    lower = changed(reports, event(SUSPICIOUS, ALERT))
    failed(reports, lower, 0)
    assert due(reports, 20) == [lower]


def test_after_a_certain_refusal_the_old_level_is_no_news() -> None:
    """The receiver has CLEAR, did not get ALERT, and the level is CLEAR again: there is nothing to say."""
    reports = LevelReports()
    refused(reports, changed(reports, event(ALERT)), 0)
    assert reports.behind == 1
    back = changed(reports, event(CLEAR, ALERT))
    assert not reports.needs(back, 0)
    assert (reports.behind, due(reports, 100)) == (0, [])
    refused(reports, changed(reports, event(ALERT)), 0)
    assert reports.behind == 1


def test_after_an_uncertain_failure_the_old_level_is_delivered_again() -> None:
    """The receiver may have got the ALERT although its answer was lost."""
    reports = LevelReports()
    failed(reports, changed(reports, event(ALERT)), 0)
    back = changed(reports, event(CLEAR, ALERT))
    assert reports.needs(back, 0)
    failed(reports, back, 1)
    assert due(reports, 20) == [back]


def test_an_attempt_that_never_ended_counts_as_uncertain() -> None:
    """As when the actor crashed with the event in hand."""
    reports = LevelReports()
    alert = changed(reports, event(ALERT))
    reports.begin(alert)
    assert due(reports, 1) == [alert]


def test_a_success_makes_all_that_is_behind_due_soon() -> None:
    """The sink works again: nothing waits for its own backoff, but for a second since its last failure."""
    reports = LevelReports()
    tracks = [changed(reports, event(ALERT, track=name)) for name in "ABC"]
    for alert in tracks:
        for _ in range(9):
            failed(reports, alert, 10.0)
    assert due(reports, 12) == []
    accepted(reports, tracks[0])
    assert due(reports, 10.9) == []
    assert due(reports, 11) == tracks[1:] or due(reports, 11) == tracks[:0:-1]


def test_a_track_whose_event_is_on_its_way_is_not_due() -> None:
    """It would overtake itself."""
    reports = LevelReports()
    changed(reports, event(ALERT))
    changed(reports, event(ALERT, track="B"))
    assert [alert.track_id for alert in reports.due(0, {"A"}.__contains__)] == ["B"]


def test_what_is_lost_after_it_was_accepted_is_due_again() -> None:
    """Unless a newer level has been accepted, which then rules."""
    reports = LevelReports()
    alert = changed(reports, event(ALERT))
    accepted(reports, alert)
    reports.lost(alert, 60.0, 0.0)
    assert (due(reports, 60), due(reports, 61)) == ([], [alert])
    newer = changed(reports, event(CLEAR, ALERT))
    accepted(reports, newer)
    reports.lost(alert, 70.0, 0.0)
    assert due(reports, 90) == []
    reports.lost(event(ERROR_LIKE, track="unknown to it"), 90.0, 0.0)
    assert due(reports, 90) == []


ERROR_LIKE = Level.ERROR


def test_errors_are_events_but_no_levels() -> None:
    """They are always delivered, and their failure leaves no track behind."""
    reports = LevelReports()
    accepted(reports, changed(reports, event(ALERT)))
    error = event(ERROR_LIKE)
    assert reports.needs(error, 0)
    failed(reports, error, 0)
    refused(reports, error, 0)
    accepted(reports, error)
    assert (reports.behind, due(reports, 100)) == (0, [])


def test_an_ended_track_is_tried_for_ten_minutes() -> None:
    """An alert does not vanish with its camera, and a receiver that never takes it is not asked forever."""
    reports = LevelReports()
    alert = changed(reports, event(ALERT))
    failed(reports, alert, 0)
    reports.track_ended("A", 10)
    assert due(reports, ENDED_KEPT_FOR) == [alert]
    assert due(reports, ENDED_KEPT_FOR + 10) == []
    assert len(reports) == reports.behind == 0


def test_a_track_that_comes_back_is_kept() -> None:
    """Its sid is the same, so is what the receiver knows."""
    reports = LevelReports()
    alert = changed(reports, event(ALERT))
    failed(reports, alert, 0)
    reports.track_ended("A", 0)
    reports.track_added("A")
    assert due(reports, 2 * ENDED_KEPT_FOR) == [alert]


def test_memory_is_bounded_by_the_tracks() -> None:
    """However many come and go, and however late their results are."""
    reports = LevelReports()
    for number in range(ENDED_LIMIT + 100):
        changed(reports, event(ALERT, track=f"TR_{number}"))
        reports.track_ended(f"TR_{number}", 0)
        reports.changed(event(ALERT, track=f"late {number}"), 0, live=False)
        reports.track_ended("never heard of", 0)
    assert len(reports) == reports.behind == ENDED_LIMIT


def test_a_change_within_the_cooldown_is_held_and_due_afterwards() -> None:
    """A held track is not behind: its sink works. What is no longer true is never delivered."""
    reports = LevelReports(LevelCooldown(60.0))
    accepted(reports, changed(reports, event(ALERT), 0), 0)
    accepted(reports, changed(reports, event(CLEAR, ALERT), 1), 1)
    accepted(reports, changed(reports, event(ALERT), 2), 2)
    held = changed(reports, event(CLEAR, ALERT), 3)
    assert not reports.needs(held, 3)
    assert (reports.behind, due(reports, 60.9), due(reports, 61)) == (0, [], [held])
    assert reports.behind == 1
    again = changed(reports, event(ALERT), 10)
    assert not reports.needs(again, 10)
    assert (reports.behind, due(reports, 1e9)) == (0, [])


def test_another_track_of_the_participant_waits_for_the_same_cooldown() -> None:
    """The level that was told last is the participant's."""
    reports = LevelReports(LevelCooldown(60.0))
    accepted(reports, changed(reports, event(ALERT), 0), 0)
    other = changed(reports, event(ALERT, track="B"), 1)
    assert not reports.needs(other, 1)
    assert due(reports, 60) == [other]
    reports.track_ended("B", 60)
    assert due(reports, 60 + 2 * ENDED_KEPT_FOR) == []
    assert reports.behind == 0


def test_a_failed_delivery_starts_no_cooldown() -> None:
    """Nothing was told yet."""
    reports = LevelReports(LevelCooldown(60.0))
    alert = changed(reports, event(ALERT), 0)
    failed(reports, alert, 0)
    assert reports.needs(alert, 1)
    assert due(reports, RETRY_WITHIN) == [alert]


def test_an_error_within_the_cooldown_is_left_out() -> None:
    """It is no level, so it is not delivered later either."""
    reports = LevelReports(LevelCooldown(60.0))
    error = event(ERROR_LIKE)
    accepted(reports, error, 0)
    assert not reports.needs(error, 59)
    assert reports.needs(error, 60)
    assert (reports.behind, due(reports, 100)) == (0, [])
