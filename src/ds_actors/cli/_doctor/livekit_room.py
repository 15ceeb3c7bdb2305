"""The checks that speak to a LiveKit server: its API, a room, and a data packet from one participant to another."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import AsyncGenerator, Generator, Iterator
from contextlib import AsyncExitStack, contextmanager, suppress
from typing import Final

from livekit import api, rtc

from ds_actors.cli._doctor.livekit_connection import (
    API_ERRORS,
    IDENTITY,
    joined,
    new_identity,
    new_token,
    open_api,
    own_room,
)
from ds_actors.cli._doctor.livekit_dispatch import check_dispatch
from ds_actors.cli._doctor.livekit_names import DATA, JOIN, KEY, SERVER
from ds_actors.cli._doctor.livekit_settings import LiveKitSettings, LiveKitTargets
from ds_actors.cli._doctor.livekit_tracks import check_tracks
from ds_actors.cli._doctor.livekit_url import shown_url, url_problem
from ds_actors.cli._doctor.livekit_verdicts import judge_grants
from ds_actors.cli._doctor.result import CheckResult, failed, passed
from ds_actors.detection.events import plain
from ds_actors.detection.short_secret import short_secret_permitted
from ds_actors.detection.uplink.unreached import why_unreached

TOPIC: Final = "ds_actors_doctor"
AGAIN_AFTER: Final = 0.5
"""Seconds between two packets: the first can come before the receiver's data channel is open."""
_REFUSED: Final = frozenset({401, 403})


def run(settings: LiveKitSettings, targets: LiveKitTargets, timeout: float) -> Iterator[CheckResult]:
    """Yield the result of each step as it comes, up to the first failure that leaves nothing to try."""

    async def following() -> CheckResult | None:
        return await anext(results, None)

    with _quietly(settings), asyncio.Runner() as runner:
        results = _check(settings, targets, timeout)
        while result := runner.run(following()):
            yield result


def run_server_steps(settings: LiveKitSettings, timeout: float) -> list[CheckResult]:
    """Return the results of the steps that join no room: whether the server answers and accepts the key."""
    with _quietly(settings):
        return asyncio.run(_check_server(settings, timeout))


@contextmanager
def _quietly(settings: LiveKitSettings) -> Generator[None]:
    # The SDK logs what the results say already, as lines of its own between theirs.
    sdk = logging.getLogger("livekit")
    before = sdk.level
    sdk.setLevel(logging.CRITICAL)
    try:
        with short_secret_permitted(settings.url):
            yield
    finally:
        sdk.setLevel(before)


async def _check(settings: LiveKitSettings, targets: LiveKitTargets, timeout: float) -> AsyncGenerator[CheckResult]:
    results = await _check_server(settings, timeout)
    for result in results:
        yield result
    if len(results) < 2 or results[-1].fix:
        return
    async for result in _check_room(settings, targets, timeout):
        yield result
        if result.name == JOIN and result.fix:
            return
    if targets.agent is not None:
        async for result in check_dispatch(settings, targets.agent, timeout):
            yield result


async def _check_server(settings: LiveKitSettings, timeout: float) -> list[CheckResult]:
    url = plain(shown_url(settings.url), 200)
    if (problem := url_problem(settings.url)) is not None:
        form = (
            "set LIVEKIT_URL to wss://HOST, as LiveKit's project settings show it, or to ws://HOST:PORT of your server"
        )
        return [failed(SERVER, f"LIVEKIT_URL is {url!r}: {problem}", form)]
    fix = "check LIVEKIT_URL, and that the server runs and can be reached from here"
    try:
        async with asyncio.timeout(timeout), open_api(settings, timeout) as server:
            await server.room.list_rooms(api.ListRoomsRequest(names=[TOPIC]))
    except api.TwirpError as error:
        if error.status in _REFUSED:
            key_fix = "copy both of this server again, and check this machine's clock"
            text = f"the server refuses LIVEKIT_API_KEY or LIVEKIT_API_SECRET (HTTP {error.status})"
            return [passed(SERVER, f"{url} answers"), failed(KEY, text, key_fix)]
        return [failed(SERVER, f"{url} answered HTTP {error.status}, as no LiveKit server does", fix)]
    except TimeoutError:
        return [failed(SERVER, f"{url} did not answer within {timeout:g} s", fix)]
    except API_ERRORS as error:
        return [failed(SERVER, f"{url} was not reached: {plain(why_unreached(error) or str(error), 300)}", fix)]
    return [passed(SERVER, f"{url} answers"), passed(KEY, "accepted")]


async def _check_room(
    settings: LiveKitSettings, targets: LiveKitTargets, timeout: float
) -> AsyncGenerator[CheckResult]:
    fix = (
        "allow WebSockets to the server, and UDP or TCP to its media ports (or TURN) in the firewall; "
        "check LIVEKIT_TOKEN if it is set"
    )
    async with AsyncExitStack() as stack:
        token = settings.token
        if token is None:
            token = new_token(settings, await stack.enter_async_context(own_room(settings, timeout)), IDENTITY)
        try:
            agent = await stack.enter_async_context(joined(settings.url, token, timeout))
        except (rtc.ConnectError, TimeoutError) as error:
            yield failed(JOIN, plain(str(error), 300) or f"not joined within {timeout:g} s", fix)
            return
        yield passed(JOIN, "joined a room")
        yield _grants(agent)
        yield await _check_data(settings, agent, timeout)
        for result in await check_tracks(settings, agent, targets.room, timeout):
            yield result


def _grants(agent: rtc.Room) -> CheckResult:
    granted = agent.local_participant.permissions
    return judge_grants(
        can_subscribe=granted.can_subscribe, can_publish_data=granted.can_publish_data, hidden=granted.hidden
    )


async def _check_data(settings: LiveKitSettings, agent: rtc.Room, timeout: float) -> CheckResult:
    """Send a packet from the agent to an observer in the same room."""
    identity, payload = new_identity(), secrets.token_bytes(16)
    fix = "grant can_publish_data to the agent; if it is granted, check the media ports in the firewall"
    arrived = asyncio.Event()

    def received(packet: rtc.DataPacket) -> None:
        if packet.data == payload:
            arrived.set()

    try:
        async with joined(settings.url, new_token(settings, agent.name, identity), timeout) as observer:
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
