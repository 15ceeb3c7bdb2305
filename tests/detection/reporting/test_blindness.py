"""When tracks that should be checked are not: which lines of the log that gives, and when."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ds_actors.detection.coverage import Coverage
from ds_actors.detection.reporting import blindness as module
from ds_actors.detection.reporting.blindness import BLIND_AFTER, Blindness, Sight

STALE, NO_FRAMES = Coverage.STALE, Coverage.NO_FRAMES
Line = tuple[float, str]


def blind(*tracks: str, coverage: Coverage = STALE, wanted: int = 5) -> Sight:
    return Sight(dict.fromkeys(tracks, coverage), wanted)


def watched(blindness: Blindness, began: int, ended: int, sight: Sight) -> list[Line]:
    """Return the lines from looking every 5 s, with their times."""
    looks = ((now, blindness.look(sight, now)) for now in range(began, ended, 5))
    return [(now, f"{note.level}: {note.text}") for now, note in looks if note is not None]


def times(lines: list[Line]) -> list[float]:
    return [now for now, _ in lines]


def test_blindness_is_reported_once_after_30_seconds_and_once_when_it_is_over() -> None:
    """The warning has the counts and the likely cause; it is over after 30 s without a blind track."""
    blindness = Blindness()
    ((at, text),) = watched(blindness, 0, 3_600, blind("A", "B"))
    assert at == BLIND_AFTER
    assert text.startswith("warning: 2 of 5 tracks that should be checked have not been for 30 s (2 stale): the serv")
    assert blindness.cause
    ((at, text),) = watched(blindness, 3_600, 7_200, blind())
    assert (at, text) == (3_630, "info: no track that should be checked is left unchecked, after 3600 s")
    assert not blindness.cause


def test_less_than_30_seconds_is_no_blindness() -> None:
    """Each track counts for itself: several that are blind in turn are not blind together."""
    blindness = Blindness()
    lines: list[Line] = []
    for number in range(100):
        lines += watched(blindness, number * 30, number * 30 + 30, blind(str(number)))
    assert not lines
    assert not blindness.cause


def test_one_track_that_stays_blind_hides_no_other() -> None:
    """Twice as many blind tracks are reported at once, another one after 300 s."""
    blindness = Blindness()
    assert times(watched(blindness, 0, 100, blind("A"))) == [30]
    assert times(watched(blindness, 100, 200, blind("A", "B"))) == [130]
    assert times(watched(blindness, 200, 600, blind("A", "B", "C"))) == [430]
    assert times(watched(blindness, 600, 700, blind("A", "B", "C", "D", "E", "F"))) == [630]


def test_blindness_that_returns_soon_is_over_only_after_15_minutes() -> None:
    """It is reported again at most every 300 s, and `cause` has it at once."""
    blindness = Blindness()
    assert times(watched(blindness, 0, 60, blind("A"))) == [30]
    assert times(watched(blindness, 60, 120, blind())) == [90]
    assert not watched(blindness, 120, 300, blind("A"))
    assert blindness.cause
    assert times(watched(blindness, 300, 400, blind("A"))) == [330]
    assert times(watched(blindness, 400, 1_900, blind())) == [1_300]


def test_a_track_that_is_seen_for_a_moment_each_time_is_reported_too() -> None:
    """25 s blind and 10 s checked, again and again: the warning says that it is checked only at times."""
    blindness, lines = Blindness(), list[Line]()
    for began in range(0, 1_000, 35):
        lines += watched(blindness, began, began + 25, blind("A", wanted=1))
        lines += watched(blindness, began + 25, began + 35, blind(wanted=1))
    at, text = lines[0]
    assert at < 120
    assert text.startswith(
        f"warning: 1 of 1 tracks that should be checked have been only at times for {at:.0f} s (1 st"
    )
    assert len(lines) == 1
    assert times(watched(blindness, 1_015, 1_200, blind(wanted=1))) == [1_035]
    assert not watched(blindness, 2_000, 2_025, blind("A"))


@given(st.lists(st.integers(2, 5), min_size=25, max_size=40))
def test_blind_for_two_thirds_of_the_time_is_always_reported(script: list[int]) -> None:
    """However short each time is, in looks of 5 s."""
    blindness, now, lines = Blindness(), 0, list[Line]()
    for looks in script:
        seen = max(1, looks // 2)
        lines += watched(blindness, now, now + 5 * looks, blind("A"))
        now += 5 * (looks + seen)
        lines += watched(blindness, now - 5 * seen, now, blind())
    assert lines


@given(st.lists(st.tuples(st.integers(1, 5), st.integers(0, 30)), max_size=40))
def test_less_than_a_third_of_the_time_is_never_reported(script: list[tuple[int, int]]) -> None:
    """Where no single time is 30 s, and each is followed by twice as long in which the track is checked."""
    blindness, now, lines = Blindness(), 0, list[Line]()
    for looks, more in script:
        lines += watched(blindness, now, now + 5 * looks, blind("A"))
        now += 5 * (3 * looks + more)
        lines += watched(blindness, now - 5 * (2 * looks + more), now, blind())
    assert not lines


def test_a_room_that_reconnects_is_blindness_without_any_track() -> None:
    """While its server is down, a room lists no track."""
    ((at, text),) = watched(Blindness(), 0, 200, Sight({}, 0, reconnecting=True))
    assert at == BLIND_AFTER
    assert text == (
        "warning: nothing has been checked for 30 s, because the room is reconnecting: "
        "the connection to the room's server was lost"
    )


def test_the_most_frequent_coverage_decides_the_likely_cause() -> None:
    """Stale tracks without a connection to the service are its fault; every other coverage has a cause of its own."""
    blindness = Blindness()
    mixed = Sight({"A": STALE, "B": NO_FRAMES, "C": NO_FRAMES}, 4)
    ((_, text),) = watched(blindness, 0, 60, mixed)
    assert "3 of 4" in text
    assert "(2 no_frames, 1 stale): no frames arrive" in text
    lines = watched(Blindness(), 0, 60, Sight({"A": STALE}, 1, no_uplink="HTTP 503"))
    assert "no connection to the detection service: HTTP 503" in lines[0][1]
    causes = set[str]()
    for coverage in Coverage:
        if coverage.is_blind:
            watched(blindness := Blindness(), 0, 60, blind("A", coverage=coverage))
            causes.add(blindness.cause)
    assert "" not in causes
    assert len(causes) == sum(coverage.is_blind for coverage in Coverage)


def test_blindness_that_returns_after_15_minutes_is_another_one() -> None:
    """It is reported at once, though the track was before, and is over after 30 s; both lines count from its begin."""
    blindness = Blindness()
    watched(blindness, 0, 60, blind("A"))
    assert times(watched(blindness, 60, 960, blind())) == [90]
    ((at, text),) = watched(blindness, 960, 1_000, blind("A"))
    assert at == 990
    assert "have not been for 30 s (1 stale)" in text
    ((at, text),) = watched(blindness, 1_000, 2_000, blind())
    assert (at, text) == (1_030, "info: no track that should be checked is left unchecked, after 40 s")


def test_blindness_that_returns_just_before_is_still_the_same() -> None:
    """It is over only after 15 minutes without."""
    blindness = Blindness()
    watched(blindness, 0, 60, blind("A"))
    assert times(watched(blindness, 60, 955, blind())) == [90]
    assert times(watched(blindness, 955, 1_000, blind("A"))) == [985]
    assert times(watched(blindness, 1_000, 2_000, blind())) == [1_900]


def test_blindness_that_was_not_reported_is_over_without_a_line() -> None:
    """It returned within the 300 s after a warning, and ended before they had passed."""
    blindness = Blindness()
    watched(blindness, 0, 60, blind("A"))
    watched(blindness, 60, 120, blind())
    assert not watched(blindness, 120, 180, blind("A"))
    assert not watched(blindness, 180, 1_080, blind())
    assert blindness.cause
    assert not watched(blindness, 1_080, 2_000, blind())
    assert not blindness.cause


def test_calm_counts_from_the_last_blind_moment() -> None:
    """Also where that was too short to be blindness itself; the line says how long it was in all."""
    blindness = Blindness()
    watched(blindness, 0, 60, blind("A"))
    assert not watched(blindness, 60, 80, blind())
    assert not watched(blindness, 80, 100, blind("B"))
    ((at, text),) = watched(blindness, 100, 200, blind())
    assert (at, text) == (130, "info: no track that should be checked is left unchecked, after 100 s")


@pytest.mark.parametrize(("remembered", "again"), [(2, [630]), (3, [])])
def test_of_too_many_tracks_only_those_that_are_blind_now_are_remembered_as_reported(
    monkeypatch: pytest.MonkeyPatch, remembered: int, again: list[float]
) -> None:
    """So a day of other tracks does not fill the memory; one of the forgotten is reported anew."""
    monkeypatch.setattr(module, "REMEMBERED", remembered)
    blindness = Blindness()
    assert times(watched(blindness, 0, 100, blind("A", "B", "C"))) == [30]
    assert times(watched(blindness, 100, 400, blind("D"))) == [330]
    assert times(watched(blindness, 400, 800, blind("A"))) == again


def test_tracks_that_are_blind_while_the_room_reconnects_are_counted_without_it() -> None:
    """The room is no track, but the likely cause."""
    sight = Sight({"A": STALE, "B": STALE, "C": NO_FRAMES}, 4, reconnecting=True)
    ((_, text),) = watched(Blindness(), 0, 60, sight)
    assert text == (
        "warning: 3 of 4 tracks that should be checked have not been for 30 s (1 no_frames, 2 stale): "
        "the connection to the room's server was lost"
    )


def test_a_slow_link_or_none_is_the_cause_only_where_samples_are_not_answered() -> None:
    """Without a connection there is no slow one; other coverages have causes of their own."""
    for coverage, no_uplink, slow, words in (
        (STALE, "", True, "the link to the detection service is too slow for them"),
        (STALE, "HTTP 503", True, "there is no connection to the detection service: HTTP 503"),
        (STALE, "", False, "the service does not answer their samples"),
        (NO_FRAMES, "HTTP 503", False, "no frames arrive"),
        (NO_FRAMES, "", True, "no frames arrive"),
    ):
        blindness = Blindness()
        watched(blindness, 0, 60, Sight({"A": coverage}, 1, no_uplink=no_uplink, slow_link=slow))
        assert blindness.cause.startswith(words)


@pytest.mark.parametrize("period", [70, 100, 200, 350, 640, 940, 1_000, 1_300])
@pytest.mark.parametrize("share", [0.2, 0.5, 0.8])
def test_a_day_of_coming_and_going_has_less_than_300_lines(period: int, share: float) -> None:
    """Whatever its rhythm."""
    blindness, lines = Blindness(), 0
    for now in range(0, 86_400, 5):
        sight = blind("A") if now % period < share * period else blind()
        lines += blindness.look(sight, now) is not None
    assert lines < 300


def test_a_track_that_was_seen_for_long_begins_anew() -> None:
    """However long: nothing of its sight is saved."""
    blindness = Blindness()
    assert watched(blindness, 0, 10, blind("A")) == watched(blindness, 10, 3_600, blind()) == []
    assert times(watched(blindness, 3_600, 3_700, blind("A"))) == [3_630]


@pytest.mark.parametrize(("seen", "again", "at", "seconds"), [(7.0, 8.0, 37.0, 37), (9.0, 10.0, 40.0, 30)])
def test_what_is_left_of_a_short_blindness_counts(seen: float, again: float, at: float, seconds: int) -> None:
    """Three seconds of it weigh as much as six of sight: after four of these one is left, and after six nothing."""
    blindness = Blindness()
    for now, sight in ((0.0, blind("A")), (3.0, blind("A")), (seen, blind()), (again, blind("A"))):
        assert blindness.look(sight, now) is None
    assert blindness.look(blind("A"), at - 0.1) is None
    note = blindness.look(blind("A"), at)
    assert note is not None
    assert f"for {seconds} s" in note.text


def test_what_is_left_of_a_blindness_that_is_over_counts_no_more() -> None:
    """The next one needs its 30 s, although the same track was blind for minutes just before."""
    blindness = Blindness()
    assert times(watched(blindness, 0, 300, blind("A"))) == [30]
    assert times(watched(blindness, 300, 335, blind())) == [330]
    watched(blindness, 335, 361, blind("A"))
    assert not blindness.cause
    watched(blindness, 365, 366, blind("A"))
    assert blindness.cause
