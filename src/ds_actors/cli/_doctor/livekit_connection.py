"""How the doctor enters rooms: names, tokens, participants that leave again, and rooms that are deleted again."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from typing import Final

import aiohttp
from livekit import api, rtc

from ds_actors.cli._doctor.livekit_settings import LiveKitSettings
from ds_actors.detection.events import plain

IDENTITY: Final = "ds-actors-doctor"
"""How every participant and room of the doctor's own is named, with a suffix."""
API_ERRORS: Final = (api.TwirpError, aiohttp.ClientError, OSError, ValueError)
"""What a call of the server's API raises; a TimeoutError is an OSError."""
_SIDE: Final = 32
"""Pixels: pictures under 64 px are sent to no service, should a monitor be in the room."""


def new_identity() -> str:
    """Return a name that no participant and no room has."""
    return f"{IDENTITY}-{secrets.token_hex(4)}"


def new_token(
    settings: LiveKitSettings, room: str, identity: str, *, can_publish: bool = False, hidden: bool = False
) -> str:
    """Return a token that sees everything and publishes data; tracks only with `can_publish`."""
    grants = api.VideoGrants(
        room_join=True,
        room=room,
        can_subscribe=True,
        can_publish=can_publish,
        can_publish_data=not hidden,
        hidden=hidden,
    )
    return api.AccessToken(settings.key, settings.secret).with_identity(identity).with_grants(grants).to_jwt()


def open_api(settings: LiveKitSettings, timeout: float) -> api.LiveKitAPI:
    """Return the server's API, which is a context manager; each call may take `timeout` seconds."""
    # The SDK's own timeout is 10 s, whatever the user has given.
    limit = aiohttp.ClientTimeout(total=timeout)
    return api.LiveKitAPI(settings.url, settings.key, settings.secret, timeout=limit)


@asynccontextmanager
async def joined(url: str, token: str, timeout: float) -> AsyncGenerator[rtc.Room]:
    """Be in a room for the length of a block; it subscribes to nothing by itself.

    Raises:
        rtc.ConnectError: when the server refuses.
        TimeoutError: when joining takes longer than `timeout` seconds.
    """
    room = rtc.Room()
    try:
        async with asyncio.timeout(timeout):
            await room.connect(url, token, rtc.RoomOptions(auto_subscribe=False))
        yield room
    finally:
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                await room.disconnect()


@asynccontextmanager
async def own_room(settings: LiveKitSettings, timeout: float) -> AsyncGenerator[str]:
    """Yield the name of a room that joining makes; it is deleted at the block's end, within `timeout` seconds."""
    name = new_identity()
    try:
        yield name
    finally:
        # The server deletes an empty room by itself, later.
        with suppress(*API_ERRORS):
            async with asyncio.timeout(timeout), open_api(settings, timeout) as server:
                await server.room.delete_room(api.DeleteRoomRequest(room=name))


async def publish_picture(room: rtc.Room, timeout: float) -> str:
    """Publish a small video track, which is black, and return why that failed, or nothing."""
    track = rtc.LocalVideoTrack.create_video_track("doctor", rtc.VideoSource(_SIDE, _SIDE))
    try:
        async with asyncio.timeout(timeout):
            await room.local_participant.publish_track(track, rtc.TrackPublishOptions(simulcast=False))
    except TimeoutError:
        return f"the server did not take it within {timeout:g} s"
    except Exception as error:  # noqa: BLE001 - the SDK's PublishTrackError is not public
        return plain(str(error), 300)
    return ""
