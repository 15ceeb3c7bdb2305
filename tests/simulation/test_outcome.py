"""The figures of an outcome: quantiles, alarms, plain values, several seeds as one."""

from __future__ import annotations

import math
from typing import Any

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from ds_actors.simulation import Detection, Outcome, merged
from ds_actors.simulation.outcome import jain
from ds_actors.simulation.statistics import quantile_interval, rate_interval


def detected(*found: float | None, alarms: list[float | None] | None = None) -> list[Detection]:
    """Return a detection for each time; by default the alert comes with the first elevated answer."""
    return [
        Detection("t", 0.0, after, alarm)
        for after, alarm in zip(found, found if alarms is None else alarms, strict=True)
    ]


def cleared(detections: list[Detection], *after: float) -> list[Detection]:
    """Return them with the times to the end of their alerts."""
    return [evolve(each, clear_after=seconds) for each, seconds in zip(detections, after, strict=True)]


def outcome(**figures: Any) -> Outcome:
    given_: dict[str, Any] = {
        "policy": "p", "tracks": 2, "seconds": 100.0, "due": 50, "sent": 40, "sent_bytes": 4_000,
        "dropped": {"stale": 7}, "left": 3, "detections": [], "fairness": 0.5, "longest_gap": 9.0,
    }  # fmt: skip
    return Outcome(**{**given_, **figures})


def test_what_was_found_is_sorted_and_what_was_not_is_counted() -> None:
    """Times to detection, to the alert and to its end."""
    found = outcome(
        detections=[
            Detection("a", 0.0, 5.0, 7.0, 3.0),
            Detection("a", 9.0, None),
            Detection("b", 0.0, 2.0, None),
            Detection("b", 9.0, 4.0, 6.0, 1.0),
        ]
    )
    assert (found.found, found.missed) == ([2.0, 4.0, 5.0], 1)
    assert (found.alarm_delays, found.clear_delays) == ([6.0, 7.0], [1.0, 3.0])


@pytest.mark.parametrize("which", ["quantile", "alarm_quantile"])
def test_a_quantile_is_the_nearest_rank_of_all_manipulations(which: str) -> None:
    """Those that were not found are later than all others; without a rank there is no quantile."""
    found = outcome(detections=detected(4.0, None, 1.0, 3.0, 2.0))
    quantile = getattr(found, which)
    assert [quantile(share) for share in (0.2, 0.21, 0.5, 0.8, 0.81, 1.0)] == [1.0, 2.0, 3.0, 4.0, None, None]
    assert quantile(0.0) is None
    assert getattr(outcome(), which)(0.5) is None


@given(st.lists(st.none() | st.floats(0, 100), min_size=1), st.floats(0.01, 1))
def test_a_quantile_splits_the_manipulations(times: list[float | None], share: float) -> None:
    """At least that share is found by then, and less than that share before."""
    found = outcome(detections=detected(*times))
    known = [at for at in times if at is not None]
    value = found.quantile(share)
    assert value == found.alarm_quantile(share)
    rank = math.ceil(share * len(times))
    if value is None:
        assert len(known) < rank
    else:
        assert sum(at <= value for at in known) >= rank > sum(at < value for at in known)


def test_false_alarms_are_per_genuine_hour() -> None:
    """Without genuine hours the rate is 0."""
    assert outcome(false_alarms=6, genuine_hours=4.0).false_alarm_rate == 1.5
    assert outcome(false_alarms=6).false_alarm_rate == 0.0


def test_the_alarms_of_an_erring_judge_have_intervals() -> None:
    """The median of the clearing is the lower one of two; each quantile has its interval."""
    alarms: list[float | None] = [float(number) for number in range(10)]
    alarms[9] = None
    detections = detected(*alarms)
    detections[:4] = cleared(detections[:4], 8.0, 2.0, 4.0, 6.0)
    found = outcome(detections=detections, false_alarms=6, genuine_hours=4.0, unreliable=2)
    delays = [float(number) for number in range(9)]
    assert found.alarms() == {
        "samples_per_second": 0.2,
        "genuine_hours": 4.0,
        "unreliable": 2,
        "false_alarms": 6,
        "false_alarms_per_hour": 1.5,
        "false_alarms_interval": rate_interval(6, 4.0),
        "never_alarmed": 0.1,
        "clear_median": 4.0,
        "alarm_median": 4.0,
        "alarm_median_interval": quantile_interval(delays, 10, 0.5),
        "alarm_p90": 8.0,
        "alarm_p90_interval": quantile_interval(delays, 10, 0.9),
        "alarm_p99": None,
        "alarm_p99_interval": quantile_interval(delays, 10, 0.99),
    }
    odd = outcome(detections=cleared(detections[:3], 1.0, 5.0, 3.0))
    assert odd.alarms()["clear_median"] == 3.0


def test_what_cannot_be_said_is_none() -> None:
    """Without manipulations, genuine hours or time."""
    found = outcome(seconds=0.0).alarms()
    assert (found["samples_per_second"], found["never_alarmed"], found["false_alarms_per_hour"]) == (0.0, 0.0, 0.0)
    assert found["false_alarms_interval"] is found["clear_median"] is None
    assert all(found[f"alarm_{name}{more}"] is None for name in ("median", "p90", "p99") for more in ("", "_interval"))
    assert outcome(detections=detected(None)).alarms()["never_alarmed"] == 1.0


def test_its_plain_values_are_fit_for_json() -> None:
    """With the times of the detections, and the figures of the alarms."""
    found = outcome(detections=detected(3.0, 1.0, None), genuine_hours=1.0)
    assert found.dict() == found.alarms() | {
        "policy": "p",
        "tracks": 2,
        "seconds": 100.0,
        "due": 50,
        "sent": 40,
        "bytes": 4_000,
        "dropped": {"stale": 7},
        "left": 3,
        "manipulations": 3,
        "missed": 1,
        "median": 3.0,
        "p99": None,
        "fairness": 0.5,
        "longest_gap": 9.0,
        "times": [1.0, 3.0],
    }
    assert outcome(detections=detected(3.0, 1.0)).dict()["p99"] == 3.0


def test_several_outcomes_are_one() -> None:
    """Counts add up, the fairness is the mean, the longest gap the longest."""
    first = outcome(detections=detected(1.0), false_alarms=1, genuine_hours=2.0, unreliable=1)
    second = outcome(
        policy="q", tracks=3, due=5, sent=4, sent_bytes=400, dropped={"stale": 1, "muted": 2}, left=1,
        detections=detected(2.0, None), fairness=1.0, longest_gap=20.0, false_alarms=2, genuine_hours=0.5, unreliable=4,
    )  # fmt: skip
    assert merged([first, second]) == outcome(
        tracks=5, due=55, sent=44, sent_bytes=4_400, dropped={"stale": 8, "muted": 2}, left=4,
        detections=detected(1.0, 2.0, None), fairness=0.75, longest_gap=20.0, false_alarms=3, genuine_hours=2.5,
        unreliable=5,
    )  # fmt: skip
    assert merged([first]) == first
    with pytest.raises(ValueError, match="no outcome"):
        merged([])


def test_jains_index() -> None:
    """Equal shares are 1, all to one of n is 1/n, nothing at all is equal."""
    assert jain([0.3, 0.3, 0.3]) == pytest.approx(1)
    assert jain([1, 0, 0, 0]) == 0.25
    assert jain([0, 0]) == 1


@given(st.lists(st.floats(0, 1), min_size=1))
def test_jains_index_lies_between_one_of_n_and_one(shares: list[float]) -> None:
    """It does not change when all shares double."""
    assert 1 / len(shares) - 1e-9 <= jain(shares) <= 1 + 1e-9
    assert jain([2 * share for share in shares]) == pytest.approx(jain(shares))
