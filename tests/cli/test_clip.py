"""`ds-actors clip`, and what `ds-actors scan` finds in it."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest
from terminal import run_on_a_terminal
from typer.testing import CliRunner

from ds_actors.cli import app
from ds_actors.cli._program import program


def test_a_scan_of_the_clip_alerts_where_it_is_painted_over(tmp_path: Path) -> None:
    """The command that it names next raises an alert in the middle third, and in nothing else."""
    path = tmp_path / "alice.mp4"
    made = CliRunner().invoke(app, ["clip", str(path), "--seconds", "6"])
    assert made.exit_code == 0
    assert re.fullmatch(r"ds-actors clip: painting 150 pictures into .*alice\.mp4, which takes a while\n", made.stderr)
    assert "NASA" in made.stdout
    assert made.stdout.splitlines()[-1] == f"next: ds-actors scan --sandbox {path}"
    scanned = CliRunner().invoke(app, ["scan", "--sandbox", "--json", "--fps", "2", str(path)])
    row = json.loads(scanned.stdout)
    assert [(segment["level"], segment["from"], segment["to"]) for segment in row["segments"]][:2] == [
        ("clear", 0.0, 2.0),
        ("alert", 2.0, 4.0),
    ]
    assert row["level"] == "alert"
    assert row["segments"][-1]["level"] == "clear"


def test_the_next_command_can_be_typed_as_it_stands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run by its path, as `make demo` does, it names that path; where PATH leads to it, its name."""
    run = tmp_path / "a venv" / "ds-actors"
    run.parent.mkdir()
    run.touch(0o755)
    monkeypatch.setattr(sys, "argv", [str(run), "clip"])
    monkeypatch.setenv("PATH", str(tmp_path))
    assert program() == f"'{run}'"
    monkeypatch.setenv("PATH", str(run.parent))
    assert program() == "ds-actors"
    monkeypatch.setattr(sys, "argv", ["/usr/bin/pytest"])
    assert program() == "ds-actors"


def test_a_terminal_sees_how_far_it_is(tmp_path: Path) -> None:
    """Ten minutes of video take minutes to paint; on stderr only."""
    command = [sys.executable, "-m", "ds_actors", "clip", str(tmp_path / "a.mp4"), "--seconds", "3"]
    done, seen = run_on_a_terminal(command)
    assert done.returncode == 0
    assert b"painting" not in done.stdout
    assert b"painting" in seen
    assert b"%" in seen


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("there.mp4", "exists already, and no file is overwritten: name another"),
        ("a.txt", "must end in .mp4"),
        ("none/a.mp4", "No such file or directory"),
    ],
)
def test_what_cannot_be_written_is_one_line_and_exit_2(tmp_path: Path, name: str, words: str) -> None:
    """No file is overwritten, and none is left behind."""
    (tmp_path / "there.mp4").write_bytes(b"mine")
    result = CliRunner().invoke(app, ["clip", str(tmp_path / name)])
    assert (result.exit_code, result.stdout, len(result.stderr.splitlines())) == (2, "", 1)
    assert words in result.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["there.mp4"]
    assert (tmp_path / "there.mp4").read_bytes() == b"mine"


def test_a_clip_that_cannot_be_finished_leaves_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As when the disk is full in the middle of it."""

    def full(*_arguments: object, **_options: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("av.open", full)
    result = CliRunner().invoke(app, ["clip", str(tmp_path / "a.mp4")])
    assert (result.exit_code, list(tmp_path.iterdir())) == (2, [])
    assert result.stderr.endswith("cannot be written: No space left on device\n")
