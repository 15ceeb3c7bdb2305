"""What the doctor says of a room's tracks, in real rooms."""

from __future__ import annotations

import uuid
from collections.abc import Generator
from contextlib import contextmanager

import pytest
from livekit import rtc
from livekit_harness import components
from livekit_harness.doctor import check, failures
from livekit_harness.process import Process, until
from livekit_harness.server import Server, open_server
from livekit_harness.tokens import room_token

from ds_actors.cli._doctor import livekit_tracks
from ds_actors.cli._doctor.livekit_connection import publish_picture
from ds_actors.cli._doctor.livekit_names import DATA, ENCRYPTION, GRANTS, TRACKS
from ds_actors.cli._doctor.result import CheckStatus

SMALL = {"width": 320, "height": 180}


@pytest.fixture
def call(livekit_server: Server, people_process: Process) -> Generator[Call]:
    """An empty room."""
    with opened(livekit_server, people_process) as call:
        yield call


class Call:
    """A room and the people in it."""

    def __init__(self, server: Server, people: Process) -> None:
        self.server, self.people, self.name = server, people, f"call-{uuid.uuid4().hex[:8]}"

    def join(self, who: str, secret: str | None = None) -> None:
        """Have a participant join, with the key of an encrypted room if there is one."""
        token = room_token(self.server, self.name, who)
        self.people.call("join", who=who, url=self.server.url, token=token, secret=secret)

    def camera(self, who: str) -> None:
        """Have a participant publish a camera."""
        self.people.call("camera", who=who, **SMALL)


@contextmanager
def opened(server: Server, people: Process) -> Generator[Call]:
    try:
        yield Call(server, people)
    finally:
        people.call("clear")


def test_visible_tracks_in_the_open_pass(call: Call) -> None:
    """They are counted, and subscribed to for a moment."""
    call.join("alice")
    call.join("bob")
    call.camera("alice")
    call.people.call("microphone", who="bob", frequencies=[440.0])
    results = check(call.server, 20, room=call.name)
    assert failures(results) == []
    assert results[TRACKS].status is CheckStatus.OK
    assert "2 tracks of 2 participants" in results[TRACKS].summary
    assert "2 subscribed" in results[TRACKS].summary
    assert results[ENCRYPTION].status is CheckStatus.OK


def test_those_in_the_room_do_not_see_the_doctor(call: Call) -> None:
    """An agent would take it for the person that it waits for. It stays: the server does not tell of a short visit."""
    call.join("alice")
    call.camera("alice")
    call.people.call("permit", who="alice", allow=[])
    call.join("viewer")
    before = len(call.people.events)
    check(call.server, 6, room=call.name)
    call.join("bob")

    def arrived() -> list[str]:
        events = call.people.events[before:]
        return [event["who"] for event in events if event["event"] == "arrived" and event["to"] == "viewer"]

    until(lambda: "bob" in arrived())
    assert arrived() == ["bob"]


def test_a_room_that_is_not_there_is_a_warning(call: Call) -> None:
    """The doctor does not make it: agents would be sent there."""
    for _ in range(2):
        results = check(call.server, room=call.name)
        assert results[TRACKS].status is CheckStatus.WARNING
        assert "no room" in results[TRACKS].summary
        assert results[ENCRYPTION].status is CheckStatus.SKIPPED


def test_a_room_without_tracks_is_a_warning(call: Call) -> None:
    """The fix says what to publish."""
    call.join("alice")
    results = check(call.server, room=call.name)
    assert results[TRACKS].status is CheckStatus.WARNING
    assert "1 participant" in results[TRACKS].summary
    assert "publish a camera" in results[TRACKS].fix
    assert results[ENCRYPTION].status is CheckStatus.SKIPPED


def test_a_room_of_agents_only_is_a_warning(call: Call) -> None:
    """No participant publishes what could be judged."""
    token = room_token(call.server, call.name, "helper", kind="agent")
    call.people.call("join", who="helper", url=call.server.url, token=token)
    call.camera("helper")
    results = check(call.server, room=call.name)
    assert results[TRACKS].status is CheckStatus.WARNING
    assert "no participants but agents" in results[TRACKS].summary


def test_a_publisher_that_permits_nobody_is_a_warning(call: Call) -> None:
    """Its track is visible, and the server does not deliver it."""
    call.join("alice")
    call.camera("alice")
    call.people.call("permit", who="alice", allow=[])
    results = check(call.server, 2, room=call.name)
    assert results[TRACKS].status is CheckStatus.WARNING
    assert "1 of 1 could not be subscribed to" in results[TRACKS].summary
    assert "permit" in results[TRACKS].fix


def test_a_token_that_may_not_subscribe_is_a_warning(call: Call) -> None:
    """The token's room is looked at without --room; the grants fail beside it."""
    call.join("alice")
    call.camera("alice")
    token = room_token(call.server, call.name, "agent", can_subscribe=False)
    results = check(call.server, LIVEKIT_TOKEN=token)
    assert failures(results) == [GRANTS]
    assert results[TRACKS].status is CheckStatus.WARNING
    assert "can_subscribe" in results[TRACKS].fix


def test_a_token_of_another_room_fails(call: Call) -> None:
    """The doctor would look at a room that it was not asked about."""
    token = room_token(call.server, call.name, "agent")
    results = check(call.server, room="another", LIVEKIT_TOKEN=token)
    assert failures(results) == [TRACKS]
    assert call.name in results[TRACKS].summary


def test_a_server_that_carries_no_video_fails() -> None:
    """Without --room, the track is the doctor's own; packets arrive all the same."""
    program = components.livekit_server()
    if program is None:
        pytest.skip(f"needs livekit-server; `{components.ENABLE}` gets it")
    with open_server(program, {"room": {"enabled_codecs": [{"mime": "audio/opus"}]}}) as server:
        results = check(server)
    assert results[DATA].status is CheckStatus.OK
    assert failures(results) == [TRACKS]
    assert "not seen by another participant" in results[TRACKS].summary


def test_a_track_that_does_not_arrive_fails(livekit_server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is published and announced, and the server does not deliver it."""

    async def published_for_nobody(room: rtc.Room, timeout: float) -> str:
        room.local_participant.set_track_subscription_permissions(
            allow_all_participants=False, participant_permissions=[]
        )
        return await publish_picture(room, timeout)

    monkeypatch.setattr(livekit_tracks, "publish_picture", published_for_nobody)
    results = check(livekit_server, 3)
    assert failures(results) == [TRACKS]
    assert "not seen by another participant within 3 s" in results[TRACKS].summary


def test_a_room_that_is_encrypted_fails(call: Call) -> None:
    """The tracks are visible, and their frames can be judged with the room's key only."""
    call.join("alice", secret="of the room")
    call.camera("alice")
    results = check(call.server, 20, room=call.name)
    assert results[TRACKS].status is CheckStatus.OK
    assert failures(results) == [ENCRYPTION]
    assert "key" in results[ENCRYPTION].fix


def test_one_encrypted_track_is_a_warning(call: Call) -> None:
    """The other one can be judged."""
    call.join("alice", secret="of the room")
    call.join("bob")
    for who in ("alice", "bob"):
        call.camera(who)
    results = check(call.server, 20, room=call.name)
    assert failures(results) == []
    assert results[ENCRYPTION].status is CheckStatus.WARNING
    assert "1 of 2 tracks" in results[ENCRYPTION].summary
