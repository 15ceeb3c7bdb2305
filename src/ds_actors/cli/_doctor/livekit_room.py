"""The checks that speak to a LiveKit server: its API, a room, and a data packet from one participant to another."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import AsyncGenerator, Coroutine
from contextlib import asynccontextmanager, suppress
from typing import Final

import aiohttp
from livekit import api, rtc

from ds_actors.cli._doctor.livekit_checks import DATA, JOIN, KEY, SERVER, LiveKitSettings, judge_grants
from ds_actors.cli._doctor.livekit_url import url_problem
from ds_actors.cli._doctor.result import CheckResult, failed, passed
from ds_actors.detection.events import plain

TOPIC: Final = "ds_actors_doctor"
AGAIN_AFTER: Final = 0.5
"""Seconds between two packets: the first can come before the receiver's data channel is open."""
_REFUSED: Final = frozenset({401, 403})


def run(settings: LiveKitSettings, timeout: float) -> list[CheckResult]:
    """Return the results of all steps up to the first failure."""
    return _quietly(_check(settings, timeout))


def run_server_steps(settings: LiveKitSettings, timeout: float) -> list[CheckResult]:
    """Return the results of the steps that join no room: whether the server answers and accepts the key."""
    return _quietly(_check_server(settings, timeout))


def _quietly(check: Coroutine[None, None, list[CheckResult]]) -> list[CheckResult]:
    # The SDK logs what the results say already, as lines of its own between theirs.
    sdk = logging.getLogger("livekit")
    before = sdk.level
    sdk.setLevel(logging.CRITICAL)
    try:
        return asyncio.run(check)
    finally:
        sdk.setLevel(before)


async def _check(settings: LiveKitSettings, timeout: float) -> list[CheckResult]:
    results = await _check_server(settings, timeout)
    if len(results) == 2 and not results[-1].fix:
        results += await _check_room(settings, timeout)
    return results


async def _check_server(settings: LiveKitSettings, timeout: float) -> list[CheckResult]:
    url = plain(settings.url, 200)
    if (problem := url_problem(settings.url)) is not None:
        form = (
            "set LIVEKIT_URL to wss://HOST, as LiveKit's project settings show it, or to ws://HOST:PORT of your server"
        )
        return [failed(SERVER, f"LIVEKIT_URL is {url!r}: {problem}", form)]
    fix = "check LIVEKIT_URL, and that the server runs and can be reached from here"
    try:
        async with asyncio.timeout(timeout), api.LiveKitAPI(settings.url, settings.key, settings.secret) as server:
            await server.room.list_rooms(api.ListRoomsRequest(names=[TOPIC]))
    except api.TwirpError as error:
        if error.status in _REFUSED:
            key_fix = "copy both of this server again, and check this machine's clock"
            text = f"the server refuses LIVEKIT_API_KEY or LIVEKIT_API_SECRET (HTTP {error.status})"
            return [passed(SERVER, f"{url} answers"), failed(KEY, text, key_fix)]
        return [failed(SERVER, f"{url} answered HTTP {error.status}, as no LiveKit server does", fix)]
    except TimeoutError:
        return [failed(SERVER, f"{url} did not answer within {timeout:g} s", fix)]
    except (aiohttp.ClientError, OSError, ValueError) as error:
        return [failed(SERVER, f"{url} was not reached: {plain(str(error), 300)}", fix)]
    return [passed(SERVER, f"{url} answers"), passed(KEY, "accepted")]


async def _check_room(settings: LiveKitSettings, timeout: float) -> list[CheckResult]:
    name = f"ds-actors-doctor-{secrets.token_hex(4)}"
    token = settings.token or _token(settings, name, "ds-actors-doctor")
    fix = (
        "allow WebSockets to the server, and UDP or TCP to its media ports (or TURN) in the firewall; "
        "check LIVEKIT_TOKEN if it is set"
    )
    try:
        async with _joined(settings.url, token, timeout) as agent:
            results = [passed(JOIN, "joined a room"), _grants(agent)]
            results.append(await _check_data(settings, agent, timeout))
    except (rtc.ConnectError, TimeoutError) as error:
        text = plain(str(error), 300) or f"not joined within {timeout:g} s"
        return [failed(JOIN, text, fix)]
    if settings.token is None:
        await _delete(settings, name)
    return results


def _grants(agent: rtc.Room) -> CheckResult:
    granted = agent.local_participant.permissions
    return judge_grants(
        can_subscribe=granted.can_subscribe, can_publish_data=granted.can_publish_data, hidden=granted.hidden
    )


async def _check_data(settings: LiveKitSettings, agent: rtc.Room, timeout: float) -> CheckResult:
    """Send a packet from the agent to an observer in the same room."""
    identity, payload = f"ds-actors-doctor-{secrets.token_hex(4)}", secrets.token_bytes(16)
    fix = "grant can_publish_data to the agent; if it is granted, check the media ports in the firewall"
    arrived = asyncio.Event()

    def received(packet: rtc.DataPacket) -> None:
        if packet.data == payload:
            arrived.set()

    try:
        async with _joined(settings.url, _token(settings, agent.name, identity), timeout) as observer:
            observer.on("data_received", received)  # pyright: ignore[reportUnknownMemberType]
            async with asyncio.timeout(timeout):
                while not arrived.is_set():
                    await agent.local_participant.publish_data(payload, topic=TOPIC, destination_identities=[identity])
                    with suppress(TimeoutError):
                        await asyncio.wait_for(arrived.wait(), AGAIN_AFTER)
    except rtc.ConnectError as error:
        return failed(DATA, f"a second participant could not join: {plain(str(error), 300)}", fix)
    except TimeoutError:
        return failed(DATA, f"no packet arrived at another participant within {timeout:g} s", fix)
    except Exception as error:  # noqa: BLE001 - the SDK's PublishDataError is not public
        return failed(DATA, f"the packet was not sent: {plain(str(error), 300)}", fix)
    return passed(DATA, "a packet arrived at another participant")


@asynccontextmanager
async def _joined(url: str, token: str, timeout: float) -> AsyncGenerator[rtc.Room]:
    room = rtc.Room()
    try:
        async with asyncio.timeout(timeout):
            await room.connect(url, token, rtc.RoomOptions(auto_subscribe=False))
        yield room
    finally:
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                await room.disconnect()


def _token(settings: LiveKitSettings, room: str, identity: str) -> str:
    grants = api.VideoGrants(room_join=True, room=room, can_subscribe=True, can_publish=False, can_publish_data=True)
    return api.AccessToken(settings.key, settings.secret).with_identity(identity).with_grants(grants).to_jwt()


async def _delete(settings: LiveKitSettings, name: str) -> None:
    # The server deletes an empty room by itself, later.
    with suppress(api.TwirpError, aiohttp.ClientError, OSError):
        async with api.LiveKitAPI(settings.url, settings.key, settings.secret) as server:
            await server.room.delete_room(api.DeleteRoomRequest(room=name))
