"""The search for the best choice: few tracks for all, all tracks for the best."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest

from ds_actors.detection.events import Level
from ds_actors.detection.levels.evidence import Evidence
from ds_actors.simulation import Outcome
from ds_actors.simulation.search import Halving, TimedDraws, TrackRun, TuningRoom
from ds_actors.simulation.tuning import Wish, choices

WISH = Wish(Evidence(misses=0.2, false_flags=0.05, max_false_alarms=0.5, between=120.0), 0.3)
ROOM = TuningRoom(WISH, 3.0, 7)


def searched(room: TuningRoom = ROOM) -> tuple[Halving, list[TrackRun], Outcome]:
    """Return a finished search and what it simulated."""
    done: list[TrackRun] = []

    def simulate(runs: Sequence[TrackRun]) -> Iterator[Outcome]:
        for run in runs:
            done.append(run)
            yield room.simulate(run)

    halving = Halving(room, simulate)
    return halving, done, halving.search()


def test_it_keeps_the_budget_and_simulates_far_less_than_every_choice_on_every_track() -> None:
    """The best of each bound reaches all tracks; the count for the progress bar is never exceeded."""
    halving, done, last = searched()
    assert halving.found is not None
    assert halving.found.keeps(WISH)
    assert len(done) <= Halving.most_runs(ROOM) < 1.5 * len(choices(WISH)) * ROOM.tracks
    assert {each.outcome.tracks for each in halving.tried} == {ROOM.tracks}
    assert last.false_alarms > 10 * halving.found.outcome.false_alarms


def test_the_seed_alone_decides() -> None:
    """Twice the same, and another seed is another judge."""
    first, again = searched(), searched()
    assert (first[0].tried, first[2]) == (again[0].tried, again[2])
    assert searched(TuningRoom(WISH, 3.0, 8))[2] != first[2]


def test_the_room_has_the_hours_and_the_manipulations_of_the_wish() -> None:
    """Tracks of two hours where that makes at least ten and at most 10,000."""
    for hours, tracks in ((1.0, 10), (100.0, 50), (100_000.0, 10_000)):
        room = TuningRoom(WISH, hours, 0)
        assert room.tracks == room.room.participants == tracks
        assert room.room.seconds * tracks == pytest.approx(hours * 3_600)
    outcome = ROOM.simulate(TrackRun(None, 0))
    assert 3 <= len(outcome.detections) <= 14


def test_at_the_same_moment_all_choices_meet_the_same_error() -> None:
    """It persists for twice the correlation, differs between tracks and seeds, and has the judge's rates."""
    draws = TimedDraws.of(WISH, 0, 3)
    moments = [draws.judge.lasting * number for number in range(20_000)]
    flags = [draws.answer(Level.CLEAR, moment) for moment in moments]
    assert flags == [draws.answer(Level.CLEAR, moment + 0.4 * draws.judge.lasting) for moment in moments]
    assert flags.count(Level.ALERT) / len(flags) == pytest.approx(0.05, abs=0.006)
    misses = [draws.answer(Level.ALERT, moment) for moment in moments]
    assert misses.count(Level.CLEAR) / len(misses) == pytest.approx(0.2, abs=0.01)
    for other in (TimedDraws.of(WISH, 0, 4), TimedDraws.of(WISH, 1, 3)):
        same = sum(other.answer(Level.CLEAR, moment) is flag for moment, flag in zip(moments, flags, strict=True))
        assert same / len(flags) == pytest.approx(0.905, abs=0.01)
