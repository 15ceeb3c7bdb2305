"""What `ds-actors calibrate --detector` prints. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Final

from ds_actors._text import counted
from ds_actors.detection.events import plain
from ds_actors.detection.levels.calibration import ErrorRate, people_text, rate_text
from ds_actors.detectors.calibration import DetectorCalibration, OperatingPoint, ScoredTrack

_REASONS_SHOWN: Final = 5


def kind_line(tracks: Sequence[ScoredTrack], unjudged: Counter[str]) -> str:
    """Return how much of one kind was judged, and why the rest was not."""
    judged = [track for track in tracks if track.verdicts]
    verdicts, people = sum(len(track.verdicts) for track in judged), len({track.person for track in judged})
    text = f"{counted(verdicts, 'verdict')} on {counted(len(judged), 'video')} of {people_text(people)}"
    if not unjudged:
        return text
    shown = [f"{count:,} {plain(reason)}" for reason, count in unjudged.most_common(_REASONS_SHOWN)]
    rest = unjudged.total() - sum(count for _, count in unjudged.most_common(_REASONS_SHOWN))
    return f"{text}; no verdict: {', '.join([*shown, *([f'{rest:,} others'] if rest else [])])}"


def table(found: DetectorCalibration) -> Iterator[str]:
    """Yield the lines about all thresholds and the chosen ones."""
    yield f"{'threshold':>9}   {'detected':<26} false flags"
    for point in found.table:
        yield f"{point.threshold:>9.2f}   {_detected(point.misses):<26} {_share(point.false_flags)}"
    for name, point in (("suspicious", found.suspicious), ("alert", found.alert)):
        yield ""
        yield from _chosen(name, point)
    yield ""
    yield f"area under the ROC curve {found.area:.3f}: how probably a manipulated sample scores above a genuine one"


def _chosen(name: str, point: OperatingPoint) -> Iterator[str]:
    yield f"{name} from {point.threshold:g}"
    yield f"  detected     {_detected(point.misses)}"
    yield f"  false flags  {rate_text(point.false_flags)}"
    if point.unseen is None:
        yield "  of other people nothing is known: too few genuine ones were judged"
    else:
        yield f"  the same, each person left out of the choice of the threshold: {_share(point.unseen)}"


def _detected(misses: ErrorRate) -> str:
    return f"{1 - misses.share:.2%} [{1 - misses.high:.2%}, {1 - misses.low:.2%}]"


def _share(rate: ErrorRate) -> str:
    return f"{rate.share:.2%} [{rate.low:.2%}, {rate.high:.2%}]"
