"""A track's history in words, as a broken law shows it. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from ds_actors.detection.sampling import (
    Paused,
    SampleDropped,
    SampleDue,
    SampleSent,
    SamplingEvent,
    Scene,
    Speaking,
    Started,
    Verdict,
)
from ds_actors.testing._timeline import BEGIN
from ds_actors.testing._track import Moment


def written(history: Sequence[Moment]) -> list[str]:
    """Return the history as lines: the time, the event, and the plan."""
    lines: list[str] = []
    for moment in history:
        if isinstance(moment.event, SampleSent) and moment.plan == moment.before:
            continue
        due = "-" if moment.plan.due is None else f"{moment.plan.due - BEGIN:.3f}"
        jumped = " (the clock jumped)" if moment.jumped and isinstance(moment.event, SampleDue) else ""
        what = _words(moment.event) + jumped
        lines.append(f"{moment.now - BEGIN:12.3f}  {what:<36} next {due:>12}  {moment.plan.reason}")
    if len(lines) > 40:
        lines[10:-28] = [f"{'...':>12}  {len(lines) - 38} more"]
    return lines


def _words(event: SamplingEvent) -> str:
    match event:
        case Started(level, last_due):
            again = "" if last_due is None else f", last sample at {last_due - BEGIN:.3f}"
            words = f"started at {level.value}{again}"
        case Verdict(level):
            words = f"verdict {level.value}"
        case SampleDue():
            words = "a sample is taken"
        case SampleSent(size):
            words = f"sent, {size} bytes"
        case SampleDropped(reason):
            words = f"dropped: {reason}"
        case Speaking(active):
            words = "speaks" if active else "is silent"
        case Scene(signature):
            words = f"shows brightness {signature[0]}"
        case Paused():
            words = "muted"
        case _:
            words = "unmuted"
    return words
