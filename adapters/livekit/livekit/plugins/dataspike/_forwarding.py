"""Forwarding on demand: the server sends a watched track only around its samples.

The rules are in `_forwarding_rules`, the choice of a layer is in `_layers`. Here are the request to the SDK, the timers
on the agent's loop, and what permits pausing in a room. A paused track stays subscribed; its next key frame comes when
it is resumed.

The SDK sends each request in a task of its own, so two that follow each other at once may reach the server in the other
order: a track that was resumed last is then paused, and the SDK, which believes otherwise, ignores a second request to
resume it. A request for a size is never ignored and says whether the track is enabled, so it is what repeats a
resumption; a server that has it already skips it.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable
from typing import Any, Final, Literal, cast

from livekit import rtc
from livekit.agents import AgentSession
from livekit.plugins.dataspike._forwarding_rules import ForwardingRules
from livekit.plugins.dataspike._layers import MIN_SIDE, TrackLayer, sdk_can_choose
from livekit.plugins.dataspike._subscriptions import PATIENCE, SESSION_PATIENCE
from livekit.plugins.dataspike.log import logger

Forwarding = Literal["always", "on_demand", "auto"]
FORWARDING: Final[tuple[Forwarding, ...]] = ("always", "on_demand", "auto")
LOOK_EVERY: Final = 1.0
"""Seconds between two looks at the session's video input, which changes without an event."""
CONFIRM_AFTER: Final = 0.1
"""Seconds after each resumption at which it is repeated: an older request may have overtaken it."""
REPEAT_AFTER: Final = 1.0
"""Seconds without a frame after which the request to resume is repeated: it may be lost in a reconnect."""
_REQUEST: Final = "enable_remote_track_publication"


def check_forwarding(forwarding: Forwarding) -> Forwarding:
    """Return the parameter.

    Raises:
        ValueError: when it is not "always", "on_demand" or "auto".
    """
    if cast("object", forwarding) not in FORWARDING:
        raise ValueError(f"forwarding must be 'always', 'on_demand' or 'auto', not {forwarding!r}")
    return forwarding


def sdk_can_pause() -> bool:
    """Return whether the installed SDK has the request."""
    try:
        from livekit.rtc._ffi_client import FfiClient  # noqa: PLC0415 - private, so it may be missing
        from livekit.rtc._proto import ffi_pb2  # noqa: PLC0415
    except ImportError:
        return False
    return hasattr(FfiClient, "request") and _REQUEST in ffi_pb2.FfiRequest.DESCRIPTOR.fields_by_name


def set_enabled(publication: rtc.RemoteTrackPublication, *, enabled: bool) -> None:
    """Have the server forward a track, or not; it returns at once; the server confirms nothing.

    Raises:
        Exception: whatever the SDK raises, for instance for a publication that is gone.
    """
    from livekit.rtc._ffi_client import FfiClient  # noqa: PLC0415 - see sdk_can_pause
    from livekit.rtc._proto import ffi_pb2  # noqa: PLC0415

    request = ffi_pb2.FfiRequest()
    part = getattr(request, _REQUEST)
    part.track_publication_handle = cast("Any", publication)._ffi_handle.handle  # noqa: SLF001 - there is no public name
    part.enabled = enabled
    FfiClient.instance.request(request)


class TrackForwarding:
    """Performs the rules for one track. All methods run on the loop.

    Args:
        control: the room's.
        publication: of the track.
        alone: whether the detector alone asked for the publication.
    """

    def __init__(
        self, control: ForwardingControl, publication: rtc.RemoteTrackPublication, alone: Callable[[], bool]
    ) -> None:
        self._control = control
        self._alone = alone
        self._rules = ForwardingRules()
        self._publication = publication
        self._layer = TrackLayer(publication, control.min_side)
        self._wake: asyncio.TimerHandle | None = None
        self._repeat: asyncio.TimerHandle | None = None
        self._confirm: asyncio.TimerHandle | None = None
        self._sent_paused = False
        self._ever_paused = False

    @property
    def sid(self) -> str:
        """The track's sid."""
        return self._publication.sid

    @property
    def paused(self) -> bool:
        """Whether the server was asked not to forward the track."""
        return self._sent_paused

    @property
    def requested_size(self) -> tuple[int, int] | None:
        """The size that the server was asked for; None while it chooses the layer by itself."""
        return self._layer.requested

    @property
    def least_side(self) -> int:
        """The short side that the first frame after a resumption should have at least (pixels); 0 for any."""
        return self._layer.least_side if self._rules.resumed else 0

    def expect(self, due: float, steady: bool, /) -> None:  # noqa: FBT001 - called by name of the loop
        """Take the time of the next sample (`time.monotonic`), and whether the track is at normal rate."""
        if self._control.add(self):
            self._rules.permitted = self._control.permits(self._alone)
            self._rules.expect(due, steady=steady, now=time.monotonic())
            self._act()

    def capture_began(self) -> None:
        """Resume if paused, and ask again if no frame comes."""
        self._rules.capture_began(time.monotonic())
        self._act()
        if self._ever_paused:
            self._repeat = self._control.loop.call_later(REPEAT_AFTER, self.assert_forwarded)

    def capture_ended(self, *, frame: bool, learn: bool = True) -> None:
        """Pause if the next sample is far enough away; the arguments are those of the rules."""
        if self._repeat is not None:
            self._repeat.cancel()
            self._repeat = None
        gave_up = self._rules.gave_up
        self._rules.capture_ended(time.monotonic(), frame=frame, learn=learn)
        if self._rules.gave_up and not gave_up:
            logger.info("a track's key frames come late: its forwarding is not paused any more")
        self._act()

    def look(self) -> None:
        """Decide again, because what permits pausing may have changed."""
        self._rules.permit(permitted=self._control.permits(self._alone), now=time.monotonic())
        self._act()

    def assert_forwarded(self) -> None:
        """Make sure that a track that should be forwarded is: a request may be lost, or overtaken by an older one."""
        if self._ever_paused and not self._sent_paused:
            self._send(enabled=True)  # for an SDK that believes otherwise
            try:
                self._layer.repeat()
            except Exception:
                logger.debug("the resumption of a track could not be repeated", exc_info=True)

    def release(self) -> None:
        """Have the track forwarded, and stop; a later `expect` begins anew."""
        self._control.remove(self)
        for timer in (self._wake, self._repeat):
            if timer is not None:
                timer.cancel()
        self._wake = self._repeat = None
        self._rules.permit(permitted=False, now=time.monotonic())
        self._act()

    def _act(self) -> None:
        paused = self._rules.paused
        self._choose_layer(resumes=self._sent_paused and not paused)
        if paused != self._sent_paused:
            self._sent_paused = paused
            self._ever_paused = self._ever_paused or paused
            self._send(enabled=not paused)
            if self._confirm is not None:
                self._confirm.cancel()
                self._confirm = None
            if not paused:
                # Also after a release: what the detector paused must not stay so for others.
                self._confirm = self._control.loop.call_later(CONFIRM_AFTER, self.assert_forwarded)
        if self._wake is not None:
            self._wake.cancel()
            self._wake = None
        wake_at = self._rules.wake_at()
        if wake_at < math.inf:
            self._wake = self._control.loop.call_later(max(0.0, wake_at - time.monotonic()), self._advance)

    def _advance(self) -> None:
        self._wake = None
        self._rules.advance(time.monotonic())
        self._act()

    def _choose_layer(self, *, resumes: bool) -> None:
        try:
            self._layer.choose(small=self._rules.small, again=resumes)
        except Exception:
            logger.debug("the layer of a track could not be chosen", exc_info=True)

    def _send(self, *, enabled: bool) -> None:
        try:
            set_enabled(self._publication, enabled=enabled)
        except Exception:
            logger.debug("the forwarding of a track could not be changed", exc_info=True)


class ForwardingControl:
    """What permits pausing in one room. All methods run on the loop.

    Args:
        loop: the agent's.
        forwarding: the detector's parameter.
        min_side: the detector's parameter.
    """

    def __init__(
        self, loop: asyncio.AbstractEventLoop, forwarding: Forwarding, min_side: int | None = MIN_SIDE
    ) -> None:
        self.loop = loop
        self.min_side = min_side
        self._forwarding = forwarding
        self._session: AgentSession[Any] | None = None
        self._session_video = False
        self._connected = False
        self._closed = False
        self._tracks: dict[TrackForwarding, None] = {}
        self._timer: asyncio.TimerHandle | None = None
        if forwarding != "always" and not sdk_can_pause():
            logger.info("the installed livekit SDK cannot pause forwarding: tracks are forwarded always")
            self._forwarding = "always"
        if self._forwarding != "always" and min_side is not None and not sdk_can_choose():
            logger.info("the installed livekit SDK cannot choose layers: the server chooses")
            self.min_side = None

    def start(self, session: AgentSession[Any] | None, *, connected: bool) -> None:
        """Permit pausing from now on."""
        self._session, self._connected = session, connected
        if self._forwarding == "auto" and session is not None:
            self._look_at_session()

    def close(self) -> None:
        """Have all tracks forwarded, for good."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
        for track in list(self._tracks):
            track.release()

    @property
    def patience(self) -> float:
        """How long a publication must stay without a track before the detector asks for it, seconds."""
        if self._forwarding != "auto" or self._session_video:
            return 0.0
        return PATIENCE if self._session is None else SESSION_PATIENCE

    @property
    def paused(self) -> set[str]:
        """The sids of the tracks that are paused."""
        return {track.sid for track in self._tracks if track.paused}

    @property
    def sizes(self) -> dict[str, tuple[int, int]]:
        """The sizes that were asked for, by the tracks' sids."""
        return {track.sid: track.requested_size for track in self._tracks if track.requested_size is not None}

    def track(self, publication: rtc.RemoteTrackPublication, alone: Callable[[], bool]) -> TrackForwarding | None:
        """Return the forwarding of a track; None when nothing is ever paused."""
        return None if self._forwarding == "always" else TrackForwarding(self, publication, alone)

    def permits(self, alone: Callable[[], bool]) -> bool:
        """Return whether a track may be paused now."""
        if self._closed or not self._connected or self._forwarding == "always":
            return False
        return self._forwarding == "on_demand" or (not self._session_video and alone())

    def add(self, track: TrackForwarding) -> bool:
        """Keep a track that is sampled; False after the close."""
        if not self._closed:
            self._tracks[track] = None
        return not self._closed

    def remove(self, track: TrackForwarding) -> None:
        """Forget a track."""
        self._tracks.pop(track, None)

    def connection_changed(self, *, connected: bool) -> None:
        """Pause nothing while the room reconnects, and afterwards repeat the requests that may be lost."""
        if connected != self._connected:
            self._connected = connected
            self.look()
            if connected:
                for track in list(self._tracks):
                    track.assert_forwarded()

    def look(self) -> None:
        """Decide again for all tracks."""
        for track in list(self._tracks):
            track.look()

    def _look_at_session(self) -> None:
        self._timer = self.loop.call_later(LOOK_EVERY, self._look_at_session)
        video = getattr(getattr(self._session, "input", None), "video", self._session) is not None
        if video != self._session_video:
            self._session_video = video
            self.look()
