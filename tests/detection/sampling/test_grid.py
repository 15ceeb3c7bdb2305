"""When samples are due: the grid, case by case; the laws of the policies that use it are in tests/laws."""

from __future__ import annotations

import pytest

from ds_actors.detection.events import Level
from ds_actors.detection.sampling import (
    Grid,
    Jitter,
    Paused,
    Plan,
    Resumed,
    SampleDue,
    SampleSent,
    SamplingEvent,
    Started,
    Verdict,
)

ANY = Verdict(Level.CLEAR)


def plan(grid: Grid, event: SamplingEvent, now: float, fps: float = 1.0) -> Plan:
    return grid.on(event, now, fps, "why")


def due(grid: Grid, event: SamplingEvent, now: float, fps: float = 1.0) -> float | None:
    return plan(grid, event, now, fps).due


def taken(grid: Grid, *times: float, fps: float = 1.0) -> list[float | None]:
    """Return when the next sample is due after each that was taken."""
    return [due(grid, SampleDue(), now, fps) for now in times]


def began(*times: float, fps: float = 1.0, ceiling: float = 2.0, jitter: float | Jitter = 0.0) -> Grid:
    """Return a grid that started at 0, whose samples were taken at these times."""
    grid = Grid(ceiling, jitter)
    plan(grid, Started(), 0.0, fps)
    taken(grid, *times, fps=fps)
    return grid


def test_lateness_does_not_add_up() -> None:
    """The grid begins when the first sample is due, not when it is taken."""
    grid = began()
    assert taken(grid, 0.2, 1.6, 2.0) == [1.0, 2.0, 3.0]


def test_a_sample_so_late_that_the_next_would_follow_at_once_begins_the_grid_anew() -> None:
    """Sooner than half an interval of the ceiling after it: 0.25 s here."""
    grid = began(0.0)
    assert taken(grid, 1.75, 2.8, 3.8, 4.8) == [2.0, 3.8, 4.8, 5.8]


def test_a_sample_is_taken_once_and_not_early() -> None:
    """A caller that wakes too soon gets the same plan again: the same object, as one comes with every event."""
    grid = began(0.0)
    planned = plan(grid, SampleSent(), 0.1)
    assert planned == Plan(1.0, "why", fps=1.0)
    assert plan(grid, SampleDue(), 0.9) is planned
    assert plan(grid, SampleDue(), 1.0).due == 2.0
    assert plan(grid, SampleDue(), 1.0).due == 2.0


def test_a_faster_rate_brings_the_next_sample_forward() -> None:
    """It counts from the last sample; what should have been is due at once; the grid begins anew there."""
    grid = began(0.0, 1.0)
    assert due(grid, ANY, 1.3, fps=2.0) == 1.5
    assert taken(grid, 1.6, 2.0, fps=2.0) == [2.0, 2.5]
    assert due(began(0.0), ANY, 0.8, fps=2.0) == 0.8


def test_a_faster_rate_never_puts_a_sample_back() -> None:
    """The last one was late, so that the next was due sooner than the new interval after it."""
    assert due(began(0.0, 1.4), ANY, 1.5, fps=1.25) == 2.0


def test_a_slower_rate_puts_the_next_sample_back() -> None:
    """It counts from the last sample too, and the grid begins anew there."""
    grid = began(0.0, 1.4)
    assert due(grid, ANY, 1.5, fps=0.5) == 3.4
    assert taken(grid, 3.5, 5.4, fps=0.5) == [5.4, 7.4]


def test_a_rate_that_changes_with_the_sample_itself_counts_from_when_it_was_due() -> None:
    """As a policy does that slows down gradually."""
    grid = began(0.0, 1.0, 2.0)
    assert taken(grid, 3.2, fps=2.0) == [3.5]
    assert taken(grid, 3.5, fps=0.5) == [5.5]
    assert taken(grid, 5.5, 7.5, fps=0.5) == [7.5, 9.5]


def test_a_change_of_rate_before_the_first_sample_leaves_it_due_at_once() -> None:
    """Nothing is due before the start."""
    grid = Grid(2.0)
    assert plan(grid, ANY, 0.0) == Plan(None, "not started", fps=1.0)
    assert plan(grid, SampleDue(), 1.0, fps=2.0).due is None
    assert due(grid, Started(), 2.0) == 2.0
    assert due(grid, ANY, 2.1, fps=2.0) == 2.0


def test_no_rate_exceeds_the_ceiling() -> None:
    """The plan says the rate that it has."""
    grid = began(0.0, fps=100.0)
    assert plan(grid, SampleSent(), 0.1, fps=100.0) == Plan(0.5, "why", fps=2.0)


@pytest.mark.parametrize("rate", [0.0, -1.0, float("nan"), float("inf")])
def test_a_grid_refuses_a_rate_that_is_none_from_the_first_event_on(rate: float) -> None:
    """Not in the middle, when the first sample falls due; nor a ceiling that is none."""
    with pytest.raises(ValueError, match="the rate must be a finite number above 0"):
        Grid(1.0).on(Started(), 0.0, rate, "your own policy")
    with pytest.raises(ValueError, match="ceiling_fps must be a finite number above 0"):
        Grid(rate)


@pytest.mark.parametrize(("last_due", "begins"), [(None, 9.0), (8.7, 9.2), (8.0, 9.0), (3.0, 9.0)])
def test_a_start_keeps_the_ceilings_distance_from_an_earlier_incarnations_last_sample(
    last_due: float | None, begins: float
) -> None:
    """Otherwise a crash would be a way to have more samples made."""
    assert due(Grid(2.0), Started(last_due=last_due), 9.0) == pytest.approx(begins)


def test_a_policy_that_outlives_a_crash_knows_its_own_last_sample() -> None:
    """The later of both counts."""
    assert due(began(0.0), Started(), 0.1) == 0.5
    assert due(began(0.0), Started(last_due=-3.0), 0.1) == 0.5
    assert due(began(0.0), Started(last_due=0.1), 0.1) == 0.6


def test_nothing_is_due_while_muted_and_the_grid_begins_anew_after_it() -> None:
    """At once, except within the ceiling's distance; a resume without a pause changes nothing."""
    grid = began(0.0, 1.0)
    assert plan(grid, Paused(), 1.1) == Plan(None, "muted", fps=1.0)
    assert taken(grid, 2.1) == [None]
    assert due(grid, Resumed(), 2.2) == 2.2
    assert taken(grid, 2.3) == [3.2]
    assert due(grid, Resumed(), 2.4) == 3.2
    assert due(grid, Paused(), 2.5) is None
    assert due(grid, Resumed(), 2.6) == 2.8


def test_a_rate_that_changes_while_muted_counts_from_the_unmuting_on() -> None:
    """Also where the track is muted before it starts."""
    grid = began(0.0)
    plan(grid, Paused(), 0.1)
    assert due(grid, ANY, 0.2, fps=2.0) is None
    assert plan(grid, Resumed(), 3.0, fps=2.0) == Plan(3.0, "why", fps=2.0)
    assert taken(grid, 3.0, fps=2.0) == [3.5]
    early = Grid(2.0)
    assert plan(early, Paused(), 0.0) == Plan(None, "muted", fps=1.0)
    assert due(early, Started(), 1.0) is None
    assert due(early, Resumed(), 2.0) == 2.0


def test_each_figure_of_a_plan_is_the_newest() -> None:
    """The reason, the quality or the size alone may change."""
    grid = began(0.0)
    planned = Plan(1.0, "why", fps=1.0)
    assert grid.on(ANY, 0.1, 1.0, "why") == planned
    assert grid.on(ANY, 0.1, 1.0, "because") == Plan(1.0, "because", fps=1.0)
    assert grid.on(ANY, 0.1, 1.0, "because", quality=90) == Plan(1.0, "because", 90, fps=1.0)
    assert grid.on(ANY, 0.1, 1.0, "because", quality=90, max_side=640) == Plan(1.0, "because", 90, 640, fps=1.0)
    late = began(0.0, 1.4, ceiling=1.25)
    assert plan(late, ANY, 1.5) == Plan(2.0, "why", fps=1.0)
    assert plan(late, ANY, 1.5, fps=1.25) == Plan(2.0, "why", fps=1.25)


def draws(share: float, count: int) -> list[float]:
    jitter = Jitter(share, b"key")
    return [jitter.draw() for _ in range(count)]


def test_with_jitter_each_interval_is_its_draw_times_the_mean() -> None:
    """The first sample is due at once; lateness does not add up here either."""
    grid, (first, second, third) = began(jitter=Jitter(0.5, b"key")), draws(0.5, 3)
    assert grid.spread == 0.5
    assert taken(grid, 0.1) == [pytest.approx(first)]
    assert taken(grid, first + 0.1) == [pytest.approx(first + second)]
    assert taken(grid, first + second) == [pytest.approx(first + second + third)]


def test_with_jitter_a_late_sample_begins_anew_too() -> None:
    """Where the next would follow sooner than half of the shortest interval: 0.125 s here."""
    first, second = draws(0.5, 2)
    ends = first + second
    grid = began(0.0, jitter=Jitter(0.5, b"key"))
    assert taken(grid, ends - 0.13) == [pytest.approx(ends)]
    grid = began(0.0, jitter=Jitter(0.5, b"key"))
    assert taken(grid, ends - 0.12) == [pytest.approx(ends - 0.12 + second)]
    exact = began(fps=30.0, ceiling=30.0, jitter=0.5)
    assert taken(exact, 1 / 60, fps=30.0) == [1 / 30]


@pytest.mark.parametrize("fps", [15.0, 20.0, 30.0])
def test_near_thirty_a_second_jitter_has_less_room_and_stays_even(fps: float) -> None:
    """No interval is shorter than a thirtieth of a second, and their mean stays that of the rate."""
    grid, room = began(fps=fps, ceiling=30.0, jitter=Jitter(0.5, b"key")), min(0.5, 1 - fps / 30)
    begin = 0.0
    for draw in draws(0.5, 20):
        (end,) = taken(grid, begin, fps=fps)
        assert end is not None
        assert end - begin == pytest.approx((1 + (draw - 1) * room / 0.5) / fps)
        begin = end


def test_a_change_of_rate_keeps_the_draw_of_its_interval() -> None:
    """Otherwise the change would tell a participant when the next sample is due."""
    (first,) = draws(0.5, 1)
    assert due(began(0.0, fps=0.5, jitter=Jitter(0.5, b"key")), ANY, 0.1) == pytest.approx(first)
    assert due(began(0.0, jitter=Jitter(0.5, b"key")), ANY, 0.1, fps=0.5) == pytest.approx(2 * first)


def test_a_change_of_rate_keeps_the_shortest_interval() -> None:
    """A draw for a slow rate may be too short for 30 samples a second."""
    jitter = Jitter(0.9, b"short")
    assert Jitter(0.9, b"short").draw() < 0.7
    assert due(began(0.0, ceiling=30.0, jitter=jitter), ANY, 0.01, fps=30.0) == pytest.approx(1 / 30)
