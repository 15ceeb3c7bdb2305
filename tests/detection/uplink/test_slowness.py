"""When a link is said to be slow."""

from __future__ import annotations

import pytest

from ds_actors.detection.uplink.slowness import LinkSlowness

RATE = 8_000.0
SLOW = "the link to the detection service is slow"


def looks(slowness: LinkSlowness, begin: int, end: int, *, limited: bool) -> list[tuple[int, str, str]]:
    """Look every 5 s, with a limited sample each time or with none; return what is said."""
    said: list[tuple[int, str, str]] = []
    for now in range(begin, end, 5):
        if limited:
            slowness.limited(now)
        note = slowness.look(RATE, now)
        if note is not None:
            said.append((now, note.level, note.text))
    return said


def test_the_beginning_and_the_end_are_said_once_each() -> None:
    """After 10 s of limited samples, and 30 s after the last of them."""
    slowness = LinkSlowness()
    assert looks(slowness, 0, 100, limited=True) == [
        (
            10,
            "warning",
            f"{SLOW} (about 8.0 kB/s): pictures are sent smaller, and fewer, so that they arrive in time",
        )
    ]
    assert slowness.slow
    assert looks(slowness, 100, 200, limited=False) == [
        (125, "info", "the link to the detection service is fast enough again, after 95 s")
    ]
    assert not slowness.slow


def test_a_stall_is_not_worth_a_line() -> None:
    """Samples limited for less than 10 s."""
    slowness = LinkSlowness()
    assert looks(slowness, 0, 10, limited=True) == []
    assert looks(slowness, 10, 100, limited=False) == []
    assert not slowness.slow


def test_a_link_that_becomes_slow_again_and_again_is_said_at_most_every_five_minutes() -> None:
    """An hour of it: then it must be fast enough for 15 minutes."""
    slowness = LinkSlowness()
    said = [(10, "warning")]
    assert [note[:2] for note in looks(slowness, 0, 30, limited=True)] == said
    assert [note[:2] for note in looks(slowness, 30, 100, limited=False)] == [(55, "info")]
    for minute in range(2, 62):
        said += [note[:2] for note in looks(slowness, minute * 60, minute * 60 + 20, limited=True)]
        said += [note[:2] for note in looks(slowness, minute * 60 + 20, minute * 60 + 60, limited=False)]
    assert said == [(10, "warning"), (310, "warning")]
    assert slowness.slow
    end = looks(slowness, 62 * 60, 80 * 60, limited=False)
    assert [note[:2] for note in end] == [(61 * 60 + 15 + 900, "info")]


@pytest.mark.parametrize(("pause", "first_end"), [(895, 900), (900, 30)])
def test_a_link_that_was_fast_for_fifteen_minutes_is_slow_anew(pause: int, first_end: int) -> None:
    """Counted from its last limited sample to the next: before that it must be fast for as long to be fast again."""
    slowness = LinkSlowness()
    for begin in (1_000, 1_015 + pause):
        looks(slowness, begin, begin + 20, limited=True)
        last = begin + 15
        told = looks(slowness, last + 5, last + 2_000, limited=False)
    assert [now - last for now, level, _ in told if level == "info"] == [first_end]


def test_limits_far_apart_from_the_beginning_of_time_are_measured_by_their_distance() -> None:
    """Ten seconds of them, whenever that is, and the figures of that time."""
    slowness = LinkSlowness()
    assert looks(slowness, 1_000, 1_010, limited=True) == []
    assert not slowness.slow
    assert [note[0] for note in looks(slowness, 1_010, 1_015, limited=True)] == [1_010]
    end = looks(slowness, 1_015, 1_100, limited=False)
    assert end == [(1_040, "info", "the link to the detection service is fast enough again, after 10 s")]
    precise = LinkSlowness()
    precise.limited(0.0)
    precise.limited(10.0)
    note = precise.look(1_000_950.0, 10.0)
    assert note is not None
    assert "about 1001.0 kB/s" in note.text
