"""How often a line of one kind is logged."""

from __future__ import annotations

from ds_actors.detection.reporting.log_throttle import COMPLAIN_EVERY, LogThrottle


def test_a_kind_is_logged_at_once_and_then_once_a_minute() -> None:
    """Also where the clock begins at 0; a line that was not due puts off none."""
    throttle = LogThrottle()
    moments = (0.0, 1.0, COMPLAIN_EVERY - 0.1, COMPLAIN_EVERY, COMPLAIN_EVERY + 1, 2 * COMPLAIN_EVERY)
    assert [throttle.due("slow", now) for now in moments] == [True, False, False, True, False, True]


def test_each_kind_counts_for_itself() -> None:
    """One that is often logged hides no other one."""
    throttle = LogThrottle()
    assert [throttle.due(kind, 5.0) for kind in ("slow", "lost", "slow", "lost")] == [True, True, False, False]
