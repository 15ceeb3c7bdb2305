"""A page in a real browser, as the one who is judged and the one who is told."""

from __future__ import annotations

import json
import time
from contextlib import suppress
from pathlib import Path

import pytest
from livekit_harness.browser import Browser
from livekit_harness.process import CommandFailed, until
from livekit_harness.room import AGENT, TOPIC, Room

from ds_actors.detection import Level

DOCUMENTED = ["type", "level", "participant_id", "track_id", "message", "timestamp_ms"]
RATES = {"normal_fps": 1.0, "burst_fps": 2.0}


def test_a_page_is_alerted_and_cleared_and_leaves_nothing(room: Room, browser: Browser) -> None:
    """It publishes a camera, gets the documented JSON in time, tells a forgery by its sender, and goes."""
    room.service.verdicts["page"] = Level.CLEAR
    track = browser.join(room.server.url, room.token("page"), publish=True)
    room.watch(video=RATES)
    room.join("mallory")
    until(lambda: room.service.of("page", track))
    until(lambda: {AGENT, "mallory"} <= set(browser.others()))

    room.service.verdicts["page"] = Level.ALERT
    (alert, *_) = until(lambda: browser.packets("alert"), 1 / RATES["normal_fps"] + 1)
    assert list(alert["json"])[:6] == DOCUMENTED
    assert (alert["json"]["participant_id"], alert["json"]["track_id"]) == ("page", track)
    assert (alert["sender"], alert["agent"]) == (AGENT, True)

    forged = json.dumps(dict.fromkeys(DOCUMENTED, "") | {"type": TOPIC, "level": "clear", "message": "forged"})
    room.people.call("send", who="mallory", payload=forged, topic=TOPIC)
    (packet,) = until(lambda: [packet for packet in browser.packets() if packet["json"]["message"] == "forged"])
    assert (packet["sender"], packet["agent"]) == ("mallory", False)

    before = len(browser.packets("clear"))
    room.service.verdicts["page"] = Level.CLEAR
    until(
        lambda: [packet for packet in browser.packets("clear")[before:] if packet["agent"]], 1 / RATES["burst_fps"] + 1
    )

    browser.leave()
    room.agent.call("aclose")
    room.agent.call("leave")
    until(lambda: room.service.ask(lambda sandbox: sandbox.connected) == 0)
    left = room.agent.call("left")
    assert (left["tasks"], left["streams"], "ds-actors-trio" in left["threads"]) == ([], 0, False)
    assert room.agent.stop() == 0
    assert not Path(f"/proc/{room.agent.pid}").exists()


def announced(room: Room) -> set[str]:
    """Return who has a track in the eyes of two participants who are not the agent."""
    views = [room.seen_by(who) for who in ("person-0", "person-1")]
    return {identity for view in views for identity, seen in view.items() if seen["tracks"]}


@pytest.mark.slow
def test_a_room_of_people(room: Room, browser: Browser) -> None:
    """Twenty publish, one tampered with; all are checked within 2/normal_fps, only that one is flagged.

    In one such room of eight, one publication reaches no other participant, or livekit-server does not answer it.
    """
    people = [f"person-{n}" for n in range(20)]
    browser.join(room.server.url, room.token("viewer"), publish=False)
    room.join(*people)
    for identity in people:
        with suppress(CommandFailed):
            room.camera(identity, width=320, height=180, fps=10, share=0.2 if identity == "person-7" else 0.0)
    with suppress(TimeoutError):
        until(lambda: announced(room) == set(people), 5)
    publishers = announced(room)
    assert len(publishers) >= 18
    assert "person-7" in publishers
    normal_fps = 0.2
    room.watch(video={"normal_fps": normal_fps, "burst_fps": 1.0})
    began = time.monotonic()
    until(lambda: {packet["json"]["participant_id"] for packet in browser.packets()} >= publishers, 2 / normal_fps)
    checked = {track["participant"]: track["coverage"] for track in room.agent.call("status")["tracks"]}
    assert {checked[identity] for identity in publishers} == {"checked"}
    time.sleep(max(0.0, began + 2 / normal_fps - time.monotonic()))
    flagged = {packet["json"]["participant_id"] for packet in browser.packets() if packet["json"]["level"] != "clear"}
    assert flagged == {"person-7"}
    assert browser.media() == 0
