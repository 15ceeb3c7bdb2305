"""`ds-actors calibrate`: the rates of a judge from scans of labelled files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from ds_actors.cli import app
from ds_actors.detection.levels.calibration import parse_evidence


def scanned(path: Path, flagged: list[int], *, folders: bool = False) -> Path:
    """Write scans of 100 samples each, with that many flags."""
    lines: list[dict[str, Any]] = []
    for number, count in enumerate(flagged):
        segments = [{"level": "clear", "samples": 100 - count}, {"level": "alert", "samples": count}]
        name = f"{number // 2}/{number}.mp4" if folders else f"{number}.mp4"
        lines.append({"file": name, "fps": 1.0, "segments": segments})
    path.write_text("\n".join(json.dumps(line) for line in lines) + "\n\n", "utf-8")
    return path


def run(*words: object) -> Any:
    return CliRunner().invoke(app, ["calibrate", *map(str, words)])


def test_rates_are_shown_with_their_intervals_and_written_for_other_commands(tmp_path: Path) -> None:
    """And the line to paste."""
    genuine, manipulated = scanned(tmp_path / "g", [0, 2, 4, 2]), scanned(tmp_path / "m", [80, 90, 70])
    judge = tmp_path / "judge.toml"
    done = run("--genuine", genuine, "--manipulated", manipulated, "--output", judge)
    assert done.exit_code == 0
    assert "misses       20.00% [" in done.stdout
    assert "60 of 300 samples, 3 people" in done.stdout
    assert "false flags  2.00% [" in done.stdout
    evidence = parse_evidence(judge.read_text("utf-8"))
    assert evidence.misses == pytest.approx(0.2, rel=0.01)
    assert 0.02 < evidence.false_flags < 0.1
    assert "assessment=Evidence(misses=0.201, false_flags=0.043" in done.stdout


def test_files_in_one_folder_are_one_person_where_you_say_so(tmp_path: Path) -> None:
    """Fewer people, and a wider interval."""
    genuine = scanned(tmp_path / "g", [0, 0, 4, 4], folders=True)
    manipulated = scanned(tmp_path / "m", [80, 81, 82, 83], folders=True)
    words = ("--genuine", genuine, "--manipulated", manipulated, "--json")
    apart, together = (json.loads(run(*words, "--person", each).stdout) for each in ("file", "folder"))
    assert (apart["false_flags"]["people"], together["false_flags"]["people"]) == (4, 2)
    assert together["false_flags"]["high"] > apart["false_flags"]["high"]
    assert together["evidence"]["false_flags"] == together["false_flags"]["high"]


def test_answers_that_cannot_be_used_are_refused_with_their_place(tmp_path: Path) -> None:
    """The file and the line, or what is missing."""
    good, bad, empty = scanned(tmp_path / "good", [50]), tmp_path / "bad", tmp_path / "empty"
    bad.write_text('{"file": "a", "fps": 1}\n', "utf-8")
    empty.write_text("", "utf-8")
    for words, said in (
        (("--genuine", good, "--manipulated", bad), f"{bad}, line 1: this is no line"),
        (("--genuine", tmp_path / "none", "--manipulated", good), "cannot be read"),
        (("--genuine", empty, "--manipulated", good), "no verdict on a genuine sample"),
        (("--genuine", good, "--manipulated", good), "no better than chance"),
        (
            ("--genuine", good, "--manipulated", good, "--output", tmp_path),
            "it must name a file in a folder that exists",
        ),
    ):
        done = run(*words)
        assert done.exit_code == 2
        assert said in done.stderr
