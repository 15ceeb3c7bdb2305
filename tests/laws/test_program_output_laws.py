"""Laws of the lines of a program's output."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from ds_actors.processes._output import LineSplitter, LogBudget


@given(st.lists(st.text("ab\r\n", max_size=20)), st.integers(1, 5))
def test_nothing_is_lost_and_no_line_is_too_long(chunks: list[str], limit: int) -> None:
    """However the output is cut into chunks; a return before an end of line is part of the end."""
    splitter = LineSplitter(limit)
    lines = [line for chunk in chunks for line in splitter.feed(chunk.encode())] + splitter.end()
    assert all(len(line) <= limit for line in lines)
    whole = "".join(chunks)
    assert "".join(lines).replace("\r", "") == whole.replace("\n", "").replace("\r", "")
    assert splitter.end() == []


@given(st.text("ab\r\n"), st.lists(st.integers(0, 200)), st.integers(200, 300))
def test_short_lines_are_the_same_however_they_are_cut(text: str, cuts: list[int], limit: int) -> None:
    """A line is what stands before a newline, without a return at its end."""
    splitter = LineSplitter(limit)
    places = sorted({0, len(text), *(cut for cut in cuts if cut < len(text))})
    chunks = [text[a:b] for a, b in pairwise(places)]
    lines = [line for chunk in chunks for line in splitter.feed(chunk.encode())] + splitter.end()
    if all(len(line) <= limit for line in text.split("\n")):
        expected = [line.removesuffix("\r") for line in text.split("\n")]
        assert lines == expected[: None if text and not text.endswith("\n") else -1]


@given(st.integers(1, 5), st.lists(st.floats(0, 1)))
def test_no_second_has_more_lines_than_the_budget_twice(per_second: int, waits: list[float]) -> None:
    """Each line is logged or counted."""
    budget, now, logged, counted = LogBudget(per_second), 0.0, list[float](), 0
    for wait in waits:
        now += wait
        if budget.spend(now):
            logged.append(now)
        else:
            assert logged
            counted += 1
    assert budget.take_left_out() == counted
    assert budget.take_left_out() == 0
    assert len(logged) + counted == len(waits)
    assert all(sum(at <= other < at + 1 for other in logged) <= 2 * per_second for at in logged)
