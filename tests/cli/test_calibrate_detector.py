"""`ds-actors calibrate --detector`: a detector in a process of its own judges folders of real videos and pictures."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import numpy as np
import pytest
import scan_clips
from PIL import Image
from typer.testing import CliRunner
from waiting import until

from ds_actors.cli import app
from ds_actors.cli._calibrate.labels import labelled_files
from ds_actors.detection.levels.calibration import parse_evidence
from ds_actors.detectors import parse_thresholds

pytestmark = pytest.mark.timeout(200)  # each starts a model's process

BRIGHTNESS = '''
import os, pathlib, time
from ds_actors.detectors import Finding

def judge(image):
    """The brightness; too dark is no verdict, and white is no number."""
    brightness = image.mean() / 255
    if brightness < 0.1:
        return Finding(reason="too_dark")
    return float("nan") if brightness > 0.97 else brightness

another = judge

def crash(image):
    if image.mean() > 200:
        os.abort()
    return judge(image)

def wait(image):
    pathlib.Path("judging").touch()
    time.sleep(600)

def fail():
    raise RuntimeError("no weights here")
'''


def shade(*shades: int) -> Callable[[int], scan_clips.Picture]:
    """Return the pictures of a video whose seconds have those brightnesses."""
    return lambda milliseconds: np.full((96, 128, 3), shades[milliseconds // 1_000], np.uint8)


@pytest.fixture
def labelled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A detector; clean videos at 0.2 and 0.4 of two people; a manipulated one and a picture at 0.8 of one of them."""
    (tmp_path / "brightness.py").write_text(BRIGHTNESS, "utf-8")
    for name, shades in (("clean/alice/1", (51, 51, 5)), ("clean/bob/2", (102, 102)), ("manipulated/alice/3", (204,))):
        path = tmp_path / f"{name}.mp4"
        path.parent.mkdir(parents=True)
        scan_clips.make(path, range(0, len(shades) * 1_000, 500), shade(*shades))
    Image.new("RGB", (128, 96), (214, 214, 214)).save(tmp_path / "manipulated" / "alice" / "4.png")
    (tmp_path / "clean" / ".hidden").write_text("not judged")
    (tmp_path / "clean" / ".thumbnails").mkdir()
    (tmp_path / "clean" / ".thumbnails" / "1.png").write_text("not judged")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def calibrate(*more: object, **environment: str) -> Any:
    words = ["calibrate", "--detector", "brightness:judge", "--clean", "clean", "--manipulated", "manipulated"]
    return CliRunner().invoke(app, [*words, *map(str, more)], env=environment)


def test_folders_are_judged_and_thresholds_written_that_scan_reads(labelled: Path) -> None:
    """Rates, the curve, a file for the other commands; with it, no command calls its thresholds guesses."""
    done = calibrate("--output", "calibration.toml", "--plot", "curve.svg")
    assert done.exit_code == 0, done.output
    lines = done.stdout.splitlines()
    assert lines[0] == "clean        4 verdicts on 2 videos of 2 people; no verdict: 1 too_dark"
    assert lines[1] == "manipulated  2 verdicts on 2 videos of 2 people"
    assert re.search(r"^alert from 0\.6$", done.stdout, re.MULTILINE)
    assert "area under the ROC curve 1.000" in done.stdout
    text = (labelled / "calibration.toml").read_text("utf-8")
    found = parse_thresholds(text)
    assert (found.suspicious, found.alert, found.detector) == (0.6, 0.6, "brightness:judge")
    assert ET.parse(labelled / "curve.svg").getroot().tag.endswith("svg")
    video = str(labelled / "manipulated" / "alice" / "3.mp4")
    arguments = ["scan", video, "--json", "--thresholds", "calibration.toml", "--detector"]
    done = CliRunner().invoke(app, [*arguments, "brightness:judge"])
    assert (done.exit_code, done.stderr) == (0, "")
    assert json.loads(done.stdout)["levels"] == {"alert": 1}
    done = CliRunner().invoke(app, [*arguments, "brightness:judge", "--alert", "0.9"])
    assert json.loads(done.stdout)["levels"] == {"suspicious": 1}
    done = CliRunner().invoke(app, [*arguments, "brightness:another"])
    assert "were measured with brightness:judge, and are guesses for brightness:another" in done.stderr


def test_few_people_are_no_evidence_and_the_command_says_so(labelled: Path) -> None:
    """The file then has thresholds alone; with more people it has both."""
    dim = labelled / "manipulated" / "dim.png"
    Image.new("RGB", (128, 96), (60, 60, 60)).save(dim)
    done = calibrate("--output", "calibration.toml")
    assert done.exit_code == 0
    assert "these figures are no parameters of the evidence: misses (" in done.stderr
    assert "# No [evidence]: misses (" in (labelled / "calibration.toml").read_text("utf-8")
    dim.unlink()
    for number in range(8):
        path = labelled / ("clean", "manipulated")[number % 2] / f"more{number}.png"
        Image.new("RGB", (128, 96), (60, 230)[number % 2 : number % 2 + 1] * 3).save(path)
    done = calibrate("--output", "calibration.toml", "--json")
    assert (done.exit_code, done.stderr) == (0, "")
    row = json.loads(done.stdout)
    assert row["evidence"]["false_flags"] == pytest.approx(
        parse_evidence((labelled / "calibration.toml").read_text("utf-8")).false_flags, rel=1e-3
    )
    assert row["unjudged"] == {"clean": {"too_dark": 1}, "manipulated": {}}


def test_the_files_of_a_folder_may_be_one_person(labelled: Path) -> None:
    """The same name on both sides is the same person."""
    row = json.loads(calibrate("--json", "--person", "folder", "--fps", "2").stdout)
    assert (row["alert"]["misses"]["people"], row["alert"]["false_flags"]["people"]) == (1, 2)
    assert row["alert"]["false_flags"]["samples"] == 8
    assert row["curve"][-1]["people"] == 1


def test_the_folder_of_one_person_may_be_given_itself(tmp_path: Path) -> None:
    """What lies directly in a place is of the person of its name."""
    paths = [tmp_path / side / "alice" / "a.png" for side in ("clean", "manipulated")]
    for path in paths:
        path.parent.mkdir(parents=True)
        path.touch()
    clean, manipulated = (path.parent for path in paths)
    for place in (tmp_path / "clean", clean, paths[0], manipulated):
        assert [file.person for file in labelled_files(place, "folder", manipulated=False)] == ["alice"]


def test_samples_without_a_valid_answer_are_counted_and_files_that_are_no_videos_cost_no_other(labelled: Path) -> None:
    """A NaN is an error of its sample; the exit code says that a file is missing."""
    Image.new("RGB", (128, 96), (255, 255, 255)).save(labelled / "clean" / "white.png")
    (labelled / "clean" / "notes.txt").write_text("no video")
    done = calibrate()
    assert done.exit_code == 3
    assert "no verdict: 1 too_dark, 1 error (not_a_number)" in done.stdout
    assert re.search(r"ds-actors calibrate: clean/notes\.txt: ", done.stderr)


def test_a_model_that_crashes_costs_its_samples_and_is_replaced(
    labelled: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Here on each manipulated file but a darker one; the crashes are counted."""
    Image.new("RGB", (128, 96), (190, 190, 190)).save(labelled / "manipulated" / "5.png")
    done = calibrate("--detector", "brightness:crash")
    assert "a model process was lost, and is replaced" in caplog.text
    assert done.exit_code == 0, done.output
    lines = done.stdout.splitlines()
    assert lines[0] == "clean        4 verdicts on 2 videos of 2 people; no verdict: 1 too_dark"
    assert lines[1] == "manipulated  1 verdict on 1 video of 1 person; no verdict: 2 error (no answer)"


def test_ctrl_c_ends_it_and_writes_nothing(labelled: Path) -> None:
    """Also while a model hangs."""
    words = ["--detector", "brightness:wait", "--clean", "clean", "--manipulated", "manipulated", "--output", "c.toml"]
    command = [sys.executable, "-m", "ds_actors", "calibrate", *words]
    with subprocess.Popen(command, cwd=labelled, stderr=subprocess.PIPE, text=True) as process:
        try:
            until(lambda: process.poll() is not None or (labelled / "judging").exists(), 100)
            process.send_signal(signal.SIGINT)
            _, complaint = process.communicate(timeout=60)
        finally:
            process.kill()
    assert process.returncode == 130
    assert "ds-actors calibrate: stopped by Ctrl-C\n" in complaint
    assert not (labelled / "c.toml").exists()


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--clean", "nowhere"], "nowhere does not exist: give a folder of videos and pictures, or one of them"),
        (["--clean", "empty"], "empty has no files in it"),
        (["--manipulated", "clean/bob/2.mp4"], "clean/bob/2.mp4 is both in --clean and in --manipulated"),
        (["--clean", "clean/bob"], "clean/bob/2.mp4 is given twice"),
        (["--fps", "nan"], "--fps must be above 0 and 30 at most"),
        (["--max-false-flags", "1"], "--max-false-flags must be from 0 to below 1, .*"),
        (["--max-false-flags", "0.01", "--max-false-alerts", "0.02"], "--max-false-flags must be .*"),
        (["--plot", "nowhere/curve.svg"], "--plot nowhere/curve.svg: it must name a file in a folder that exists"),
        (["--detector", "brightness:fail()"], r"brightness:fail\(\) cannot be loaded: RuntimeError: no weights here"),
        (["--detector", "nothing"], "no detector is called 'nothing' .*"),
    ],
)
def test_what_cannot_be_used_is_exit_2_with_the_reason(arguments: list[str], expected: str, labelled: Path) -> None:
    """Before any file is judged."""
    (labelled / "empty").mkdir()
    done = calibrate(*arguments)
    assert done.exit_code == 2
    assert re.fullmatch(f"ds-actors calibrate: {expected}\n", done.stderr)


def test_a_detector_that_never_answers_says_why_there_is_nothing(labelled: Path) -> None:
    """The reasons come with it."""
    for path in (labelled / "clean").rglob("*.mp4"):
        scan_clips.make(path, [0], shade(5))
    done = calibrate()
    assert done.exit_code == 2
    assert done.stderr.endswith(
        "there is no verdict on a genuine sample; genuine and manipulated ones are needed (no verdict: 2 too_dark)\n"
    )


@pytest.mark.parametrize("option", [["--fps", "1"], ["--plot", "c.svg"], ["--max-false-flags", "0.1"]])
def test_options_of_a_detector_are_refused_without_one(option: list[str], labelled: Path) -> None:
    """And a folder asks for one."""
    words = ["calibrate", "--clean", "clean", "--manipulated", "manipulated"]
    done = CliRunner().invoke(app, [*words, *option])
    assert (done.exit_code, done.stderr) == (2, f"ds-actors calibrate: {option[0]} goes with --detector\n")
    done = CliRunner().invoke(app, words)
    assert (done.exit_code, "clean is a folder: name with --detector" in done.stderr) == (2, True)
