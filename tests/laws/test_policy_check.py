"""`check_sampling_policy` itself: it repeats, takes laws of your own, and says what is missing."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from pathlib import Path

import pytest
from attrs import evolve
from broken_policies import Ditherer, Sound

from ds_actors._extras import install_command
from ds_actors.detection.events import Level
from ds_actors.detection.sampling import (
    AdaptiveSampling,
    Plan,
    SampleSent,
    SamplingEvent,
    Verdict,
)
from ds_actors.testing import LawBroken, check_sampling_policy
from ds_actors.testing._timeline import (
    BEGIN,
    ReceiveVerdict,
    Restart,
    Speak,
    Timeline,
    without_errors,
)
from ds_actors.testing._track import Moment
from ds_actors.testing._words import written
from ds_actors.testing.laws import History, Law, Violation


def test_what_stands_for_an_error_changes_nothing_after_a_restart_either() -> None:
    """A new policy does not know that a participant speaks, so it is not told in place of an error."""
    steps = (Speak(True), ReceiveVerdict(Level.ERROR), Restart(), ReceiveVerdict(Level.ERROR))
    replaced = without_errors(Timeline(steps, level=Level.CLEAR))
    assert replaced.steps == (Speak(True), Speak(True), Restart(), Speak(False))


def test_the_same_call_says_the_same() -> None:
    """A failure in one place is a failure in another."""
    said: list[str] = []
    for _ in range(2):
        with pytest.raises(LawBroken) as caught:
            check_sampling_policy(Ditherer, examples=100, seed=3)
        said.append(str(caught.value))
    assert said[0] == said[1]


def test_without_hypothesis_the_kit_imports_and_says_what_is_missing() -> None:
    """Probes and virtual time need no extra; the call and the strategies name theirs."""
    program = """
import sys
sys.modules["hypothesis"] = None
from ds_actors.testing import Probe, check_sampling_policy
for use in (lambda: check_sampling_policy(lambda: None), lambda: __import__("ds_actors.testing.strategies")):
    try:
        use()
    except ModuleNotFoundError as error:
        print(error)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=100, check=False)
    assert done.stderr == ""
    first, second = done.stdout.splitlines()
    assert first == f"check_sampling_policy needs hypothesis: {install_command('detection,testing')}"
    assert second == f"the strategies need hypothesis: {install_command('testing')}"


def test_a_fault_of_the_kit_itself_is_not_taken_for_a_missing_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hypothesis, or a library of the monitor, that is missing names the extra; all else comes out as it is."""
    monkeypatch.delitem(sys.modules, "ds_actors.testing._check")
    monkeypatch.delitem(sys.modules, "ds_actors.testing.strategies")
    with monkeypatch.context() as missing:
        missing.setitem(sys.modules, "ds_actors.testing._laws", None)
        with pytest.raises(ModuleNotFoundError, match=r"import of ds_actors\.testing\._laws halted"):
            check_sampling_policy(AdaptiveSampling)
    monkeypatch.setitem(sys.modules, "hypothesis", None)
    with pytest.raises(ModuleNotFoundError, match="check_sampling_policy needs hypothesis: pip install"):
        check_sampling_policy(AdaptiveSampling)
    with pytest.raises(ModuleNotFoundError, match="the strategies need hypothesis: pip install"):
        importlib.import_module("ds_actors.testing.strategies")


def test_a_long_timeline_is_cut_in_its_middle() -> None:
    """Forty lines at most, with how many are left out; a sent sample is shown when it changed the plan."""
    plans = [Plan(BEGIN + n, "as planned") for n in range(61)]
    history = [Moment(BEGIN + n, SampleSent(7), plans[n], plans[n + 1]) for n in range(60)]
    lines = written(history)
    assert len(lines) == 39
    assert [line.split()[0] for line in (lines[9], lines[11], lines[-1])] == ["9.000", "32.000", "59.000"]
    assert lines[10].split() == ["...", "22", "more"]
    assert "sent, 7 bytes" in lines[0]
    assert written([evolve(step, before=step.plan) for step in history]) == []
    assert len(written(history[:40])) == 40


def _sharp(history: History) -> Violation | None:
    for at, moment in history.numbered():
        if isinstance(moment.event, Verdict) and moment.event.level is Level.ALERT and moment.plan.quality is None:
            return Violation(at, "the quality is the monitor's")
    return None


SHARP = Law("sharp", "an alert is always shown at a quality of the policy's own", _sharp)


class Sharp(Sound):
    def broken(self, event: SamplingEvent, now: float, plan: Plan) -> Plan:
        return evolve(plan, quality=90)


def test_a_law_of_your_own_is_checked_like_the_built_in_ones() -> None:
    """It is broken with its sentence and the smallest timeline, after the built-in ones, or kept."""
    with pytest.raises(LawBroken) as caught:
        check_sampling_policy(AdaptiveSampling, laws=[SHARP])
    assert caught.value.law == "sharp"
    lines = str(caught.value).splitlines()
    assert (
        lines[0]
        == "AdaptiveSampling breaks the law 'sharp': an alert is always shown at a quality of the policy's own."
    )
    assert lines[1] == "the quality is the monitor's"
    assert (lines[3].split()[1], lines[-1].split()[1]) == ("started", "verdict")
    check_sampling_policy(Sharp, laws=[SHARP])
    with pytest.raises(LawBroken) as caught:
        check_sampling_policy(Ditherer, laws=[SHARP])
    assert caught.value.law == "escalation"


def test_a_law_needs_a_name_of_its_own_and_a_sentence() -> None:
    """The error says which."""
    with pytest.raises(ValueError, match="two laws are called 'floor'"):
        check_sampling_policy(AdaptiveSampling, laws=[Law("floor", "it holds", _sharp)])
    with pytest.raises(ValueError, match="must be one word, not 'two words'"):
        Law("two words", "it holds", _sharp)
    with pytest.raises(ValueError, match="'sharp' needs a sentence"):
        Law("sharp", " ", _sharp)


PROGRAM = """
from broken_policies import Ditherer
from ds_actors.testing import LawBroken, check_sampling_policy
def test_says() -> None:
    try:
        check_sampling_policy(Ditherer, examples=30, seed=3)
    except LawBroken as error:
        open(FILE, "w").write(str(error))
"""


@pytest.mark.timeout(180)
@pytest.mark.parametrize(
    "options",
    [
        ["-n", "2"],
        ["--hypothesis-seed=7", "--hypothesis-verbosity=quiet"],
        ["--hypothesis-profile=short"],
    ],
    ids=["workers", "seed", "profile"],
)
def test_a_check_says_the_same_in_each_process_and_under_each_profile(tmp_path: Path, options: list[str]) -> None:
    """Neither a worker of xdist, nor a seed or a profile of hypothesis changes which timelines are tried."""
    with pytest.raises(LawBroken) as caught:
        check_sampling_policy(Ditherer, examples=30, seed=3)
    said = tmp_path / "said"
    (tmp_path / "test_it.py").write_text(f"FILE = {str(said)!r}\n" + PROGRAM, "utf-8")
    (tmp_path / "conftest.py").write_text(
        'from hypothesis import settings\nsettings.register_profile("short", max_examples=3, derandomize=True)\n',
        "utf-8",
    )
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "xdist", *options, str(tmp_path)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), *sys.path])}
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=150, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert said.read_text("utf-8") == str(caught.value)
