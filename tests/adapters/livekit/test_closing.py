"""What closes a detector, what does not, and in which order: without a room on a server."""

from __future__ import annotations

import asyncio
import threading
from typing import Any, cast

import pytest
from attrs import define, evolve
from livekit import rtc
from livekit.agents import AgentSession, CloseEvent, CloseReason
from livekit.plugins.dataspike import DataspikeDetector, Status, _session
from waiting import loop_idle, until_on_loop

NOWHERE = "ws://127.0.0.1:9"  # nothing listens there


def detector(**options: Any) -> DataspikeDetector:
    return DataspikeDetector(api_key="k", url=NOWHERE, **options)


def trio_threads() -> int:
    return sum(thread.name == "ds-actors-trio" for thread in threading.enumerate())


@pytest.mark.parametrize(
    ("event", "argument"),
    [
        ("disconnected", rtc.DisconnectReason.ROOM_DELETED),
        ("connection_state_changed", rtc.ConnectionState.CONN_DISCONNECTED),
    ],
)
def test_the_rooms_final_disconnect_closes_it_and_a_reconnect_does_not(event: str, argument: int) -> None:
    """By the event, or by the state alone: after the host's own `room.disconnect()` the event may never come."""

    async def main() -> None:
        room = rtc.Room()
        room_detector = detector()
        await room_detector.start(None, room=room)
        session = room_detector._session
        assert session is not None
        for state in ("DISCONNECTED", "CONNECTED", "RECONNECTING", "CONNECTED"):  # at first it was not connected yet
            room.emit("connection_state_changed", getattr(rtc.ConnectionState, f"CONN_{state}"))
            await loop_idle()
            assert not session.closing
        cast("Any", room).emit(event, argument)
        await until_on_loop(lambda: room_detector.status().state == "closed" and not trio_threads())

    asyncio.run(main())


def test_a_session_that_closes_with_an_error_closes_nothing() -> None:
    """The detector belongs to the room: without its LLM a session is gone after some seconds, without a word."""

    async def main() -> None:
        session = AgentSession[None]()
        async with detector() as room_detector:
            await room_detector.start(session, room=rtc.Room())
            before = room_detector.status().state
            session.emit("close", CloseEvent(reason=CloseReason.ERROR))
            await session.aclose()
            await loop_idle()
            assert room_detector._session is not None
            assert not room_detector._session.closing
            assert room_detector.status().state == before == "waiting_for_room"

    asyncio.run(main())


def test_streams_close_first_side_by_side_and_one_that_does_not_holds_up_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The tree still runs meanwhile: closing a stream under an actor that has ended would leave its last frame."""
    monkeypatch.setattr(_session, "STREAMS_WITHIN", 2.0)
    states: list[str] = []

    @define(eq=False)
    class Source:
        session: _session.RoomSession
        both: asyncio.Barrier

        async def close(self) -> None:
            states.append("begins")
            await self.both.wait()
            await asyncio.sleep(0.2)
            states.append(self.session.monitor.status().state)
            await asyncio.sleep(60)

    async def main() -> None:
        room_detector = detector()
        await room_detector.start(None, room=rtc.Room())
        session = room_detector._session
        assert session is not None
        both = asyncio.Barrier(2)
        sources = [Source(session, both), Source(session, both)]
        monkeypatch.setattr(session._watcher, "sources", lambda: sources)
        async with asyncio.timeout(20):
            await room_detector.aclose()
        assert states == ["begins", "begins", "running", "running"]
        assert not trio_threads()

    asyncio.run(main())


def test_what_waits_for_the_room_has_a_second_at_the_close(monkeypatch: pytest.MonkeyPatch) -> None:
    """After the tree, whose last results are among it; less when the deadline is near."""

    async def main() -> None:
        room_detector = detector()
        await room_detector.start(None, room=rtc.Room())
        session = room_detector._session
        assert session is not None
        assert session._publisher is not None
        stopped: list[tuple[float, str]] = []

        async def stop(within: float = 0.0) -> None:
            stopped.append((within, session.monitor.status().state))

        monkeypatch.setattr(session._publisher, "stop", stop)
        await room_detector.aclose()
        assert stopped == [(1.0, "closed")]

    asyncio.run(main())


def test_going_blind_and_seeing_again_are_told() -> None:
    """Beside the changes of the state, of the room and of the uplink; the same again is told once."""
    told: list[str] = []

    async def main() -> None:
        def tell(status: Status) -> None:
            told.append(status.blind)

        async with detector(state_cb=tell) as room_detector:
            await room_detector.start(None, room=rtc.Room())
            session = room_detector._session
            assert session is not None
            await until_on_loop(lambda: room_detector.status().uplink.state == "down")
            await loop_idle()
            told.clear()
            for blind in ("no frames arrive", "no frames arrive", ""):
                session._state_changed(evolve(session.monitor.status(), blind=blind))
            assert told == ["no frames arrive", ""]

    asyncio.run(main())
