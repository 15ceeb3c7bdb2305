"""`ds-actors watch`: its view, its lines, and what it says when something is missing."""

from __future__ import annotations

import importlib
import io
import json

import pytest
from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console
from typer.testing import CliRunner
from watch_statuses import status, track

from ds_actors.cli import app
from ds_actors.cli._adapter import adapter_missing
from ds_actors.cli._doctor.environment import LIVEKIT_VARIABLES
from ds_actors.cli._watch.changes import status_changes
from ds_actors.cli._watch.console import WatchConsole
from ds_actors.cli._watch.rows import ViewRows, allot_rows
from ds_actors.cli._watch.selection import ORDERS, Key, ViewSelection, read_keys
from ds_actors.cli._watch.transfer import TransferRate
from ds_actors.cli._watch.view import WatchState, draw_room
from ds_actors.detection import Coverage, Level

HOSTILE = "[red]mal\x1b[2Jlory\u202e\n"
NOTHING_SET = dict.fromkeys(("DATASPIKE_CONFIG", "DATASPIKE_API_KEY", "DATASPIKE_WS_URL", *LIVEKIT_VARIABLES))


def drawn(moment: WatchState, width: int = 100, height: int = 24) -> str:
    out = io.StringIO()
    Console(file=out, width=width, height=height, force_terminal=True, color_system=None).print(draw_room(moment))
    return out.getvalue()


def test_the_worst_track_is_first() -> None:
    """Alert, suspicious, then the unchecked one, then the clear one, whatever their order was."""
    tracks = [track("a"), track("b", coverage=Coverage.STALE), track("c", Level.SUSPICIOUS), track("d", Level.ALERT)]
    assert [found["participant"] for found in ViewSelection().sorted(status(*tracks)["tracks"])] == ["d", "c", "b", "a"]


def test_the_view_shows_track_uplink_drops_and_changes() -> None:
    """Rates, the age of the last check, the queue, and the reasons of drops that happened."""
    text = drawn(WatchState("call", status(track("alice", Level.ALERT)), 2, [("", "12:00:00 it happened")]))
    for part in (
        "room call, 1 alert, monitor",
        "restarted 2 times",
        "alice camera",
        "alert",
        "0.2",
        "4 s ago",
        "1 waiting",
    ):
        assert part in text
    assert "dropped: 2 superseded, 1 no_frame" in text
    assert "├─ uplink   1 actor, 2 restarts, last crash ConnectionLost" in text
    assert "└─ tracks   3 actors, 4 waiting" in text
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


def test_a_burst_that_is_over_does_not_look_like_a_fault() -> None:
    """The planned rate has no average of the last ten seconds beside it, which would differ from it for as long."""
    text = drawn(WatchState("call", status(evolve(track("alice"), actual_fps=0.8, target_fps=0.2)), 0, []))
    (row,) = (line.split() for line in text.splitlines() if "alice camera" in line)
    assert row == ["clear", "checked", "3", "0.2", "4", "s", "ago", "alice", "camera"]


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


@pytest.mark.parametrize(
    ("joined", "told"),
    [
        ({"others": 0}, "joined the room; it has no other participant: check its name"),
        ({"others": 2}, "joined the room"),
        ({}, "joined the room"),  # as a recording tells it
    ],
)
def test_a_room_without_anybody_is_told(joined: dict[str, int], told: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A misspelt name opens an empty room, which would otherwise look like a watched one."""
    console = WatchConsole("call", False, None, lambda: None)
    console.take({"event": "joined", **joined})
    assert capsys.readouterr().out.partition(" ")[2].rstrip() == told


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
    assert lines[4:] == [
        "1 track at the end, 1 alert",
        "checked 1 of 1; uplink up, an answer takes 12 ms; 3 sent, 1 waiting; dropped: 2 superseded, 1 no_frame",
    ]


@pytest.mark.parametrize("reported", [True, False])
def test_the_summary_is_of_all_monitors_of_the_watch(reported: bool, capsys: pytest.CaptureFixture[str]) -> None:
    """Each monitor begins at zero when it joins the room anew, and the last one may have reported nothing yet."""
    for as_json in (False, True):
        console = WatchConsole("call", as_json, None, lambda: None)
        for again in range(3):
            console.take({"event": "joined"})
            if reported or again < 2:
                console.take({"event": "status", "status": status(track("alice", Level.ALERT))})
        console.summary()
    lines = capsys.readouterr().out.splitlines()
    text, found = lines[lines.index(next(line for line in lines if "at the end" in line)) + 1], json.loads(lines[-1])
    monitors = 3 if reported else 2
    assert f"{3 * monitors} sent" in text
    assert text.endswith(f"dropped: {2 * monitors} superseded, {monitors} no_frame")
    assert (found["joins"], found["totals"]["sent"]) == (3, 3 * monitors)


@given(st.integers(0, 30), st.integers(1, 130), st.integers(0, 40), st.integers(0, 12), st.booleans(), st.booleans())
@settings(max_examples=60)
def test_the_view_fits_every_terminal(
    height: int, width: int, tracks: int, log: int, opened: bool, has_keys: bool
) -> None:
    """No more lines than there are, none wider; the worst track is there as soon as three lines are."""
    rows = [track(f"p{number:02}", Level.ALERT if number == 7 else Level.CLEAR) for number in range(tracks)]
    selection = ViewSelection(opened="TR_p03" if opened else "")
    moment = WatchState(
        "call", status(*rows), 0, [("", "12:00:00 change")] * log, selection, 61_000.0, has_keys=has_keys
    )
    lines = drawn(moment, width, height).splitlines()
    assert len(lines) <= max(1, height)
    assert all(len(line) <= width for line in lines)
    if tracks > 7 and height >= 3 and width >= 24 and not opened:
        assert "alert" in "".join(lines)


@given(st.integers(-3, 60), *[st.integers(0, 50)] * 4)
def test_no_more_lines_are_given_out_than_there_are(left: int, tracks: int, uplink: int, tree: int, log: int) -> None:
    """And none is kept back that a part could use, but for a tree that does not fit whole."""
    rows = allot_rows(left, tracks, uplink, tree, log)
    wanted = ViewRows(tracks, uplink, tree, min(log, 8))
    given_out = (rows.tracks, rows.uplink, rows.tree, rows.log)
    limits = (wanted.tracks, wanted.uplink, wanted.tree, wanted.log)
    assert all(0 <= number <= limit for number, limit in zip(given_out, limits, strict=True))
    assert sum(given_out) <= max(0, left)
    assert rows.tree in (0, tree)
    if sum(given_out) < max(0, left):
        assert all(given_out[place] == limits[place] for place in (0, 1, 3))
    if tracks and left > 0:
        assert rows.tracks > 0


def test_keys_are_read_from_what_a_terminal_sends() -> None:
    """Also several at once; a sequence that is not known is no letter."""
    assert read_keys(b"sjk\r\x7fq") == [Key.SORT, Key.DOWN, Key.UP, Key.OPEN, Key.BACK, Key.QUIT]
    assert read_keys(b"\x1b[B\x1b[A\x1bOA") == [Key.DOWN, Key.UP, Key.UP]
    assert read_keys(b"\x1b") == [Key.BACK]
    assert read_keys(b"x\x1b[5~") == read_keys(b"\x1bq") == read_keys(b"\xc3\xa9") == []


def test_tracks_are_marked_opened_and_sorted_by_keys() -> None:
    """The mark stays with its track when the order changes; an end of the list is an end."""
    rows = status(track("a"), track("b", Level.ALERT), track("c"))["tracks"]
    selection = ViewSelection()
    for _ in range(9):
        selection.press(Key.DOWN, rows)
    assert selection.marked == "TR_c"
    selection.press(Key.UP, rows)
    selection.press(Key.OPEN, rows)
    assert selection.opened == "TR_a"
    selection.press(Key.UP, rows)
    assert (selection.opened, selection.marked) == ("TR_b", "TR_b")
    selection.press(Key.BACK, rows)
    selection.press(Key.SORT, rows)
    assert (selection.opened, selection.marked, selection.order) == ("", "TR_b", "by name")
    assert [row["track"] for row in selection.sorted(rows)] == ["TR_a", "TR_b", "TR_c"]
    for _ in range(len(ORDERS) - 1):
        selection.press(Key.SORT, rows)
    assert selection.order == "worst first"
    for key in Key:
        ViewSelection().press(key, [])


def test_an_open_track_shows_everything_of_it_and_its_own_changes() -> None:
    """When it is gone, the room is shown again."""
    log = [("TR_alice", "12:00:00 alice camera: alert"), ("TR_bob", "12:00:01 bob camera: gone")]
    moment = WatchState("call", status(track("alice", Level.ALERT)), 0, log, ViewSelection(opened="TR_alice"))
    text = drawn(moment)
    rates = ("0.2 samples per second", "0.19 per second over the last ten seconds")
    for part in ("alice camera", *rates, "TR_alice", "12:00:00 alice camera: alert"):
        assert part in text
    assert "bob" not in text
    assert "room call" in drawn(evolve(moment, status=status(track("bob"))))


def test_the_bytes_of_the_last_minute_are_counted() -> None:
    """A monitor that begins anew begins the minute anew."""
    rate = TransferRate()
    for second in range(120):
        rate.total(second, second * 1_000)
    measured = [rate.per_minute]
    for second, total in ((120, 5), (122, 205)):
        rate.total(second, total)
        measured.append(rate.per_minute)
    assert measured == [60_000, None, 6_000]


def test_missing_variables_are_exit_2_and_named() -> None:
    """Those that are set are not."""
    result = CliRunner().invoke(app, ["watch", "call"], env={**NOTHING_SET, "LIVEKIT_URL": "ws://127.0.0.1:1"})
    assert result.exit_code == 2
    assert "LIVEKIT_API_KEY, LIVEKIT_API_SECRET not set" in result.stderr
    assert "LIVEKIT_URL" not in result.stderr


def test_a_missing_key_names_no_option_that_watch_lacks() -> None:
    """The sandbox is a program of its own there, and a variable leads to it."""
    livekit = {"LIVEKIT_URL": "ws://127.0.0.1:1", "LIVEKIT_API_KEY": "devkey", "LIVEKIT_API_SECRET": "secret" * 8}
    result = CliRunner().invoke(app, ["watch", "call"], env={**NOTHING_SET, **livekit})
    assert result.exit_code == 2
    (line,) = (line for line in result.stderr.splitlines() if "DATASPIKE_API_KEY is not set" in line)
    assert "--" not in line
    assert "ds-actors sandbox" in line
    assert "DATASPIKE_WS_URL" in line


def test_a_missing_adapter_is_exit_2_with_the_command_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """LiveKit's variables are set."""
    monkeypatch.setattr(importlib.import_module("ds_actors.cli.watch"), "has_adapter", lambda: False)
    result = CliRunner().invoke(app, ["watch", "call"], env=dict.fromkeys(LIVEKIT_VARIABLES, "ws://127.0.0.1:1"))
    assert result.exit_code == 2
    assert adapter_missing() in result.stderr
