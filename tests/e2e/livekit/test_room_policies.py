"""Sampling policies, your own and the library's, in real rooms."""

from __future__ import annotations

import time

from livekit_harness.process import until
from livekit_harness.room import Room

from ds_actors.detection import Level

SMALL = {"width": 320, "height": 180}


def reason(room: Room, who: str) -> str:
    """Why the camera of that participant is sampled as it is."""
    tracks = room.agent.call("status")["tracks"]
    return next((track["reason"] for track in tracks if (track["participant"], track["kind"]) == (who, "video")), "")


def test_a_policy_of_ones_own_follows_the_verdicts(room: Room) -> None:
    """That of the page: 0.2 fps, one at SUSPICIOUS, two at ALERT; the status says why."""
    room.service.verdicts["alice"] = Level.CLEAR
    room.join("alice")
    room.camera("alice", **SMALL)
    room.watch(written="sampling=BySeverity")
    until(lambda: reason(room, "alice") == "clear: 0.2 fps")
    room.service.verdicts["alice"] = Level.SUSPICIOUS
    until(lambda: reason(room, "alice") == "suspicious: 1 fps")
    room.service.verdicts["alice"] = Level.ALERT
    until(lambda: reason(room, "alice") == "alert: 2 fps")
    before, began = len(room.service.of("alice")), time.monotonic()
    until(lambda: len(room.service.of("alice")) - before >= 10, 40)  # at 0.2 fps there would be nine at most
    assert time.monotonic() - began > 3


def test_who_speaks_is_sampled_more_often(room: Room) -> None:
    """As the server reports it, without a subscriber to a microphone; and no longer than that."""
    room.join("alice", "bob")
    for who in ("alice", "bob"):
        room.camera(who, **SMALL)
        room.people.call("microphone", who=who, frequencies=[440.0], talking=False)
    room.watch(written="sampling=lambda: SpeakerSampling(0.2, 2.0)")
    until(lambda: reason(room, "alice") == reason(room, "bob") == "silent: 0.2 fps")
    room.people.call("talk", who="alice", talking=True)
    until(lambda: reason(room, "alice") == "speaking: 2 fps")
    before = len(room.service.of("alice"))
    until(lambda: len(room.service.of("alice")) - before >= 5)
    assert reason(room, "bob") == "silent: 0.2 fps"
    room.people.call("talk", who="alice", talking=False)
    until(lambda: reason(room, "alice") == "silent: 0.2 fps")


def test_a_budget_bounds_what_a_room_costs(room: Room) -> None:
    """Three cameras want six samples a second; with one a second each gets its share."""
    people = ["alice", "bob", "carol"]
    room.join(*people)
    for who in people:
        room.camera(who, **SMALL)
    room.watch(
        written="sampling=lambda: AdaptiveSampling(2.0, 2.0), budget=Budget(samples_per_minute=60, burst_seconds=1)"
    )
    until(lambda: all(room.service.of(who) for who in people))
    before = {who: len(room.service.of(who)) for who in people}
    time.sleep(9)
    got = {who: len(room.service.of(who)) - before[who] for who in people}
    assert 6 <= sum(got.values()) <= 10
    assert all(1 <= count <= 4 for count in got.values())
    assert room.agent.call("status")["uplink"]["dropped"]["superseded"] > 20
