"""What a keeper asks a LiveKit server, and has it do, through livekit-api. Everything here runs on an asyncio loop."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Collection, Coroutine
from typing import Any, Final

import aiohttp
from attrs import evolve
from livekit import api
from livekit.api.twirp_client import TwirpClient
from livekit.plugins.dataspike.keeper.rules import RoomAction, SeenDetector, SeenRoom
from livekit.protocol.room import PerformRpcRequest, PerformRpcResponse

from ds_actors.detection.events import plain
from ds_actors.detection.uplink.unreached import why_unreached

ROOMS_AT_ONCE: Final = 20
"""Rooms that are asked about at the same time."""
MOST_ROOMS: Final = 10_000
ANSWER_WITHIN: Final = 1.5
"""Seconds within which a detector's process answers the server, or counts as silent in this look."""
TIMEOUT: Final = 8.0
"""Seconds for one request to the server."""
METHOD: Final = "dataspike.alive"
"""No agent has this method: that it says so is the answer."""
_NAMES: Final = ("lk.agent_name", "lk.agent.name")
_NOT_PEOPLE: Final = frozenset({api.ParticipantInfo.Kind.AGENT, api.ParticipantInfo.Kind.EGRESS})
_ERRORS: Final = (api.ServerError, aiohttp.ClientError, TimeoutError)
_CANNOT_ASK: Final = frozenset({"bad_route", "unimplemented"})
_REFUSED: Final = frozenset({"unauthenticated", "permission_denied"})
_NO_ANSWER: Final = ("RpcError 1501", "RpcError 1502", "RpcError 1503")
"""Connection timeout, response timeout, recipient disconnected."""


class ServerUnavailable(Exception):
    """The LiveKit server did not do what it was asked; the text says why and has no key in it."""


class LiveKitRooms:
    """One LiveKit server, as a keeper uses it; make it on the loop.

    Args:
        url: the server's; else LIVEKIT_URL.
        api_key: else LIVEKIT_API_KEY.
        api_secret: else LIVEKIT_API_SECRET.
        agent_name: of the workers that run the detector; empty for workers without a name.
        wanted: called with a room's name; a room for which it returns False is left alone.

    Raises:
        ValueError: when the URL, the key or the secret is missing.
    """

    def __init__(
        self,
        url: str | None,
        api_key: str | None,
        api_secret: str | None,
        *,
        agent_name: str,
        wanted: Callable[[str], bool],
    ) -> None:
        url = url or os.environ.get("LIVEKIT_URL")
        key = api_key or os.environ.get("LIVEKIT_API_KEY")
        secret = api_secret or os.environ.get("LIVEKIT_API_SECRET")
        if not (url and key and secret):
            raise ValueError("the keeper needs LIVEKIT_URL, LIVEKIT_API_KEY and LIVEKIT_API_SECRET")
        self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=TIMEOUT))
        self._livekit = api.LiveKitAPI(url, key, secret, session=self._session)
        # The request is not among livekit-api's methods yet. It is asked again at the next look, so not repeated here.
        self._twirp = TwirpClient(self._session, url, "livekit", failover=False)
        self._agent_name = agent_name
        self._wanted = wanted
        self._limit = asyncio.Semaphore(ROOMS_AT_ONCE)
        self._asked: dict[str, str] = {}
        """The last dispatch that was requested, by the room's sid."""
        self.can_ask = True
        """False once the server said that it cannot ask a participant: livekit-server before 1.10."""
        self.left_out = 0
        """Rooms above the limit, at the last look."""

    async def aclose(self) -> None:
        """Close the connections."""
        await self._session.close()

    async def look(self) -> list[SeenRoom]:
        """Return the rooms that should be watched.

        Raises:
            ServerUnavailable: when the server does not say.
        """
        try:
            listed = await self._livekit.room.list_rooms(api.ListRoomsRequest())
        except _ERRORS as error:
            raise _unavailable(error) from None
        rooms = [room for room in listed.rooms if self._wanted(room.name)]
        self.left_out = max(0, len(rooms) - MOST_ROOMS)
        seen = await asyncio.gather(*(self._look_at(room) for room in rooms[:MOST_ROOMS]))
        sids = {room.sid for room in seen}
        self._asked = {sid: dispatch for sid, dispatch in self._asked.items() if sid in sids}
        return seen

    async def perform(self, action: RoomAction) -> None:
        """Remove the participants, then request the dispatch; an earlier request without effect is withdrawn.

        Raises:
            ServerUnavailable: when the server refuses, or does not answer.
        """
        try:
            for identity in action.remove:
                await _unless_gone(
                    self._livekit.room.remove_participant(
                        api.RoomParticipantIdentity(room=action.room, identity=identity)
                    )
                )
            if action.request:
                stale = self._asked.pop(action.sid, None)
                if stale is not None:
                    await _unless_gone(self._livekit.agent_dispatch.delete_dispatch(stale, action.room))
                made = await self._livekit.agent_dispatch.create_dispatch(
                    api.CreateAgentDispatchRequest(agent_name=self._agent_name, room=action.room)
                )
                self._asked[action.sid] = made.id
        except _ERRORS as error:
            raise _unavailable(error) from None

    async def _look_at(self, room: api.Room) -> SeenRoom:
        async with self._limit:
            try:
                listed = await self._livekit.room.list_participants(api.ListParticipantsRequest(room=room.name))
                present = [p for p in listed.participants if p.state != api.ParticipantInfo.State.DISCONNECTED]
                detectors = [
                    SeenDetector(p.identity, p.sid, p.joined_at_ms, answers=await self._answers(room.name, p))
                    for p in present
                    if self._is_detector(p)
                ]
                people = sum(p.kind not in _NOT_PEOPLE for p in present)
                seen = SeenRoom(room.name, room.sid, people, tuple(detectors))
                return await self._with_dispatches(seen, present) if people and not detectors else seen
            except _ERRORS as error:
                # Not the failure of the whole look: one broken room must not hide the others.
                has_ended = isinstance(error, api.ServerError) and error.code == "not_found"
                return SeenRoom(room.name, room.sid, 0, known=has_ended)

    async def _with_dispatches(self, room: SeenRoom, present: Collection[api.ParticipantInfo]) -> SeenRoom:
        dispatches = [
            dispatch
            for dispatch in await self._livekit.agent_dispatch.list_dispatch(room.name)
            if dispatch.agent_name == self._agent_name
        ]
        states = [job.state for dispatch in dispatches for job in dispatch.state.jobs]
        running = [state.participant_identity for state in states if state.status == api.JobStatus.JS_RUNNING]
        here = {participant.identity for participant in present}
        starting = tuple(identity for identity in running if identity and identity not in here)
        return evolve(room, dispatched=bool(dispatches), starting=starting)

    def _is_detector(self, participant: api.ParticipantInfo) -> bool:
        # The kind comes from the token: a participant of another kind cannot pass as an agent by its attributes.
        if participant.kind != api.ParticipantInfo.Kind.AGENT:
            return False
        names = [participant.attributes[name] for name in _NAMES if name in participant.attributes]
        return self._agent_name in names if names else not self._agent_name

    async def _answers(self, room: str, participant: api.ParticipantInfo) -> bool:
        if not self.can_ask or participant.state != api.ParticipantInfo.State.ACTIVE:
            return True  # one that is still joining: the server itself limits how long that takes
        request = PerformRpcRequest(
            room=room,
            destination_identity=participant.identity,
            method=METHOD,
            response_timeout_ms=round(1_000 * ANSWER_WITHIN),
        )
        service = self._livekit.room
        grants = api.VideoGrants(room_admin=True, room=room)
        token = api.AccessToken(service.api_key, service.api_secret).with_grants(grants).to_jwt()
        headers = {"authorization": f"Bearer {token}"}
        try:
            await self._twirp.request("RoomService", "PerformRpc", request, headers, PerformRpcResponse)
        except api.ServerError as error:
            if error.code in _REFUSED:
                raise
            if error.code in _CANNOT_ASK:
                self.can_ask = False
                return True
            return "RpcError" in error.message and not any(text in error.message for text in _NO_ANSWER)
        return True


async def _unless_gone(request: Coroutine[Any, Any, object]) -> None:
    try:
        await request
    except api.ServerError as error:
        if error.code != "not_found":
            raise


def _unavailable(error: Exception) -> ServerUnavailable:
    if isinstance(error, api.ServerError):
        return ServerUnavailable(f"{plain(error.code, 40)} (HTTP {error.status})")
    if isinstance(error, TimeoutError):
        return ServerUnavailable(f"no answer within {TIMEOUT:g} s")
    return ServerUnavailable(plain(why_unreached(error) or type(error).__name__, 300))
