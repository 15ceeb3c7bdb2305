"""Which tracks have an actor: whatever happens in a real room, always exactly one a live track, and none left over."""

from __future__ import annotations

import io
import time
from typing import Any

import pytest
from livekit_harness.process import until
from livekit_harness.room import AGENT, Room
from PIL import Image

from ds_actors.detection import Level

SMALL = {"width": 320, "height": 180}
FAST = {"normal_fps": 2.0, "burst_fps": 5.0}


def tracks(room: Room) -> dict[str, dict[str, Any]]:
    """Return the status of each track by sid, and see to it that no sid is there twice."""
    found = room.agent.call("status")["tracks"]
    by_sid = {track["track"]: track for track in found}
    assert len(by_sid) == len(found)
    return by_sid


def coverages(room: Room) -> dict[str, str]:
    return {sid: track["coverage"] for sid, track in tracks(room).items()}


def watched(room: Room) -> set[str]:
    """Return the sids that have an actor, as the tree of actors has it."""
    code = (
        "result = [c.name for n in detector._session.monitor.tree().children if n.name == 'tracks' for c in n.children]"
    )
    names = list(room.evaluate(code))
    assert len(names) == len(set(names))
    return set(names)


def samples(room: Room, who: str, track: str) -> int:
    return len(room.service.of(who, track))


def test_tracks_come_go_and_come_again(room: Room) -> None:
    """Present at the start, published later, two cameras of one person, republished, unpublished, participant gone."""
    room.join("alice", "bob")
    first = room.camera("alice", **SMALL)
    room.watch(video=FAST)
    later = room.camera("bob", **SMALL)
    second = room.camera("alice", name="second", source="unknown", **SMALL)
    until(lambda: all(samples(room, *pair) for pair in (("alice", first), ("bob", later), ("alice", second))))
    assert watched(room) == {first, later, second} == set(tracks(room))
    room.people.call("unpublish", who="alice")
    again = room.camera("alice", **SMALL)
    until(lambda: samples(room, "alice", again))
    until(lambda: watched(room) == {again, later, second})
    room.people.call("leave", who="bob")
    until(lambda: watched(room) == {again, second} == set(tracks(room)))
    room.people.call("leave", who="alice")
    until(lambda: watched(room) == set() == set(tracks(room)))
    left = room.agent.call("left")
    assert left["streams"] == 0


def test_a_muted_track_is_not_sampled_and_an_unmuted_one_at_once(room: Room) -> None:
    """The status says muted; and the first sample after it does not wait for the grid of 0.02 fps."""
    room.join("alice")
    track = room.camera("alice", **SMALL)
    room.watch(video={"normal_fps": 0.02, "burst_fps": 5.0})
    until(lambda: samples(room, "alice", track))
    room.people.call("mute", who="alice", muted=True)
    until(lambda: coverages(room)[track] == "muted")
    before = samples(room, "alice", track)
    time.sleep(0.5)
    room.people.call("mute", who="alice", muted=False)
    until(lambda: samples(room, "alice", track) > before)
    until(lambda: coverages(room)[track] == "checked")


def test_a_flat_picture_is_sampled_and_a_tiny_one_is_seen_to_be_too_small(room: Room) -> None:
    """A strip whose shorter side is under 64 pixels is a picture like any other; 48 x 36 is nothing to judge."""
    room.join("alice")
    strip = room.camera("alice", width=320, height=48)
    tiny = room.camera("alice", name="tiny", source="unknown", width=48, height=36)
    room.watch(video=FAST)
    until(lambda: samples(room, "alice", strip))
    until(lambda: coverages(room)[tiny] == "too_small")
    assert samples(room, "alice", tiny) == 0
    until(lambda: coverages(room)[strip] == "checked")


@pytest.mark.slow
def test_a_publisher_who_withholds_permission_is_seen_to_give_no_frames(room: Room) -> None:
    """LiveKit tells nothing of it; three one-shots without a frame do. Granted again, it is checked again."""
    room.join("alice")
    track = room.camera("alice", **SMALL)
    room.watch(video=FAST)
    until(lambda: samples(room, "alice", track))
    room.people.call("permit", who="alice", allow=[])
    until(lambda: coverages(room)[track] in ("no_frames", "not_subscribed"), 25)
    before = samples(room, "alice", track)
    room.people.call("permit", who="alice", allow=None)
    until(lambda: samples(room, "alice", track) > before, 20)
    until(lambda: coverages(room)[track] == "checked")
    assert watched(room) == {track}


@pytest.mark.slow
def test_it_subscribes_where_nobody_does_and_leaves_the_hosts_unsubscribing_alone(room: Room) -> None:
    """An agent that takes audio only gets its video watched; what the host drops stays dropped, also at the sweep."""
    room.join("alice")
    track = room.camera("alice", **SMALL)
    token = room.token(AGENT, kind="agent")
    room.agent.call("join", url=room.server.url, token=token, auto_subscribe=False)
    room.agent.call("start", service=room.service.url, video=FAST)
    until(lambda: samples(room, "alice", track))
    publication = f"room.remote_participants['alice'].track_publications[{track!r}]"
    room.evaluate(f"{publication}.set_subscribed(False)")
    until(lambda: watched(room) == set())
    assert until(lambda: coverages(room).get(track)) in ("waiting", "not_subscribed")
    before = samples(room, "alice", track)
    until(lambda: coverages(room).get(track) == "not_subscribed", 15)
    time.sleep(1)  # beyond the sweep
    assert samples(room, "alice", track) == before
    room.evaluate(f"{publication}.set_subscribed(True)")
    until(lambda: samples(room, "alice", track) > before)
    assert watched(room) == {track}


@pytest.mark.slow
def test_a_resumed_connection_keeps_the_actors_and_loses_no_alert(room: Room) -> None:
    """The signalling breaks while alice turns to ALERT: the same actor goes on, and the room hears of it."""
    room.service.verdicts["alice"] = Level.CLEAR
    room.join("alice", "viewer")
    track = room.camera("alice", **SMALL)
    room.watch(video={"normal_fps": 5.0, "burst_fps": 5.0})
    until(lambda: room.packets("viewer", "clear"))
    room.service.verdicts["alice"] = Level.ALERT
    room.agent.call("simulate", scenario="SIMULATE_SIGNAL_RECONNECT")
    until(lambda: room.packets("viewer", "alert"))
    until(lambda: room.agent.told("reconnected"))
    before = samples(room, "alice", track)
    until(lambda: samples(room, "alice", track) > before)
    assert watched(room) == {track}
    room.evaluate("room.emit('moved')")  # reality would need LiveKit Cloud
    before = samples(room, "alice", track)
    until(lambda: samples(room, "alice", track) > before)
    assert watched(room) == {track}


def test_who_is_watched_is_decided_by_kind_filter_source_and_consent(room: Room) -> None:
    """Agents are not; people cannot opt out by what they set themselves; the host's functions can, and withdraw."""
    room.join("alice", "bob", "carol", "dave")
    room.people.call("join", who="bot", url=room.server.url, token=room.token("bot", kind="agent"))
    alice, bob, carol, bot = (room.camera(identity, **SMALL) for identity in ("alice", "bob", "carol", "bot"))
    dave = room.camera("dave", source="screen", **SMALL)
    room.agent.call("join", url=room.server.url, token=room.token(AGENT, kind="agent"))
    room.evaluate(
        "agent.asked, agent.no = [], {'bob'}\n"
        "def consent(participant):\n"
        "    agent.asked.append(participant.identity)\n"
        "    if participant.identity == 'erin': raise LookupError('no answer')\n"
        "    return participant.identity not in agent.no\n"
        "def only(publication, participant): return participant.identity != 'carol'\n"
        "agent._detector = dataspike.DataspikeDetector(\n"
        f"    api_key='k', url={room.service.url!r}, normal_fps=2.0, burst_fps=5.0,\n"
        "    consent=consent, track_filter=only, sources=('camera',))\n"
        "await agent._detector.start(None, room=room)"
    )
    until(lambda: samples(room, "alice", alice))
    until(lambda: len(tracks(room)) == 5)
    assert watched(room) == {alice}
    assert {sid for sid, coverage in coverages(room).items() if coverage == "not_monitored"} == {bob, carol, dave, bot}
    # The attributes that people set are data: only that they changed is told, by the event that the SDK would emit.
    changed = "room.emit('participant_attributes_changed', {{'consent': 'x'}}, room.remote_participants[{!r}])"
    room.evaluate("agent.no = {'alice'}\n" + changed.format("alice") + "\n" + changed.format("bob"))
    until(lambda: watched(room) == {bob})
    before = samples(room, "alice", alice)
    until(lambda: samples(room, "bob", bob))
    assert samples(room, "alice", alice) <= before + 1
    room.join("erin")
    erin = room.camera("erin", **SMALL)
    until(lambda: coverages(room).get(erin) == "not_monitored")
    reasons = {sid: track["reason"] for sid, track in tracks(room).items()}
    assert reasons[alice] == reasons[erin] == "no consent"
    assert reasons[bot] == "an agent or egress"
    assert watched(room) == {bob}
    assert set(room.evaluate("result = agent.asked")) == {"alice", "bob", "erin"}  # whom no other rule excluded


def test_started_before_the_room_is_connected(room: Room) -> None:
    """As the documented worker does: the session connects later."""
    room.join("alice")
    track = room.camera("alice", **SMALL)
    token = room.token(AGENT, kind="agent")
    room.evaluate(
        "agent.states = []\n"
        "agent._room = rtc.Room()\n"
        "agent._detector = dataspike.DataspikeDetector(\n"
        f"    api_key='k', url={room.service.url!r}, state_cb=lambda status: agent.states.append(status.state))\n"
        "await agent._detector.start(None, room=agent._room)\n"
        f"await agent._room.connect({room.server.url!r}, {token!r})"
    )
    until(lambda: samples(room, "alice", track))
    states = room.evaluate("result = agent.states")
    assert list(dict.fromkeys(states)) == ["waiting_for_room", "running"]


@pytest.mark.slow
def test_whatever_people_call_themselves_and_however_they_hold_their_phones(room: Room) -> None:
    """Slashes, newlines and other scripts name no actor; a picture that is to be turned arrives upright."""
    room.service.keep_data = True
    hostile = "../../\x1b[31m\n\u0430\u043b\u202eice/<b>"
    room.people.call("join", who="hostile", url=room.server.url, token=room.token(hostile))
    track = room.camera("hostile", rotation=1, **SMALL)
    room.join("viewer")
    room.watch(video=FAST)
    (sample, *_) = until(lambda: room.service.of(hostile, track))
    picture = Image.open(io.BytesIO(sample.sample.data))
    assert picture.width < picture.height  # 320 x 180, a quarter turn
    assert watched(room) == {track}
    (packet, *_) = until(lambda: room.packets("viewer"))
    assert packet["participant_id"] == hostile


def test_the_loop_does_nothing_but_take_the_frame(room: Room) -> None:
    """JPEG and protobuf in other threads, and from the start to the first verdict not one import."""
    room.join("alice", "viewer")
    room.camera("alice", **SMALL)
    room.agent.call("join", url=room.server.url, token=room.token(AGENT, kind="agent"))
    room.evaluate(
        "import sys, threading\n"
        "from ds_actors.detection.tracks import encoding_threads\n"
        "from ds_actors.detection.uplink import actor as uplink, receiving\n"
        "agent.threads = {}\n"
        "def noted(module, name):\n"
        "    function = getattr(module, name)\n"
        "    def call(*args, **kwargs):\n"
        "        agent.threads.setdefault(name, set()).add(threading.current_thread())\n"
        "        return function(*args, **kwargs)\n"
        "    setattr(module, name, call)\n"
        "noted(encoding_threads, 'encode_jpeg')\n"
        "noted(uplink, 'encode_request')\n"
        "noted(receiving, 'decode_result')\n"
        "agent.modules = set(sys.modules)"
    )
    room.agent.call("start", service=room.service.url, video=FAST)
    until(lambda: room.packets("viewer"))
    called, on_loop, imported = room.evaluate(
        "import sys, threading\n"
        "here = threading.current_thread()\n"
        "result = [len(agent.threads), [n for n, t in agent.threads.items() if here in t],\n"
        "          sorted(set(sys.modules) - agent.modules)]"
    )
    assert (called, on_loop) == (3, [])
    assert imported == []
