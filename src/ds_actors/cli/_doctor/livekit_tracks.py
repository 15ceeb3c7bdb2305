"""Whether the tracks of a room can be seen, and whether their frames can be judged."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from livekit import api, rtc

from ds_actors._text import plain
from ds_actors.cli._doctor.livekit_connection import (
    API_ERRORS,
    IDENTITY,
    joined,
    new_identity,
    new_token,
    open_api,
    publish_picture,
)
from ds_actors.cli._doctor.livekit_names import ENCRYPTION, TRACKS
from ds_actors.cli._doctor.livekit_settings import LiveKitSettings
from ds_actors.cli._doctor.livekit_verdicts import RoomView, judge_encryption, judge_tracks
from ds_actors.cli._doctor.result import CheckResult, failed, passed, skipped, warned

MOST_TRIED: Final = 8
"""Tracks that are subscribed to: a large room would send more than the answer is worth."""
_EVERY: Final = 0.05
_NOT_PEOPLE: Final = frozenset(
    {rtc.ParticipantKind.PARTICIPANT_KIND_AGENT, rtc.ParticipantKind.PARTICIPANT_KIND_EGRESS}
)
_NAME_IT: Final = "name a room with --room to check its tracks"


async def check_tracks(
    settings: LiveKitSettings, agent: rtc.Room, room: str | None, timeout: float
) -> list[CheckResult]:
    """Return the results about a room's tracks and their encryption.

    Args:
        settings: the server's; with a token, the token's room is the one that is looked at.
        agent: the room that the doctor is in, by that token or by one of its own.
        room: the room that the user names.
        timeout: seconds that each step may take.
    """
    if settings.token is not None:
        if room not in (None, agent.name):
            text = f"LIVEKIT_TOKEN is for room {plain(agent.name, 100)!r}, not for {plain(room or '', 100)!r}"
            return _unseen(failed(TRACKS, text, "name the token's room with --room, or unset LIVEKIT_TOKEN"))
        return _judge(agent.name, await _look(agent, timeout), timeout)
    if room is None:
        own = await _check_own_track(settings, agent, timeout)
        return [own, skipped(ENCRYPTION, f"not asked for: {_NAME_IT}")]
    try:
        async with asyncio.timeout(timeout), open_api(settings, timeout) as server:
            rooms = (await server.room.list_rooms(api.ListRoomsRequest(names=[room]))).rooms
        if not rooms:
            # Joining would make it, and send agents there.
            fix = "check the name, and run the doctor while participants are in the room"
            return _unseen(warned(TRACKS, f"the server has no room {plain(room, 100)!r} now", fix))
        token = new_token(settings, room, new_identity(), hidden=True)
        async with joined(settings.url, token, timeout) as hidden:
            return _judge(room, await _look(hidden, timeout), timeout)
    except TimeoutError:
        why = f"not within {timeout:g} s"
    except (rtc.ConnectError, *API_ERRORS) as error:
        why = plain(str(error), 300)
    return _unseen(failed(TRACKS, f"room {plain(room, 100)!r} cannot be looked into: {why}", "try again"))


def _judge(room: str, view: RoomView, timeout: float) -> list[CheckResult]:
    tracks = judge_tracks(room, view, timeout)
    return [tracks, judge_encryption(view)] if view.tracks else _unseen(tracks)


def _unseen(tracks: CheckResult) -> list[CheckResult]:
    return [tracks, skipped(ENCRYPTION, "not tried: no track is visible")]


async def _look(room: rtc.Room, timeout: float) -> RoomView:
    """Subscribe to the room's first tracks for a moment."""
    may_subscribe = bool(room.local_participant.permissions.can_subscribe)
    tried = [publication.sid for publication in _publications(room)[:MOST_TRIED]] if may_subscribe else []
    for publication in _publications(room):
        if publication.sid in tried:
            publication.set_subscribed(True)

    def missing() -> list[str]:
        return [found.sid for found in _publications(room) if found.sid in tried and found.track is None]

    await _wait(lambda: not missing(), timeout)
    found = _publications(room)
    view = RoomView(
        people=len(_people(room)),
        tracks=len(found),
        muted=sum(publication.muted for publication in found),
        encrypted=sum(publication.encryption_type != rtc.EncryptionType.NONE for publication in found),
        tried=len(tried),
        subscribed=len(tried) - len(missing()),
        may_subscribe=may_subscribe,
    )
    for publication in found:
        if publication.sid in tried:
            publication.set_subscribed(False)
    return view


async def _check_own_track(settings: LiveKitSettings, agent: rtc.Room, timeout: float) -> CheckResult:
    """Publish a track as a second participant, and have the first one subscribe to it."""
    identity = new_identity()
    fix = "check the media ports in the firewall, and that the server permits VP8 (room.enabled_codecs)"
    try:
        token = new_token(settings, agent.name, identity, can_publish=True)
        async with joined(settings.url, token, timeout) as publisher:
            if why := await publish_picture(publisher, timeout):
                return failed(TRACKS, f"a track of the doctor's own was not published: {why}", fix)

            def visible() -> bool:
                mine = agent.remote_participants.get(identity)
                for publication in mine.track_publications.values() if mine else ():
                    if not publication.subscribed:
                        publication.set_subscribed(True)
                    if publication.track is not None:
                        return True
                return False

            if not await _wait(visible, timeout):
                text = f"a track of the doctor's own was not seen by another participant within {timeout:g} s"
                return failed(TRACKS, text, fix)
    except (rtc.ConnectError, TimeoutError) as error:
        why = plain(str(error), 300) or f"not joined within {timeout:g} s"
        return failed(TRACKS, f"a second participant could not join: {why}", fix)
    return passed(TRACKS, f"a track of the doctor's own is visible to another participant; {_NAME_IT}")


def _people(room: rtc.Room) -> list[rtc.RemoteParticipant]:
    return [
        participant
        for participant in room.remote_participants.values()
        if participant.kind not in _NOT_PEOPLE and not participant.identity.startswith(IDENTITY)
    ]


def _publications(room: rtc.Room) -> list[rtc.RemoteTrackPublication]:
    return [publication for participant in _people(room) for publication in participant.track_publications.values()]


async def _wait(done: Callable[[], bool], timeout: float) -> bool:
    end = asyncio.get_running_loop().time() + timeout
    while not done():
        if asyncio.get_running_loop().time() > end:
            return False
        await asyncio.sleep(_EVERY)
    return True
