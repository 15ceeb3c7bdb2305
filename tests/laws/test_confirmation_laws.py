"""The shelf of assessments with `min_confirmations`: no single wrong verdict raises a level."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_assessment_laws import (
    Room,
    after,
    check_that_a_result_is_about_its_own_track,
    check_that_only_results_change_levels,
    numbers,
    scripts,
    sids,
)

from ds_actors.detection.events import Level, ResultType, TrackInfo, WireResult
from ds_actors.detection.levels.assessment import Assessments
from ds_actors.detection.levels.confirmation import Confirmation, check_min_confirmations

counts = st.integers(1, 4)
verdicts = st.lists(st.sampled_from([*Level]), max_size=30)


class ConfirmingRoom(Room):
    """A room in which a level needs several verdicts in a row to rise."""

    def __init__(self, needed: int = 2) -> None:
        super().__init__()
        self.shelf = Assessments(min_confirmations=needed)


def levels_of(needed: int, told: list[Level]) -> list[Level]:
    confirmation = Confirmation(needed)
    return [confirmation.observe(verdict) for verdict in told]


@given(counts, verdicts)
def test_a_level_rises_only_when_every_one_of_the_last_verdicts_is_as_high(needed: int, told: list[Level]) -> None:
    """And falls to the first verdict below it; an error or an unknown answer is no verdict."""
    confirmation, heard = Confirmation(needed), list[Level]()
    for verdict in told:
        before, level = confirmation.level, confirmation.observe(verdict)
        if not verdict.is_verdict:
            assert level is before
            continue
        heard.append(verdict)
        if level.elevated and level.severity > before.severity:
            assert len(heard) >= needed
            assert level.severity == min(verdict.severity for verdict in heard[-needed:])
        if verdict.severity <= before.severity:
            assert level is verdict


def test_the_number_of_verdicts_is_an_integer_from_1_to_100() -> None:
    """It comes back as it is."""
    assert [check_min_confirmations(count) for count in (1, 2, 100)] == [1, 2, 100]


def test_a_verdict_that_is_not_above_the_level_waits_for_no_other() -> None:
    """It is the level at once, and ends what waited."""
    confirmation = Confirmation(2)
    for verdict, waits in (
        (Level.CLEAR, 0),
        (Level.SUSPICIOUS, 1),
        (Level.SUSPICIOUS, 0),
        (Level.SUSPICIOUS, 0),
        (Level.ALERT, 1),
        (Level.SUSPICIOUS, 0),
        (Level.CLEAR, 0),
    ):
        confirmation.observe(verdict)
        assert confirmation.waiting == waits


@given(counts, verdicts, st.sampled_from([Level.SUSPICIOUS, Level.ALERT]))
def test_that_many_verdicts_in_a_row_always_raise_it(needed: int, told: list[Level], verdict: Level) -> None:
    """Whatever came before them, and with errors in between."""
    run = [answer for _ in range(needed) for answer in (verdict, Level.ERROR)]
    assert levels_of(needed, [*told, *run])[-1] is verdict


@given(verdicts)
def test_one_confirmation_is_the_last_verdict(told: list[Level]) -> None:
    """So the default is what the documentation says."""
    heard = [verdict for verdict in told if verdict.is_verdict]
    assert [level for level, verdict in zip(levels_of(1, told), told, strict=True) if verdict.is_verdict] == heard


@given(counts, counts, verdicts)
def test_more_confirmations_never_raise_a_level_sooner(few: int, more: int, told: list[Level]) -> None:
    """At every moment the stricter rule's level is at most that of the other."""
    strict, lax = levels_of(max(few, more), told), levels_of(min(few, more), told)
    assert all(a.severity <= b.severity for a, b in zip(strict, lax, strict=True))


@given(counts, verdicts)
def test_an_unconfirmed_verdict_is_what_the_track_is_sampled_by(needed: int, told: list[Level]) -> None:
    """A flag is looked into at once, although it does not accuse yet."""
    confirmation = Confirmation(needed)
    for verdict in told:
        confirmation.observe(verdict)
        if verdict.is_verdict:
            assert confirmation.attention is verdict
        assert confirmation.attention.severity >= confirmation.level.severity
        assert confirmation.waiting < needed


@settings(max_examples=2 * settings().max_examples)
@given(scripts)
def test_nothing_but_a_result_changes_a_live_tracks_level(script: list[tuple[str, Any]]) -> None:
    """Tracks that come and go, time and departures leave the level of those that stay."""
    check_that_only_results_change_levels(ConfirmingRoom(), script)


@settings(max_examples=2 * settings().max_examples)
@given(scripts, sids, numbers)
def test_a_result_is_about_its_own_track_or_raises_a_successor(
    script: list[tuple[str, Any]], sid: str, number: int
) -> None:
    """Never another participant's or kind's, and a late one never lowers."""
    room = after(ConfirmingRoom(), script)
    check_that_a_result_is_about_its_own_track(room, sid, number)
    for track, assessment in room.shelf.tracks.items():
        assert assessment.confirmation is not None
        assert room.shelf.level(track) is assessment.confirmation.level


@given(counts, st.lists(st.sampled_from(["cut", "late", "stay"]), min_size=4, max_size=4))
def test_a_camera_switched_off_after_each_flag_is_accused_as_soon_as_one_that_stays(
    needed: int, habits: list[str]
) -> None:
    """Successors count on, also when the answer comes after the track ended."""
    room = ConfirmingRoom(needed)
    sid, made = "A1", 0
    room.shelf.add_track(TrackInfo("alice", sid), 0.0)
    for habit in habits[:needed]:
        late, old = habit == "late", sid
        if not late:
            say_alert(room, sid)
        if habit != "stay":
            room.shelf.end_track(old, 0.0)
            made += 1
            sid = f"new{made}"
            room.shelf.add_track(TrackInfo("alice", sid), 0.0)
        if late:
            say_alert(room, old)
    assert room.shelf.level(sid) is Level.ALERT


def say_alert(room: Room, sid: str) -> None:
    room.shelf.result(WireResult(ResultType.ALERT, "alice", sid), 0.0, 0)


def test_the_event_of_an_unconfirmed_verdict_keeps_the_level_and_says_why() -> None:
    """It is no change, and the service's sentence, which would accuse, is not passed on."""
    room = ConfirmingRoom(2)
    room.do(("add", "A1"))
    said = [room.judge("A1", number) for number in (2, 4, 4)]
    events = [(applied.event.level, applied.event.message, applied.notable) for applied in said if applied is not None]
    assert events[1] == (Level.CLEAR, "Not confirmed: alert, 1 of 2.", False)
    assert (events[2][0], events[2][2]) == (Level.ALERT, True)


@pytest.mark.parametrize("count", [0, -1, 101, 1.5, True, "2"])
def test_a_number_of_confirmations_that_makes_no_sense_is_refused(count: object) -> None:
    """The error names the parameter."""
    with pytest.raises(ValueError, match="min_confirmations must be an integer from 1 to 100"):
        check_min_confirmations(count)
