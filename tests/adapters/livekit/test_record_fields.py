"""The room and the job in each record of the plugin and of its monitor, under LiveKit's own names."""

from __future__ import annotations

import asyncio
import contextvars
import logging
from collections.abc import Sequence
from functools import partial
from types import SimpleNamespace
from unittest.mock import Mock

import pytest
from job_contexts import job_context
from livekit import rtc
from livekit.plugins.dataspike import DataspikeDetector, Status
from waiting import until_on_loop

OURS = ("livekit.plugins.dataspike", "ds_actors")


@pytest.fixture
def in_job(monkeypatch: pytest.MonkeyPatch) -> None:
    job = job_context(SimpleNamespace(http_proxy=None), room="demo\x1b[2J", job="AJ_7")
    monkeypatch.setattr("livekit.plugins.dataspike.detector.get_job_context", Mock(return_value=job))


def fields(caplog: pytest.LogCaptureFixture) -> set[tuple[object, object]]:
    """Return each room with its job that a record of ours has."""
    records = [record for record in caplog.records if record.name.startswith(OURS)]
    assert len(records) > 3
    return {(record.__dict__.get("room"), record.__dict__.get("job_id")) for record in records}


def raises(_status: Status) -> None:
    raise RuntimeError("the host's own mistake")


async def run(said: Sequence[str], caplog: pytest.LogCaptureFixture) -> None:
    """Start in a room whose host fails in its callback, connect it, let the service be away, and close it."""
    room = rtc.Room()
    detector = DataspikeDetector(api_key="k", url="ws://127.0.0.1:9", state_cb=raises)
    await detector.start(None, room=room)
    room._info.name = "demo"
    # The room calls its handlers in a context of its own.
    contextvars.Context().run(room.emit, "connection_state_changed", rtc.ConnectionState.CONN_CONNECTED)
    for line in said:
        await until_on_loop(partial(_in_log, caplog, line))
    await asyncio.get_running_loop().create_task(detector.aclose(), context=contextvars.Context())


def _in_log(caplog: pytest.LogCaptureFixture, line: str) -> bool:
    return any(line in message for message in caplog.messages)


@pytest.mark.usefixtures("in_job")
def test_a_jobs_records_have_its_room_before_the_connection(caplog: pytest.LogCaptureFixture) -> None:
    """All of them: of the plugin, of the monitor in its own thread, and of what the host's callback raises."""
    caplog.set_level(logging.INFO)
    asyncio.run(run(["monitoring begins", "state_cb failed", "no connection"], caplog))
    assert fields(caplog) == {("demo[2J", "AJ_7")}
    assert _in_log(caplog, "monitoring ends")


def test_without_a_job_they_have_the_room_from_its_connection_on(caplog: pytest.LogCaptureFixture) -> None:
    """Before it, a room has no name; and there is no job to name."""
    caplog.set_level(logging.INFO)
    asyncio.run(run(["monitoring begins", "state_cb failed", "no connection"], caplog))
    assert fields(caplog) == {(None, None), ("demo", None)}
    named = {record.getMessage()[:15] for record in caplog.records if record.__dict__.get("room") == "demo"}
    assert {"monitoring ends", "state_cb failed"} <= named


@pytest.mark.usefixtures("in_job")
def test_a_failing_handler_of_a_room_event_is_logged_with_the_room(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wherever the room calls it from."""
    changed = Mock(side_effect=[None, KeyError])
    monkeypatch.setattr("livekit.plugins.dataspike._session.RoomSession._room_changed", changed)
    asyncio.run(run(["the handler of a room event failed"], caplog))
    (record,) = [r for r in caplog.records if r.getMessage() == "the handler of a room event failed"]
    assert (record.__dict__["job_id"], record.__dict__["room"]) == ("AJ_7", "demo[2J")
