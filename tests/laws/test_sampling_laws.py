"""The laws of sampling policies: the built-in ones keep them, and each fault breaks its law."""

from __future__ import annotations

import importlib
import math
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import pytest
from attrs import define, evolve, field
from broken_policies import BROKEN, Ditherer, Sound
from hypothesis import given, settings

from ds_actors.detection import Dataspike, Monitor
from ds_actors.detection.events import Level, TrackInfo
from ds_actors.detection.sampling import (
    AdaptiveSampling,
    Budget,
    Budgeted,
    DecayingSampling,
    EvidenceSampling,
    Fastest,
    Grid,
    Jitter,
    Paused,
    Plan,
    Promise,
    Resumed,
    SampleDue,
    SampleSent,
    SamplingEvent,
    SamplingPolicy,
    SceneSampling,
    SpeakerSampling,
    Started,
    Verdict,
    check_quality,
)
from ds_actors.testing import LawBroken, check_sampling_policy, strategies
from ds_actors.testing._laws import LAWS
from ds_actors.testing._steady import drifts
from ds_actors.testing._timeline import (
    BEGIN,
    Moment,
    ReceiveVerdict,
    Restart,
    Speak,
    Timeline,
    without_errors,
    written,
)
from ds_actors.testing.laws import History, Law, Violation

OURS: dict[str, Callable[[], SamplingPolicy]] = {
    "adaptive": AdaptiveSampling,
    "adaptive, fast": lambda: AdaptiveSampling(1.0, 5.0),
    "adaptive, at the limit": lambda: AdaptiveSampling(30.0, 30.0),
    "decaying": DecayingSampling,
    "evidence": EvidenceSampling,
    "evidence, slow alert": lambda: EvidenceSampling(0.1, 10.0, 0.1, None),
    "adaptive, jittered": lambda: AdaptiveSampling(jitter=0.9),
    "adaptive, jittered at the limit": lambda: AdaptiveSampling(30.0, 30.0, jitter=0.5),
    "decaying, jittered": lambda: DecayingSampling(jitter=Jitter(0.3, b"key")),
    "evidence, jittered": lambda: EvidenceSampling(jitter=0.5),
    "evidence, two looks": lambda: EvidenceSampling(0.2, 20.0, 0.2, unanswered=2),
    "budget around jitter": lambda: Budgeted(AdaptiveSampling(jitter=0.5), Budget(samples_per_minute=20)),
    "fastest, jittered": lambda: Fastest(AdaptiveSampling(), SpeakerSampling(jitter=0.2), SceneSampling(), jitter=0.5),
    "speaker": SpeakerSampling,
    "scene": SceneSampling,
    "fastest of three": lambda: Fastest(DecayingSampling(), SpeakerSampling(), SceneSampling()),
    "fastest of unequal": lambda: Fastest(AdaptiveSampling(0.5, 1), SpeakerSampling(0.1, 2), SceneSampling(0.2, 1)),
    "budget of samples": lambda: Budgeted(AdaptiveSampling(), Budget(samples_per_minute=20)),
    "budget under the floor": lambda: Budgeted(AdaptiveSampling(), Budget(samples_per_minute=6)),
    "budget of bytes": lambda: Budgeted(AdaptiveSampling(), Budget(bytes_per_second=20_000)),
    "budget of both around all": lambda: Budgeted(
        Fastest(DecayingSampling(), SpeakerSampling(), SceneSampling()),
        Budget(samples_per_minute=15, bytes_per_second=30_000, burst_seconds=20),
    ),
}


@pytest.mark.parametrize("policy", OURS)
def test_our_policies_keep_every_law(policy: str) -> None:
    """Each by its own promise, combined ones by the promise of the whole."""
    check_sampling_policy(OURS[policy], examples=settings().max_examples)


@pytest.mark.parametrize(("factory", "law"), BROKEN.items(), ids=[policy.__name__ for policy in BROKEN])
def test_each_fault_is_caught_by_the_law_that_names_it(factory: Callable[[], SamplingPolicy], law: str) -> None:
    """A policy with one fault fails with that law, and a timeline that can be read."""
    with pytest.raises(LawBroken) as caught:
        check_sampling_policy(factory, examples=200)
    assert caught.value.law == law
    assert LAWS[law][0] in str(caught.value)
    assert len(str(caught.value).splitlines()) < 32


@pytest.mark.parametrize(
    ("factory", "words"),
    [(AdaptiveSampling(), r"lambda: AdaptiveSampling\(\.\.\.\)"), (object, "object is not a sampling policy")],
)
def test_what_makes_no_policy_is_said_and_what_to_pass(factory: Any, words: str) -> None:
    """By the proof and by the monitor alike."""
    with pytest.raises(TypeError, match=words):
        check_sampling_policy(factory)
    with pytest.raises(TypeError, match=words):
        Monitor(service=Dataspike("k"), sampling=factory)


@define
class Patient:
    """Settles only after three clear answers in a row."""

    inner: AdaptiveSampling = field(factory=AdaptiveSampling)
    clears: int = 3

    @property
    def promise(self) -> Promise:
        return evolve(self.inner.promise, settles_after=3)

    def on(self, event: SamplingEvent, now: float, /) -> Plan:
        match event:
            case Started(level):
                self.clears = 0 if level.elevated else 3
            case Verdict(level) if level.is_verdict:
                self.clears = 0 if level.elevated else self.clears + 1
                if self.clears < 3:
                    return self.inner.on(event if level.elevated else SampleSent(), now)
            case _:
                pass
        return self.inner.on(event, now)


@define
class Irregular:
    """Varies its own interval from 80 % to 120 %."""

    grid: Grid = field(factory=lambda: Grid(0.5, Jitter(0.2, b"key")))

    @property
    def promise(self) -> Promise:
        return Promise(0.5, 0.5, 2.0, 2.0).jittered(0.2)

    def on(self, event: SamplingEvent, now: float, /) -> Plan:
        return self.grid.on(event, now, 0.5, "irregular")


@pytest.mark.parametrize("factory", [Patient, Irregular])
def test_a_promise_can_express_jitter_and_a_number_of_clear_answers(factory: Callable[[], SamplingPolicy]) -> None:
    """Both are correct, and both are accepted."""
    check_sampling_policy(factory, examples=200)


@pytest.mark.parametrize("factory", [Patient, Irregular])
def test_without_that_promise_the_same_policy_breaks_a_law(factory: Callable[[], SamplingPolicy]) -> None:
    """So the promise is what makes the difference."""

    class Unsaid(Sound):
        @property
        def promise(self) -> Promise:
            return evolve(self.inner.promise, spread=0.0, settles_after=1)

    with pytest.raises(LawBroken):
        check_sampling_policy(lambda: Unsaid(factory()), examples=200)


def test_a_policy_that_plans_nothing_at_some_times_of_the_clock_is_refused() -> None:
    """It samples when the machine has been up for a while, and not at all before."""

    class Sleeper(Sound):
        def on(self, event: SamplingEvent, now: float, /) -> Plan:
            plan = self.inner.on(event, now)
            return evolve(plan, due=None) if now < 500 else plan

    with pytest.raises(LawBroken):
        check_sampling_policy(lambda: Sleeper(AdaptiveSampling()), examples=200)


def test_what_stands_for_an_error_changes_nothing_after_a_restart_either() -> None:
    """A new policy does not know that somebody speaks, so it is not told in place of an error."""
    steps = (Speak(True), ReceiveVerdict(Level.ERROR), Restart(), ReceiveVerdict(Level.ERROR))
    replaced = without_errors(Timeline(steps, level=Level.CLEAR))
    assert replaced.steps == (Speak(True), Speak(True), Restart(), Speak(False))


def test_every_law_catches_something() -> None:
    """Every law catches at least two faults."""
    caught = Counter(BROKEN.values())
    assert caught.keys() == LAWS.keys()
    assert min(caught.values()) >= 2


def test_the_counterexample_is_the_smallest_timeline() -> None:
    """One line per event with its plan, in seconds from the start."""
    with pytest.raises(LawBroken) as caught:
        check_sampling_policy(Ditherer)
    lines = str(caught.value).splitlines()
    assert lines[0] == (
        "Ditherer breaks the law 'escalation': an escalation never lengthens the wait, and is answered in time."
    )
    assert lines[1].startswith("the wait is longer than before: it was until")
    assert [line.split()[1] for line in lines[3:5]] == ["started", "a"]
    assert lines[-1].split()[1] == "verdict"
    assert len(lines) <= 8


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
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=50, check=False)
    assert done.stderr == ""
    first, second = done.stdout.splitlines()
    extras = "[detection,testing]"
    install = f'pip install "ds-actors{extras}" (in a clone: ".{extras}")'
    assert first == f"check_sampling_policy needs hypothesis: {install}"
    assert second == 'the strategies need hypothesis: pip install "ds-actors[testing]" (in a clone: ".[testing]")'


@given(strategies.verdict_timelines(), strategies.tracks())
def test_the_strategies_give_what_they_say(verdicts: list[tuple[float, Level]], track: TrackInfo) -> None:
    """Seconds above zero and levels; tracks whose sid is one."""
    assert all(seconds > 0 and isinstance(level, Level) for seconds, level in verdicts)
    assert track.track.startswith("TR_")


def test_new_is_due_at_once_and_unmuted_not_sooner_than_one_burst_interval() -> None:
    """Muting and unmuting cannot yield extra samples."""
    policy = AdaptiveSampling(0.2, 1.0)
    assert policy.on(Started(), 5.0).due == 5.0
    policy.on(SampleDue(), 5.0)
    assert policy.on(Paused(), 5.1).due is None
    assert policy.on(Resumed(), 5.2).due == 6.0
    policy.on(SampleDue(), 6.0)
    policy.on(Paused(), 6.1)
    assert policy.on(Resumed(), 100.0).due == 100.0


def test_an_error_changes_no_rate() -> None:
    """Only verdicts do."""
    policy = AdaptiveSampling(0.2, 1.0)
    policy.on(Started(Level.ALERT), 0.0)
    plan = policy.on(SampleDue(), 0.0)
    assert policy.on(Verdict(Level.ERROR), 0.1) == plan
    assert plan.due == 1.0


@pytest.mark.parametrize("bad", [0, -1, 31, math.nan, math.inf, True])
def test_rates_outside_the_contract_are_refused(bad: float) -> None:
    """The error names the parameter."""
    with pytest.raises(ValueError, match="normal_fps"):
        AdaptiveSampling(normal_fps=bad)
    with pytest.raises(ValueError, match="burst_fps"):
        AdaptiveSampling(burst_fps=bad)


def test_burst_is_never_below_normal_and_quality_is_an_integer() -> None:
    """Figures that contradict each other are refused."""
    with pytest.raises(ValueError, match="below"):
        AdaptiveSampling(2.0, 1.0)
    for bad in (-1, 101, 7.5, True):
        with pytest.raises(ValueError, match="quality"):
            check_quality(bad)  # type: ignore[arg-type]


class Promising(Sound):
    """Sound, except for its promise."""

    told: ClassVar[Any] = None

    @property
    def promise(self) -> Any:
        return self.told


@pytest.mark.parametrize(
    ("promise", "why"),
    [
        ("fast", "promise is 'fast', not a Promise"),
        (Promise(0.2, 1.0, 5.0, 5.0), "0 < floor_fps <= ceiling_fps <= 30 does not hold"),
        (Promise(1.0, 0.2, 1.0, 5.0, settles_after=0), "settles_after is a number of clear verdicts, 1 or more"),
        (Promise(1.0, 0.2, 1.0, 5.0, spread=1.0), "spread is the share by which an interval differs"),
        (Promise(1.0, 0.0, 1.0, 5.0), "0 < floor_fps <= ceiling_fps <= 30 does not hold"),
        (Promise(31.0, 0.2, 1.0, 5.0), "0 < floor_fps <= ceiling_fps <= 30 does not hold"),
        (Promise(1.0, 0.2, math.inf, 5.0), "answers_within and settles_within must be finite, 0 or more"),
        (Promise(1.0, 0.2, 1.0, -1.0), "answers_within and settles_within must be finite, 0 or more"),
        (Promise(1.0, 0.2, 0.5, 5.0), "answers_within is shorter than the ceiling's interval"),
    ],
)
def test_a_promise_that_nobody_can_keep_is_named(promise: object, why: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before any timeline is tried, with the figures."""
    monkeypatch.setattr(Promising, "told", promise)
    with pytest.raises(LawBroken) as caught:
        check_sampling_policy(Promising)
    assert caught.value.law == "promise"
    assert why in str(caught.value)


def test_the_day_of_a_policy_that_settles_late_is_counted_from_the_last_sample_tried() -> None:
    """Where its closer look lasts for more samples than are tried, that rate is the one that is counted."""

    class Eager(Sound):
        @property
        def promise(self) -> Promise:
            return Promise(1.0, 1.0, 1.0, 1e6)

    assert drifts(Eager(AdaptiveSampling(1.0, 1.0)), Level.CLEAR) == ""


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
