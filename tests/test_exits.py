"""How an end is judged from what escaped: only an Exception is a crash, the rest goes up."""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ds_actors._exits import Exit, combine, in_order, judge, unwrapped

CRASH, CTRL_C = ValueError("crash"), KeyboardInterrupt()

crashes = st.builds(ValueError)
others = st.builds(KeyboardInterrupt) | st.builds(SystemExit)


def groups(leaves: st.SearchStrategy[BaseException]) -> st.SearchStrategy[BaseException]:
    return st.recursive(
        leaves, lambda inner: st.builds(BaseExceptionGroup, st.just("several"), st.lists(inner, min_size=1, max_size=3))
    )


def is_group(error: object) -> bool:
    return isinstance(error, BaseExceptionGroup)


def parts(group: BaseException) -> tuple[BaseException, ...]:
    return cast("BaseExceptionGroup[BaseException]", group).exceptions


def leaves(error: BaseException | None) -> Iterator[BaseException]:
    if error is None:
        return
    if is_group(error):
        for part in parts(error):
            yield from leaves(part)
    else:
        yield error


@given(groups(crashes | others), st.booleans())
def test_each_error_goes_one_way_at_whatever_depth_it_is(escaped: BaseException, stopped: bool) -> None:
    """Exceptions are the crash, in their order; all others go up."""
    end = judge(escaped, stopped=stopped)
    every = list(leaves(escaped))
    assert list(leaves(end.crash)) == [error for error in every if isinstance(error, Exception)]
    assert list(leaves(end.upward)) == [error for error in every if not isinstance(error, Exception)]
    assert end.crash is None or isinstance(end.crash, Exception)
    assert (end.kind, end.stopped, end.ignored) == ("crashed", stopped, False)


@given(groups(others))
def test_one_that_goes_up_goes_up_bare(escaped: BaseException) -> None:
    """Ctrl-C is no group, however many nurseries it came through."""
    upward = judge(escaped).upward
    several = len(list(leaves(escaped))) > 1
    assert is_group(upward) is several


@given(groups(crashes | others))
def test_a_group_is_unwrapped_down_to_where_there_are_several(error: BaseException) -> None:
    """Nothing is lost, and what is left is no group of one."""
    rest = unwrapped(error)
    assert list(leaves(rest)) == list(leaves(error))
    assert not is_group(rest) or len(parts(rest)) > 1


@pytest.mark.parametrize("stopped", [False, True])
def test_an_end_that_nothing_escaped_from_is_no_crash(stopped: bool) -> None:
    """It finished, it stopped as asked, or its start said that it must not run."""
    assert judge(None, stopped=stopped) == in_order(stopped=stopped) == Exit(None, None, stopped)
    ignored = Exit(None, None, stopped, ignored=True)
    assert judge(None, stopped=stopped, ignored=True) == in_order(stopped=stopped, ignored=True) == ignored


@pytest.mark.parametrize(
    ("end", "kind"),
    [
        (Exit(), "finished"),
        (Exit(stopped=True), "stopped"),
        (Exit(stopped=True, ignored=True), "ignored"),
        (Exit(CRASH, stopped=True), "crashed"),
        (Exit(upward=CTRL_C), "crashed"),
    ],
)
def test_an_end_is_told_in_one_word(end: Exit, kind: str) -> None:
    """The worst that is true of it."""
    assert end.kind == kind


def test_several_errors_become_one_group_and_one_stays_itself() -> None:
    """And none is none."""
    assert combine([], "both") is None
    assert combine([CRASH], "both") is CRASH
    group = combine([CRASH, CTRL_C], "both")
    assert group is not None
    assert (str(group), parts(group)) == ("both (2 sub-exceptions)", (CRASH, CTRL_C))
