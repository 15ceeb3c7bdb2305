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


def test_a_wait_is_drawn_from_the_upper_half_of_its_ceiling() -> None:
    """The first ceiling is 1 s."""
    reports = LevelReports()
    alert = changed(reports, event(ALERT))
    reports.begin(alert)
    reports.failed(alert, 100.0, 0.5)
    assert (due(reports, 100.74), due(reports, 100.75)) == ([], [alert])


def test_a_refusal_is_tried_again_as_any_failure_is() -> None:
    """After the same wait."""
    reports = LevelReports()
    alert = changed(reports, event(ALERT))
    refused(reports, alert, 100.0)
    assert (due(reports, 100.4), due(reports, 100.5)) == ([], [alert])


def test_waits_begin_anew_with_a_new_level_and_after_a_success() -> None:
    """However often the track failed before."""
    reports = LevelReports()
    alert = changed(reports, event(ALERT))
    for _ in range(5):
        failed(reports, alert, 0.0)
    lower = changed(reports, event(SUSPICIOUS, ALERT), 50.0)
    assert due(reports, 50.0) == [lower]
    failed(reports, lower, 50.0)
    assert (due(reports, 50.4), due(reports, 50.5)) == ([], [lower])
    accepted(reports, lower, 51.0)
    reports.lost(lower, 60.0, 0.0)
    assert (due(reports, 60.4), due(reports, 60.5)) == ([], [lower])


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


def test_a_success_makes_what_was_lost_due_soon_too() -> None:
    """It waits as if its delivery had failed."""
    reports = LevelReports()
    tracks = [changed(reports, event(ALERT, track=name)) for name in "AB"]
    for alert in tracks:
        accepted(reports, alert)
    for _ in range(9):
        reports.lost(tracks[0], 10.0, 0.0)
    assert due(reports, 12) == []
    accepted(reports, tracks[1])
    assert (due(reports, 10.9), due(reports, 11)) == ([], [tracks[0]])


def test_what_a_last_attempt_is_for_is_all_that_is_behind() -> None:
    """Due or not."""
    reports = LevelReports()
    assert reports.outstanding() == []
    accepted(reports, changed(reports, event(ALERT, track="A")))
    waits = changed(reports, event(ALERT, track="B"))
    failed(reports, waits, 0)
    new = changed(reports, event(SUSPICIOUS, track="C"))
    assert sorted(owed.track_id for owed in reports.outstanding()) == ["B", "C"]
    assert all(owed in (waits, new) for owed in reports.outstanding())


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


def test_what_is_lost_after_a_refusal_of_its_successor_may_be_missing() -> None:
    """The receiver was thought to have ALERT, of which the refusal of CLEAR changed nothing; ALERT is news again."""
    reports = LevelReports()
    alert = changed(reports, event(ALERT))
    accepted(reports, alert)
    refused(reports, changed(reports, event(CLEAR, ALERT)), 1)
    reports.lost(alert, 2.0, 0.0)
    assert reports.needs(changed(reports, event(ALERT)), 3)


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


def test_an_error_changes_nothing_of_what_the_receiver_has_and_is_owed() -> None:
    """However its delivery ends."""
    reports = LevelReports()
    alert, error = changed(reports, event(ALERT)), event(ERROR_LIKE)
    failed(reports, alert, 0)
    failed(reports, error, 0.4)
    assert due(reports, 0.5) == [alert]
    accepted(reports, alert, 1)
    for end in (failed, refused):
        end(reports, error, 2)
        assert not reports.needs(event(ALERT), 2)


def test_a_track_whose_level_never_changed_is_owed_nothing() -> None:
    """Its results are delivered once, whatever becomes of them."""
    reports = LevelReports()
    same = event(CLEAR)
    for end in (failed, refused):
        end(reports, same, 0)
    reports.lost(same, 0, 0.0)
    assert reports.needs(same, 1)
    assert (len(reports), reports.behind, due(reports, 100)) == (0, 0, [])


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


def held(reports: LevelReports) -> ResultEvent:
    """Make an event that waits for the end of its cooldown at 3 s."""
    for now, level, previous in ((0, ALERT, CLEAR), (1, CLEAR, ALERT), (2, ALERT, CLEAR)):
        accepted(reports, changed(reports, event(level, previous), now), now)
    waits = changed(reports, event(CLEAR, ALERT), 3)
    assert not reports.needs(waits, 3)
    return waits


def test_a_new_level_of_a_held_track_makes_it_behind() -> None:
    """It waits for the sink, no longer for the cooldown."""
    reports = LevelReports(LevelCooldown(60.0))
    held(reports)
    assert reports.behind == 0
    assert reports.needs(changed(reports, event(SUSPICIOUS, CLEAR), 4), 4)
    assert reports.behind == 1


def test_a_held_track_that_is_forgotten_is_held_no_more() -> None:
    """Its cooldown was longer than an ended track is kept."""
    reports = LevelReports(LevelCooldown(2 * ENDED_KEPT_FOR))
    held(reports)
    reports.track_ended("A", 4)
    assert due(reports, ENDED_KEPT_FOR + 4) == []
    assert (len(reports), reports.behind) == (0, 0)


def test_a_level_that_is_on_its_way_to_a_participant_is_not_sent_twice() -> None:
    """Of two of its tracks the second waits; after a crash nothing is on its way."""
    reports = LevelReports(LevelCooldown(60.0))
    reports.begin(changed(reports, event(ALERT)))
    other = changed(reports, event(ALERT, track="B"))
    assert not reports.needs(other, 0)
    reports.restarted()
    assert reports.needs(other, 0)


def test_a_level_held_while_the_same_one_is_on_its_way_is_settled_by_it() -> None:
    """ALERT is being delivered while the level goes to CLEAR and back: nothing is owed after that, and nothing held."""
    reports = LevelReports(LevelCooldown(60.0))
    first = changed(reports, event(ALERT))
    reports.begin(first)
    changed(reports, event(CLEAR, ALERT))
    assert not reports.needs(changed(reports, event(ALERT)), 0)
    reports.accepted(first, 1)
    assert (reports.behind, due(reports, 100)) == (0, [])


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
