"""What of the uplink's fate is said, and how often."""

from __future__ import annotations

from ds_actors.detection.errors import Refused, Unreachable
from ds_actors.detection.uplink.availability import Availability


def test_an_outage_is_said_once_then_every_five_minutes_and_once_when_it_is_over() -> None:
    """WARNING at the first failure, a reminder after 300 s, INFO with the first answer."""
    availability, said = Availability(), list[tuple[float, str]]()
    for now in range(0, 700, 10):
        availability.connecting()
        note = availability.down(Unreachable("gone"), now)
        if note is not None:
            said.append((now, note.level))
    assert said == [(0, "warning"), (300, "warning"), (600, "warning")]
    availability.connecting()
    availability.up()
    note = availability.answered(705)
    assert note is not None
    assert (note.level, note.text) == ("info", "the detection service is back after 705 s and 71 attempts")
    assert availability.answered(706) is None


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


def test_the_first_connection_says_nothing() -> None:
    """What works needs no line."""
    availability = Availability()
    availability.connecting()
    availability.up()
    assert availability.state == "up"
    assert availability.answered(1.0) is None
    assert availability.attempts == 0
