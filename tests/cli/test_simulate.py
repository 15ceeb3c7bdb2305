"""`ds-actors simulate`: policies by name and from files, one table, one picture."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree as ET

import hypothesis.strategies as st
import pytest
from hypothesis import given
from waiting import until

from ds_actors.cli import app
from ds_actors.cli._simulate.alert_comparison import ALERT_LEGEND, compare_alerts
from ds_actors.cli._simulate.comparison import LEGEND, compare
from ds_actors.cli._simulate.plot import draw, time_axis
from ds_actors.cli._simulate.policies import PolicyError, parse_assessment, parse_policy
from ds_actors.cli.simulate import SCENARIO
from ds_actors.detection.sampling import AdaptiveSampling, Budget, Budgeted, Fastest
from ds_actors.simulation import Outcome
from ds_actors.simulation.outcome import Detection

Run = Callable[..., tuple[int, str, str]]
COLUMNS = ["policy", "samples", "MB", "/min", "dropped", "found", "median", "p99", "fairness", "gap"]
SHORT = ("--seconds", "60", "--tracks", "5")


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    def command(*arguments: str | Path) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            app(["simulate", *map(str, arguments)])
        said = capsys.readouterr()
        return int(ended.value.code or 0), said.out, said.err

    return command


def test_several_policies_stand_in_one_table_and_one_picture(tmp_path: Path, run: Run) -> None:
    """A row and a line each; nothing on stderr where it is no terminal."""
    picture = tmp_path / "all.svg"
    code, out, err = run("adaptive", "budgeted(adaptive, samples_per_minute=6)", *SHORT, "--plot", picture)
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[0].split() == COLUMNS
    assert lines[1].startswith("adaptive ")
    assert lines[2].startswith("budgeted(adaptive, samples_per_minute=6) ")
    assert "5 tracks, 60 s each" in lines[3]
    root = ET.parse(picture).getroot()
    words = " ".join(root.itertext())
    assert "adaptive:" in words
    assert "time to detection" in words
    assert len(root.findall("{http://www.w3.org/2000/svg}path")) == 2
    assert picture.read_text().count("://") == 1


@given(st.lists(st.lists(st.floats(0, 1e6), max_size=40).map(sorted), min_size=1, max_size=4))
def test_the_time_axis_has_round_ticks_and_shows_nearly_all(delays: list[list[float]]) -> None:
    """At most eight ticks of 1, 2 or 5 times a power of ten; at least 95 % of each policy's detections are on it."""
    step, end = time_axis(delays)
    assert round(end / step) <= 8 + 1
    assert f"{step:.0e}"[0] in "125"
    for times in delays:
        assert sum(seconds > end for seconds in times) <= 0.05 * len(times)


def test_one_late_detection_does_not_press_the_others_together() -> None:
    """It is counted in the legend instead."""
    times = [*(number / 10 for number in range(1, 40)), 500.0]
    assert time_axis([times])[1] == 4.0
    assert "500" not in draw([outcome("a", 1, *times)])
    assert ", 1 later<" in draw([outcome("a", 1, *times)])


def outcome(policy: str, sent: int, *times: float | None) -> Outcome:
    """Return a policy's outcome with these times to detection."""
    detections = [Detection("TR_1", 0.0, after) for after in times]
    return Outcome(policy, 1, 60.0, sent, sent, 0, {}, 0, detections, 1.0, 1.0)


def test_the_winner_finds_the_most_and_then_the_soonest() -> None:
    """The other lines say what its samples bought."""
    slow, blind, quick = outcome("slow", 50, 5.0, 7.0), outcome("blind", 10, 1.0, None), outcome("quick", 100, 2.0, 3.0)
    assert compare([slow, blind, quick]) == [
        "winner: quick: 2 of 2 found, half within 2.00 s, for 100 samples",
        "        slow: 0.50 times its samples, as many found, half within 5.00 s",
        "        blind: 0.10 times its samples, 1 fewer found, half within 1.00 s",
    ]
    assert compare([outcome("dear", 9, 2.0), outcome("cheap", 3, 2.0)])[0].startswith("winner: cheap: ")


def test_without_a_contest_there_is_no_winner() -> None:
    """As with a single policy, or without a manipulation to find."""
    assert compare([outcome("alone", 9, 2.0)]) == []
    assert compare([outcome("a", 9), outcome("b", 9)]) == []


def test_every_column_is_explained(run: Run) -> None:
    """Below the table."""
    _, out, _ = run("adaptive", *SHORT)
    explained = {word for line in LEGEND for word in line.split("  ")[0].split(", ")}
    assert {*COLUMNS} - explained == {"policy"}
    assert out.splitlines()[-len(LEGEND) :] == list(LEGEND)


ERRING = "[room]\nparticipants = 5\nseconds = 900\nmanipulated = 5\n[[judge]]\nmisses = 0.2\nfalse_flags = 0.05\n"


def alerting(policy: str, sent: int, false_alarms: int, *times: float | None) -> Outcome:
    """Return an outcome of ten genuine hours with these times to an alert."""
    detections = [Detection("TR_1", 0.0, after, after) for after in times]
    return Outcome(policy, 1, 60.0, sent, sent, 0, {}, 0, detections, 1.0, 1.0, false_alarms, 10.0)


def test_where_the_judge_errs_the_winner_alerts_soonest_without_accusing_too_often() -> None:
    """The other lines say what its samples bought."""
    rash, slow, quick = alerting("rash", 50, 300, 1.9), alerting("slow", 100, 0, 5.0), alerting("quick", 120, 1, 3.0)
    assert compare_alerts([rash, slow, quick], 0.1) == [
        "winner: quick: the soonest of 2 with at most 0.1 false alarms per hour and track",
        "        against rash: 2.40 times the samples alert 1.10 s later (median) and accuse 300 times less often",
        (
            "        against slow: 1.20 times the samples alert 2.00 s earlier (median)"
            " and accuse 0.1 times per hour and track, instead of never"
        ),
    ]
    assert compare_alerts([rash, slow], 0.1) == [
        "winner: slow: the only one with at most 0.1 false alarms per hour and track",
        (
            "        against rash: 2.00 times the samples alert 3.10 s later (median) and never accuse, instead of 30"
            " times per hour and track"
        ),
    ]
    first, second = compare_alerts([rash, alerting("blind", 50, 25, None)], 0.1)
    assert first == "winner: blind: none has at most 0.1 false alarms per hour and track; it has the fewest, 2.5"
    assert second.endswith("alert to 0 manipulations instead of 1 and accuse 12 times less often")
    assert compare_alerts([rash], 0.1) == []


def test_each_policy_may_have_its_own_assessment(tmp_path: Path, run: Run) -> None:
    """The second table, its winner and its columns are explained; JSON says who won."""
    path = tmp_path / "erring.toml"
    path.write_text(ERRING)
    words = ("adaptive", "evidence", "--scenario", path, "--assessment", "last", "--assessment", "evidence")
    _, out, _ = run(*words, "--max-false-alarms", "1.5")
    assert "winner: evidence, evidence: the only one with at most 1.5 false alarms per hour and track" in out
    assert "against adaptive, last: " in out
    assert out.splitlines()[-len(ALERT_LEGEND) :] == list(ALERT_LEGEND)
    header = next(line for line in out.splitlines() if "false/h" in line)
    explained = " ".join(line.split("  ")[0] for line in ALERT_LEGEND).replace(",", "").split()
    assert set(header.split()) - {"policy"} <= set(explained) | {"median"}
    last, evidence = map(json.loads, run(*words, "--json")[1].splitlines())
    assert (last["winner"], evidence["winner"]) == (False, True)
    assert (last["policy"], evidence["policy"]) == ("adaptive, last", "evidence, evidence")
    assert run(*words, "--assessment", "last")[::2] == (
        2,
        "ds-actors simulate: 3 times --assessment for 2 policies: give it once, or once for each policy\n",
    )


def test_json_is_one_object_a_policy(run: Run) -> None:
    """With every figure of the table, and the times to detection themselves."""
    code, out, _ = run("adaptive", "decaying", *SHORT, "--json")
    first, second = map(json.loads, out.splitlines())
    assert code == 0
    assert (first["policy"], second["policy"]) == ("adaptive", "decaying")
    assert first["due"] == first["sent"] + sum(first["dropped"].values()) + first["left"]
    assert len(first["times"]) + first["missed"] == first["manipulations"]
    assert {"bytes", "median", "p99", "fairness", "longest_gap", "took"} <= first.keys()


def test_a_policy_of_ones_own_comes_from_a_file(tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """By path or by module, as a class, a function, or with figures."""
    monkeypatch.chdir(tmp_path)
    path = Path("mine_for_the_test.py")
    path.write_text(
        "from ds_actors.detection import AdaptiveSampling\n"
        "class Mine(AdaptiveSampling): pass\n"
        "def slow(fps=0.1): return Mine(fps, 1)\n"
    )
    code, out, _ = run(f"{path}:Mine", f"{path}:slow(fps=0.05)", f"{path}:budgeted(Mine, samples_per_minute=6)", *SHORT)
    assert code == 0
    table = out[: out.index("5 tracks")]
    assert "".join(table.split()).count("mine_for_th") == 3  # the table may fold what follows
    assert isinstance(parse_policy("ds_actors.detection.sampling:AdaptiveSampling(0.5, 2)")(), AdaptiveSampling)


def test_ones_own_file_imports_its_neighbours(tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """As it does when Python runs it; and so does a module of the folder that one stands in."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", sys.path.copy())
    folder = tmp_path / "policies"
    folder.mkdir()
    (folder / "beside_for_the_test.py").write_text("FPS = 0.1\n")
    (folder / "uses_for_the_test.py").write_text(
        "from beside_for_the_test import FPS\n"
        "from ds_actors.detection import AdaptiveSampling\n"
        "class Mine(AdaptiveSampling): pass\n"
        "def slow(): return Mine(FPS, 1)\n"
    )
    (tmp_path / "here_for_the_test.py").write_text("from ds_actors.detection import AdaptiveSampling as Here\n")
    code, _, err = run("policies/uses_for_the_test.py:slow", "here_for_the_test:Here", *SHORT)
    assert (code, err) == (0, "")


def test_a_file_called_as_a_module_of_pythons_harms_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It may import that module, and everybody else still gets Python's."""
    monkeypatch.setattr(sys, "path", sys.path.copy())
    path = tmp_path / "random.py"
    path.write_text(
        "import random\n"
        "from dataclasses import dataclass\n"
        "from ds_actors.detection import AdaptiveSampling\n"
        "@dataclass\n"
        "class Figures:\n"
        "    fps: float = random.Random(1).random()\n"
        "def mine(): return AdaptiveSampling(Figures().fps, 1.0)\n"
    )
    assert isinstance(parse_policy(f"{path}:mine")(), AdaptiveSampling)
    assert sys.modules["random"] is random


def test_words_become_policies() -> None:
    """Names, figures, and policies within policies; a new object each time."""
    factory = parse_policy("budgeted(fastest(adaptive(0.5, burst_fps=2), speaker), samples_per_minute=30)")
    policy = factory()
    assert isinstance(policy, Budgeted)
    assert policy.budget == Budget(samples_per_minute=30)
    assert isinstance(policy.policy, Fastest)
    assert factory() is not policy


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("adaptiv", r"'adaptiv' is not known; did you mean adaptive\?"),
        ("nope", "'nope' is not known; known are adaptive, decaying"),
        ("adaptive(", "is not a policy; write it as"),
        ("adaptive(normal_fps=2)", "burst_fps .* must not be below"),
        ("adaptive(normal_fp=2)", r"adaptive has no figure 'normal_fp'; did you mean normal_fps\?"),
        ("adaptive(colour=2)", "adaptive has no figure 'colour'; it takes normal_fps, burst_fps, jitter"),
        ("budgeted(adaptive, samples_per_minut=6)", r"did you mean samples_per_minute\?"),
        ("fastest(adaptive, colour=2)", "fastest has no figure 'colour'; it takes jitter"),
        ("budgeted(adaptive)", "a budget needs"),
        ("adaptive(**figures)", "write each figure by its name"),
        ("adaptive(1 + 2)", "neither a figure nor a policy"),
        ("__import__('os').system('true')", "neither a figure nor a policy"),
        ("nowhere.py:Mine", "nowhere.py is not a file"),
        ("no_such_module:Mine", "ModuleNotFoundError"),
        ("collections:OrderedDict", "and no policy"),
        ("mine.py", r"which policy of mine.py\? Write mine.py:NAME"),
        ("collections:adaptiv", "collections has no 'adaptiv' that makes a policy; known without it are adaptive"),
        ("ds_actors.detection:AdaptivSampling", r"did you mean AdaptiveSampling\?"),
        ("budgeted(mine.py:Mine, samples_per_minute=6)", "the file comes first, as in"),
    ],
)
def test_what_is_no_policy_is_said(words: str, says: str) -> None:
    """And what would be."""
    with pytest.raises(PolicyError, match=says):
        parse_policy(words)


def test_a_figure_that_the_evidence_lacks_is_named_with_the_nearest() -> None:
    """As for a policy, without Python's words."""
    with pytest.raises(PolicyError, match=r"evidence has no figure 'mises'; did you mean misses\?"):
        parse_assessment("evidence(mises=0.1)")


def test_wrong_usage_ends_with_2(tmp_path: Path, run: Run) -> None:
    """Before anything is simulated."""
    quiet = tmp_path / "quiet.toml"
    quiet.write_text("[room]\nseconds = 10\n")
    for arguments, says in (
        (("adaptive", "nope"), "'nope' is not known"),
        (("adaptive", "--scenario", tmp_path / "none.toml"), "cannot be read"),
        (("adaptive", "--tracks", "20000"), "'--tracks'"),
        (("adaptive", "--plot", tmp_path), "must name a file"),
        (("adaptive", "--scenario", quiet, "--plot", tmp_path / "a.svg"), "this scenario has no manipulation"),
    ):
        code, out, err = run(*arguments)
        assert (code, out) == (2, "")
        assert says in err


def test_a_policy_that_fails_in_the_middle_ends_with_1(tmp_path: Path, run: Run) -> None:
    """The others are shown."""
    path = tmp_path / "fails.py"
    path.write_text(
        "from ds_actors.detection.sampling import AdaptiveSampling, Verdict\n"
        "class Fails(AdaptiveSampling):\n"
        "    def on(self, event, now):\n"
        "        if isinstance(event, Verdict): raise RuntimeError('no idea')\n"
        "        return super().on(event, now)\n"
    )
    code, out, err = run(f"{path}:Fails", "adaptive", *SHORT)
    assert code == 1
    assert "failed: RuntimeError: no idea" in err
    assert "adaptive " in out


def test_policies_that_are_always_due_or_never_on_time_end_too(tmp_path: Path, run: Run) -> None:
    """One takes two hundred samples a second, as in the monitor; NaN is no time, and says so."""
    path = tmp_path / "odd.py"
    path.write_text(
        "from attrs import evolve\n"
        "from ds_actors.detection.sampling import AdaptiveSampling\n"
        "class Always(AdaptiveSampling):\n"
        "    def on(self, event, now): return evolve(super().on(event, now), due=now)\n"
        "class Never(AdaptiveSampling):\n"
        "    def on(self, event, now): return evolve(super().on(event, now), due=float('nan'))\n"
    )
    code, out, err = run(f"{path}:Always", f"{path}:Never", "--tracks", "1", "--seconds", "5", "--json")
    assert code == 1
    assert 999 <= json.loads(out)["due"] <= 1_001
    assert "failed: ValueError: the policy planned a sample for NaN" in err


def test_the_built_in_scenario_can_be_begun_with(tmp_path: Path, run: Run) -> None:
    """Printed, saved and read, it gives the same."""
    code, out, _ = run("--show-scenario")
    assert (code, out) == (0, SCENARIO)
    path = tmp_path / "mine.toml"
    path.write_text(out)
    by_file = json.loads(run("adaptive", "--json", "--scenario", path, *SHORT)[1])
    built_in = json.loads(run("adaptive", "--json", *SHORT)[1])
    assert by_file | {"took": 0} == built_in | {"took": 0}


def test_ctrl_c_ends_it_and_shows_what_there_is(tmp_path: Path) -> None:
    """Exit code 130, the policies that are done, no traceback."""
    begun = tmp_path / "begun"
    path = tmp_path / "endless.py"
    path.write_text(
        "from pathlib import Path\n"
        "from ds_actors.detection.sampling import AdaptiveSampling\n"
        "class Endless(AdaptiveSampling):\n"
        "    def on(self, event, now):\n"
        f"        Path({str(begun)!r}).touch()\n"
        "        return super().on(event, now)\n"
    )
    command = [sys.executable, "-m", "ds_actors", "simulate", "adaptive(0.001)", f"{path}:Endless"]
    process = subprocess.Popen(
        [*command, "--tracks", "5", "--seconds", "864000"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    until(lambda: begun.exists() or process.poll() is not None, 100)
    os.kill(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert err == "ds-actors simulate: stopped by Ctrl-C\n"
    assert "adaptive(0.001)" in out
