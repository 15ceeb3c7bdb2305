"""What of the uplink's fate is said, and how often."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ds_actors.detection.errors import Refused, Unreachable, UplinkError
from ds_actors.detection.reporting.notes import Note
from ds_actors.detection.uplink.availability import Availability


def test_an_outage_is_said_once_then_every_five_minutes_and_once_when_it_is_over() -> None:
    """WARNING at the first failure, a reminder after 300 s, INFO when it has answered for 30 s."""
    availability, said = Availability(), list[tuple[float, str]]()
    for now in range(0, 700, 10):
        availability.connecting()
        note = availability.down(Unreachable("gone"), now)
        if note is not None:
            said.append((now, note.level))
    assert said == [(0, "warning"), (300, "warning"), (600, "warning")]
    availability.connecting()
    availability.up()
    assert availability.answered(705) is None
    assert availability.state == "up"
    assert availability.answered(734) is None
    note = availability.answered(735)
    assert note is not None
    assert (note.level, note.text) == ("info", "the detection service is back after 705 s and 71 attempts")
    assert availability.answered(736) is None


def test_a_service_that_accepts_and_closes_is_not_back() -> None:
    """The upgrade alone ends no outage: nothing is said until a reminder is due."""
    availability, said = Availability(), list[str]()
    for now in range(0, 290, 5):
        availability.connecting()
        availability.up()
        note = availability.down(Unreachable("the connection was closed (1011)"), now)
        if note is not None:
            said.append(note.level)
    assert said == ["warning"]


def test_a_refused_key_is_one_error_until_the_service_answers() -> None:
    """Also where the service accepts the upgrade first, and refuses by a close code."""
    availability, said = Availability(), list[str]()
    for now in range(0, 290, 30):
        availability.connecting()
        availability.up()
        note = availability.down(Refused("the connection was closed (4401)"), now)
        if note is not None:
            said.append(note.level)
        availability.connecting()
        availability.up()
        assert availability.state == "refused"
    assert said == ["error"]
    availability.answered(300)
    assert (availability.state, availability.cause) == ("up", "")


REFUSED = Refused("the key")


class Link:
    """A connection that comes and goes, and the lines that this gives."""

    def __init__(self) -> None:
        self.availability = Availability()
        self.lines: list[tuple[float, str, str]] = []
        self.now = 0.0

    def note(self, note: Note | None) -> None:
        if note is not None:
            self.lines.append((self.now, note.level, note.text))

    def up(self, seconds: float, every: float = 5.0) -> None:
        """Be connected and answer for so long."""
        self.availability.connecting()
        self.availability.up()
        until = self.now + seconds
        while self.now < until:
            self.note(self.availability.answered(self.now))
            self.now += min(every, until - self.now)

    def down(self, seconds: float, error: UplinkError | None = None, every: float = 10.0, silent: float = 0.0) -> None:
        """Lose the connection, `silent` seconds after its last byte, and fail to connect for so long."""
        until = self.now + seconds
        heard: float | None = self.now - silent
        while self.now < until:
            self.note(self.availability.down(error or Unreachable("gone"), self.now, heard))
            self.now += min(every, until - self.now)
            self.availability.connecting()
            heard = None


def test_a_connection_that_flaps_is_summarised_every_five_minutes_and_back_when_it_is_stable() -> None:
    """One line at the first loss, then how often it was lost, and one when it has lasted for 15 minutes."""
    link = Link()
    link.up(100)
    for _ in range(60):
        link.down(5)
        link.up(15)
    levels = [level for _, level, _ in link.lines]
    assert levels == ["warning"] * 4
    assert [at for at, _, _ in link.lines] == [100, 400, 700, 1_000]
    assert link.lines[1][2].endswith("is unstable, lost 15 times in the last 300 s: gone")
    link.up(1_000)
    at, level, text = link.lines[-1]
    assert (at, level) == (1_285 + 900, "info")
    assert "is stable: it was lost 60 times in 1185 s, and was down for 300 of them" in text


def test_an_outage_counts_from_the_last_byte_received() -> None:
    """The 20 s until the heartbeat noticed it belong to it."""
    link = Link()
    link.up(100)
    link.down(40, silent=20)
    link.up(60)
    assert link.lines[-1][2].startswith("the detection service is back after 60 s")


def test_an_outage_soon_after_the_last_is_the_same_trouble() -> None:
    """It has no first line of its own, but is in the next summary, and is over after 15 minutes."""
    link = Link()
    link.up(100)
    link.down(10)
    link.up(200)
    assert [level for _, level, _ in link.lines] == ["warning", "info"]
    link.down(400)
    link.up(899)
    assert [(at, level) for at, level, _ in link.lines[2:]] == [(400, "warning"), (700, "warning")]
    assert "is unstable, lost 1 time" in link.lines[2][2]
    assert "still no connection" in link.lines[3][2]
    link.up(10)
    assert link.lines[-1][1] == "info"


def test_the_lines_of_an_outage_say_why_for_how_long_and_how_often_it_was_tried() -> None:
    """The first, the reminder, and the one at its end; after 15 quiet minutes the next outage is a first one again."""
    link = Link()
    link.up(100)
    link.down(410)
    link.up(1_000)
    link.down(20)
    link.up(40)
    assert [(level, text) for _, level, text in link.lines] == [
        ("warning", "no connection to the detection service: gone"),
        ("warning", "still no connection to the detection service after 300 s and 30 attempts: gone"),
        ("info", "the detection service is back after 410 s and 42 attempts"),
        ("warning", "no connection to the detection service: gone"),
        ("info", "the detection service is back after 20 s and 3 attempts"),
    ]


def test_each_summary_of_flapping_counts_since_the_one_before() -> None:
    """And the last line says how much of the time there was no connection, each time anew."""
    link = Link()
    for _ in range(2):
        link.up(1_000)
        for _ in range(40):
            link.down(5)
            link.up(15)
    link.up(1_000)
    texts = [text.removeprefix("the connection to the detection service is ") for _, _, text in link.lines]
    assert texts == [
        "no connection to the detection service: gone",
        "unstable, lost 15 times in the last 300 s: gone",
        "unstable, lost 15 times in the last 300 s: gone",
        "stable: it was lost 40 times in 785 s, and was down for 200 of them",
        "unstable, lost 1 time in the last 0 s: gone",
        "unstable, lost 15 times in the last 300 s: gone",
        "unstable, lost 15 times in the last 300 s: gone",
        "stable: it was lost 40 times in 785 s, and was down for 200 of them",
    ]


def test_an_outage_that_was_not_told_ends_untold() -> None:
    """It came within five minutes of the last warning, and was over before the next was due."""
    link = Link()
    link.up(100)
    link.down(10)
    link.up(100)
    link.down(10)
    link.up(2_000)
    assert [level for _, level, _ in link.lines] == ["warning", "info"]
    link.down(10)
    assert link.lines[-1][1:] == ("warning", "no connection to the detection service: gone")


def test_two_losses_make_a_connection_unstable() -> None:
    """It is back when it has lasted for 15 minutes, not 30 s."""
    link = Link()
    link.up(100)
    for _ in range(2):
        link.down(5)
        link.up(15)
    link.up(800)
    assert [level for _, level, _ in link.lines] == ["warning"]
    link.up(100)
    assert "it was lost 2 times in 25 s, and was down for 10 of them" in link.lines[-1][2]


@pytest.mark.parametrize(("healthy", "level"), [(929.0, None), (930.0, "warning")])
def test_an_outage_is_a_new_one_from_900_s_after_the_last_on(healthy: float, level: str | None) -> None:
    """Counted from when that was over, which is 30 s after the first answer."""
    availability = Availability()
    availability.down(Unreachable("gone"), 1_000.0)
    availability.answered(1_000.0)
    assert availability.answered(1_030.0) is not None
    availability._noted = 1_000.0 + healthy  # a warning just now keeps what is no new outage silent
    note = availability.down(Unreachable("gone"), 1_000.0 + healthy)
    assert (None if note is None else note.level) == level


def test_a_refusal_while_the_connection_flaps_waits_for_the_next_summary() -> None:
    """One ERROR then; at once where nothing flaps."""
    link = Link()
    link.up(100)
    for _ in range(3):
        link.down(5)
        link.up(15)
    link.down(400, REFUSED)
    assert [(at, level) for at, level, _ in link.lines] == [(100, "warning"), (400, "error")]
    assert link.lines[1][2] == "the key; nothing is checked until it is right"
    first = Link()
    first.down(50, REFUSED)
    assert [(at, level) for at, level, _ in first.lines] == [(0, "error")]


def test_a_connection_that_the_monitor_stops_is_no_trouble() -> None:
    """The status says so, and the log nothing; an outage soon after it is told at once."""
    availability = Availability()
    for _ in range(3):
        availability.connecting()
    availability.up()
    assert (availability.attempts, availability.connections) == (3, 1)
    assert availability.down(None, 10.0) is None
    assert (availability.state, availability.cause) == ("down", "stopped")
    assert availability.answered(20.0) is None
    assert availability.answered(60.0) is None
    assert (availability.state, availability.cause, availability.attempts) == ("up", "", 0)
    note = availability.down(Unreachable("gone"), 100.0, 90.0)
    assert note is not None
    assert note.text == "the connection to the detection service is unstable, lost 1 time in the last 10 s: gone"
    availability.up()
    assert availability.connections == 2


DAY = 86_400.0


@given(
    cycle=st.lists(
        st.tuples(st.booleans(), st.sampled_from([1, 14, 29, 31, 60, 290, 310, 599, 899, 901, 940]), st.booleans()),
        min_size=2,
        max_size=6,
    )
)
@settings(deadline=None, max_examples=30)
def test_a_day_of_any_flapping_has_less_than_300_lines(cycle: list[tuple[bool, int, bool]]) -> None:
    """Whatever its rhythm, and whether the key is refused in between."""
    link = Link()
    while link.now < DAY:
        for is_up, seconds, refused in cycle:
            if is_up:
                link.up(seconds, every=10)
            else:
                link.down(seconds, REFUSED if refused else None, every=15)
    assert len(link.lines) < 300


def test_the_first_connection_says_nothing() -> None:
    """What works needs no line."""
    availability = Availability()
    availability.connecting()
    availability.up()
    assert availability.state == "up"
    assert availability.answered(1.0) is None
    assert availability.attempts == 0
