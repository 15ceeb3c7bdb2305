"""The judge that errs: its shares, its lasting errors, and its entry in a script."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ds_actors.detection.events import Level, Sample
from ds_actors.sandbox import ScriptedVerdicts, ScriptError, parse_script
from ds_actors.sandbox.erring import ErringJudge, ErringJudges

units = st.floats(0, 1, exclude_max=True)
MANY = 20_000


def share(judge: ErringJudge, truth: Level, level: Level | None) -> float:
    judges = ErringJudges((judge,), random.Random(7).random)
    return sum(judges.answer(truth, "p1", "T", 0.0) is level for _ in range(MANY)) / MANY


def test_a_judge_errs_as_often_as_it_says() -> None:
    """Each share is met within four standard deviations, errors and lost answers included."""
    judge = ErringJudge(misses=0.2, false_flags=0.05, suspicious=0.5, errors=0.1, lost=0.1)
    for truth, level, expected in (
        (Level.ALERT, Level.CLEAR, 0.8 * 0.2),
        (Level.ALERT, Level.SUSPICIOUS, 0.8 * 0.8 * 0.5),
        (Level.CLEAR, Level.ALERT, 0.8 * 0.05 * 0.5),
        (Level.CLEAR, Level.ERROR, 0.1),
        (Level.CLEAR, None, 0.1),
    ):
        assert share(judge, truth, level) == pytest.approx(expected, abs=4 * (expected / MANY) ** 0.5)


@given(units, units, st.sampled_from([*Level, None]))
def test_a_judge_without_errors_tells_the_truth(u: float, confusion: float, truth: Level | None) -> None:
    """Whatever is drawn, the answer is the true level."""
    assert ErringJudge().answer(truth, u, confusion) is truth


def test_a_lasting_error_decides_about_all_samples_of_its_period() -> None:
    """Within ten seconds a track gets one kind of answer; over many periods the share is met."""
    judges = ErringJudges((ErringJudge(false_flags=0.5, lasting=10.0),), random.Random(3).random)
    periods = [
        {judges.answer(Level.CLEAR, "p1", "T", 10 * period + second) for second in range(10)} for period in range(200)
    ]
    assert all(len(answers) == 1 for answers in periods)
    assert 60 < sum(answers == {Level.ALERT} for answers in periods) < 140


def test_the_last_judge_that_matches_decides() -> None:
    """One participant is flagged always, the others never; before its time, a judge does not err."""
    script = parse_script('[[judge]]\n[[judge]]\nparticipant = "p1"\nfrom = 5\nfalse_flags = 1')
    verdicts = ScriptedVerdicts(script)
    flagged = [
        [answer.number for answer in verdicts.judge(Sample(who, f"TR_{who}", 0, b""), now)]
        for who, now in (("p1", 4.0), ("p1", 5.0), ("p2", 5.0))
    ]
    assert flagged == [[2], [4], [2]]


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ("misses = 1.5", "judge 1: misses must be a number from 0 to 1"),
        ("errors = 0.6\nlost = 0.6", "judge 1: lost \\(0.6\\) and errors \\(0.6\\) must add up to 1 at most"),
        ("hits = 1", "judge 1: 'hits' is not known here"),
    ],
)
def test_a_judge_that_cannot_be_is_refused_by_its_name(entry: str, words: str) -> None:
    """The error names the entry, the key and the bounds."""
    with pytest.raises(ScriptError, match=words):
        parse_script(f"[[judge]]\n{entry}")
