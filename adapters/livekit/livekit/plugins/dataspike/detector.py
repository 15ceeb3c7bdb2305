"""DataspikeDetector: the face of the plugin, from `start()` to `aclose()`; `RoomSession` does the work."""

from __future__ import annotations

import logging
import ssl
from collections.abc import AsyncIterable, Callable, Collection, Sequence
from types import TracebackType
from typing import Any, Literal, Self, cast

from attrs import evolve
from livekit import rtc
from livekit.agents import AgentSession, APIConnectOptions, JobContext, get_job_context
from livekit.agents.vad import VADEvent
from livekit.plugins.dataspike._callback_sink import Callback
from livekit.plugins.dataspike._forwarding import Forwarding, check_forwarding
from livekit.plugins.dataspike._layers import check_min_side
from livekit.plugins.dataspike._log_fields import fields_of
from livekit.plugins.dataspike._options import AudioParams, VideoParams, chosen, resolve
from livekit.plugins.dataspike._rules import Consent, TrackFilter, TrackRules
from livekit.plugins.dataspike._session import RoomSession
from livekit.plugins.dataspike._settings import Assessment, Notify, Settings
from livekit.plugins.dataspike._sink_options import resolve_sinks
from livekit.plugins.dataspike.log import logger

from ds_actors.detection import Budget, Dataspike, EmbeddedService, LedgerRow, Privacy, SamplingPolicy, Sink, Status
from ds_actors.detection.log_fields import log_fields
from ds_actors.detection.service import ApiKey
from ds_actors.detection.settings import read_settings


class DataspikeDetector:
    """Watches the video of everybody in a room for deepfakes, and notifies the room or a callback.

    What no argument says, the settings may: variables, and the TOML file that DATASPIKE_CONFIG names. Where None is a
    value, the default is "settings".

    Args:
        api_key: the service's key; else DATASPIKE_API_KEY.
        normal_fps: frames per second sampled from each track; else DATASPIKE_NORMAL_FPS, else 0.2.
        burst_fps: the same while the track is suspicious or alert; else DATASPIKE_BURST_FPS, else 1.0.
        quality: JPEG quality, 0 to 100; else DATASPIKE_QUALITY, else 75.
        notification_cb: called with each result, on the loop of `start()`, and awaited where it is a coroutine
            function; cancelled after 30 s. With a callback the room is not notified, unless `sinks` says so.
        conn_options: its `timeout` limits each connection attempt; the retry fields are accepted without effect.
        video_params: `normal_fps`, `burst_fps` and `quality` in one object, as in version 1.2.
        audio_params: also check microphones; off by default.
        sampling: called once per track; returns its sampling policy, which replaces the two rates.
        budget: what all video and audio of the room may cost together; urgent samples go first; None for no limit.
            "settings", the default, is the settings' `budget`, else None.
        privacy: what is kept from the service: names (pseudonyms go instead), and pixels; else the settings' `privacy`.
        ledger: keep a record of the last 1,000 samples sent, in memory and without their pixels, for `ledger()`; else
            DATASPIKE_LEDGER, else no.
        sinks: where results go besides the callback: "room", and sinks of ds_actors.detection; by default to
            the room, or nowhere when there is a callback, and to the sinks that the settings name.
        notify: "all" results, or only "changes" of level; else DATASPIKE_NOTIFY, else "all".
        assessment: what makes a level of the results: "last", the last one, or "evidence", all of them, where each may
            be wrong; or an `Evidence` of ds_actors.detection with your own figures.
        min_confirmations: with "last", how many results in a row raise a level; one lowers it.
        destination_identities: the participants who receive the results; by default everybody.
        mirror_levels: show each track's level in an attribute of the agent's participant, for late joiners.
            Everybody sees attributes, so this excludes a callback and `destination_identities`.
        publish_coverage: publish how well each track is covered, in packets of their own on the topic
            `deepfake_coverage`; else DATASPIKE_PUBLISH_COVERAGE, else no. They go to whom results go.
        sources: which video is watched: "camera", "screen_share", "unknown"; None for all. "settings", the default, is
            DATASPIKE_SOURCES, else None.
        track_filter: called with publication and participant; a track for which it returns False is not watched.
        consent: called with a participant when they join or their attributes change; a participant for whom it
            returns False or raises is not watched.
        auto_subscribe: subscribe to each publication that is to be watched, once.
        forwarding: whether the server forwards a watched track "always", or "on_demand": only around its samples,
            which also stops it for everything else in this process. "auto" is on demand for tracks that only the
            detector subscribed to, while the session has no video input, and otherwise always. Else
            DATASPIKE_FORWARDING, else "auto".
        min_side: where a publisher sends several layers, a track that may be paused is received at normal rate in the
            smallest one whose shorter side has this many pixels, and at burst rate in the largest; None never chooses.
            "settings", the default, is DATASPIKE_MIN_SIDE, else 540.
        state_cb: called on the loop with the status when its `state`, `uplink.state` or `room.state` changes, and when
            `blind` begins or ends: tracks that should be checked have not been for 30 s.
        url: the URL of the service's WebSocket; else DATASPIKE_WS_URL.
        allow_insecure: permit ws:// to other machines.
        ssl_context: for wss; the default trusts what the system trusts.
        proxy: a proxy's URL; else DATASPIKE_PROXY, else the job's, else HTTPS_PROXY or HTTP_PROXY.
        service: in place of the key and the other settings of the connection: a detector of your own in this process,
            `ds_actors.serving.Local`, or a `Dataspike` of ds_actors.detection.

    Raises:
        ValueError: when there is no key, or a value is out of range; names the parameter and its variable.
        TypeError: when two parameters exclude each other; names both.

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
        budget: Budget | Literal["settings"] | None = "settings",
        privacy: Privacy | None = None,
        ledger: bool | None = None,
        sinks: Sequence[Sink | Literal["room"]] | None = None,
        notify: Notify | None = None,
        assessment: Assessment = "last",
        min_confirmations: int = 1,
        destination_identities: Sequence[str] = (),
        mirror_levels: bool = False,
        publish_coverage: bool | None = None,
        sources: Collection[str] | Literal["settings"] | None = "settings",
        track_filter: TrackFilter | None = None,
        consent: Consent | None = None,
        auto_subscribe: bool = True,
        forwarding: Forwarding | None = None,
        min_side: int | Literal["settings"] | None = "settings",
        state_cb: Callable[[Status], object] | None = None,
        url: str | None = None,
        allow_insecure: bool = False,
        ssl_context: ssl.SSLContext | None = None,
        proxy: str | None = None,
        service: Dataspike | EmbeddedService | None = None,
    ) -> None:
        # First, and gone from this frame: tracebacks may show locals.
        hidden = [api_key]
        del api_key
        key = None if hidden[0] is None else ApiKey(cast("str", hidden.pop()))
        connection = {"api_key": key, "url": url, "ssl_context": ssl_context, "proxy": proxy}
        given = [name for name, value in connection.items() if value is not None]
        if service is not None and given:
            raise TypeError(f"{given[0]} and service mean the same: pass one of them")
        own: dict[str, object] = {
            "service": service,
            "service.api_key": key,
            "service.url": url,
            "service.proxy": proxy,
            "sampling": video_params,
            "sampling.normal_fps": normal_fps,
            "sampling.burst_fps": burst_fps,
            "sampling.quality": quality,
            "privacy": privacy,
            "tracks.forwarding": forwarding,
            "results.notify": notify,
            "results.publish_coverage": publish_coverage,
            "ledger": ledger,
            "sinks": sinks,
        }
        own_or_none = {"budget": budget, "tracks.sources": sources, "tracks.min_side": min_side}
        skipped = [name for name, value in own.items() if value is not None]
        skipped += [name for name, value in own_or_none.items() if value != "settings"]
        configured = read_settings(skipped=skipped)
        proxy = chosen(proxy, configured.proxy)
        if service is None:
            service = Dataspike(
                key or configured.api_key,
                url if url is not None else configured.url,
                allow_insecure=allow_insecure,
                upgrade_timeout=10.0 if conn_options is None else conn_options.timeout,
                ssl_context=ssl_context,
                proxy=proxy,
            )
        figures = resolve(
            normal_fps=normal_fps,
            burst_fps=burst_fps,
            quality=quality,
            video_params=video_params,
            audio_params=audio_params,
            sampling=sampling,
            configured=configured,
        )
        self._settings = Settings(
            service=service,
            figures=figures,
            rules=TrackRules(
                configured.sources if sources == "settings" else sources,
                track_filter,
                consent,
                figures.audio is not None,
            ),
            sinks=resolve_sinks(sinks, notification_cb, destination_identities, mirror_levels=mirror_levels),
            configured=configured if sinks is None else None,
            callback=notification_cb,
            destinations=tuple(destination_identities),
            mirror_levels=mirror_levels,
            publish_coverage=chosen(publish_coverage, configured.publish_coverage),
            budget=configured.budget if budget == "settings" else budget,
            privacy=chosen(privacy, configured.privacy),
            ledger=chosen(ledger, configured.ledger),
            notify=chosen(notify, configured.notify),
            assessment=assessment,
            min_confirmations=min_confirmations,
            auto_subscribe=auto_subscribe,
            forwarding=check_forwarding(chosen(forwarding, configured.forwarding)),
            min_side=configured.min_side if min_side == "settings" else check_min_side(min_side),
            state_cb=state_cb,
        )
        self._own_proxy = proxy is not None
        checked = configured.make_sinks() if sinks is None else ()
        self._idle = self._settings.make_monitor(checked)  # never run: it checks the parameters, and has an idle status
        self._session: RoomSession | None = None
        self._closed = False

    async def start(
        self, session: AgentSession[Any] | None, room: rtc.Room, vad_stream: AsyncIterable[VADEvent] | None = None
    ) -> None:
        """Start watching a room, connected or not; return when everything runs, without waiting for room or service.

        The detector ends with the room or the job. The session may be None, fail, close or restart: the detector does
        not depend on it.

        Args:
            session: names the participant whose microphone `vad_stream` is about.
            room: the room to watch.
            vad_stream: events of a voice activity detector; while they report silence, that participant's microphone
                is not checked.

        Raises:
            RuntimeError: when the detector was started or closed before.
            ValueError: when the job's proxy is not the URL of a proxy; the detector is not started then.
        """
        if self._closed or (self._session is not None and self._session.closing):
            raise RuntimeError("this detector is closed: make another one")
        if self._session is not None:
            raise RuntimeError("this detector was started before: one detector watches one room")
        job = get_job_context(required=False)
        fields = fields_of(room, job)
        with log_fields(fields):
            settings = self._settings if job is None else self._settings_for(job)
            _quiet(logging.getLogger("trio-websocket"))
            self._session = RoomSession(settings, room, fields)
            await self._session.start(session, vad_stream)

    async def aclose(self) -> None:
        """Stop watching, within 5 s; results that arrive meanwhile still go out. You may call it again.

        Inside a notification it returns at once, and closing waits until the notification has ended.
        """
        if self._session is None:
            self._closed = True
        else:
            await self._session.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()

    def status(self) -> Status:
        """Return a frozen snapshot of everything, from any thread, without waiting."""
        if self._session is not None:
            return self._session.status()
        status = self._idle.status()
        return evolve(status, state="closed") if self._closed else status

    def ledger(self) -> tuple[LedgerRow, ...]:
        """Return the last 1,000 samples sent, oldest first, from any thread; `row.json()` is one line of JSON.

        Raises:
            RuntimeError: when the detector was made without `ledger=True` or the setting `ledger.enabled`.
        """
        return self._idle.ledger() if self._session is None else self._session.monitor.ledger()

    def _settings_for(self, job: JobContext) -> Settings:
        settings, proxy = self._settings, job.proc.http_proxy
        if proxy and not self._own_proxy and isinstance(settings.service, Dataspike):
            settings = evolve(settings, service=settings.service.behind(proxy))
        job.add_shutdown_callback(self.aclose)
        if job.is_fake_job():
            logger.info("this job is a fake one, without participants to watch")
        return settings


def _quiet(noisy: logging.Logger) -> None:
    # LiveKit's `dev` mode logs everything at DEBUG: this one would write three lines per sample.
    if noisy.level == logging.NOTSET:
        noisy.setLevel(logging.INFO)
