"""Laws of the backoff: delay = u * ceiling, and the ceiling doubles up to the cap; and of what old failures keep."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ds_actors import ExponentialBackoff, Failure
from ds_actors._backoff import MAX_FAILURES_KEPT, forget_frames
from ds_actors.detection.tracks.backoff import FAILING_RETRY, TrackBackoff, is_failing

bases = st.floats(0.001, 100)
us = st.floats(0, 1, exclude_max=True)


def raised(error: BaseException) -> BaseException:
    """Return an error that has a traceback."""
    try:
        raise error
    except BaseException as caught:  # noqa: BLE001 - of any kind
        return caught


@st.composite
def webs(draw: st.DrawFn) -> list[BaseException]:
    """Raised errors that lead to each other in any way, in circles too."""
    errors = list[BaseException]()
    for number in range(draw(st.integers(1, 6))):
        inner = draw(st.lists(st.sampled_from(errors), max_size=2)) if errors else []
        errors.append(raised(BaseExceptionGroup("several", inner) if inner else KeyboardInterrupt(number)))
    for error in errors:
        error.__cause__ = draw(st.none() | st.sampled_from(errors))
        error.__context__ = draw(st.none() | st.sampled_from(errors))
    return errors


def failures(count: int) -> list[Failure]:
    return [Failure(None, float(n), 0.0, healthy=False) for n in range(count)]


@given(bases, st.floats(1, 1e6), st.integers(1, 5_000), us)
def test_the_delay_is_u_times_the_ceiling(base: float, factor: float, count: int, u: float) -> None:
    """Exactly, for any number of failures, also far past where 2**n overflows."""
    backoff = ExponentialBackoff(base, base * factor)
    assert backoff.delay(failures(min(count, 40)), u) == u * backoff.ceiling(min(count, 40))
    exact = base * factor if count > 1_000 else min(base * factor, base * 2.0 ** (count - 1))
    assert math.isclose(backoff.ceiling(count), exact)


@given(bases, st.floats(1, 1e6), st.integers(1, 100))
def test_the_ceiling_never_falls_and_never_passes_the_cap(base: float, factor: float, count: int) -> None:
    """Nondecreasing, from base to cap."""
    backoff = ExponentialBackoff(base, base * factor)
    assert backoff.ceiling(1) == base
    assert backoff.ceiling(count) <= backoff.ceiling(count + 1) <= backoff.cap


@pytest.mark.parametrize("bad", [0.0, -1.0, math.inf, math.nan])
def test_seconds_that_are_none_are_refused(bad: float) -> None:
    """base and cap are finite and above 0."""
    with pytest.raises(ValueError, match="base"):
        ExponentialBackoff(base=bad)
    with pytest.raises(ValueError, match="cap"):
        ExponentialBackoff(cap=bad)


@given(st.lists(st.tuples(st.floats(0.1, 50), st.booleans()), min_size=1, max_size=100), us)
def test_five_crashes_in_a_minute_make_a_track_fail_until_one_life_is_healthy(
    gaps: list[tuple[float, bool]], u: float
) -> None:
    """Against a reference that looks at every five neighbours, and remembers; the supervisor keeps 32 failures."""
    at, history = 0.0, list[Failure]()
    since: list[float] = []
    failing = False
    for gap, healthy in gaps:
        at += gap
        history.append(Failure(None, at, 1.0, healthy))
        if healthy:
            since, failing = [], False
        since.append(at)
        failing = failing or (len(since) >= 5 and since[-1] - since[-5] <= 60)
    kept = history[-MAX_FAILURES_KEPT:]
    unhealthy = len(kept) == MAX_FAILURES_KEPT and not any(failure.healthy for failure in kept)
    assert is_failing(kept) == (failing or unhealthy)
    delay = TrackBackoff().delay(kept, u)
    assert delay == FAILING_RETRY if failing or unhealthy else delay <= 30


def test_a_ceiling_beyond_all_floats_is_the_cap() -> None:
    """An overflow is not an error."""
    assert ExponentialBackoff(1e300, 1e308).ceiling(2_000) == 1e308


@given(webs())
def test_exactly_what_led_to_an_error_loses_its_traceback(errors: list[BaseException]) -> None:
    """By cause, by context or inside a group, at any distance: a traceback keeps every frame's variables alive."""
    led = [errors[-1]]
    for error in led:  # grows as it goes
        parts: tuple[BaseException, ...] = getattr(error, "exceptions", ())
        near = [other for other in (error.__cause__, error.__context__, *parts) if other is not None]
        led += [other for other in near if not any(other is known for known in led)]
    forget_frames(errors[-1])
    lost = [error for error in errors if error.__traceback__ is None]
    assert {id(error) for error in lost} == {id(error) for error in led}


def test_a_child_that_simply_finished_left_no_frames() -> None:
    """There is no error, and nothing to forget."""
    forget_frames(None)


@pytest.mark.timeout(30)
def test_two_errors_that_led_to_each_other_are_no_endless_story() -> None:
    """Python breaks only such circles as it would make itself."""
    first, second = raised(ValueError("first")), raised(ValueError("second"))
    first.__cause__, second.__cause__ = second, first
    forget_frames(first)
    assert first.__traceback__ is second.__traceback__ is None
