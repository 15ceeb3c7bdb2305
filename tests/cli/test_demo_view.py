"""The demo's live view, drawn from what a monitor says."""

from __future__ import annotations

import io
import re
from pathlib import Path
from types import MappingProxyType
from typing import Literal

import pytest
from attrs import evolve
from rich.console import Console
from rich.screen import Screen

from ds_actors import Node
from ds_actors.cli._demo.show import REASONS, DemoRunner, Entry, counts, line
from ds_actors.cli._demo.view import LOG_LINES, DemoState, draw
from ds_actors.detection import Level, ResultEvent, Status
from ds_actors.detection.coverage import Coverage
from ds_actors.detection.events import ResultType
from ds_actors.detection.status import TrackStatus, UplinkStatus

HOSTILE = "[red]mal\x1b[2Jlory\u202e\n"


def actor(path: str, *children: Node, until: float | None = None, restarts: int = 0) -> Node:
    """Return a node of a tree."""
    kind: Literal["actor", "supervisor"] = "supervisor" if children else "actor"
    status = "running" if until is None else "waiting"
    return Node(path.rpartition("/")[2], path, kind, status, "", until, 1, restarts, "", None, children)


def moment(who: str = "alice", log: tuple[Entry, ...] = (), cause: str = "") -> DemoState:
    """Return a moment in which one participant is at alert and the uplink is to come back."""
    track = TrackStatus(who, "TR_1", "video", "camera", Level.ALERT, Coverage.CHECKED, 4, 3.9, "alert: 4 fps", 33)
    dropped = MappingProxyType({"superseded": 2, "ended": 1})
    uplink = UplinkStatus("down", cause, 1, 1, 36, 33, dropped, 0, 0, 0, 0.012)
    status = Status("running", "", uplink, (track,), (), MappingProxyType({}))
    tracks = actor("/monitor/tracks", actor("/monitor/tracks/TR_1"))
    tree = actor("/monitor", actor("/monitor/uplink", until=101.4, restarts=3), tracks)
    return DemoState(status, tree, log, 12.4, 24.0, 100.0, "Portrait: NASA")


def shown(what: DemoState, width: int = 100) -> list[str]:
    """Return the lines of the view."""
    console = Console(width=width, file=io.StringIO(), record=True, force_terminal=True)
    console.print(draw(what))
    return [row.rstrip() for row in console.export_text().splitlines()]


def test_each_track_hangs_in_the_tree_with_its_figures() -> None:
    """Level, coverage, target and actual rate stand beside the actor, and why its policy plans what it plans."""
    row = next(text for text in shown(moment()) if "alice" in text)
    assert row.split() == ["└─", "alice", "running", "alert", "checked", "4", "3.9", "33", "alert:", "4", "fps"]


def test_an_actor_that_waits_says_when_it_is_back() -> None:
    """The uplink's restarts and the rest of its backoff are seen."""
    row = next(text for text in shown(moment()) if "├─ uplink" in text)
    assert row.split() == ["├─", "uplink", "back", "in", "1.4", "s", "3"]


def test_the_uplink_and_the_drops_are_said_in_words() -> None:
    """State, cause, connections, round trip, and drops by reason."""
    lines = shown(moment(cause="unreachable"))
    assert "uplink down (unreachable), 1 connection, an answer takes 12 ms" in lines
    assert "36 samples due, 33 sent; dropped: 2 replaced by newer ones, 1 because the track ended" in lines


def test_a_sample_that_is_neither_sent_nor_dropped_is_waiting() -> None:
    """The counts add up: due is sent, waiting and dropped; a granted turn is a sample that waits."""
    status = moment().status
    uplink = evolve(status.uplink, due=38, waiting=1, granted=1)
    assert counts(evolve(status, uplink=uplink)).startswith("38 samples due, 33 sent, 2 waiting; dropped: 2 replaced")


def test_each_reason_of_a_drop_is_explained_in_the_documentation() -> None:
    """The table has the codes that the text views put into words."""
    text = (Path(__file__).parents[2] / "docs" / "monitor.md").read_text("utf-8")
    assert re.findall(r"^\| `(?!ds_actors_)(\w+)` \|", text, re.MULTILINE) == sorted(REASONS)


def test_the_portrait_is_credited() -> None:
    """The credit is on the screen all the time."""
    assert shown(moment())[0] == "ds-actors demo, 12 of 24 s  Portrait: NASA"


def test_the_newest_entries_are_at_the_end() -> None:
    """As many as fit, so that an alert is never below the screen's edge."""
    log = tuple(Entry(float(n), "step", f"step {n}") for n in range(30))
    assert shown(moment(log=log))[-LOG_LINES:] == [line(entry) for entry in log[-LOG_LINES:]]


def test_strangers_text_is_text() -> None:
    """Neither markup nor control characters of a name, a cause or an entry reach the terminal."""
    show = DemoRunner(lambda _entry: None)
    show.result(ResultEvent(ResultType.ALERT, HOSTILE, "TR_1", "", 0, previous_level=Level.CLEAR))
    lines = shown(moment(HOSTILE, tuple(show.log), HOSTILE))
    everything = "\n".join(lines)
    assert everything.count("[red]mal[2Jlory") == 3
    assert "\x1b" not in everything
    assert "\u202e" not in everything


def test_it_fits_a_terminal_of_80_columns() -> None:
    """No line is longer, and the figures are still there."""
    lines = shown(moment("a" * 50), 80)
    assert max(len(text) for text in lines) <= 80
    assert any("alert" in text and "3.9" in text for text in lines)


@pytest.mark.parametrize("width", [52, 60, 100])
def test_names_stay_where_the_terminal_is_narrow(width: int) -> None:
    """Columns give way to them, the coverage first; level and rate are there to the last."""
    lines = shown(moment("participant-alice"), width)
    assert max(len(text) for text in lines) <= width
    row = next(text for text in lines if "participant-alice" in text)
    assert "alert" in row
    assert "3.9" in row
    assert ("checked" in row) is (width == 100)


@pytest.mark.parametrize("height", [10, 12, 20])
def test_the_last_entries_fit_the_screen_whatever_its_height(height: int) -> None:
    """Where it is low, the tree is left out but for its tracks; a long entry takes one line."""
    log = tuple(Entry(float(n), "step", f"step {n} {'x' * 100}") for n in range(30))
    console = Console(width=60, height=height, file=io.StringIO(), record=True, force_terminal=True)
    console.print(Screen(draw(moment(log=log))))
    lines = console.export_text().splitlines()
    assert any("step 29" in text for text in lines[:height])
    assert any("alice" in text for text in lines[:height])
    assert any("uplink down" in text for text in lines[:height])


def test_an_alert_is_said_once_and_counted_each_time() -> None:
    """A line is for a change of level; the count is of samples."""
    show = DemoRunner(lambda _entry: None)
    for previous in (Level.CLEAR, Level.ALERT, Level.ALERT):
        show.result(ResultEvent(ResultType.ALERT, "alice", "TR_1", "", 0, previous_level=previous))
    assert [entry.text for entry in show.log] == ["alice: clear -> alert"]
    assert show.alerts == 3
