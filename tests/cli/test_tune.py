"""`ds-actors tune`: from what is known of a judge to the line of code."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

from typer.testing import CliRunner

from ds_actors.cli import app
from ds_actors.cli._simulate.alert_comparison import ALERT_LEGEND

JUDGE = ("--misses", "0.2", "--false-flags", "0.02", "--hours", "1.5")


def run(*words: object) -> Any:
    return CliRunner().invoke(app, ["tune", *map(str, words)])


def test_it_prints_the_frontier_the_bound_and_the_line_to_paste(tmp_path: Path) -> None:
    """With the last verdict for comparison, what the columns mean, and a plot of the same rows; stderr has one line."""
    done = run(*JUDGE, "--budget", "0.5", "--plot", tmp_path / "p.svg")
    assert done.exit_code == 0
    assert done.stderr == "ds-actors tune: simulating 1.5 track hours for each choice\n"
    for words in ("the last verdict, adaptive", "best at 0.5 samples/s: evidence", "no policy whose normal rate"):
        assert words in done.stdout
    assert set(ALERT_LEGEND) <= set(done.stdout.splitlines())
    assert "sampling=lambda: EvidenceSampling(normal_fps=" in done.stdout
    assert "assessment=Evidence(misses=0.2, false_flags=0.02" in done.stdout
    picture = ET.parse(tmp_path / "p.svg")
    space = "{http://www.w3.org/2000/svg}"
    assert "samples per second and track" in [text.text for text in picture.iter(f"{space}text")]
    titles = [title.text for title in picture.iter(f"{space}title")]
    assert len(titles) == len(list(picture.iter(f"{space}circle"))) > 1
    assert done.stdout.split("best at 0.5 samples/s: ")[1].split("\n")[0] in titles


def test_two_processes_find_what_one_finds() -> None:
    """The order of the results is that of the runs."""
    alone, both = (run(*JUDGE, "--json", "--processes", count).stdout for count in (1, 2))
    assert json.loads(alone)["best"]
    assert both == alone


def test_one_json_object_has_all_of_it_and_a_file_of_calibrate_is_read(tmp_path: Path) -> None:
    """With the best within budget and target, and the bounds."""
    judge = tmp_path / "judge.toml"
    judge.write_text("[evidence]\nmisses = 0.3\nfalse_flags = 0.01\n", "utf-8")
    done = run("--judge", judge, "--hours", "1.5", "--json")
    found = json.loads(done.stdout)
    assert found["best"]["choice"]["evidence"]["misses"] == 0.3
    assert found["best"]["samples_per_second"] <= 0.303
    assert found["frontier"]
    assert 0 < found["bounds"]["median"] < found["bounds"]["p90"]
    assert found["last"]["genuine_hours"] > 1


def test_what_is_missing_or_makes_no_sense_is_said(tmp_path: Path) -> None:
    """With what to do."""
    for words, said in (
        (("--misses", "0.2"), "say how the service errs"),
        (("--judge", tmp_path / "none"), "cannot be read"),
        ((*JUDGE, "--budget", "0"), "the budget must be above 0"),
        ((*JUDGE, "--max-false-alarms", "-1"), "max_false_alarms must be a finite number above 0"),
        ((*JUDGE, "--plot", tmp_path), "must name a file in an existing folder"),
    ):
        done = run(*words)
        assert done.exit_code == 2
        assert said in done.stderr
