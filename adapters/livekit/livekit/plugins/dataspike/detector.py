"""DataspikeDetector: the face of the plugin, from `start()` to `aclose()`.

The detector's lifetime is tied to the room. On the agent's loop it only watches the room and takes the frame that is
due; everything else runs in trio, in its own thread: the monitor's tree, the uplink, the JPEGs.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
import os
import ssl
from collections.abc import AsyncIterable, Callable, Collection, Sequence
from types import TracebackType
from typing import Any, Final, Literal, Self, cast

import trio
from anyio.abc import TaskStatus
from attrs import evolve
from livekit import rtc
from livekit.agents import AgentSession, APIConnectOptions, JobContext, get_job_context
from livekit.agents.vad import VADEvent
from livekit.plugins.dataspike._bridge import LoopBridge, TrioThread
from livekit.plugins.dataspike._callback_sink import Callback, LoopCallbackSink
from livekit.plugins.dataspike._gate import SpeechGate
from livekit.plugins.dataspike._handlers import Handlers
from livekit.plugins.dataspike._levels import LevelsSink, RoomLevels
from livekit.plugins.dataspike._options import AudioParams, VideoParams, resolve
from livekit.plugins.dataspike._reconciler import DesiredTrack, TrackReconciler
from livekit.plugins.dataspike._room_sink import RoomPublisher, RoomSink
from livekit.plugins.dataspike._rules import Consent, TrackFilter, TrackRules
from livekit.plugins.dataspike._watcher import RoomWatcher, Source
from livekit.plugins.dataspike.log import logger

from ds_actors.detection import Budget, Dataspike, Monitor, SamplingPolicy, Sink, Status
from ds_actors.detection.service import ApiKey
from ds_actors.detection.sinks import check_sink

CLOSE_WITHIN: Final = 5.0
STREAMS_WITHIN: Final = 2.0

Notify = Literal["all", "changes"]


class DataspikeDetector:
    """Watches the video of everybody in a room for deepfakes, and tells the room or a callback.

    Args:
        api_key: the service's key; else DATASPIKE_API_KEY.
        normal_fps: frames a second that are sampled of a track; else DATASPIKE_NORMAL_FPS, else 0.2.
        burst_fps: the same while it is suspicious or alert; else DATASPIKE_BURST_FPS, else 1.0.
        quality: of the JPEG, 0 to 100; else DATASPIKE_QUALITY, else 75.
        notification_cb: called with each result, on the loop of `start()`, and awaited where it is a coroutine
            function; cancelled after 30 s. With it the room hears nothing, unless `sinks` says so.
        conn_options: its `timeout` bounds the connecting to the service; the retry fields are accepted without effect.
        video_params: `normal_fps`, `burst_fps` and `quality` as version 1.2 takes them.
        audio_params: listen to microphones too; off by default.
        sampling: makes one sampling policy a track, instead of the two rates.
        budget: what all video and audio of the room may cost together; the urgent samples go first.
        sinks: where results go besides the callback: "room", and sinks of ds_actors.detection; by default the room,
            or with a callback nowhere.
        notify: "all" results, or "changes" of level only.
        destination_identities: the participants who receive the results; by default all.
        mirror_levels: show each track's level in an attribute of the agent's participant, for late joiners.
            Everybody sees attributes, so not together with a callback or `destination_identities`.
        sources: which video is watched: "camera", "screen_share", "unknown"; by default all.
        track_filter: called with publication and participant; what it refuses is not watched.
        consent: called with the participant, when one is discovered or its attributes change; what it refuses is not
            watched, nor is anybody when it raises.
        auto_subscribe: subscribe to what is to be watched, once a publication.
        state_cb: called on the loop with the status whenever its `state` or `uplink.state` changes.
        url: the URL of the service's WebSocket; else DATASPIKE_WS_URL.
        allow_insecure: permit ws:// to other machines.
        ssl_context: for wss.
        proxy: a proxy's URL; else the job's, else HTTPS_PROXY or HTTP_PROXY.

    Raises:
        ValueError: when there is no key, or a value is out of its range; names the parameter and its variable.
        TypeError: when two parameters exclude each other, naming both.

    Example:
        ```python
        async def entrypoint(ctx: JobContext) -> None:
            session = AgentSession(llm=...)
            detector = dataspike.DataspikeDetector(notification_cb=on_result)
            await detector.start(session, room=ctx.room)
            await session.start(agent=Agent(instructions="..."), room=ctx.room)
        ```
    """

    def __init__(
        self,
        *,
        api_key: str | None = None,
        normal_fps: float | None = None,
        burst_fps: float | None = None,
        quality: int | None = None,
        notification_cb: Callback | None = None,
        conn_options: APIConnectOptions | None = None,
        video_params: VideoParams | None = None,
        audio_params: AudioParams | None = None,
        sampling: Callable[[], SamplingPolicy] | None = None,
        budget: Budget | None = None,
        sinks: Sequence[Sink | Literal["room"]] | None = None,
        notify: Notify = "all",
        destination_identities: Sequence[str] = (),
        mirror_levels: bool = False,
        sources: Collection[str] | None = None,
        track_filter: TrackFilter | None = None,
        consent: Consent | None = None,
        auto_subscribe: bool = True,
        state_cb: Callable[[Status], object] | None = None,
        url: str | None = None,
        allow_insecure: bool = False,
        ssl_context: ssl.SSLContext | None = None,
        proxy: str | None = None,
    ) -> None:
        # First, and gone from this frame: tracebacks may show locals.
        key = [api_key]
        del api_key
        timeout = 10.0 if conn_options is None else conn_options.timeout

        def service(key: list[str | None] | list[ApiKey], proxy: str | None) -> Dataspike:
            return Dataspike(
                key.pop(),
                url,
                allow_insecure=allow_insecure,
                upgrade_timeout=timeout,
                ssl_context=ssl_context,
                proxy=proxy,
            )

        self._make_service = service
        self._own_proxy = proxy
        self._service = service(key, proxy)
        self._figures = resolve(
            normal_fps=normal_fps,
            burst_fps=burst_fps,
            quality=quality,
            video_params=video_params,
            audio_params=audio_params,
            sampling=sampling,
        )
        self._rules = TrackRules(sources, track_filter, consent, self._figures.audio is not None)
        self._sinks = _check_sinks(sinks, notification_cb, destination_identities, mirror_levels=mirror_levels)
        self._callback = notification_cb
        self._destinations = tuple(destination_identities)
        self._mirror = mirror_levels
        self._budget = budget
        self._notify: Notify = notify
        self._auto_subscribe = auto_subscribe
        self._state_cb = state_cb
        self._bridge: LoopBridge | None = None
        self._monitor = self._make_monitor([])  # never run: it checks the parameters, and has an idle status
        self._told: tuple[str, str] = ("idle", "connecting")
        self._failed = ""
        self._pid: int | None = None
        self._handlers: Handlers | None = None
        self._connected = False
        self._watcher: RoomWatcher | None = None
        self._publisher: RoomPublisher | None = None
        self._levels: RoomLevels | None = None
        self._gate: SpeechGate | None = None
        self._reconciler: TrackReconciler | None = None
        self._thread: TrioThread | None = None
        self._stop: trio.Event | None = None
        self._stopping = False
        self._closing: asyncio.Task[None] | None = None
        self._closed = False

    # ---- life

    async def start(
        self, session: AgentSession[Any] | None, room: rtc.Room, vad_stream: AsyncIterable[VADEvent] | None = None
    ) -> None:
        """Start watching a room, connected or not; return when everything runs, without waiting for room or service.

        The detector ends with the room or the job. The session may be None, fail, close or restart: that makes no
        difference to the detector.

        Args:
            session: names the participant whose microphone `vad_stream` is about.
            room: the room to watch.
            vad_stream: events of a voice activity detector; while they say silence, that participant's microphone is
                not listened to.

        Raises:
            RuntimeError: when it was started or closed before.
            ValueError: when the job's proxy is not a proxy's URL; the detector is not started then.
        """
        if self._closed or self._closing is not None:
            raise RuntimeError("this detector is closed: make another one")
        if self._bridge is not None:
            raise RuntimeError("this detector was started before: one detector watches one room")
        job = get_job_context(required=False)
        if job is not None:
            self._serve_job(job)
        self._pid = os.getpid()
        _quiet(logging.getLogger("trio-websocket"))
        self._bridge = bridge = LoopBridge()
        self._monitor = self._make_monitor(self._make_sinks(bridge, room))
        self._thread = TrioThread()
        self._connected = room.isconnected()
        self._handlers = handlers = Handlers(room)
        handlers.on("connection_state_changed", self._connection_changed)
        handlers.on("disconnected", self._disconnected)
        try:
            await self._thread.start(self._run)
        except BaseException:
            self._close_soon(bridge)  # the caller never got a started detector to close
            raise
        if self._is_closing():
            return
        self._watcher = RoomWatcher(
            room,
            self._rules,
            bridge,
            auto_subscribe=self._auto_subscribe,
            want=self._want,
            joined=lambda identity: bridge.tell(self._monitor.participant_joined, identity),
            left=lambda identity: bridge.tell(self._monitor.participant_left, identity),
            speaks=lambda identity, speaking: bridge.tell(self._monitor.set_speaking, identity, speaking),
        )
        self._watcher.start()
        for one in (self._publisher, self._levels):
            if one is not None:
                one.start()
        if vad_stream is not None:
            self._gate = SpeechGate(session, vad_stream, self._watcher.shut)
            self._gate.start()
        self._state_changed(self._monitor.status())

    async def aclose(self) -> None:
        """Stop watching, within 5 s; results that arrive meanwhile still go out. Calling it again is safe.

        Inside a notification it returns at once, and closing waits until the notification has ended.
        """
        bridge = self._bridge
        if bridge is None or self._pid != os.getpid():
            self._closed = True  # never started, or in a process forked since: there is nothing here to stop
            return
        if bridge.loop.is_closed():
            self._closed = True  # the trio side looks for that, and ends by itself
            return
        if bridge.loop is not asyncio.get_running_loop():
            await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(self.aclose(), bridge.loop))
            return
        closing = self._close_soon(bridge)
        if not bridge.awaits_this():
            await asyncio.shield(closing)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()

    def status(self) -> Status:
        """Return a frozen snapshot of everything, from any thread, without waiting."""
        return self._as_seen(self._monitor.status())

    # ---- on the loop

    def _serve_job(self, job: JobContext) -> None:
        proxy = job.proc.http_proxy
        if proxy and self._own_proxy is None:
            self._service = self._make_service([self._service.key], proxy)
        job.add_shutdown_callback(self.aclose)
        if job.is_fake_job():
            logger.info("this job is a fake one, without participants to watch")

    def _make_sinks(self, bridge: LoopBridge, room: rtc.Room) -> list[Sink]:
        sinks: list[Sink] = []
        if self._callback is not None:
            sinks.append(LoopCallbackSink(bridge, self._callback))
        for sink in self._sinks:
            if isinstance(sink, str):
                self._publisher = RoomPublisher(room, self._destinations)
                sinks.append(RoomSink(bridge, self._publisher))
            else:
                sinks.append(sink)
        if self._mirror:
            self._levels = RoomLevels(room)
            sinks.append(LevelsSink(bridge, self._levels))
        return sinks

    def _make_monitor(self, sinks: Sequence[Sink]) -> Monitor:
        return Monitor(
            service=self._service,
            sampling=self._figures.sampling,
            budget=self._budget,
            quality=self._figures.quality,
            audio=self._figures.audio,
            sinks=sinks,
            notify=self._notify,
            state_cb=self._monitor_changed,
        )

    def _want(self, track: str, desired: DesiredTrack | None) -> None:
        if self._bridge is None or self._reconciler is None:
            return
        self._bridge.tell(self._reconciler.want, track, desired)
        if self._levels is not None:
            self._levels.look_again()

    def _connection_changed(self, state: int) -> None:
        if state == rtc.ConnectionState.CONN_CONNECTED and not self._connected:
            self._connected = True
            self._state_changed(self._monitor.status())
        elif state == rtc.ConnectionState.CONN_DISCONNECTED and self._connected:
            # After the host's own `room.disconnect()` the event "disconnected" may never come.
            self._disconnected()

    def _disconnected(self, *_: object) -> None:
        if self._bridge is not None:
            self._close_soon(self._bridge)

    def _state_changed(self, status: Status) -> None:
        status = self._as_seen(status)
        told = (status.state, status.uplink.state)
        if told == self._told:
            return
        self._told = told
        if self._state_cb is None or self._bridge is None:
            return
        try:
            result = self._state_cb(status)
            if inspect.iscoroutine(result):
                self._bridge.start_task(result).add_done_callback(_log_failure)
        except Exception:
            logger.exception("state_cb failed")

    def _close_soon(self, bridge: LoopBridge) -> asyncio.Task[None]:
        if self._closing is None:
            self._closing = bridge.loop.create_task(self._close(bridge))
            self._closing.add_done_callback(_log_failure)
        return self._closing

    async def _close(self, bridge: LoopBridge) -> None:
        assert self._handlers is not None
        assert self._thread is not None
        deadline = bridge.loop.time() + CLOSE_WITHIN
        self._handlers.stop()
        if self._gate is not None:
            self._gate.stop()
        sources = self._stop_watching()
        if sources:
            closing = [bridge.loop.create_task(one.close()) for one in sources]
            await asyncio.wait(closing, timeout=STREAMS_WITHIN)
        self._stopping = True
        if self._stop is not None:
            bridge.tell(self._stop.set)
        left = self._thread.leave()
        await asyncio.wait({left}, timeout=max(0.0, deadline - bridge.loop.time()))
        if not left.done():
            logger.warning("the detector did not stop within %g s; its thread is left behind", CLOSE_WITHIN)
        if self._publisher is not None:
            await self._publisher.stop(max(0.0, min(1.0, deadline - bridge.loop.time())))
        if self._levels is not None:
            self._levels.stop()
        self._closed = True
        self._state_changed(self._monitor.status())

    def _is_closing(self) -> bool:
        return self._closing is not None

    def _stop_watching(self) -> list[Source]:
        if self._watcher is None:
            return []
        self._watcher.stop()
        return self._watcher.sources()

    # ---- in trio

    async def _run(self, *, task_status: TaskStatus[None]) -> None:
        bridge = self._bridge
        assert bridge is not None
        bridge.attach()
        self._stop = stop = trio.Event()
        if self._stopping:  # closed before this began
            stop.set()
        running = False
        try:
            async with self._monitor as monitor, trio.open_nursery() as nursery:
                self._reconciler = TrackReconciler(monitor, nursery)
                running = True
                task_status.started()
                nursery.start_soon(self._stop_when_lost, bridge, stop)
                nursery.start_soon(self._reconciler.keep_trying)
                await stop.wait()
                nursery.cancel_scope.cancel()
        except Exception as error:
            if not running:
                raise
            self._failed = _cause(error)
            logger.exception("the monitor failed: nothing in the room is checked any more")
            self._monitor_changed(self._monitor.status())
        finally:
            bridge.post(self._stop_watching)

    async def _stop_when_lost(self, bridge: LoopBridge, stop: trio.Event) -> None:
        await bridge.wait_lost()
        logger.warning("the agent's loop is gone: the detector stops")
        stop.set()

    def _monitor_changed(self, status: Status) -> None:
        if self._bridge is not None:
            self._bridge.post(self._state_changed, status)

    # ---- anywhere

    def _as_seen(self, status: Status) -> Status:
        if self._failed:
            return evolve(status, state="failed", reason=self._failed)
        if self._closed or (self._pid is not None and self._pid != os.getpid()):
            return evolve(status, state="closed")
        if status.state in ("idle", "running") and self._bridge is not None and not self._connected:
            return evolve(status, state="waiting_for_room")
        return status


def _check_sinks(
    sinks: Sequence[Sink | Literal["room"]] | None,
    callback: Callback | None,
    destinations: Sequence[str],
    *,
    mirror_levels: bool,
) -> tuple[Sink | Literal["room"], ...]:
    if callback is not None and not callable(callback):
        raise TypeError(f"notification_cb must be a function, not {callback!r}")
    if isinstance(destinations, str):
        raise TypeError(f"destination_identities must be several, as in [{destinations!r}]")
    if isinstance(sinks, str):
        raise TypeError(f"sinks must be several, as in sinks=[{sinks!r}]")
    resolved = tuple(sinks) if sinks is not None else (() if callback is not None else ("room",))
    for one in resolved:
        if not isinstance(one, str):
            check_sink(one)
    names = [one if isinstance(one, str) else one.name for one in resolved]
    for one in resolved:
        if isinstance(one, str) and one != "room":
            raise ValueError(f'sinks may hold "room" and objects with a name and deliver(event), not {one!r}')
        if not isinstance(one, str) and one.name in ("room", "callback", "levels"):
            raise ValueError(f"your own sink cannot be called {one.name!r}")
    if len(set(names)) < len(names):
        raise ValueError("two sinks have one name")
    if destinations and "room" not in names:
        raise TypeError("destination_identities say who in the room hears, but sinks leaves the room out")
    if mirror_levels and (callback is not None or destinations):
        other = "notification_cb" if callback is not None else "destination_identities"
        raise TypeError(f"mirror_levels shows every level to everybody in the room, {other} does not: pass one of them")
    return resolved


def _cause(error: BaseException) -> str:
    while isinstance(error, BaseExceptionGroup):
        (error, *others) = cast("BaseExceptionGroup[BaseException]", error).exceptions
        if others:
            break
    return type(error).__name__


def _quiet(noisy: logging.Logger) -> None:
    # LiveKit's `dev` logs everything at DEBUG: this one would write three lines a sample.
    if noisy.level == logging.NOTSET:
        noisy.setLevel(logging.INFO)


def _log_failure(task: asyncio.Task[Any]) -> None:
    if not task.cancelled() and task.exception() is not None:
        logger.error("a task of the detector failed", exc_info=task.exception())
