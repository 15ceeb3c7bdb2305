"""`ds-actors watch`: its view, its lines, and what it says when something is missing."""

from __future__ import annotations

import importlib
import io
import json
from types import MappingProxyType
from typing import Any

import pytest
from rich.console import Console
from typer.testing import CliRunner

from ds_actors.cli import app
from ds_actors.cli._doctor.environment import LIVEKIT_VARIABLES
from ds_actors.cli._watch.changes import status_changes
from ds_actors.cli._watch.console import WatchConsole
from ds_actors.cli._watch.view import WatchState, draw_room, worst_first
from ds_actors.detection import Coverage, Level, Status
from ds_actors.detection.status import TrackStatus, UplinkStatus

HOSTILE = "[red]mal\x1b[2Jlory\u202e\n"
NOTHING_SET = dict.fromkeys(("DATASPIKE_API_KEY", "DATASPIKE_WS_URL", *LIVEKIT_VARIABLES))


def track(who: str, level: Level = Level.CLEAR, coverage: Coverage = Coverage.CHECKED) -> TrackStatus:
    return TrackStatus(
        who, f"TR_{who}", "video", "camera", level, coverage, 0.2, 0.19, "", 3, seconds_since_verdict=4.2
    )


def status(*tracks: TrackStatus, state: str = "up", cause: str = "") -> dict[str, Any]:
    dropped = MappingProxyType({"superseded": 2, "ended": 0})
    uplink = UplinkStatus(state, cause, 1, 1, 5, 3, dropped, 1, 0, 0, 0.012)  # type: ignore[arg-type]
    return json.loads(json.dumps(Status("running", "", uplink, tracks, (), MappingProxyType({})).dict()))  # type: ignore[no-any-return]


def drawn(moment: WatchState, width: int = 100) -> str:
    out = io.StringIO()
    Console(file=out, width=width, height=24, force_terminal=True, color_system=None).print(draw_room(moment))
    return out.getvalue()


def test_the_worst_track_is_first() -> None:
    """Alert, suspicious, then the unchecked one, then the clear one, whatever their order was."""
    tracks = [track("a"), track("b", coverage=Coverage.STALE), track("c", Level.SUSPICIOUS), track("d", Level.ALERT)]
    assert [found["participant"] for found in worst_first(status(*tracks)["tracks"])] == ["d", "c", "b", "a"]


def test_the_view_shows_track_uplink_drops_and_changes() -> None:
    """Rates, the age of the last check, the queue, and the reasons of drops that happened."""
    text = drawn(WatchState("call", status(track("alice", Level.ALERT)), 2, ["12:00:00 it happened"]))
    for part in ("room call", "restarted 2 times", "alice camera", "alert", "0.2", "4 s ago", "1 waiting"):
        assert part in text
    assert "dropped: 2 superseded" in text
    assert "ended" not in text
    assert "it happened" in text


@pytest.mark.parametrize("width", [20, 40, 100])
def test_hostile_names_neither_style_nor_move_the_terminal(width: int) -> None:
    """Markup is shown as it is; control and bidirectional characters are gone."""
    text = drawn(WatchState(HOSTILE, status(track(HOSTILE), cause=HOSTILE), 0, []), width)
    assert "\x1b[2J" not in text
    assert "\u202e" not in text
    if width == 100:
        assert "[red]mal[2Jlory camera" in text


@pytest.mark.parametrize("width", [24, 40, 60, 100])
def test_a_long_name_on_a_narrow_terminal_does_not_hide_the_level(width: int) -> None:
    """The name is cut, and less important columns are left out."""
    text = drawn(WatchState("call", status(track("x" * 200, Level.SUSPICIOUS)), 0, []), width)
    assert "suspicious" in text
    assert "xxxx" in text
    assert all(len(line) <= width for line in text.splitlines())


def test_before_it_has_joined_the_view_says_so() -> None:
    """There is no status yet."""
    assert "joining" in drawn(WatchState("call", None, 0, []))


def test_changes_name_what_came_changed_and_went() -> None:
    """Nothing changes between equal statuses."""
    before = status(track("alice"), track("bob"))
    after = status(track("alice", Level.ALERT, Coverage.STALE), track("carol"), state="down", cause="reset")
    assert status_changes(before, before) == []
    found = status_changes(before, after)
    assert [change.text for change in found] == [
        "uplink down (reset)",
        "alice camera: alert (was clear)",
        "alice camera: stale (was checked)",
        "carol camera: clear, checked",
        "bob camera: gone",
    ]
    assert [change.level for change in found] == [None, Level.ALERT, None, Level.CLEAR, None]


@pytest.mark.parametrize(("fail_on", "fails"), [(None, False), (Level.SUSPICIOUS, True), (Level.ALERT, False)])
def test_a_level_fails_when_it_is_at_least_fail_on(fail_on: Level | None, fails: bool) -> None:
    """A suspicious track fails `suspicious`, and not `alert`."""
    calls: list[None] = []
    console = WatchConsole("call", True, fail_on, lambda: calls.append(None))
    console.take({"event": "joined"})
    console.take({"event": "status", "status": status(track("alice", Level.SUSPICIOUS))})
    assert (console.has_failed, bool(calls)) == (fails, fails)


def test_piped_output_is_plain_lines_and_a_summary(capsys: pytest.CaptureFixture[str]) -> None:
    """An equal status adds no line."""
    console = WatchConsole("call", False, None, lambda: None)
    console.take({"event": "joined"})
    for _ in range(3):
        console.take({"event": "status", "status": status(track("alice", Level.ALERT))})
    console.log("note\x1b[2J")
    console.summary()
    lines = capsys.readouterr().out.splitlines()
    assert [line.partition(" ")[2] for line in lines[:4]] == [
        "joined the room",
        "uplink up",
        "alice camera: alert, checked",
        "note[2J",
    ]
    assert lines[4] == "1 track at the end, 1 alert"
    assert len(lines) == 6


def test_missing_variables_are_exit_2_and_named() -> None:
    """Those that are set are not."""
    result = CliRunner().invoke(app, ["watch", "call"], env={**NOTHING_SET, "LIVEKIT_URL": "ws://127.0.0.1:1"})
    assert result.exit_code == 2
    assert "LIVEKIT_API_KEY, LIVEKIT_API_SECRET not set" in result.stderr
    assert "LIVEKIT_URL" not in result.stderr


def test_a_missing_adapter_is_exit_2_with_the_command_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """LiveKit's variables are set."""
    monkeypatch.setattr(importlib.import_module("ds_actors.cli.watch"), "has_adapter", lambda: False)
    result = CliRunner().invoke(app, ["watch", "call"], env=dict.fromkeys(LIVEKIT_VARIABLES, "ws://127.0.0.1:1"))
    assert result.exit_code == 2
    assert "pip install" in result.stderr
