"""What the room hears: the sinks and their options, with a real server between."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from livekit import api
from livekit_harness.process import until
from livekit_harness.room import AGENT, Room

from ds_actors.detection import Level

SMALL = {"width": 320, "height": 180}
FAST = {"normal_fps": 5.0, "burst_fps": 5.0}
LEVELS = "deepfake_alert.levels"


def enter(
    room: Room, *who: str, level: Level = Level.ALERT, grants: dict[str, Any] | None = None, **options: Any
) -> None:
    """Have alice publish a camera that is judged so, others watch, and the agent start its detector."""
    room.service.verdicts["alice"] = level
    room.join("alice", *who)
    room.camera("alice", **SMALL)
    token = room.token(AGENT, kind="agent", **(grants or {}))
    room.agent.call("join", url=room.server.url, token=token)
    room.agent.call("start", service=room.service.url, video=FAST, **options)
    until(lambda: room.service.of("alice"))


@pytest.mark.slow
def test_only_those_named_hear(room: Room) -> None:
    """`destination_identities` has bob hear, and not carol."""
    enter(room, "bob", "carol", options={"destination_identities": ["bob"]})
    until(lambda: room.packets("bob", "alert"))
    assert not room.packets("carol")


@pytest.mark.slow
def test_with_a_callback_the_room_hears_only_when_told_to(room: Room) -> None:
    """A callback alone keeps the room quiet."""
    enter(room, "viewer", callback="record")
    until(lambda: len(room.heard("alice", "alert")) >= 3)
    assert not room.packets("viewer")


def test_the_room_and_a_callback_both_hear(room: Room) -> None:
    """`sinks=["room"]` beside it."""
    enter(room, "viewer", callback="record", options={"sinks": ["room"]})
    until(lambda: room.heard("alice", "alert") and room.packets("viewer", "alert"))


@pytest.mark.slow
def test_errors_are_not_the_rooms_to_hear_and_changes_are_only_changes(room: Room) -> None:
    """With `notify="changes"`: an alert, then nothing but its clear, and no word of errors."""
    enter(room, "viewer", level=Level.ALERT, options={"notify": "changes"})
    until(lambda: room.packets("viewer", "alert"))
    until(lambda: len(room.service.of("alice")) > 6)
    for level in (Level.ERROR, Level.CLEAR):
        room.service.verdicts["alice"] = level
        _samples(room, 5)
    assert [packet["level"] for packet in room.packets("viewer")] == ["alert", "clear"]


def test_without_can_publish_data_there_is_one_error_that_names_it(room: Room) -> None:
    """It is counted, too; the callbacks and the sampling go on."""
    room.evaluate(
        "import logging\n"
        "agent.lines = []\n"
        "class Lines(logging.Handler):\n"
        "    def emit(self, record):\n"
        "        if record.levelno >= logging.ERROR: agent.lines.append(record.getMessage())\n"
        "logging.getLogger().addHandler(Lines())"
    )
    enter(room, "viewer", grants={"can_publish_data": False})
    until(lambda: _sink(room, "room")["failed"] >= 3)
    lines = room.evaluate("result = agent.lines")
    assert len(lines) == 1
    assert "can_publish_data" in lines[0]
    assert not room.packets("viewer")


@pytest.mark.slow
def test_an_alert_arrives_when_can_publish_data_is_given_back(room: Room) -> None:
    """With `notify="changes"` nothing else would say it again: the track stays at alert; and it is said once."""
    enter(room, "viewer", level=Level.CLEAR, options={"notify": "changes"})
    _permit(room, publish_data=False)
    room.service.verdicts["alice"] = Level.ALERT
    until(lambda: _sink(room, "room")["failed"] >= 2)
    assert _sink(room, "room")["behind"] == 1
    _permit(room, publish_data=True)
    until(lambda: room.packets("viewer", "alert"), 20)
    until(lambda: _sink(room, "room")["behind"] == 0)
    _samples(room, 5)
    assert len(room.packets("viewer")) == 1


@pytest.mark.slow
def test_an_alert_during_a_full_reconnect_arrives(room: Room) -> None:
    """Kept while the room is away, published when it is back, the newest of its track."""
    enter(room, "viewer", level=Level.CLEAR)
    until(lambda: room.packets("viewer", "clear"))
    room.service.verdicts["alice"] = Level.ALERT
    room.agent.call("simulate", scenario="SIMULATE_FULL_RECONNECT")
    until(lambda: room.packets("viewer", "alert"), 15)


@pytest.mark.slow
def test_the_first_result_after_joining_arrives(room: Room) -> None:
    """The very first data packet of the agent, when its connection for data may not be up yet."""
    enter(room, "viewer")
    packets = until(lambda: room.packets("viewer", "alert"))
    first = min(sample.at for sample in room.service.of("alice"))
    assert packets[0]["at"] - first < 2


@pytest.mark.slow
def test_levels_are_mirrored_for_those_who_join_later(room: Room) -> None:
    """An attribute of the agent: seen by all who join, changed with the level, emptied when the track goes."""
    enter(room, options={"mirror_levels": True}, grants={"can_update_own_metadata": True})
    room.join("late")

    def levels() -> list[str]:
        text = room.seen_by("late").get(AGENT, {}).get("attributes", {}).get(LEVELS, "{}")
        return list(json.loads(text).values())

    until(lambda: levels() == ["alert"])
    room.service.verdicts["alice"] = Level.CLEAR
    until(lambda: levels() == ["clear"])
    room.people.call("unpublish", who="alice")
    until(lambda: levels() == [])


def _samples(room: Room, more: int) -> None:
    before = len(room.service.of("alice"))
    until(lambda: len(room.service.of("alice")) >= before + more)


def _permit(room: Room, *, publish_data: bool) -> None:
    """Have the server change what the agent may do, and wait until the agent knows."""

    async def update() -> None:
        permission = api.ParticipantPermission(can_subscribe=True, can_publish=True, can_publish_data=publish_data)
        request = api.UpdateParticipantRequest(room=room.name, identity=AGENT, permission=permission)
        async with api.LiveKitAPI(room.server.url, room.server.key, room.server.secret) as livekit:
            await livekit.room.update_participant(request)

    asyncio.run(update())
    until(lambda: room.evaluate("result = room.local_participant.permissions.can_publish_data") is publish_data)


def _sink(room: Room, name: str) -> dict[str, Any]:
    (found,) = (sink for sink in room.agent.call("status")["sinks"] if sink["name"] == name)
    return dict(found)
