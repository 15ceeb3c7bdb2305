"""What the commands write where stdout's encoding has fewer characters than file names do."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import scan_clips as clips

COMMAND = [sys.executable, "-m", "ds_actors"]
SMILE = "smile-\U0001f600.mp4"
ESCAPED = "smile-\\U0001f600.mp4"


def run(encoding: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *map(str, arguments)],
        capture_output=True,
        encoding=encoding,
        env={**os.environ, "PYTHONIOENCODING": encoding, "COLUMNS": "120"},
        timeout=100,
        check=False,
    )


@pytest.mark.parametrize("encoding", ["cp1252", "ascii"])
def test_a_name_that_cannot_be_encoded_is_escaped_and_the_batch_goes_on(tmp_path: Path, encoding: str) -> None:
    """Both files have their table, and the exit code is 0."""
    first = clips.make(tmp_path / SMILE, clips.steady(1))
    second = clips.make(tmp_path / "plain.mp4", clips.steady(1))
    done = run(encoding, "scan", "--sandbox", first, second)
    assert (done.returncode, done.stderr) == (0, "")
    assert f"{tmp_path / ESCAPED}: clear" in done.stdout
    assert f"{second}: clear" in done.stdout


def test_so_is_one_in_a_complaint(tmp_path: Path) -> None:
    """On stderr."""
    done = run("cp1252", "scan", "--sandbox", tmp_path / SMILE)
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr == f"ds-actors scan: {tmp_path / ESCAPED}: there is no such file\n"


def test_the_demo_and_the_clip_escape_it_too(tmp_path: Path) -> None:
    """Their lines name the file as well."""
    path = tmp_path / SMILE
    made = run("cp1252", "clip", path, "--seconds", "3")
    assert made.returncode == 0
    assert made.stderr.count("\n") == 1
    assert ESCAPED in made.stdout
    played = run("cp1252", "demo", "--seconds", "8", "--video", path)
    assert (played.returncode, played.stderr) == (0, "")
    assert f"Playing {ESCAPED}" in played.stdout


def test_help_can_be_written_in_any_encoding() -> None:
    """Its frame has characters that ASCII does not."""
    done = run("ascii", "scan", "--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert "--fail-on" in done.stdout


def test_what_can_be_encoded_stays_as_it_is(tmp_path: Path) -> None:
    """UTF-8 has them all."""
    path = clips.make(tmp_path / SMILE, clips.steady(1))
    assert f"{path}: clear" in run("utf-8", "scan", "--sandbox", path).stdout
