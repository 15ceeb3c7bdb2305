"""The reported time of pictures, by the packets of all streams."""

from __future__ import annotations

from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from ds_actors.cli._scan.clock import NEAR_ZERO, Clock
from ds_actors.cli._scan.passed import LONGEST_STATED, LONGEST_STEP
from ds_actors.cli._scan.segments import samples_due

LENGTH = Fraction(1, 25)
PICTURES, SOUND = 0, 1
STEPS = st.lists(st.fractions(0, LONGEST_STEP, max_denominator=1_000))
GAPS = st.lists(st.fractions(0, 500, max_denominator=1_000), min_size=1, max_size=20)
STARTS = st.fractions(0, 90_000, max_denominator=1_000)
TIMES = st.fractions(-100_000, 100_000, max_denominator=1_000)


def with_sound(clock: Clock, begin: Fraction, end: Fraction, step: Fraction = Fraction(1)) -> None:
    """Note packets of sound from one time until another one, in seconds."""
    time = begin
    while time < end:
        clock.note(SOUND, time, step)
        time += step


@given(st.fractions(-NEAR_ZERO, NEAR_ZERO, max_denominator=1_000), STEPS)
def test_a_file_that_begins_near_zero_keeps_its_own_times(first: Fraction, steps: list[Fraction]) -> None:
    """The clock changes nothing while no step is over a minute, also where the first picture is before 0."""
    clock = Clock()
    pts = first
    assert clock.next(pts, LENGTH) == pts
    for step in steps:
        pts += step
        assert clock.next(pts, LENGTH) == pts


@given(STARTS, GAPS, st.booleans())
def test_whatever_the_gaps_sound_that_goes_on_keeps_the_time_of_the_container(
    start: Fraction, gaps: list[Fraction], any_start: bool
) -> None:
    """Each picture has the container's time, less that of the beginning where a player counts from there."""
    clock = Clock(start, any_start)
    pts = start
    for gap in gaps:
        with_sound(clock, pts, pts + gap, Fraction(20))
        pts += gap
        assert clock.next(pts, LENGTH) == pts - clock.origin
    assert clock.origin == (start if any_start or start > NEAR_ZERO else 0)


@given(STARTS, GAPS)
def test_whatever_the_gaps_a_long_one_without_sound_is_one_picture_long(start: Fraction, gaps: list[Fraction]) -> None:
    """All others have their own length, so that reported times advance by a known step each."""
    clock = Clock(start, any_start=True)
    pts, expected = start, clock.next(start, LENGTH)
    assert expected == 0
    for gap in gaps:
        pts += gap
        expected += gap if gap <= LONGEST_STEP else LENGTH
        assert clock.next(pts, LENGTH) == expected


PACKETS = st.tuples(st.integers(PICTURES, 2), TIMES, st.fractions(0, 10_000, max_denominator=1_000))


@given(
    st.none() | TIMES,
    st.booleans(),
    st.lists(st.tuples(st.lists(PACKETS, max_size=3), st.none() | TIMES), min_size=1),
    st.fractions(0, 1_000),
)
def test_whatever_the_times_reported_time_never_goes_back_and_advances_by_what_is_accounted_for(
    start: Fraction | None,
    any_start: bool,
    story: list[tuple[list[tuple[int, Fraction, Fraction]], Fraction | None]],
    length: Fraction,
) -> None:
    """A picture owes a minute, and for each packet at most a minute and what the packet states, an hour at most."""
    clock, due, latest, packets = Clock(start, any_start), 0, Fraction(-NEAR_ZERO), 0
    for noted, pts in story:
        for stream, time, duration in noted:
            clock.note(stream, time, duration)
        packets += len(noted)
        now = clock.next(pts, length)
        assert now >= latest
        latest = now
        owed = samples_due(Fraction(30), now)
        assert owed - due <= 30 * (2 * LONGEST_STEP + packets * (LONGEST_STEP + LONGEST_STATED)) + 1
        due = max(due, owed)


def test_time_advances_by_one_picture_where_it_jumps() -> None:
    """Forward by over a minute, and back; a picture a little out of order is no jump."""
    clock = Clock()
    times = [clock.next(Fraction(pts), LENGTH) for pts in ("600", "601", "661.5", "662", "0", "1", "0.9", "1.1")]
    assert [float(time) for time in times] == [0, 1, 1.04, 1.54, 1.58, 2.58, 2.58, 2.68]


def test_sound_that_jumps_with_the_pictures_fills_nothing_but_what_it_lasted() -> None:
    """It goes on for 100 s after the picture, then both jump to 1,000 s."""
    clock = Clock()
    clock.next(Fraction(0), LENGTH)
    with_sound(clock, Fraction(0), Fraction(100))
    with_sound(clock, Fraction(1_000), Fraction(1_001))
    assert clock.next(Fraction(1_000), LENGTH) == 100


def test_a_joined_recording_follows_the_sound_of_the_one_before() -> None:
    """The first part has a picture at 3 s and sound until 33 s; the second one begins at 0."""
    clock = Clock(Fraction(0))
    clock.next(Fraction(3), LENGTH)
    with_sound(clock, Fraction(0), Fraction(33))
    with_sound(clock, Fraction(0), Fraction(1))
    assert clock.next(Fraction(0), LENGTH) == 33


def test_a_picture_that_its_container_says_lasts_is_no_jump() -> None:
    """The duration of the packet before the gap is the gap; one of over an hour is not believed."""
    clock = Clock()
    clock.next(Fraction(0), LENGTH)
    clock.note(PICTURES, Fraction(0), Fraction(90))
    assert clock.next(Fraction(90), LENGTH) == 90
    clock.note(PICTURES, Fraction(90), Fraction(4_000))
    assert clock.next(Fraction(4_090), LENGTH) == 90 + LENGTH


def test_a_video_that_begins_behind_its_sound_counts_from_the_beginning_of_the_file() -> None:
    """With sound for the 100 s before the first picture; without it, the video begins where the sound ended."""
    whole, broken = Clock(Fraction(600)), Clock(Fraction(600))
    with_sound(whole, Fraction(600), Fraction(700))
    with_sound(broken, Fraction(600), Fraction(605))
    assert whole.next(Fraction(700), LENGTH) == 100
    assert broken.next(Fraction(700), LENGTH) == 5


def test_the_sound_of_the_first_part_fills_no_gap_of_the_second() -> None:
    """Both begin at 0. The first has 100 s of sound; the second has one, and its next picture is at 80 s."""
    clock = Clock()
    clock.next(Fraction(0), LENGTH)
    with_sound(clock, Fraction(0), Fraction(100))
    clock.next(Fraction(50), LENGTH)
    clock.next(Fraction(100), LENGTH)
    with_sound(clock, Fraction(0), Fraction(1))
    begin = clock.next(Fraction(0), LENGTH)
    assert begin == 100 + LENGTH
    assert clock.next(Fraction(80), LENGTH) == begin + 1


def test_a_first_picture_a_little_before_the_stated_beginning_keeps_its_time() -> None:
    """As much before it as a file may begin from 0; a picture further before it is at the beginning."""
    assert Clock(Fraction(1)).next(Fraction(1, 2), LENGTH) == Fraction(1, 2)
    assert Clock(Fraction(600)).next(Fraction(599), LENGTH) == -1
    assert Clock(Fraction(600)).next(Fraction(590), LENGTH) == 0


def test_a_first_picture_without_a_time_is_at_the_beginning() -> None:
    """The stated one, or 0."""
    assert Clock().next(None, LENGTH) == 0
    assert Clock(Fraction(1)).next(None, LENGTH) == 1


def test_the_time_of_what_cannot_be_decoded_changes_no_clock() -> None:
    """It is the container's where that is near the latest picture, else the latest picture's."""
    clock = Clock()
    assert clock.estimate(Fraction(9)) == 0
    clock.next(Fraction(600), LENGTH)
    assert [clock.estimate(pts) for pts in (Fraction(602), None, Fraction(0), Fraction(900))] == [2, 0, 0, 0]
    assert clock.latest == 0
