"""What waits while LiveKit reconnects, and publishing that fails: faults that a real room does not make on command."""

from __future__ import annotations

import asyncio
import gc
import json
import logging
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

import pytest
from attrs import define, field
from hypothesis import given
from hypothesis import strategies as st
from livekit import rtc
from livekit.plugins.dataspike import _levels, _pending, _room_sink
from livekit.plugins.dataspike._levels import ATTRIBUTE, ATTRIBUTE_LIMIT, RoomLevels, levels_json
from livekit.plugins.dataspike._pending import PendingResults
from livekit.plugins.dataspike._room_sink import RoomPublisher, RoomSink
from livekit.rtc.participant import PublishDataError
from waiting import loop_idle, until_on_loop

from ds_actors.asyncio import LoopBridge
from ds_actors.detection import BufferingSink, Level, ResultEvent, ResultType, Undelivered

CONNECTED, RECONNECTING = rtc.ConnectionState.CONN_CONNECTED, rtc.ConnectionState.CONN_RECONNECTING


def event(track: str, level: Level, number: int = 0) -> ResultEvent:
    return ResultEvent(ResultType[level.name], "alice", track, str(number), number)


@define(eq=False)
class Room:
    """A room whose publishing fails on command."""

    connection_state: int = CONNECTED
    faults: list[str] = field(factory=list[str])
    """What the next publishings do: fail, hang, or break (soon) because the room is away from then on."""
    sent: list[dict[str, Any]] = field(factory=list[dict[str, Any]])
    attempts: int = 0
    can_publish_data: bool = True
    can_update_metadata: bool = True
    hangs: bool = False
    may_break: asyncio.Event = field(factory=asyncio.Event)
    tracks: list[str] = field(factory=list[str])
    attributes: dict[str, str] = field(factory=dict[str, str])
    _handlers: dict[str, list[Callable[..., None]]] = field(factory=dict[str, list[Callable[..., None]]])

    def isconnected(self) -> bool:
        return self.connection_state != rtc.ConnectionState.CONN_DISCONNECTED

    @property
    def local_participant(self) -> Any:
        permissions = SimpleNamespace(
            can_publish_data=self.can_publish_data, can_update_metadata=self.can_update_metadata
        )
        return SimpleNamespace(
            permissions=permissions, publish_data=self.publish_data, set_attributes=self.set_attributes
        )

    @property
    def remote_participants(self) -> dict[str, Any]:
        return {"alice": SimpleNamespace(track_publications=dict.fromkeys(self.tracks))}

    async def publish_data(self, payload: bytes, **_options: Any) -> None:
        self.attempts += 1
        fault = self.faults.pop(0) if self.faults else ""
        if fault == "break soon":
            await self.may_break.wait()
            fault = "break"
        if fault == "hang":
            await asyncio.sleep(60)
        if fault == "break":
            self.become(RECONNECTING)
        if fault:
            raise PublishDataError("engine is closed")
        self.sent.append(json.loads(payload))

    async def set_attributes(self, attributes: dict[str, str]) -> None:
        if self.hangs or self.connection_state != CONNECTED:
            await asyncio.sleep(60)
        self.attributes.update(attributes)

    def mirrored(self) -> dict[str, str]:
        shown: dict[str, str] = json.loads(self.attributes.get(ATTRIBUTE, "{}"))
        return shown

    def on(self, name: str, handler: Callable[..., None]) -> None:
        self._handlers.setdefault(name, []).append(handler)

    def off(self, name: str, handler: Callable[..., None]) -> None:
        self._handlers[name].remove(handler)

    def become(self, state: int) -> None:
        self.connection_state = state
        for handler in self._handlers.get("connection_state_changed", []):
            handler(state)

    def levels(self) -> list[tuple[str, str, str]]:
        return [(packet["track_id"], packet["level"], packet["message"]) for packet in self.sent]


async def publisher(room: Room) -> RoomPublisher:
    room_publisher = RoomPublisher(cast("rtc.Room", room))
    room_publisher.start()
    return room_publisher


def test_three_tries_then_it_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    """A publishing that hangs counts as one that fails."""
    monkeypatch.setattr(_room_sink, "PUBLISH_WITHIN", 0.05)

    async def main() -> None:
        room = Room(faults=["fail", "hang"])
        room_publisher = await publisher(room)
        await room_publisher.publish(event("TR", Level.ALERT))
        assert (room.attempts, len(room.sent)) == (3, 1)
        room.faults = ["hang"] * 3
        with pytest.raises(TimeoutError):
            await room_publisher.publish(event("TR", Level.ALERT))
        assert room.attempts == 6
        await room_publisher.stop()

    asyncio.run(main())


def test_the_room_is_told_verdicts_only() -> None:
    """What could not be judged, or is of a type not known yet, is for a callback: a badge could not show it."""
    told: list[ResultEvent] = []

    async def call(_publish: object, result: ResultEvent) -> None:
        told.append(result)

    async def main() -> None:
        sink = RoomSink(cast("LoopBridge", SimpleNamespace(call=call)), RoomPublisher(cast("rtc.Room", Room())))
        for level in Level:
            await sink.deliver(event("TR", level))

    asyncio.run(main())
    assert {result.level for result in told} == {Level.CLEAR, Level.SUSPICIOUS, Level.ALERT}


def test_what_comes_while_reconnecting_goes_out_afterwards_in_order() -> None:
    """Of each track the newest, and its last alert before that; later results queue up behind."""

    async def main() -> None:
        room = Room()
        room_publisher = await publisher(room)
        room.become(RECONNECTING)
        for number, level in enumerate([Level.ALERT, Level.SUSPICIOUS, Level.CLEAR, Level.CLEAR]):
            await room_publisher.publish(event("TR_a", level, number))
        await room_publisher.publish(event("TR_b", Level.CLEAR))
        assert room.sent == []
        room.become(CONNECTED)
        await room_publisher.publish(event("TR_a", Level.SUSPICIOUS, 9))  # before what waits has gone out
        await loop_idle()
        of_a = [packet for packet in room.levels() if packet[0] == "TR_a"]
        assert of_a == [("TR_a", "alert", "0"), ("TR_a", "suspicious", "9")]
        assert ("TR_b", "clear", "0") in room.levels()
        await room_publisher.stop()

    asyncio.run(main())


def test_a_publishing_that_the_reconnect_breaks_is_kept() -> None:
    """It fails because the room is away, and goes out when it is back."""

    async def main() -> None:
        room = Room()
        room_publisher = await publisher(room)
        room.faults = ["break"]
        await room_publisher.publish(event("TR", Level.ALERT))
        assert room.sent == []
        room.become(CONNECTED)
        await loop_idle()
        assert room.levels() == [("TR", "alert", "0")]
        await room_publisher.stop()

    asyncio.run(main())


@pytest.mark.parametrize(
    ("waiting", "newer", "heard"),
    [
        ([Level.CLEAR], Level.ALERT, [("alert", "9")]),
        ([Level.ALERT, Level.CLEAR], Level.SUSPICIOUS, [("alert", "0"), ("suspicious", "9")]),
        ([Level.ALERT], Level.ALERT, [("alert", "9")]),
    ],
)
def test_what_did_not_go_out_stays_before_what_came_meanwhile(
    waiting: list[Level], newer: Level, heard: list[tuple[str, str]]
) -> None:
    """The room is away again while kept results go out: the last word is the newest, and no alert is lost for it."""

    async def main() -> None:
        room = Room()
        room_publisher = await publisher(room)
        room.become(RECONNECTING)
        for number, level in enumerate(waiting):
            await room_publisher.publish(event("TR", level, number))
        room.faults = ["break soon"]
        room.become(CONNECTED)
        await until_on_loop(lambda: not room.faults)
        await room_publisher.publish(event("TR", newer, 9))
        room.may_break.set()
        await loop_idle()
        assert room.sent == []
        room.become(CONNECTED)
        await loop_idle()
        assert [packet[1:] for packet in room.levels()] == heard
        await room_publisher.stop()

    asyncio.run(main())


def test_what_waits_goes_out_by_either_event_of_a_resume() -> None:
    """A state that changes without its event must not keep an alert until the next result."""

    async def main() -> None:
        room = Room(connection_state=RECONNECTING)
        room_publisher = await publisher(room)
        await room_publisher.publish(event("TR_a", Level.ALERT))
        room.connection_state = CONNECTED
        for handler in room._handlers["reconnected"]:
            handler()
        await until_on_loop(lambda: room.levels() == [("TR_a", "alert", "0")])
        await room_publisher.stop()

    asyncio.run(main())


def test_what_waits_is_sent_at_the_close_while_the_room_is_there() -> None:
    """And not at all after it: what is closed does not publish when the room comes back later."""

    async def main() -> None:
        room = Room(connection_state=RECONNECTING)
        room_publisher = await publisher(room)
        await room_publisher.publish(event("TR_a", Level.ALERT))
        room.become(CONNECTED)
        await room_publisher.stop()
        assert room.levels() == [("TR_a", "alert", "0")]
        away = Room(connection_state=RECONNECTING)
        room_publisher = await publisher(away)
        await room_publisher.publish(event("TR_a", Level.ALERT))
        await room_publisher.stop()
        away.become(CONNECTED)
        await loop_idle()
        assert away.sent == []

    asyncio.run(main())


def test_a_missing_permission_is_one_error_until_it_was_granted(caplog: pytest.LogCaptureFixture) -> None:
    """Each event counts as undelivered; the log has one line for each time that it was taken away."""

    async def main() -> None:
        room = Room(can_publish_data=False)
        room_publisher = await publisher(room)
        for _ in range(3):
            with pytest.raises(Undelivered, match="can_publish_data"):
                await room_publisher.publish(event("TR", Level.ALERT))
        room.can_publish_data = True
        await room_publisher.publish(event("TR", Level.ALERT))
        room.can_publish_data = False
        with pytest.raises(Undelivered):
            await room_publisher.publish(event("TR", Level.ALERT))
        await room_publisher.stop()

    with caplog.at_level(logging.ERROR):
        asyncio.run(main())
    assert [record.levelno for record in caplog.records] == [logging.ERROR] * 2
    assert caplog.text.count("lacks can_publish_data") == 2


@pytest.mark.parametrize("fault", ["a minute", "no permission", "refused by the server"])
def test_a_kept_result_that_will_not_be_published_is_reported(
    fault: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """With `notify="changes"` nothing says it again by itself; of each track the newest is reported, once."""
    monkeypatch.setattr(_room_sink, "TRY_AGAIN_AFTER", 0.0)
    if fault == "a minute":
        monkeypatch.setattr(_pending, "KEPT_FOR", -1.0)
    lost: list[ResultEvent] = []

    async def main() -> None:
        room = Room()
        one = await publisher(room)
        one.lost = lost.append
        room.become(RECONNECTING)
        kept = [event("TR_a", Level.ALERT, 0), event("TR_a", Level.CLEAR, 1), event("TR_b", Level.ALERT, 2)]
        for result in kept:
            await one.publish(result)
        room.can_publish_data = fault != "no permission"
        room.faults = ["fail"] * 9 if fault == "refused by the server" else []
        assert lost == []
        room.become(CONNECTED)
        await until_on_loop(lambda: len(lost) == 2)
        await loop_idle()
        assert {id(result) for result in lost} == {id(kept[1]), id(kept[2])}
        assert room.sent == []
        await one.stop()

    asyncio.run(main())
    assert len(caplog.records) == {"a minute": 0, "no permission": 1}.get(fault, 3)


def test_a_result_of_one_track_too_many_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest track makes room, and its newest result is the one that is lost."""
    monkeypatch.setattr(_pending, "TRACKS_KEPT", 1)
    lost: list[ResultEvent] = []

    async def main() -> None:
        room = Room(connection_state=RECONNECTING)
        one = await publisher(room)
        one.lost = lost.append
        for number, track in enumerate(["TR_a", "TR_a", "TR_b"]):
            await one.publish(event(track, Level.ALERT, number))
        assert [result.timestamp_ms for result in lost] == [1]
        await one.stop()

    asyncio.run(main())


def test_what_the_room_gave_up_is_told_in_trio() -> None:
    """By way of the bridge, since reports belong to the monitor's thread."""
    told: list[tuple[Any, ...]] = []
    publisher = RoomPublisher(cast("rtc.Room", Room()))

    def tell(*call: Any) -> None:
        told.append(call)

    bridge = SimpleNamespace(tell=tell)

    def report(_event: ResultEvent) -> None:
        pytest.fail("called on the loop")

    sink = RoomSink(cast("LoopBridge", bridge), publisher)
    assert isinstance(sink, BufferingSink)  # so that the monitor asks for it
    sink.when_lost(report)
    result = event("TR", Level.ALERT)
    publisher.lost(result)
    assert told == [(report, result)]


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from([Level.CLEAR, Level.SUSPICIOUS, Level.ALERT]))))
def test_held_keeps_the_newest_and_the_last_alert_of_each_track(results: list[tuple[str, Level]]) -> None:
    """Whatever comes: two a track at most, in order, every other one counted."""
    held = PendingResults()
    for number, (track, level) in enumerate(results):
        held.hold(event(track, level, number), float(number))
    out: dict[str, list[ResultEvent]] = {}
    while taken := held.take(0.0):
        out[taken[0][1].track_id] = [event for _, event in taken]
    assert sum(map(len, out.values())) + held.dropped == len(results)
    for track in {track for track, _ in results}:
        mine = [(number, level) for number, (of, level) in enumerate(results) if of == track]
        alerts = [number for number, level in mine if level is Level.ALERT]
        assert [event.timestamp_ms for event in out[track]] == sorted({mine[-1][0], *alerts[-1:]})


def test_held_forgets_after_a_minute() -> None:
    """What is older than 60 s when the room is back is no news."""
    held = PendingResults()
    held.hold(event("TR", Level.ALERT), 0.0)
    held.hold(event("TR", Level.CLEAR), 50.0)
    assert [(at, event.level) for at, event in held.take(61.0)] == [(50.0, Level.CLEAR)]
    assert held.take(61.0) == []
    assert (held.dropped, held.lost) == (1, [])
    last = event("TR", Level.CLEAR)
    held.hold(last, 0.0)
    assert held.take(61.0) == []
    assert held.lost == [last]


@given(st.dictionaries(st.text(max_size=40), st.sampled_from([Level.CLEAR, Level.ALERT]), max_size=60))
def test_the_mirrored_levels_are_json_of_a_bounded_size(levels: dict[str, Level]) -> None:
    """The most severe are in it first."""
    text = levels_json(levels)
    shown = json.loads(text)
    assert len(text) <= ATTRIBUTE_LIMIT
    assert shown.items() <= {track: level.value for track, level in levels.items()}.items()


def test_of_too_many_levels_the_severe_ones_are_shown() -> None:
    """2,000 tracks do not fit; the alert among them does."""
    levels = {f"TR_{n:012}": Level.CLEAR for n in range(2_000)} | {"TR_z": Level.ALERT}
    shown = json.loads(levels_json(levels))
    assert shown["TR_z"] == "alert"
    assert 100 < len(shown) < 2_000


async def mirror(room: Room) -> RoomLevels:
    levels = RoomLevels(cast("rtc.Room", room))
    levels.start()
    return levels


def test_a_track_that_is_gone_is_not_mirrored_whatever_is_still_heard_of_it() -> None:
    """A late ALERT of a camera that was turned off is not shown; it would stay forever."""

    async def main() -> None:
        room = Room(tracks=["TR_a", "TR_b"])
        levels = await mirror(room)
        await levels.verdict(event("TR_a", Level.SUSPICIOUS))
        await levels.verdict(event("TR_b", Level.CLEAR))
        assert room.mirrored() == {"TR_a": "suspicious", "TR_b": "clear"}
        room.tracks.remove("TR_a")
        levels.look_again()
        await loop_idle()
        await levels.verdict(event("TR_a", Level.ALERT))
        assert room.mirrored() == {"TR_b": "clear"}
        levels.stop()

    asyncio.run(main())


def test_levels_outlive_a_reconnect_that_takes_the_tracks_away_for_a_moment() -> None:
    """None of them is judged again, where only changes are told; and what came meanwhile is shown afterwards."""

    async def main() -> None:
        room = Room(tracks=["TR_a", "TR_b"])
        levels = await mirror(room)
        await levels.verdict(event("TR_a", Level.ALERT))
        room.become(RECONNECTING)
        room.tracks.clear()
        levels.look_again()
        with pytest.raises(Undelivered, match="reconnecting"):
            await asyncio.wait_for(levels.verdict(event("TR_b", Level.SUSPICIOUS)), 30)
        room.tracks += ["TR_a", "TR_b"]
        levels.look_again()
        room.become(CONNECTED)
        await loop_idle()
        assert room.mirrored() == {"TR_a": "alert", "TR_b": "suspicious"}
        levels.stop()

    asyncio.run(main())


def test_a_mirror_that_may_not_or_cannot_show_is_no_exception_of_the_loops(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One line that names the permission, one for each update that fails, and no task's exception is left over."""
    monkeypatch.setattr(_levels, "UPDATE_WITHIN", 0.01)
    strays: list[object] = []

    async def main() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _loop, context: strays.append(context))
        room = Room(tracks=["TR_a"], can_update_metadata=False)
        levels = await mirror(room)
        for _ in range(2):
            with pytest.raises(Undelivered, match="can_update_metadata"):
                await levels.verdict(event("TR_a", Level.ALERT))
            levels.look_again()
            await loop_idle()
        assert [record.getMessage() for record in caplog.records] == [
            "levels cannot be shown: the agent's token lacks can_update_metadata"
        ]
        room.can_update_metadata = True
        room.hangs = True
        levels.look_again()
        await until_on_loop(lambda: len(caplog.records) > 1)
        assert caplog.records[-1].getMessage() == "levels could not be shown"
        levels.stop()

    asyncio.run(main())
    gc.collect()
    assert strays == []


def test_a_mirror_forgets_tracks_that_are_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many come and go."""
    monkeypatch.setattr(_levels, "KEPT", 10)

    async def main() -> None:
        room = Room()
        levels = await mirror(room)
        for number in range(100):
            room.tracks[:] = [f"TR_{number}"]
            await levels.verdict(event(f"TR_{number}", Level.ALERT))
            assert room.mirrored() == {f"TR_{number}": "alert"}
            assert len(levels._levels) <= 10
        levels.stop()

    asyncio.run(main())
