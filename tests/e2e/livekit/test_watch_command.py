"""`ds-actors watch` in a real room."""

from __future__ import annotations

import asyncio
import json
import os
import pty
import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from livekit import api
from livekit_harness.process import until
from livekit_harness.room import Room
from livekit_harness.server import Server

from ds_actors.detection import Level

pytestmark = pytest.mark.timeout(120)


def environment(room: Room) -> dict[str, str]:
    service = {"DATASPIKE_WS_URL": room.service.url, "DATASPIKE_API_KEY": "sandbox", "DATASPIKE_NORMAL_FPS": "1"}
    return {**os.environ, **room.server.environment, **service}


@contextmanager
def watching(room: Room, *options: str) -> Generator[tuple[subprocess.Popen[bytes], list[dict[str, Any]]]]:
    """Run the command, and collect what it prints until it ends."""
    command = [sys.executable, "-m", "ds_actors", "watch", room.name, "--json", *options]
    variables = environment(room)
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=variables) as process:
        events: list[dict[str, Any]] = []
        assert process.stdout is not None
        out = process.stdout

        def read() -> None:
            events.extend(json.loads(line) for line in out)

        reader = threading.Thread(target=read)
        reader.start()
        try:
            yield process, events
        finally:
            process.kill()
            reader.join(10)


def actors(events: list[dict[str, Any]]) -> dict[str, int]:
    """Return how many actors each part of the monitor has, as told last."""
    parts = [event["status"]["parts"] for event in events if event.get("status")]
    return {part["name"]: part["actors"] for part in parts[-1]} if parts else {}


def test_a_hidden_watcher_sees_the_alert_and_the_room_sees_nothing_of_it(room: Room, tmp_path: Path) -> None:
    """Neither a participant nor a packet; Ctrl-C prints the summary and exits with 0; its recording shows the same."""
    room.service.verdicts["alice"] = Level.ALERT
    room.join("alice", "viewer")
    room.camera("alice", width=320, height=180)
    recording = tmp_path / "call.jsonl"
    with watching(room, "--hidden", "--record", str(recording)) as (process, events):
        until(lambda: [event for event in events if event.get("level") == "alert"], 60)
        until(lambda: actors(events) == {"sinks": 0, "uplink": 1, "tracks": 1, "watch": 1}, 60)
        assert set(room.seen_by("viewer")) == {"alice"}
        assert not room.packets("viewer")
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0
        until(lambda: events[-1]["event"] == "summary")
        assert events[-1]["alerts"] == 1
    command = [sys.executable, "-m", "ds_actors", "replay", str(recording), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    shown = [json.loads(line) for line in done.stdout.splitlines()]
    assert shown[-1]["alerts"] == 1
    assert actors(shown)["tracks"] == 1
    assert shown[-1]["status"]["uplink"]["bytes_sent"] > 0


def events_of(events: list[dict[str, Any]], kind: str) -> list[str]:
    """Return the texts of the events of one kind."""
    return [event["text"] for event in events if event["event"] == kind]


def levels(events: list[dict[str, Any]]) -> dict[str, str]:
    """Return each participant's level, as told last."""
    rows = [event["status"]["tracks"] for event in events if event.get("status")]
    return {row["participant"]: row["level"] for row in rows[-1]} if rows else {}


def test_a_replay_ends_with_the_levels_of_the_whole_room(room: Room, tmp_path: Path) -> None:
    """One stays clear, one becomes suspicious and one alert; `make picture` draws this recording for the docs."""
    who = ("alice", "bob", "mallory")
    room.join(*who)
    for each in who:
        room.camera(each, width=320, height=180)
    recording = tmp_path / "call.jsonl"
    seen = {"alice": "clear", "bob": "suspicious", "mallory": "alert"}
    with watching(room, "--record", str(recording)) as (process, events):
        until(lambda: levels(events) == dict.fromkeys(who, "clear"), 60)
        room.service.verdicts["bob"] = Level.SUSPICIOUS
        room.service.verdicts["mallory"] = Level.ALERT
        until(lambda: levels(events) == seen, 60)
        time.sleep(3)  # a few samples at burst rate
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
    command = [sys.executable, "-m", "ds_actors", "replay", str(recording), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert levels([json.loads(line) for line in done.stdout.splitlines()]) == seen
    if folder := os.environ.get("DS_ACTORS_PICTURES"):
        script = Path(__file__).parents[3] / "scripts" / "draw_views.py"
        subprocess.run([sys.executable, str(script), folder, str(recording)], check=True, timeout=60)


def test_results_also_go_to_the_sinks_that_the_settings_name(room: Room, tmp_path: Path) -> None:
    """A line with the room's name in a file for its owner alone; the file of settings says where."""
    settings = tmp_path / "ds.toml"
    settings.write_text("[sinks.json_lines]\nfile = 'alerts.jsonl'\n")
    room.service.verdicts["alice"] = Level.ALERT
    room.join("alice")
    room.camera("alice", width=320, height=180)
    lines = tmp_path / "alerts.jsonl"
    with watching(room, "--config", str(settings), "--set", "sampling.quality=50"):
        until(lines.exists, 60)
        until(lambda: lines.read_bytes().endswith(b"\n"))
    event = json.loads(lines.read_text("ascii").splitlines()[0])
    assert (event["room"], event["participant_id"], event["level"]) == (room.name, "alice", "alert")
    assert stat.S_IMODE(lines.stat().st_mode) == 0o600


def test_an_empty_room_is_told_and_so_is_why_its_connection_ended(room: Room) -> None:
    """The room's name may be misspelt; a room that the server ends is joined anew."""

    async def delete() -> None:
        async with api.LiveKitAPI(room.server.url, room.server.key, room.server.secret) as livekit:
            await livekit.room.delete_room(api.DeleteRoomRequest(room=room.name))

    with watching(room) as (_, events):
        until(lambda: events_of(events, "joined"), 60)
        assert events_of(events, "joined") == ["joined the room; it has no other participant: check its name"]
        asyncio.run(delete())
        until(lambda: "the connection to the room ended: room deleted" in events_of(events, "log"), 60)
        until(lambda: len(events_of(events, "joined")) == 2, 60)


def test_fail_on_ends_it_with_1(room: Room) -> None:
    """A suspicious track is enough for `--fail-on suspicious`."""
    room.service.verdicts["alice"] = Level.SUSPICIOUS
    room.join("alice")
    room.camera("alice", width=320, height=180)
    with watching(room, "--fail-on", "suspicious") as (process, _events):
        assert process.wait(90) == 1


def test_on_a_terminal_it_draws_the_room_and_leaves_a_summary(room: Room) -> None:
    """The view is on the alternate screen, the summary after it."""
    room.service.verdicts["alice"] = Level.ALERT
    room.join("alice")
    room.camera("alice", width=320, height=180)
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "ds_actors", "watch", room.name, "--fail-on", "alert"]
    terminal = {"TERM": "xterm", "COLUMNS": "60", "LINES": "12"}
    out = b""
    with subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment(room) | terminal) as run:
        os.close(theirs)
        with suppress(OSError):  # Linux's answer when the other end is closed
            while chunk := os.read(ours, 100_000):
                out += chunk
        assert run.wait(30) == 1
    os.close(ours)
    view, left_screen, after = out.decode().partition("\x1b[?1049l")
    assert left_screen
    assert "alice camera" in view
    assert "1 track at the end, 1 alert" in after


@pytest.mark.parametrize(
    ("variable", "value", "named"),
    [
        ("LIVEKIT_URL", "ws://127.0.0.1:1", "LIVEKIT_URL"),
        ("LIVEKIT_API_SECRET", "x" * 40, "LIVEKIT_API_SECRET"),
        ("DATASPIKE_API_KEY", "", "DATASPIKE_API_KEY"),
        ("DATASPIKE_NORMAL_FPS", "fast", "DATASPIKE_NORMAL_FPS"),
    ],
)
def test_what_cannot_work_is_exit_2_before_anything_joins(
    livekit_server: Server, variable: str, value: str, named: str
) -> None:
    """The line on stderr names the variable; no secret is in it."""
    service = {"DATASPIKE_API_KEY": "sandbox", "DATASPIKE_WS_URL": "ws://127.0.0.1:1"}
    done = subprocess.run(
        [sys.executable, "-m", "ds_actors", "watch", "call"],
        env={**os.environ, **livekit_server.environment, **service, variable: value},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2, done.stderr
    assert named in done.stderr
    assert livekit_server.secret not in done.stderr
    assert not done.stdout
