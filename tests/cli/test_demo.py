"""`ds-actors demo` and `ds-actors sandbox`, as a newcomer runs them."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import termios
from pathlib import Path

import pytest
import scan_clips as clips
from typer.testing import CliRunner

from ds_actors._extras import install_command
from ds_actors.cli import app

COMMAND = [sys.executable, "-m", "ds_actors"]
_UNWANTED = ("DATASPIKE", "FORCE_COLOR", "TTY_", "NO_COLOR", "COLUMNS", "LINES")
ENVIRONMENT = {key: value for key, value in os.environ.items() if not key.startswith(_UNWANTED)}


def test_the_demo_alerts_survives_the_cut_and_ends_by_itself() -> None:
    """One event a line: alice is alerted and cleared, bob never, two connections, exit 0."""
    done = subprocess.run(
        [*COMMAND, "demo", "--json", "--seconds", "8"],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
        env=ENVIRONMENT,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert events[0]["event"] == "begin"
    assert "NASA" in events[0]["credit"]
    results = [event["result"] for event in events if event["event"] == "result"]
    alice = [result["level"] for result in results if result["participant_id"] == "alice"]
    assert alice[0] == alice[-1] == "clear"
    assert [level for level in ("clear", "suspicious", "alert") if level in alice] == ["clear", "suspicious", "alert"]
    assert {result["level"] for result in results if result["participant_id"] == "bob"} == {"clear"}
    summary = events[-1]
    assert summary["event"] == "summary"
    assert summary["due"] == summary["sent"] + sum(summary["dropped"].values())
    assert summary["next"] == "ds-actors clip alice.mp4"
    assert not summary["interrupted"]
    assert [event["uplink"] for event in events if event["event"] == "state"].count("up") == 2


def test_piped_it_is_plain_lines_and_plays_a_video(tmp_path: Path) -> None:
    """A short video plays over and over, is suspicious, alerted and cleared, and the end names the next command."""
    path = clips.make(tmp_path / "a talk.mp4", clips.steady(2))
    done = subprocess.run(
        [*COMMAND, "demo", "--seconds", "8", "--video", str(path)],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
        env={**ENVIRONMENT, "FORCE_COLOR": "1"},
    )
    assert (done.returncode, done.stderr) == (0, "")
    *lines, summary, then = done.stdout.splitlines()
    assert all(re.fullmatch(r" *\d+\.\d s  [ -~]+", line) for line in (*lines, summary))
    assert lines[0].endswith("two participants, 8 s. Playing a talk.mp4")
    said = [line.partition(" s  ")[2] for line in lines]
    order = (
        "alice: unknown -> clear",
        "alice: clear -> suspicious",
        "alice: suspicious -> alert",
        "the connection is cut",
        "alice: alert -> clear",
    )
    assert [line for line in said if line in order] == list(order)
    assert "samples due" in summary
    assert then == f"next: ds-actors scan --sandbox '{path}'"


def test_on_a_terminal_it_is_a_live_view() -> None:
    """The cards, the pictures and the alert are drawn over and over, and the summary stays at the end."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 100, 0, 0))
    out = bytearray()
    with subprocess.Popen(
        [*COMMAND, "demo", "--seconds", "8"],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env={**ENVIRONMENT, "TERM": "xterm-256color"},
    ) as process:
        os.close(theirs)
        try:
            while data := os.read(ours, 65_536):
                out += data
        except OSError:  # how Linux says that the other side is closed
            pass
        finally:
            os.close(ours)
    assert process.returncode == 0
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", out.decode())
    assert text.count("bob CLEAR") > 3
    assert text.count("▀") > 1_000
    for expected in ("alice SUSPICIOUS", "alice ALERT", "actors running", "dropped:", "2 connections", "NASA"):
        assert expected in text
    lines = text.splitlines()
    assert lines[-1] == "next: ds-actors clip alice.mp4"
    totals = [found[0] for line in lines[-30:] if (found := re.search(r"\d+ samples due, .*dropped: [^;]*", line))]
    assert len(totals) == 2  # the last view's and the summary's
    assert totals[0].rstrip() == totals[1].rstrip()
    assert out.rstrip().rfind(b"\x1b[?25h") > out.rfind(b"\x1b[?25l")  # the cursor is back


def test_ctrl_c_ends_the_demo_with_a_summary() -> None:
    """SIGINT is an orderly end: what it came to so far, exit 130, no traceback, and no connection that seems lost."""
    with subprocess.Popen(
        [*COMMAND, "demo", "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=ENVIRONMENT,
    ) as process:
        try:
            assert process.stdout is not None
            while json.loads(process.stdout.readline())["event"] != "result":
                pass
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=60)
        finally:
            process.kill()
    assert process.returncode == 130
    summary = json.loads(out.splitlines()[-1])
    assert summary["event"] == "summary"
    assert summary["interrupted"]
    assert '"uplink": "down"' not in out
    assert err == ""


def test_it_ends_quietly_when_nobody_reads_on() -> None:
    """As in `ds-actors demo | head -1`: no traceback, and a shell's code for a program that wrote to a closed pipe."""
    with subprocess.Popen(
        [*COMMAND, "demo", "--json", "--seconds", "8"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=ENVIRONMENT,
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stderr is not None
            process.stdout.readline()
            process.stdout.close()
            assert process.wait(timeout=30) == 141
            assert process.stderr.read() == b""
        finally:
            process.kill()


@pytest.mark.parametrize("name", ["missing.mp4", "folder", "text.mp4", "empty.mp4", "sound.wav", "cut.mp4"])
def test_a_file_that_cannot_be_played_is_one_line_and_exit_2(tmp_path: Path, name: str) -> None:
    """Nothing begins: one line on stderr names the file and the problem."""
    (tmp_path / "folder").mkdir()
    (tmp_path / "text.mp4").write_text("no video\n")
    (tmp_path / "empty.mp4").touch()
    clips.sound_only(tmp_path / "sound.wav")
    whole = clips.make(tmp_path / "whole.mp4", clips.steady(1)).read_bytes()
    (tmp_path / "cut.mp4").write_bytes(whole[:200])
    result = CliRunner().invoke(app, ["demo", "--video", str(tmp_path / name)])
    assert result.exit_code == 2
    assert result.stdout == ""
    assert re.fullmatch(rf"ds-actors demo: cannot play {re.escape(str(tmp_path / name))}: [ -~]+\n", result.stderr)


def test_the_help_says_what_it_is_and_how_it_ends() -> None:
    """Each option, the exit codes, and that it is not a detector."""
    text = " ".join(CliRunner().invoke(app, ["demo", "--help"], env={"COLUMNS": "100"}).stdout.split())
    for expected in ("--video", "--seconds", "--json", "No account and no network", "not a detector", "(130)", "(2)"):
        assert expected in text


@pytest.mark.parametrize(
    "command", [[], ["demo"], ["scan"], ["sandbox"], ["clip"], ["simulate"], ["tune"], ["calibrate"], ["doctor"]]
)
def test_the_help_names_no_type_of_python(command: list[str]) -> None:
    """A flag is given or it is not, and a value is called by what it stands for."""
    text = CliRunner().invoke(app, [*command, "--help"], env={"COLUMNS": "80"}).stdout
    assert "--help" in text
    assert not re.search(r"bool|list\[|<path>|<int|<float|<str", text.lower())


def test_without_a_command_the_help_is_shown() -> None:
    """Asking for nothing is no error."""
    result = CliRunner().invoke(app, [])
    assert (result.exit_code, result.stderr) == (0, "")
    assert "simulate" in result.stdout
    assert CliRunner().invoke(app, ["nonsense"]).exit_code == 2


def test_ctrl_c_ends_the_sandbox_with_a_summary() -> None:
    """SIGINT is an orderly end: a summary, exit 0, no traceback."""
    with subprocess.Popen(
        [*COMMAND, "sandbox", "--port", "0", "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            listening = json.loads(process.stdout.readline())
            assert listening["url"].startswith("ws://127.0.0.1:")
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=60)
        finally:
            process.kill()
    assert process.returncode == 0
    assert json.loads(out)["event"] == "summary"
    assert err == ""


def test_without_the_extra_the_command_says_what_installs_it() -> None:
    """One line on stderr, exit 2."""
    code = "import sys; sys.modules['typer'] = None; from ds_actors.__main__ import main; main()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 2
    assert done.stderr == f"ds-actors needs its extra cli: {install_command('cli')}\n"


def test_ctrl_c_while_it_is_still_loading_is_quiet_too() -> None:
    """Exit 130, and no traceback of an import."""
    code = (
        "import sys\n"
        "class Finder:\n"
        "    def find_spec(self, name, *_):\n"
        "        if name == 'typer': raise KeyboardInterrupt\n"
        "sys.meta_path.insert(0, Finder())\n"
        "from ds_actors.__main__ import main; main()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=100, check=False)
    assert (done.returncode, done.stderr) == (130, "")
