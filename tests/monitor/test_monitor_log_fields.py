"""The fields that every record of a monitor has: the room and the job, or what its owner names."""

from __future__ import annotations

import logging
import re
from pathlib import Path
from typing import Any

import monitor_kit as kit
import pytest
import trio
from monitor_kit import Service, Still

import ds_actors
from ds_actors.detection import Dataspike, LogSink, Monitor, TrackInfo
from ds_actors.detection.log_fields import _LOGGERS, log_fields

SOURCES = Path(ds_actors.__file__).parent


def rooms(caplog: pytest.LogCaptureFixture) -> dict[str, object]:
    """Return the field of each record by the beginning of its message."""
    return {record.getMessage()[:30]: getattr(record, "room", None) for record in caplog.records}


class BadlyClosed(Still):
    """A source that cannot be closed."""

    async def aclose(self) -> None:
        await trio.lowlevel.checkpoint()
        raise OSError("no")


def test_every_record_has_the_fields(caplog: pytest.LogCaptureFixture) -> None:
    """The story, the crash of a track, a sink's lines, a source that fails to close, and a callback that raises."""
    caplog.set_level(logging.INFO, "ds_actors")

    def fail(_status: object) -> None:
        raise RuntimeError("state_cb")

    async def body(_service: Service, monitor: Monitor) -> None:
        await monitor.add_track(TrackInfo("alice", "A"), BadlyClosed())
        await trio.sleep(10)
        await kit.kill(monitor, "A")
        await trio.sleep(10)
        monitor.set_room("reconnecting")
        await monitor.remove_track("A")

    kit.run(body, sinks=[LogSink()], state_cb=fail, log_fields={"room": "demo", "job_id": "AJ_1"})
    found = rooms(caplog)
    for line in (
        "monitoring begins",
        "connected to the detection",
        "first sample of a track",
        "the level of a track is alert",
        "deepfake level alert",
        "state_cb failed",
        "a track's source failed",
        "monitoring ends",
    ):
        assert any(message.startswith(line[:30]) for message in found), line
    crashed = [record for record in caplog.records if record.name == "ds_actors"]
    assert crashed
    assert [record.getMessage() for record in caplog.records if getattr(record, "room", None) != "demo"] == []
    assert {getattr(record, "job_id", None) for record in caplog.records} == {"AJ_1"}


def test_a_field_that_becomes_known_later_is_in_what_is_logged_from_then_on(caplog: pytest.LogCaptureFixture) -> None:
    """As the name of a room is before it is connected."""
    caplog.set_level(logging.INFO, "ds_actors")
    fields: dict[str, str] = {}

    async def body(_service: Service, monitor: Monitor) -> None:
        await trio.sleep(1)
        fields["room"] = "demo"
        await kit.add(monitor, "B")
        await trio.sleep(1)

    kit.run(body, log_fields=fields)
    found = rooms(caplog)
    assert found["monitoring begins: ws://127.0."] is None
    assert found["first sample of a track sent: "] == "demo"


def test_two_monitors_do_not_mix_their_fields(caplog: pytest.LogCaptureFixture) -> None:
    """What the program itself logs in their blocks gets none."""
    caplog.set_level(logging.INFO)

    async def body(service: Service, outer: Monitor) -> None:
        async with kit.monitor_of(service, log_fields={"room": "inner"}) as inner:
            logging.getLogger("ds_actors").info("the program's own")
            await kit.add(outer, "A")
            await trio.sleep(1)
            await kit.add(inner, "B")
            await trio.sleep(1)

    kit.run(body, log_fields={"room": "outer"})
    firsts = [record for record in caplog.records if record.getMessage().startswith("first sample")]
    assert [getattr(record, "room", None) for record in firsts] == ["outer", "inner"]
    assert rooms(caplog)["the program's own"] is None


def test_a_record_keeps_the_field_that_it_has(caplog: pytest.LogCaptureFixture) -> None:
    """What its own line says of the room comes first."""
    with log_fields({"room": "demo", "name": "no"}):
        logging.getLogger("ds_actors").warning("x", extra={"room": "its own"})
        with log_fields(None):
            logging.getLogger("ds_actors").warning("x")
    assert [(record.__dict__["room"], record.name) for record in caplog.records] == [
        ("its own", "ds_actors"),
        ("demo", "ds_actors"),
    ]


@pytest.mark.parametrize("fields", ["room", ["room"], {5: "room"}, {"": "x"}, {"message": "x"}, {"name": "x"}])
def test_fields_that_no_record_can_have_are_refused_at_once(fields: Any) -> None:
    """Not in the first line that is logged, where they would end an actor, or be missing without a word."""
    with pytest.raises((TypeError, ValueError), match=r"^log_fields must"):
        Monitor(service=Dataspike(api_key="k"), log_fields=fields)


def test_a_name_that_is_added_later_and_is_no_text_harms_no_line(caplog: pytest.LogCaptureFixture) -> None:
    """The line appears without it."""
    fields: Any = {5: "x", "room": "demo"}
    with log_fields(fields):
        logging.getLogger("ds_actors").warning("x")
    assert rooms(caplog) == {"x": "demo"}


def test_every_logger_of_the_package_carries_the_fields() -> None:
    """A new logger of the package is to be named there; the commands log nothing of their own."""
    text = "".join(path.read_text() for path in SOURCES.rglob("*.py") if "cli" not in path.parts)
    named = set(re.findall(r'getLogger\("([^"]+)"\)', text))
    assert named == set(_LOGGERS)
