"""What a video owes, its segments, its exit code."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ds_actors.cli._scan.result import ExitCode, FileScan, Outcome, exit_code
from ds_actors.cli._scan.segments import Timeline, exact, samples_due
from ds_actors.detection import Level

RATES = st.floats(0.01, 30).map(lambda value: round(value, 3)).map(exact)


@given(RATES, st.fractions(0, 1_000, max_denominator=90_000))
def test_due_counts_the_grid_times_up_to_the_last_frame(fps: Fraction, last: Fraction) -> None:
    """Sample k exists exactly when k / fps is not after the last frame."""
    due = samples_due(fps, last)
    assert (due - 1) / fps <= last < due / fps


def test_a_rate_means_the_decimal_that_was_typed() -> None:
    """Three tenths for ten seconds are the samples at 0, 10/3, 20/3 and 10 s."""
    assert samples_due(exact(0.3), Fraction(10)) == 4
    assert samples_due(exact(0.1), Fraction(10)) == 2


def test_frames_before_zero_owe_nothing() -> None:
    """A negative time is before the first sample."""
    assert samples_due(exact(1.0), Fraction(-3)) == 0


@given(st.lists(st.sampled_from(list(Level)), min_size=1), st.floats(0, 10))
def test_segments_cover_the_answers_without_gaps(levels: list[Level], more: float) -> None:
    """Neighbours differ, each begins where the one before ends, and their samples add up."""
    line = Timeline()
    for second, level in enumerate(levels):
        line.add(float(second), level)
    line.end(len(levels) - 1 + more)
    assert sum(one.samples for one in line.segments) == line.answered == len(levels)
    assert [one.end for one in line.segments[:-1]] == [one.start for one in line.segments[1:]]
    assert all(one.level is not other.level for one, other in zip(line.segments, line.segments[1:], strict=False))
    assert line.segments[-1].end == len(levels) - 1 + more
    assert line.level.severity == max(level.severity for level in levels)


def scanned(outcome: Outcome, level: Level | None = None, *, truncated: bool = False) -> FileScan:
    one = FileScan("a.mp4", 1.0, outcome, truncated=truncated)
    if level is not None:
        one.timeline.add(0.0, level)
    return one


@pytest.mark.parametrize(
    ("files", "fail_on", "expected"),
    [
        ([scanned(Outcome.COMPLETE, Level.ALERT)], None, ExitCode.OK),
        ([scanned(Outcome.COMPLETE, Level.SUSPICIOUS)], Level.ALERT, ExitCode.OK),
        ([scanned(Outcome.COMPLETE, Level.SUSPICIOUS)], Level.SUSPICIOUS, ExitCode.REACHED),
        ([scanned(Outcome.BAD_INPUT), scanned(Outcome.COMPLETE, Level.ALERT)], Level.SUSPICIOUS, ExitCode.REACHED),
        ([scanned(Outcome.COMPLETE, Level.ERROR)], Level.SUSPICIOUS, ExitCode.OK),
        ([scanned(Outcome.PARTIAL), scanned(Outcome.BAD_INPUT)], None, ExitCode.BAD_INPUT),
        ([scanned(Outcome.PARTIAL), scanned(Outcome.TRUNCATED, truncated=True)], None, ExitCode.TRUNCATED),
        ([scanned(Outcome.PARTIAL, Level.CLEAR)], Level.ALERT, ExitCode.PARTIAL),
    ],
)
def test_the_first_code_that_applies(files: list[FileScan], fail_on: Level | None, expected: ExitCode) -> None:
    """A level that was reached rules over what went wrong; then bad input, truncated, partial."""
    assert exit_code(files, fail_on=fail_on) is expected


def test_ctrl_c_and_a_missing_service_have_codes_of_their_own() -> None:
    """130 before everything, 2 before what concerns single files."""
    files = [scanned(Outcome.BAD_INPUT)]
    assert exit_code(files, fail_on=None, interrupted=True, service_failed=True) is ExitCode.INTERRUPTED
    assert exit_code(files, fail_on=None, service_failed=True) is ExitCode.SERVICE
