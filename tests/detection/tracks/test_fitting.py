"""How a picture is made small enough."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ds_actors.detection.tracks.fitting import (
    ATTEMPTS,
    FLOOR_QUALITY,
    FLOOR_SIDE,
    EncodingAttempt,
    Fitting,
    LinkTooSlowError,
)


def attempts(
    first: EncodingAttempt, wish: float, most: float, size_of: Callable[[EncodingAttempt], int]
) -> list[EncodingAttempt]:
    """Return what is tried, the last of which is sent."""
    fitting, tried = Fitting(first, wish, most), [first]
    while True:
        following = fitting.next(tried[-1], size_of(tried[-1]), len(tried))
        if following is None:
            return tried
        tried.append(following)


def as_photographs(at_75: float) -> Callable[[EncodingAttempt], int]:
    """The sizes of a picture of 1280 pixels whose JPEG has so many bytes at quality 75."""

    def size(attempt: EncodingAttempt) -> int:
        quality = 0.15 + 0.85 * attempt.quality / 75
        return int(at_75 * quality * math.pow(attempt.side / 1280, 1.8))

    return size


def test_a_picture_that_is_small_enough_is_left_as_it_is() -> None:
    """One attempt."""
    assert attempts(EncodingAttempt(75, 1280), 100_000, 200_000, lambda _: 100_000) == [EncodingAttempt(75, 1280)]


def test_quality_goes_first_and_then_the_side() -> None:
    """By what the attempt before came to."""
    first = EncodingAttempt(75, 1280)
    assert attempts(first, 90_000, 1e9, as_photographs(100_000))[1:] == [EncodingAttempt(60, 1280)]
    assert attempts(first, 65_000, 1e9, as_photographs(100_000))[-1].side == 1280
    smaller = attempts(first, 20_000, 1e9, as_photographs(100_000))[-1]
    assert (smaller.quality, smaller.side < 1280) == (FLOOR_QUALITY, True)


def test_below_the_floor_nothing_is_sent() -> None:
    """The error has the reason of the drop."""
    with pytest.raises(LinkTooSlowError) as raised:
        attempts(EncodingAttempt(75, 1280), 1_000, 1_000, as_photographs(100_000))
    assert raised.value.reason == "link_too_slow"


def test_at_the_floor_a_picture_may_take_more_than_its_share() -> None:
    """As long as it arrives in time."""
    tried = attempts(EncodingAttempt(75, 1280), 1_000, 10_000, as_photographs(100_000))
    assert tried[-1] == EncodingAttempt(FLOOR_QUALITY, FLOOR_SIDE)


@pytest.mark.parametrize("first", [EncodingAttempt(20, 300), EncodingAttempt(30, 320)])
def test_a_plan_below_the_floor_is_left_as_it_is(first: EncodingAttempt) -> None:
    """Nothing is made larger; it is sent, or not."""
    assert attempts(first, 1, 10_000, lambda _: 9_000) == [first]
    with pytest.raises(LinkTooSlowError):
        attempts(first, 1, 8_000, lambda _: 9_000)


@pytest.mark.parametrize(
    ("first", "guess"),
    [
        (EncodingAttempt(75, 128), EncodingAttempt(75, 128)),
        (EncodingAttempt(75, 240), EncodingAttempt(60, 240)),
        (EncodingAttempt(75, 1_280), EncodingAttempt(FLOOR_QUALITY, 335)),
        (EncodingAttempt(75, 360), EncodingAttempt(FLOOR_QUALITY, FLOOR_SIDE)),
        (EncodingAttempt(10, 200), EncodingAttempt(10, 200)),
        (EncodingAttempt(20, 300), EncodingAttempt(20, 300)),
    ],
)
def test_the_guess_is_what_a_picture_with_much_detail_needs(first: EncodingAttempt, guess: EncodingAttempt) -> None:
    """By the rule of thumb; a small picture stays as planned, and below the floor nothing is guessed."""
    assert Fitting(first, 8_192 if first.side != 360 else 100, math.inf).guess() == guess


def test_the_rule_of_thumb_is_that_of_quality_75_at_1280_pixels() -> None:
    """150 kB."""
    assert Fitting(EncodingAttempt(75, 1_280), 149_999, math.inf).guess() == EncodingAttempt(60, 1_280)
    assert Fitting(EncodingAttempt(75, 1_279), 149_999, math.inf).guess() == EncodingAttempt(75, 1_279)


FIRST, FLOOR = EncodingAttempt(75, 1_280), EncodingAttempt(FLOOR_QUALITY, FLOOR_SIDE)


@pytest.mark.parametrize(
    ("tried", "size", "number", "following"),
    [
        (FIRST, 90_000, 1, None),
        (FIRST, 90_001, 1, EncodingAttempt(60, 1_280)),
        (FIRST, 100_000, 2, EncodingAttempt(60, 1_280)),
        (FIRST, 100_000, 3, FLOOR),
        (FIRST, 100_000, 4, None),
        (FLOOR, 100_000, 1, None),
    ],
)
def test_the_third_attempt_is_followed_by_the_floor_and_the_fourth_by_none(
    tried: EncodingAttempt, size: int, number: int, following: EncodingAttempt | None
) -> None:
    """What is large enough to be sent then is sent; nothing follows the floor either."""
    assert Fitting(FIRST, 90_000, 100_000).next(tried, size, number) == following


@pytest.mark.parametrize(("tried", "number"), [(FIRST, 4), (FLOOR, 1)])
def test_what_is_one_byte_too_large_then_is_not_sent(tried: EncodingAttempt, number: int) -> None:
    """The bound belongs to what is sent."""
    with pytest.raises(LinkTooSlowError):
        Fitting(FIRST, 90_000, 100_000).next(tried, 100_001, number)


def test_an_attempt_that_should_come_to_the_wish_exactly_is_made() -> None:
    """And from the highest quality on there is one."""
    first = EncodingAttempt(75, 1)
    assert Fitting(first, 75, 1e9).next(first, 100, 1) == EncodingAttempt(60, 1)
    best = EncodingAttempt(100, 1)
    assert Fitting(best, 75, 1e9).next(best, 500, 1) == EncodingAttempt(60, 1)


def test_a_low_quality_stays_as_low() -> None:
    """Only the side goes down."""
    tried = attempts(EncodingAttempt(10, 1280), 5_000, 1e9, as_photographs(100_000))
    assert {attempt.quality for attempt in tried} == {10}
    assert tried[-1].side < 1280


def any_size(_attempt: EncodingAttempt) -> int:
    raise NotImplementedError


@given(
    st.builds(EncodingAttempt, st.integers(0, 100), st.integers(1, 8_000)),
    st.floats(0, 1e6),
    st.floats(1, 5),
    st.functions(like=any_size, returns=st.integers(0, 2_000_000), pure=True),
)
def test_whatever_the_encoder_does_the_attempts_end_within_the_bounds(
    first: EncodingAttempt, wish: float, more: float, size_of: Callable[[EncodingAttempt], int]
) -> None:
    """At most four, each smaller than the one before, none below the floor, and what is sent is not over `most`."""
    try:
        tried = attempts(first, wish, wish * more, size_of)
    except LinkTooSlowError:
        return
    assert len(tried) <= ATTEMPTS
    assert size_of(tried[-1]) <= max(wish, wish * more)
    for before, after in itertools.pairwise(tried):
        assert after.quality <= before.quality
        assert after.side <= before.side
        assert after != before
    assert tried[-1].quality >= min(first.quality, FLOOR_QUALITY)
    assert tried[-1].side >= min(first.side, FLOOR_SIDE)
