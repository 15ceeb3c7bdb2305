"""RoomSession: one room under watch, from the detector's `start()` until everything is closed.

On the agent's loop it watches the room and takes the frames that are due. Everything else runs in trio, in its own
thread: the monitor's tree, the uplink, the JPEGs.
"""

from __future__ import annotations

import asyncio
import inspect
import os
from collections.abc import AsyncIterable, Callable
from typing import Any, Final, cast

import trio
from attrs import evolve
from livekit import rtc
from livekit.agents import AgentSession
from livekit.agents.vad import VADEvent
from livekit.plugins.dataspike._callback_sink import LoopCallbackSink
from livekit.plugins.dataspike._coverage_packets import CoveragePublisher
from livekit.plugins.dataspike._forwarding import ForwardingControl
from livekit.plugins.dataspike._gate import SpeechGate
from livekit.plugins.dataspike._handlers import Handlers, is_connected
from livekit.plugins.dataspike._levels import LevelsSink, RoomLevels
from livekit.plugins.dataspike._reconciler import DesiredTrack, TrackReconciler
from livekit.plugins.dataspike._room_sink import RoomPublisher, RoomSink
from livekit.plugins.dataspike._settings import Settings
from livekit.plugins.dataspike._watcher import RoomWatcher
from livekit.plugins.dataspike.log import logger

from ds_actors.asyncio import LoopBridge, TrioThread
from ds_actors.detection import Sink, Status
from ds_actors.detection.events import plain
from ds_actors.detection.log_fields import log_fields
from ds_actors.detection.metrics import default_metrics
from ds_actors.detection.status import RoomState

CLOSE_WITHIN: Final = 5.0
STREAMS_WITHIN: Final = 2.0
_ROOM_STATES: Final[dict[int, RoomState]] = {
    rtc.ConnectionState.CONN_CONNECTED: "connected",
    rtc.ConnectionState.CONN_RECONNECTING: "reconnecting",
}


class RoomSession:
    """Watches one room. Make it on the loop whose room it is, in a `log_fields` block of the same fields.

    The fields have the room's name once it is connected, if they did not have it before.
    """

    def __init__(self, settings: Settings, room: rtc.Room, fields: dict[str, str]) -> None:
        self._room = room
        self._log_fields = fields
        self._state_cb = settings.state_cb
        self._rules = settings.rules
        self._pid = os.getpid()
        self._connected = room.isconnected()
        self._room_name = room.name if self._connected else ""
        """Read on the loop, for sinks, which are called in trio."""
        self.bridge: LoopBridge = LoopBridge()
        self._publisher = RoomPublisher(room, settings.destinations) if "room" in settings.sinks else None
        self._levels = RoomLevels(room) if settings.mirror_levels else None
        self.monitor = settings.make_monitor(self._make_sinks(settings), self._monitor_changed, fields)
        self._coverage = (
            CoveragePublisher(room, self.monitor.status, settings.destinations) if settings.publish_coverage else None
        )
        self.forwarding = ForwardingControl(self.bridge.loop, settings.forwarding, settings.min_side)
        self._watcher = RoomWatcher(
            room,
            settings.rules,
            self.bridge,
            self.forwarding,
            auto_subscribe=settings.auto_subscribe,
            want=self._want,
            joined=lambda identity: self._tell(self.monitor.participant_joined, identity),
            left=lambda identity: self._tell(self.monitor.participant_left, identity),
            speaks=lambda identity, speaking: self._tell(self.monitor.set_speaking, identity, speaking),
        )
        self._handlers = Handlers(room)
        self._gate: SpeechGate | None = None
        self._recorder = default_metrics().recorder(self.monitor)
        self._thread = TrioThread()
        self._stop = trio.Event()
        self._stopping = False
        self._closing: asyncio.Task[None] | None = None
        self._closed = False
        self._failed = ""
        self._reported: tuple[str, str, str, bool] = ("idle", "connecting", "", False)
        self.reconciler: TrackReconciler | None = None
        """Made in trio, before the watcher starts."""

    def _make_sinks(self, settings: Settings) -> list[Sink]:
        sinks: list[Sink] = []
        if settings.callback is not None:
            sinks.append(LoopCallbackSink(self.bridge, settings.callback))
        for sink in settings.sinks:
            if not isinstance(sink, str):
                sinks.append(sink)
            elif self._publisher is not None:
                sinks.append(RoomSink(self.bridge, self._publisher))
        if self._levels is not None:
            sinks.append(LevelsSink(self.bridge, self._levels))
        if settings.configured is not None:
            sinks += settings.configured.make_sinks(lambda: self._room_name)
        return sinks

    # ---- start and end

    async def start(self, session: AgentSession[Any] | None, vad_stream: AsyncIterable[VADEvent] | None) -> None:
        """Start everything, and return when it runs."""
        self._handlers.on("connection_state_changed", self._connection_changed)
        self._handlers.on("disconnected", self._disconnected)
        try:
            await self._thread.start(self._run)
        except BaseException:
            self.close_soon()  # the caller never got a started detector to close
            raise
        if self.closing:
            return
        self.forwarding.start(session, connected=is_connected(self._room))
        self._room_changed(self._room.connection_state)
        self._watcher.start()
        if self._publisher is not None:
            self._publisher.start()
        if self._levels is not None:
            self._levels.start()
        if self._coverage is not None:
            self._coverage.start()
        if vad_stream is not None:
            self._gate = SpeechGate(session, vad_stream, self._watcher.shut)
            self._gate.start()
        logger.info("the detector watches the room: %s", self._rules.describe())
        self._state_changed(self.monitor.status())

    @property
    def closing(self) -> bool:
        """Whether closing has begun."""
        return self._closing is not None or self._closed

    async def aclose(self) -> None:
        """Close from any loop, and return when everything is closed; from inside a notification, return at once."""
        if self.forked or self.bridge.loop.is_closed():
            self._closed = True  # there is nothing here to stop; trio notices a closed loop and ends by itself
            return
        if self.bridge.loop is not asyncio.get_running_loop():
            await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(self.aclose(), self.bridge.loop))
            return
        closing = self.close_soon()
        if not self.bridge.awaits_this():
            await asyncio.shield(closing)

    def close_soon(self) -> asyncio.Task[None]:
        """Begin to close, once; return the task that does it."""
        if self._closing is None:
            self._closing = self.bridge.start_task(self._close())
            self._closing.add_done_callback(_log_failure)
        return self._closing

    async def _close(self) -> None:
        loop = self.bridge.loop
        deadline = loop.time() + CLOSE_WITHIN
        self._handlers.stop()
        if self._gate is not None:
            self._gate.stop()
        if self._coverage is not None:
            self._coverage.stop()
        self._watcher.stop()
        self.forwarding.close()
        sources = self._watcher.sources()
        if sources:
            await asyncio.wait([loop.create_task(source.close()) for source in sources], timeout=STREAMS_WITHIN)
        self._stopping = True
        self.bridge.tell(self._stop.set)
        left = self._thread.leave()
        await asyncio.wait({left}, timeout=max(0.0, deadline - loop.time()))
        if not left.done():
            logger.warning("the detector did not stop within %g s; its thread is left behind", CLOSE_WITHIN)
        if self._publisher is not None:
            await self._publisher.stop(max(0.0, min(1.0, deadline - loop.time())))
        if self._levels is not None:
            self._levels.stop()
        self._closed = True
        if self._failed:
            self._recorder.forget()
        self._state_changed(self.monitor.status())

    # ---- on the loop

    def _tell(self, function: Callable[..., object], *args: object) -> None:
        """Have trio call a function soon, in whose records the fields are too."""
        self.bridge.tell(self._call_logged, function, args)

    def _call_logged(self, function: Callable[..., object], args: tuple[object, ...]) -> None:
        with log_fields(self._log_fields):
            function(*args)

    def _want(self, track: str, desired: DesiredTrack | None) -> None:
        assert self.reconciler is not None
        self._tell(self.reconciler.want, track, desired)
        if self._levels is not None:
            self._levels.look_again()

    def _room_changed(self, state: int) -> None:
        known = _ROOM_STATES.get(state)
        if known is not None:
            self._tell(self.monitor.set_room, known)

    def _connection_changed(self, state: int) -> None:
        self._room_changed(state)
        self.forwarding.connection_changed(connected=state == rtc.ConnectionState.CONN_CONNECTED)
        if state == rtc.ConnectionState.CONN_CONNECTED and not self._connected:
            self._connected = True
            self._room_name = self._room.name
            self._log_fields.setdefault("room", plain(self._room_name))
            self._state_changed(self.monitor.status())
        elif state == rtc.ConnectionState.CONN_DISCONNECTED and self._connected:
            # After the host's own `room.disconnect()` the event "disconnected" may never come.
            self._disconnected()

    def _disconnected(self, *_: object) -> None:
        self.close_soon()

    def _state_changed(self, status: Status) -> None:
        status = self._as_seen(status)
        room = "" if status.room is None else status.room.state
        state = (status.state, status.uplink.state, room, bool(status.blind))
        if state == self._reported:
            return
        self._reported = state
        if self._state_cb is None:
            return
        try:
            result = self._state_cb(status)
            if inspect.iscoroutine(result):
                self.bridge.start_task(result).add_done_callback(_log_failure)
        except Exception:
            logger.exception("state_cb failed")

    # ---- in trio

    async def _run(self, *, task_status: trio.TaskStatus[None]) -> None:
        with log_fields(self._log_fields):  # a new thread has an empty context
            await self._watch(task_status)

    async def _watch(self, task_status: trio.TaskStatus[None]) -> None:
        self.bridge.attach()
        if self._stopping:  # closed before this began
            self._stop.set()
        running = False
        try:
            with self._recorder as recorder:
                async with self.monitor as monitor, trio.open_nursery() as nursery:
                    self.reconciler = TrackReconciler(monitor, nursery)
                    running = True
                    task_status.started()
                    nursery.start_soon(self._stop_when_lost)
                    nursery.start_soon(recorder.run)
                    nursery.start_soon(self.reconciler.keep_trying)
                    await self._stop.wait()
                    nursery.cancel_scope.cancel()
        except Exception as error:
            if not running:
                raise
            self._failed = _cause(error)
            logger.exception("the monitor failed: nothing in the room is checked any more")
            if not self._closed:
                self._recorder.show_failed()
            self._monitor_changed(self.monitor.status())
        finally:
            self.bridge.post(self._watcher.stop)
            self.bridge.post(self.forwarding.close)

    async def _stop_when_lost(self) -> None:
        await self.bridge.wait_lost()
        logger.warning("the agent's loop is gone: the detector stops")
        self._stop.set()

    def _monitor_changed(self, status: Status) -> None:
        self.bridge.post(self._state_changed, status)

    # ---- anywhere

    @property
    def forked(self) -> bool:
        """Whether this process was forked after the start: its threads are not here."""
        return self._pid != os.getpid()

    def status(self) -> Status:
        """Return a snapshot of everything."""
        return self._as_seen(self.monitor.status())

    def _as_seen(self, status: Status) -> Status:
        if self._failed:
            return evolve(status, state="failed", reason=self._failed)
        if self._closed or self.forked:
            return evolve(status, state="closed")
        if status.state in ("idle", "running") and not self._connected:
            return evolve(status, state="waiting_for_room")
        return status


def _cause(error: BaseException) -> str:
    while isinstance(error, BaseExceptionGroup):
        (error, *others) = cast("BaseExceptionGroup[BaseException]", error).exceptions
        if others:
            break
    return type(error).__name__


def _log_failure(task: asyncio.Task[Any]) -> None:
    if not task.cancelled() and task.exception() is not None:
        logger.error("a task of the detector failed", exc_info=task.exception())
