"""The errors of the uplink."""

from __future__ import annotations

import pickle

from ds_actors.detection.errors import Unreachable


def test_an_unreachable_service_is_told_in_its_own_words_alone() -> None:
    """The wait that the service asked for is for the program, not for the log."""
    error = Unreachable("the service answered 503", 30.0)
    assert (str(error), error.message, error.retry_after) == ("the service answered 503",) * 2 + (30.0,)
    assert Unreachable("no route").retry_after is None


def test_an_error_that_came_from_another_process_says_the_same() -> None:
    """Message and wait go with it."""
    error = pickle.loads(pickle.dumps(Unreachable("the service answered 503", 30.0)))
    assert (str(error), error.retry_after) == ("the service answered 503", 30.0)
