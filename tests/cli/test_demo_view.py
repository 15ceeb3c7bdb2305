"""The demo's live view, drawn from what a monitor says."""

from __future__ import annotations

import io
import re
from pathlib import Path
from types import MappingProxyType
from typing import Literal

import numpy as np
import pytest
from attrs import evolve
from rich.console import Console
from rich.screen import Screen

from ds_actors import Node
from ds_actors.cli._demo.cards import PICTURE_COLUMNS, PICTURE_ROWS, Card, half_blocks, sparkline
from ds_actors.cli._demo.show import REASONS, DemoRunner, Entry, ShownVerdict, counts, line
from ds_actors.cli._demo.story import DemoScript
from ds_actors.cli._demo.view import LOG_LINES, DemoState, draw
from ds_actors.cli.clips import Clip, Portrait
from ds_actors.detection import Level, ResultEvent, Status
from ds_actors.detection.coverage import Coverage
from ds_actors.detection.events import ResultType
from ds_actors.detection.status import TrackStatus, UplinkStatus

HOSTILE = "[red]mal\x1b[2Jlory\u202e\n"


def actor(path: str, *children: Node, until: float | None = None, restarts: int = 0, error: str = "") -> Node:
    """Return a node of a tree."""
    kind: Literal["actor", "supervisor"] = "supervisor" if children else "actor"
    status = "running" if until is None else "waiting"
    return Node(path.rpartition("/")[2], path, kind, status, "", until, 1, restarts, error, None, children)


def moment(who: str = "alice", log: tuple[Entry, ...] = (), cause: str = "") -> DemoState:
    """Return a moment in which one participant is at alert and the uplink is to come back."""
    track = TrackStatus(who, "TR_1", "video", "camera", Level.ALERT, Coverage.CHECKED, 4, 3.9, "alert: 4 fps", 33)
    dropped = MappingProxyType({"superseded": 2, "ended": 1})
    uplink = UplinkStatus("down", cause, 1, 1, 36, 33, dropped, 0, 0, 0, 0.012)
    status = Status("running", "", uplink, (track,), (), MappingProxyType({}))
    tracks = actor("/monitor/tracks", actor("/monitor/tracks/TR_1"))
    lost = "ConnectionLost: it was cut"
    tree = actor("/monitor", actor("/monitor/uplink", until=101.4, restarts=3, error=lost), tracks)
    verdicts = (ShownVerdict(1.0, Level.CLEAR), ShownVerdict(12.0, Level.SUSPICIOUS), ShownVerdict(12.3, Level.ALERT))
    picture = np.zeros((360, 640, 3), np.uint8)
    return DemoState(
        status, tree, log, 12.4, 24.0, 100.0, "Portrait: NASA", (Card(track, verdicts, picture), Card(track, ()))
    )


def shown(what: DemoState, width: int = 100, height: int = 60) -> list[str]:
    """Return the lines of the view."""
    console = Console(width=width, height=height, file=io.StringIO(), record=True, force_terminal=True)
    console.print(draw(what))
    return [row.rstrip() for row in console.export_text().splitlines()]


def test_each_participant_is_a_card() -> None:
    """Name and level are its title; the picture, the verdicts, the coverage and the planned rate are in it."""
    lines = shown(moment())
    assert [text.count("alice ALERT") for text in lines if "ALERT" in text] == [2]
    assert sum("▀" * PICTURE_COLUMNS in text for text in lines) == PICTURE_ROWS
    assert any("checked, 33 sent, 4 a second" in text for text in lines)


def test_the_verdicts_of_the_last_minute_are_a_sparkline() -> None:
    """Its right end is now; each mark is the worst verdict of its part, and what is older than a minute is gone."""
    verdicts = [ShownVerdict(0.5, Level.ALERT), ShownVerdict(59.0, Level.CLEAR), ShownVerdict(61.0, Level.SUSPICIOUS)]
    verdicts.append(ShownVerdict(60.9, Level.ERROR))
    marks = sparkline(verdicts, 61.0).plain
    assert len(marks) == PICTURE_COLUMNS
    assert marks.rstrip() == marks
    assert marks.split() == ["▂▅"]


def test_a_picture_is_half_blocks() -> None:
    """The upper half of a character has the colour of the pixels above, its background that of those below."""
    picture = np.zeros((2 * PICTURE_ROWS, PICTURE_COLUMNS, 3), np.uint8)
    picture[0] = (255, 0, 0)
    picture[1] = (0, 0, 255)
    console = Console(width=80, file=io.StringIO(), record=True, force_terminal=True, color_system="truecolor")
    console.print(half_blocks(picture))
    first = console.export_text(styles=True).splitlines()[0]
    assert first.startswith("\x1b[38;2;255;0;0;48;2;0;0;255m▀")


def test_the_actors_are_folded_into_a_line_unless_the_screen_is_high() -> None:
    """An actor that waits says when it is back, in both forms, and in the tree why it was restarted."""
    rows = shown(moment())
    (uplink,) = (text for text in rows if "├─ uplink" in text)
    assert re.split(r"  +", uplink) == ["├─ uplink", "back in 1.4 s", "3 ConnectionLost: it was cut"]
    folded = shown(moment(), height=24)
    assert "3 of 4 actors running, uplink back in 1.4 s; 3 restarts" in folded
    assert not any("├─" in text for text in folded)


def test_the_actors_are_folded_while_all_are_running() -> None:
    """However high the screen is: nine times "running" says nothing."""
    running = evolve(moment(), tree=actor("/monitor", actor("/monitor/uplink", restarts=1), actor("/monitor/tracks")))
    rows = shown(running)
    assert "3 of 3 actors running; 1 restart" in rows
    assert not any("├─" in text for text in rows)


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


def test_the_last_view_has_the_counts_of_the_summary() -> None:
    """What waited when the monitor closed was dropped; the view was taken before that."""
    ended = moment()
    uplink = evolve(ended.status.uplink, due=34, waiting=1, dropped=MappingProxyType({}))
    story = DemoScript(DemoRunner(lambda _entry: None), Clip(Portrait()), Clip(Portrait()), 24.0)
    story.last = evolve(ended, status=evolve(ended.status, uplink=uplink))
    story.status = ended.status
    final = story.final()
    assert final is not None
    assert counts(final.status) == counts(ended.status)


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
    assert everything.count("[red]mal[2Jlory") == 5
    assert "\x1b" not in everything
    assert "\u202e" not in everything


def test_it_fits_a_terminal_of_80_columns() -> None:
    """No line is longer, and the figures are still there."""
    lines = shown(moment("a" * 50), 80)
    assert max(len(text) for text in lines) <= 80
    assert any("ALERT" in text for text in lines)


@pytest.mark.parametrize("width", [40, 60, 72, 100])
def test_cards_stand_below_each_other_where_the_terminal_is_narrow(width: int) -> None:
    """They have no pictures then; names, levels and rates stay."""
    lines = shown(moment("participant-alice"), width)
    assert max(len(text) for text in lines) <= width
    assert [text.count("participant-alice ALERT") for text in lines if "ALERT" in text] == (
        [2] if width >= 72 else [1, 1]
    )
    assert any("4 a second" in text for text in lines)
    assert any("▀" in text for text in lines) is (width >= 72)


@pytest.mark.parametrize(("height", "pictures"), [(8, False), (12, False), (22, True), (24, True)])
def test_the_last_entries_fit_the_screen_whatever_its_height(height: int, *, pictures: bool) -> None:
    """Where it is low, the pictures are left out, then the cards; a long entry takes one line."""
    log = tuple(Entry(float(n), "step", f"step {n} {'x' * 100}") for n in range(30))
    console = Console(width=80, height=height, file=io.StringIO(), record=True, force_terminal=True)
    console.print(Screen(draw(moment(log=log))))
    lines = console.export_text().splitlines()
    assert any("step 29" in text for text in lines[:height])
    assert any("alice" in text for text in lines[:height])
    assert any("uplink down" in text for text in lines[:height])
    assert any("▀" in text for text in lines) is pictures


def test_an_alert_is_said_once_and_counted_each_time() -> None:
    """A line is for a change of level; the count is of samples."""
    show = DemoRunner(lambda _entry: None)
    for previous in (Level.CLEAR, Level.ALERT, Level.ALERT):
        show.result(ResultEvent(ResultType.ALERT, "alice", "TR_1", "", 0, previous_level=previous))
    assert [entry.text for entry in show.log] == ["alice: clear -> alert"]
    assert show.alerts == 3
