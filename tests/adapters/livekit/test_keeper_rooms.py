"""How the keeper reads what a LiveKit server says: who is a detector, and whether it answers."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import pytest
from livekit import api
from livekit.plugins.dataspike.keeper import RoomKeeper
from livekit.plugins.dataspike.keeper.rooms import LiveKitRooms, ServerUnavailable
from livekit.plugins.dataspike.keeper.rules import RoomAction, SeenRoom

T = TypeVar("T")
AGENT = api.ParticipantInfo.Kind.AGENT
STANDARD = api.ParticipantInfo.Kind.STANDARD
EGRESS = api.ParticipantInfo.Kind.EGRESS
SECRET = "a secret of a LiveKit server, long enough to sign"


def participant(identity: str, kind: Any = STANDARD, name: str | None = None, state: Any = 2) -> api.ParticipantInfo:
    attributes = {} if name is None else {"lk.agent_name": name}
    return api.ParticipantInfo(
        identity=identity, sid=f"PA_{identity}", kind=kind, state=state, joined_at_ms=7, attributes=attributes
    )


def error(code: str, message: str = "", status: int = 400) -> api.ServerError:
    return api.ServerError(code, message, status=status)


def with_rooms(use: Callable[[LiveKitRooms], Awaitable[T]], *, agent_name: str = "deepfake", **fakes: Any) -> T:
    """Run `use` with a server whose requests are answered by these functions."""

    async def main() -> T:
        rooms = LiveKitRooms("ws://localhost:1", "key", SECRET, agent_name=agent_name, wanted=lambda name: name != "no")
        try:
            for service in (rooms._livekit.room, rooms._livekit.agent_dispatch):
                for name, fake in fakes.items():
                    setattr(service, name, fake)
            rooms._twirp.request = fakes.get("ask", _method_not_supported)  # type: ignore[method-assign]
            return await use(rooms)
        finally:
            await rooms.aclose()

    return asyncio.run(main())


async def _method_not_supported(*_: Any) -> Any:
    raise error("invalid_argument", "RpcError 1400: Method not supported at destination")


def look(*present: api.ParticipantInfo, **options: Any) -> SeenRoom:
    async def list_rooms(_request: object) -> api.ListRoomsResponse:
        return api.ListRoomsResponse(rooms=[api.Room(name="a", sid="RM_a"), api.Room(name="no", sid="RM_no")])

    async def list_participants(_request: object) -> api.ListParticipantsResponse:
        return api.ListParticipantsResponse(participants=present)

    async def list_dispatch(_room: str) -> list[api.AgentDispatch]:
        return [api.AgentDispatch(agent_name="voice")]

    fakes: dict[str, Any] = {"list_rooms": list_rooms, "list_participants": list_participants}
    fakes |= {"list_dispatch": list_dispatch} | options
    (room,) = with_rooms(lambda rooms: rooms.look(), **fakes)
    return room


def test_a_detector_is_an_agent_with_the_agents_name() -> None:
    """A participant who gives themselves the attribute is none: the kind comes from the token."""
    room = look(
        participant("agent-1", AGENT, "deepfake"),
        participant("agent-2", AGENT, "voice"),
        participant("agent-3", AGENT),
        participant("mallory", STANDARD, "deepfake"),
        participant("recorder", EGRESS),
    )
    assert [detector.identity for detector in room.detectors] == ["agent-1"]
    assert room.people == 1


def test_a_worker_without_a_name_has_agents_without_a_name() -> None:
    """Also on servers that do not tell the name."""
    room = look(participant("agent-1", AGENT, ""), participant("agent-2", AGENT), participant("agent-3", AGENT, "x"))
    assert room.detectors == ()
    room = look(
        participant("agent-1", AGENT, ""),
        participant("agent-2", AGENT),
        participant("agent-3", AGENT, "voice"),
        agent_name="",
    )
    assert [detector.identity for detector in room.detectors] == ["agent-1", "agent-2"]


def test_a_dispatch_of_the_same_agent_may_be_starting() -> None:
    """A dispatch of another agent does not count; where a detector is, the server is not asked."""
    asked: list[str] = []

    async def list_dispatch(room: str) -> list[api.AgentDispatch]:
        asked.append(room)
        jobs = [
            api.Job(state=api.JobState(status=api.JobStatus.JS_RUNNING, participant_identity="agent-2")),
            api.Job(state=api.JobState(status=api.JobStatus.JS_FAILED, participant_identity="agent-3")),
        ]
        state = api.AgentDispatchState(jobs=jobs)
        return [api.AgentDispatch(agent_name="voice"), api.AgentDispatch(agent_name="deepfake", state=state)]

    assert not look(participant("alice")).dispatched
    room = look(participant("alice"), list_dispatch=list_dispatch)
    assert (room.dispatched, room.starting) == (True, ("agent-2",))
    look(participant("alice"), participant("agent-1", AGENT, "deepfake"), list_dispatch=list_dispatch)
    assert asked == ["a"]


@pytest.mark.parametrize(
    ("failure", "answers"),
    [
        (None, True),
        (error("invalid_argument", "RpcError 1400: Method not supported at destination"), True),
        (error("unknown", "RpcError 1500: Application error in method handler"), True),
        (error("canceled", "RpcError 1502: Response timeout"), False),
        (error("unavailable", "RpcError 1501: Connection timeout"), False),
        (error("unavailable", "no response from servers", 503), False),
        (error("not_found", "participant does not exist", 404), False),
    ],
)
def test_a_detector_answers_when_its_process_says_anything(failure: Exception | None, answers: bool) -> None:
    """That it does not know the method is an answer; a timeout of the server is none."""

    async def ask(*_: Any) -> object:
        if failure is not None:
            raise failure
        return object()

    room = look(participant("agent-1", AGENT, "deepfake"), ask=ask)
    assert [detector.answers for detector in room.detectors] == [answers]


def test_a_detector_that_joins_and_a_server_that_cannot_ask_count_as_answers() -> None:
    """The server itself limits how long joining takes."""

    async def ask(*_: Any) -> object:
        raise error("bad_route", "no handler for path", 404)

    assert look(participant("agent-1", AGENT, "deepfake"), ask=ask).detectors[0].answers

    async def never(*_: Any) -> object:
        raise AssertionError("it is asked")

    assert look(participant("agent-1", AGENT, "deepfake", state=0), ask=never).detectors[0].answers


def test_a_room_that_cannot_be_read_is_not_known_and_one_that_has_ended_is_empty() -> None:
    """Neither fails the look at the others."""

    def failing(code: str) -> Callable[[object], Awaitable[object]]:
        async def list_participants(_request: object) -> object:
            raise error(code)

        return list_participants

    assert look(list_participants=failing("internal")) == SeenRoom("a", "RM_a", 0, known=False)
    assert look(list_participants=failing("not_found")) == SeenRoom("a", "RM_a", 0)


def test_a_second_request_withdraws_the_first() -> None:
    """Dispatches without effect do not pile up on the server; a withdrawn one that is gone is fine."""
    done: list[str] = []

    async def create_dispatch(request: api.CreateAgentDispatchRequest) -> api.AgentDispatch:
        done.append(f"create {request.agent_name} {request.room}")
        return api.AgentDispatch(id=f"AD_{len(done)}")

    async def delete_dispatch(dispatch: str, room: str) -> None:
        done.append(f"delete {dispatch} {room}")
        raise error("not_found")

    async def twice(rooms: LiveKitRooms) -> None:
        for _ in range(2):
            await rooms.perform(RoomAction("a", "RM_a", request=True))

    with_rooms(twice, create_dispatch=create_dispatch, delete_dispatch=delete_dispatch)
    assert done == ["create deepfake a", "delete AD_1 a", "create deepfake a"]


def test_what_fails_is_told_without_the_servers_words_and_without_the_secret() -> None:
    """A server's message may have anything in it."""

    async def list_rooms(_request: object) -> None:
        raise error("permission\x1b_denied", SECRET, 403)

    with pytest.raises(ServerUnavailable) as caught:
        look(list_rooms=list_rooms)
    assert str(caught.value) == "permission_denied (HTTP 403)"
    assert SECRET not in repr(RoomKeeper(api_secret=SECRET, registry=None))


def test_a_server_that_is_not_there_is_unavailable() -> None:
    """With the system's reason."""
    with pytest.raises(ServerUnavailable, match=r"^Connection refused$"):
        with_rooms(lambda rooms: rooms.look())


@pytest.mark.parametrize("begun", [False, True])
def test_cancelled_while_it_starts_the_keeper_leaves_nothing_behind(begun: bool) -> None:
    """Its tree has ended before its connections to the server are closed."""

    async def main() -> None:
        keeper = RoomKeeper(url="ws://localhost:1", api_key="key", api_secret=SECRET, registry=None)
        starting = asyncio.ensure_future(keeper.__aenter__())
        await asyncio.sleep(0)
        if begun:
            while not threads():
                await asyncio.sleep(0)
        starting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await starting
        assert threads() == []

    asyncio.run(main())


def threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name == "ds-actors-trio"]
