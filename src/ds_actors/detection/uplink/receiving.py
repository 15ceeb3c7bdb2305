"""The receiving side of an open connection: results, malformed messages, the heartbeat."""

from __future__ import annotations

from collections.abc import Callable

import trio
from trio_websocket import WebSocketConnection

from ds_actors.detection.errors import Unreachable
from ds_actors.detection.events import WireResult
from ds_actors.detection.uplink.heartbeat import PONG_WITHIN, Close, Heartbeat, SendPing
from ds_actors.detection.uplink.pings import await_pong
from ds_actors.detection.uplink.wire import MalformedMessage, decode_result


def _nothing(*_: object) -> None:
    pass


def start_receiving(
    nursery: trio.Nursery,
    websocket: WebSocketConnection,
    heartbeat: Heartbeat,
    *,
    result: Callable[[WireResult], object],
    malformed: Callable[[], object],
    answered: Callable[[], object] = _nothing,
    alive: Callable[[float], object] = _nothing,
) -> None:
    """Start two tasks that read messages and keep the heartbeat until they are cancelled or raise Unreachable.

    The callbacks must not wait, or pongs stay unread and a live connection looks dead.

    Args:
        nursery: where the tasks live.
        websocket: the open connection.
        heartbeat: decides whether it is alive.
        result: called with each answer.
        malformed: called for each malformed message.
        answered: called for each pong, and for each answer before `result`.
        alive: called with the time, in seconds, at least once per second.
    """

    def note_answer() -> None:
        heartbeat.answered()
        answered()

    nursery.start_soon(_receive, websocket, heartbeat, note_answer, result, malformed)
    nursery.start_soon(_watch, websocket, heartbeat, nursery, note_answer, alive)


async def _receive(
    websocket: WebSocketConnection,
    heartbeat: Heartbeat,
    note_answer: Callable[[], object],
    result: Callable[[WireResult], object],
    malformed: Callable[[], object],
) -> None:
    while True:
        data = await websocket.get_message()
        try:
            if isinstance(data, str):
                raise MalformedMessage("text")
            answer = decode_result(data)
        except MalformedMessage:
            malformed()
            close = heartbeat.malformed()
            if close is not None:
                raise Unreachable(close.reason) from None
            continue
        heartbeat.wellformed()
        note_answer()
        result(answer)


async def _watch(
    websocket: WebSocketConnection,
    heartbeat: Heartbeat,
    nursery: trio.Nursery,
    note_answer: Callable[[], object],
    alive: Callable[[float], object],
) -> None:
    awaits_send = False
    while True:
        now = trio.current_time()
        # A send that begins during this sleep brings a nearer deadline.
        await trio.sleep_until(min(heartbeat.due(), now + (0.05 if awaits_send else 1.0)))
        now = trio.current_time()
        if awaits_send and not heartbeat.sending:
            awaits_send = False
            heartbeat.ping_sent(now)
        alive(now)
        match heartbeat.tick(now):
            case SendPing():
                nursery.start_soon(_ping, websocket, note_answer)
                awaits_send = True
            case Close(reason):
                raise Unreachable(reason)
            case None:
                pass


async def _ping(websocket: WebSocketConnection, note_answer: Callable[[], object]) -> None:
    if await ping(websocket):
        note_answer()


async def ping(websocket: WebSocketConnection) -> bool:
    """Send a ping; return whether its pong came in time.

    Where pings are left unanswered, answers may keep a connection alive for weeks, and tasks that wait would pile up.
    """
    with trio.move_on_after(PONG_WITHIN):
        return await await_pong(websocket)
    return False
