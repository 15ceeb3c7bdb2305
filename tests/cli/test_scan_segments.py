"""What a video owes, its segments, its exit code."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ds_actors.cli._scan.result import ExitCode, ScanOutcome, StreamScan, exit_code
from ds_actors.cli._scan.segments import SegmentTimeline, exact, samples_due
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
    line = SegmentTimeline()
    for second, level in enumerate(levels):
        line.add(float(second), level)
    line.end(len(levels) - 1 + more)
    assert sum(segment.samples for segment in line.segments) == line.answered == len(levels)
    assert [segment.end for segment in line.segments[:-1]] == [segment.start for segment in line.segments[1:]]
    assert all(
        segment.level is not other.level for segment, other in zip(line.segments, line.segments[1:], strict=False)
    )
    assert line.segments[-1].end == len(levels) - 1 + more
    assert line.level.severity == max(level.severity for level in levels)


def scanned(outcome: ScanOutcome, level: Level | None = None, *, truncated: bool = False) -> StreamScan:
    result = StreamScan("a.mp4", 1.0, outcome, truncated=truncated)
    if level is not None:
        result.timeline.add(0.0, level)
    return result


@pytest.mark.parametrize(
    ("files", "fail_on", "expected"),
    [
        ([scanned(ScanOutcome.COMPLETE, Level.ALERT)], None, ExitCode.OK),
        ([scanned(ScanOutcome.COMPLETE, Level.SUSPICIOUS)], Level.ALERT, ExitCode.OK),
        ([scanned(ScanOutcome.COMPLETE, Level.SUSPICIOUS)], Level.SUSPICIOUS, ExitCode.REACHED),
        (
            [scanned(ScanOutcome.BAD_INPUT), scanned(ScanOutcome.COMPLETE, Level.ALERT)],
            Level.SUSPICIOUS,
            ExitCode.REACHED,
        ),
        ([scanned(ScanOutcome.COMPLETE, Level.ERROR)], Level.SUSPICIOUS, ExitCode.OK),
        ([scanned(ScanOutcome.PARTIAL), scanned(ScanOutcome.BAD_INPUT)], None, ExitCode.BAD_INPUT),
        ([scanned(ScanOutcome.PARTIAL), scanned(ScanOutcome.TRUNCATED, truncated=True)], None, ExitCode.TRUNCATED),
        ([scanned(ScanOutcome.PARTIAL, Level.CLEAR)], Level.ALERT, ExitCode.PARTIAL),
    ],
)
def test_the_first_code_that_applies(files: list[StreamScan], fail_on: Level | None, expected: ExitCode) -> None:
    """A level that was reached rules over what went wrong; then bad input, truncated, partial."""
    assert exit_code(files, fail_on=fail_on) is expected


def test_ctrl_c_and_a_missing_service_have_codes_of_their_own() -> None:
    """130 before everything, 2 before what concerns single files."""
    files = [scanned(ScanOutcome.BAD_INPUT)]
    assert exit_code(files, fail_on=None, interrupted=True, service_failed=True) is ExitCode.INTERRUPTED
    assert exit_code(files, fail_on=None, service_failed=True) is ExitCode.SERVICE


def test_the_first_segment_begins_where_its_sample_is_due() -> None:
    """At 0, although the first frame may come later; the next begins with its own sample."""
    timeline = SegmentTimeline()
    timeline.add(0.4, Level.CLEAR)
    timeline.add(5.4, Level.ALERT)
    assert [segment.start for segment in timeline.segments] == [0.0, 5.4]
