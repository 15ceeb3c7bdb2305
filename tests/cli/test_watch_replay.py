"""Recordings of a watched room: what is kept, how it is shown again, and what damage costs."""

from __future__ import annotations

import io
import json
import os
import pty
import re
import signal
import stat
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner, Result
from watch_statuses import status, track

from ds_actors.cli import app
from ds_actors.cli._watch import recorder as recorder_module
from ds_actors.cli._watch.recorder import recorder
from ds_actors.cli._watch.recording import (
    DamagedRecording,
    NotARecording,
    RecordedEvent,
    RecordingHead,
    end_line,
    event_line,
    head_line,
    read_events,
    read_head,
)
from ds_actors.detection import Level

HEAD = RecordingHead("call-42", 1_700_000_000.0)
EVENTS: list[dict[str, Any]] = [
    {"event": "joined"},
    {"event": "status", "status": status(track("alice"))},
    {"event": "log", "text": "connected"},
    {"event": "status", "status": status(track("alice", Level.ALERT), track("bob"))},
    {"event": "status", "status": status(track("alice", Level.SUSPICIOUS))},
]
LINES = [
    head_line(HEAD),
    *(event_line(RecordedEvent(at, event)) for at, event in enumerate(EVENTS)),
    end_line(len(EVENTS)),
]


def written(folder: Path, data: bytes = b"".join(LINES)) -> Path:
    path = folder / "call.jsonl"
    path.write_bytes(data)
    return path


def run(*arguments: str) -> Result:
    result = CliRunner().invoke(app, ["replay", *arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def read(data: bytes) -> tuple[list[dict[str, Any]], str]:
    """Return the events, and what is wrong behind them."""
    file = io.BytesIO(data)
    read_head(file)
    found: list[dict[str, Any]] = []
    try:
        found.extend(recorded.event for recorded in read_events(file))
    except DamagedRecording as error:
        return found, str(error)
    return found, ""


def test_what_was_recorded_is_read_again(tmp_path: Path) -> None:
    """In a file for its owner alone, which must be new."""
    path = tmp_path / "call.jsonl"
    with recorder(path, "call-42", pytest.fail) as recording:
        for event in EVENTS:
            recording.take(event)
    assert read(path.read_bytes()) == (EVENTS, "")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with pytest.raises(FileExistsError), recorder(path, "call-42", pytest.fail):
        pass
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(FileExistsError), recorder(tmp_path / "link", "call-42", pytest.fail):
        pass


def test_without_a_file_nothing_is_recorded() -> None:
    """The watch does not notice."""
    with recorder(None, "call-42", pytest.fail) as recording:
        recording.take(EVENTS[0])


def test_a_full_disk_ends_the_recording_behind_a_whole_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is said once, and the watch goes on."""
    said: list[str] = []
    write, path, space = os.write, tmp_path / "call.jsonl", 1_500

    def full(number: int, data: bytes) -> int:
        nonlocal space
        if not space:
            raise OSError(28, "No space left on device")
        done = write(number, data[:space])
        space -= done
        return done

    monkeypatch.setattr(os, "write", full)
    with recorder(path, "call-42", said.append) as recording:
        for event in EVENTS * 3:
            recording.take(event)
    events, problem = read(path.read_bytes())
    assert events == (EVENTS * 3)[: len(events)]
    assert len(events) > 1
    assert "without its last line" in problem
    assert said == ["No space left on device"]


def test_a_recording_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It ends before it is larger than permitted."""
    monkeypatch.setattr(recorder_module, "MOST_BYTES", 3_000)
    said: list[str] = []
    with recorder(tmp_path / "a", "call-42", said.append) as recording:
        for event in EVENTS * 9:
            recording.take(event)
    assert (tmp_path / "a").stat().st_size <= 3_000
    assert said == ["it has reached 3,000 bytes"]


@given(st.integers(0, len(b"".join(LINES)) - 1))
def test_a_truncated_recording_loses_nothing_before_its_end(length: int) -> None:
    """Wherever it was cut; it is never taken for whole."""
    data = b"".join(LINES)[:length]
    whole = data.count(b"\n")
    if whole == 0:
        with pytest.raises(NotARecording):
            read_head(io.BytesIO(data))
        return
    events, problem = read(data)
    assert events == EVENTS[: whole - 1]
    assert "it ends" in problem


@given(st.integers(len(LINES[0]), len(b"".join(LINES)) - 1), st.binary(min_size=1, max_size=9))
def test_damage_costs_nothing_before_it(place: int, damage: bytes) -> None:
    """Any bytes in any place: the events before that line are there, and what is read can be shown."""
    whole = b"".join(LINES)
    data = whole[:place] + damage + whole[place + len(damage) :]
    events, _ = read(data)
    before = whole[:place].count(b"\n") - 1
    assert events[:before] == EVENTS[:before]
    console_output = shown_by_console(events)
    assert all(line.isprintable() for line in console_output.splitlines())


def shown_by_console(events: list[dict[str, Any]]) -> str:
    from contextlib import redirect_stdout

    from ds_actors.cli._watch.console import WatchConsole
    from ds_actors.cli._watch.view import WatchState, draw_room

    out = io.StringIO()
    with redirect_stdout(out):
        console = WatchConsole("call", False, None, lambda: None, wall=lambda: HEAD.began)
        for event in events:
            if event["event"] == "log":
                console.log(event["text"])
            else:
                console.take(event)
        console.summary()
    from rich.console import Console

    for event in events:
        if event["event"] == "status":
            Console(file=io.StringIO(), width=80, height=24).print(draw_room(WatchState("x", event["status"], 0, [])))
    return out.getvalue()


@pytest.mark.parametrize(
    ("place", "value", "words"),
    [
        (["tracks", 0, "level"], "very bad", "one of the tracks has no level that can be shown"),
        (["tracks", 0, "level"], ["x"], "no level"),
        (["tracks", 0, "coverage"], {}, "no coverage"),
        (["tracks", 0, "actual_fps"], float("nan"), "no actual_fps"),
        (["tracks", 0, "target_fps"], 10**400, "no target_fps"),
        (["tracks", 0, "wanted"], 1, "no wanted"),
        (["tracks", 0], {"participant": "alice"}, "no track"),
        (["uplink", "state"], "up\x1b[2J", "the uplink has no state"),
        (["uplink", "dropped"], {"x": -1}, "no dropped"),
        (["uplink"], [], "the uplink is no object"),
        (["tracks"], None, "tracks are missing"),
        (["parts"], [3], "one of the parts is no object"),
        (["blind"], None, "the status has no blind"),
    ],
)
def test_a_status_that_cannot_be_shown_is_damage(place: list[Any], value: object, words: str) -> None:
    """The file may be anybody's: it is refused at its line, and does not end the program with a traceback."""
    bad = json.loads(json.dumps(EVENTS[1]))
    *way, last = ["status", *place]
    found: Any = bad
    for step in way:
        found = found[step]
    found[last] = value
    events, problem = read(LINES[0] + LINES[1] + event_line(RecordedEvent(1, bad)) + LINES[-1])
    assert events == EVENTS[:1]
    assert "line 3 is damaged" in problem
    assert words in problem


@pytest.mark.parametrize(
    "line",
    [
        b'{"at":1,"event":{"event":"else"}}\n',
        b'{"at":0.5,"event":{"event":"joined"}}\n',
        b'{"at":1e300,"event":{"event":"joined"}}\n',
        b'{"at":true,"end":true}\n',
        b"[]\n",
        b"[" * 100_000 + b"\n",
        b"\xff\n",
    ],
)
def test_a_line_that_is_no_event_is_damage(line: bytes) -> None:
    """Time never goes back, and does not leave the calendar."""
    second = event_line(RecordedEvent(0.9, EVENTS[0]))
    assert read(LINES[0] + second + line)[1].startswith("line 3 is damaged")


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "it is not a recording"),
        (b"hello\n", "it is not a recording"),
        (b'{"recording":2,"room":"x","began":0}\n', "version 2, and this is version 1"),
        (b'{"recording":1,"room":"x","began":1e300}\n', "it is not a recording"),
        (b'{"recording":1,"room":"x"}\n', "it is not a recording"),
    ],
)
def test_another_file_is_exit_2(data: bytes, words: str, tmp_path: Path) -> None:
    """With one line that says what it is not."""
    result = run(str(written(tmp_path, data)))
    assert (result.exit_code, result.stdout) == (2, "")
    assert words in result.stderr


@pytest.mark.parametrize("arguments", [["/nowhere/call.jsonl"], ["/"], ["x", "--speed", "0"], ["x", "--speed", "nan"]])
def test_what_cannot_be_read_or_played_is_exit_2(arguments: list[str]) -> None:
    """One line each."""
    result = run(*arguments)
    assert (result.exit_code, result.stdout, len(result.stderr.splitlines())) == (2, "", 1)


def test_piped_it_is_plain_lines_at_once_with_the_recorded_times(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same lines as the watch printed, and its summary."""
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    result = run(str(written(tmp_path)))
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert lines[0] == "22:13:20 joined the room"
    assert "22:13:23 alice camera: alert (was clear)" in lines
    assert "22:13:24 bob camera: gone" in lines
    assert lines[-2] == "1 track at the end, 1 alert"


def test_json_has_the_events_with_their_times(tmp_path: Path) -> None:
    """And the summary last."""
    events = [json.loads(line) for line in run(str(written(tmp_path)), "--json").stdout.splitlines()]
    alerts = [event["time"] for event in events if event.get("level") == "alert"]
    assert alerts == [HEAD.began + 3]
    assert events[-1]["event"] == "summary"


def test_damage_is_exit_1_after_everything_before_it(tmp_path: Path) -> None:
    """The summary is there, too; stderr names the line."""
    result = run(str(written(tmp_path, b"".join(LINES[:5]) + b"rubbish\n")))
    assert result.exit_code == 1
    assert "alice camera: alert" in result.stdout
    assert "2 tracks at the end, 1 alert" in result.stdout
    assert "line 6 is damaged: it is not JSON; everything before was shown" in result.stderr


def test_speed_divides_the_waiting(tmp_path: Path) -> None:
    """Five seconds at ten times the speed are half a second at least."""
    began = time.monotonic()
    assert run(str(written(tmp_path)), "--speed", "10").exit_code == 0
    assert time.monotonic() - began >= 0.4


class Terminal:
    """The command on a terminal of its own, and what that shows."""

    def __init__(self, path: Path, columns: int, lines: int, *options: str) -> None:
        self.ours, theirs = pty.openpty()
        command = [sys.executable, "-m", "ds_actors", "replay", str(path), *options]
        size = {"TERM": "xterm", "COLUMNS": str(columns), "LINES": str(lines), "TZ": "UTC"}
        self.process = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env=os.environ | size)
        os.close(theirs)
        self.out = b""
        self.reader = threading.Thread(target=self._read)
        self.reader.start()

    def _read(self) -> None:
        with suppress(OSError):  # Linux's answer when the other end is closed
            while chunk := os.read(self.ours, 100_000):
                self.out += chunk

    def until(self, text: str) -> None:
        end = time.monotonic() + 100
        while text not in self.plain():
            assert time.monotonic() < end, self.plain()[-2_000:]
            time.sleep(0.05)

    def plain(self) -> str:
        return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", self.out.decode("utf-8", "replace"))

    def press(self, keys: bytes) -> None:
        self.out = b""
        os.write(self.ours, keys)

    def end(self) -> int:
        try:
            return self.process.wait(40)
        finally:
            self.process.kill()
            self.reader.join(10)
            os.close(self.ours)


@pytest.mark.parametrize(("columns", "lines"), [(80, 24), (40, 10), (30, 6)])
def test_on_a_terminal_keys_sort_open_and_quit(columns: int, lines: int, tmp_path: Path) -> None:
    """On a small one too; after q the summary stays, and the exit code is 0."""
    terminal = Terminal(written(tmp_path, b"".join(LINES[:5]) + end_line(9)), columns, lines, "--speed", "100")
    try:
        terminal.until("alice camera")
        terminal.press(b"s")
        if columns == 80:
            terminal.until("(by name)")
        terminal.press(b"j\r")
        terminal.until("0.2 samples per" if columns > 30 else "coverage")
        terminal.press(b"\x7f")
        terminal.until("room call-42")
        terminal.press(b"q")
        assert terminal.process.wait(40) == 0
        terminal.reader.join(10)
        assert "2 tracks at the end, 1 alert" in terminal.plain()
        assert "\x1b[?1049l" in terminal.out.decode()
    finally:
        terminal.end()


def test_ctrl_c_ends_the_live_view_with_its_summary(tmp_path: Path) -> None:
    """As in a watch."""
    terminal = Terminal(written(tmp_path), 80, 24, "--speed", "100")
    try:
        terminal.until("alice camera")
        terminal.process.send_signal(signal.SIGINT)
        assert terminal.process.wait(40) == 0
    finally:
        assert terminal.end() == 0
    assert "at the end" in terminal.plain()
