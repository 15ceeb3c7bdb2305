"""The reconciler in trio: it brings the monitor's tracks to the state that the room's side desires.

It is level-triggered. The room's side reports a track's desired state as often as it likes, and only the newest counts.
Changes of the same track run one after the other; changes of different tracks run concurrently.
"""

from __future__ import annotations

from typing import Final

import trio
from attrs import define, field, frozen
from livekit.plugins.dataspike._audio import RoomAudio
from livekit.plugins.dataspike._video import RoomVideo
from livekit.plugins.dataspike.log import logger

from ds_actors.detection import Monitor, TrackInfo
from ds_actors.detection.reporting.log_throttle import LogThrottle

RETRY_EVERY: Final = 10.0


@frozen
class DesiredTrack:
    """The desired state of one live track."""

    info: TrackInfo
    source: RoomVideo | RoomAudio | None = None
    """The track's frames or sound; None when the track is only listed."""
    monitored: bool = True
    wanted: bool = True
    """False when the host chose not to have it checked."""
    why: str = ""
    """Why the track is not monitored."""
    subscribed: bool = True
    muted: bool = False
    encrypted: bool = False
    gate_open: bool = True
    """False while a voice activity detector says that this microphone has no speech."""


@define(eq=False)
class TrackReconciler:
    """Brings a monitor's tracks to their desired states."""

    monitor: Monitor
    nursery: trio.Nursery
    _desired: dict[str, DesiredTrack] = field(factory=dict[str, DesiredTrack])
    _done: dict[str, DesiredTrack] = field(factory=dict[str, DesiredTrack])
    _refused: set[str] = field(factory=set[str])
    _busy: set[str] = field(factory=set[str])
    _complaints: LogThrottle = field(factory=LogThrottle)

    def want(self, track: str, desired: DesiredTrack | None) -> None:
        """Take the newest desired state of a track; None means that it is gone."""
        if desired is None:
            self._desired.pop(track, None)
        else:
            self._desired[track] = desired
        if track not in self._busy:
            self._busy.add(track)
            self.nursery.start_soon(self._bring, track)

    async def keep_trying(self) -> None:
        """Retry from time to time the tracks that were refused, by a limit or because a policy raised."""
        while True:
            await trio.sleep(RETRY_EVERY)
            for track in self._refused - self._busy:
                self._busy.add(track)
                self.nursery.start_soon(self._bring, track)

    async def _bring(self, track: str) -> None:
        tried: DesiredTrack | None = None
        try:
            while True:
                desired, done = self._desired.get(track), self._done.get(track)
                # A refused track is tried once now, and again by `keep_trying`.
                if desired == done and (track not in self._refused or desired is tried):
                    return
                tried = desired
                await self._change(track, done, desired)
        finally:
            self._busy.discard(track)

    async def _change(self, track: str, done: DesiredTrack | None, desired: DesiredTrack | None) -> None:
        source = None if desired is None else desired.source
        watched = None if done is None or track in self._refused else done.source
        self._refused.discard(track)
        if desired is None or (watched is not None and watched is not source):
            await self.monitor.remove_track(track)
            self._done.pop(track, None)
            watched = None
        if desired is None:
            return
        self._done[track] = desired
        if source is None:
            self.monitor.report_unwatched(
                desired.info,
                monitored=desired.monitored,
                why=desired.why,
                subscribed=desired.subscribed,
                muted=desired.muted,
                encrypted=desired.encrypted,
                wanted=desired.wanted,
            )
            return
        if watched is None and not await self._add(desired, source):
            self._refused.add(track)
            return
        self.monitor.set_muted(track, desired.muted)
        self.monitor.set_encrypted(track, desired.encrypted)
        self.monitor.set_gate(track, desired.gate_open)

    async def _add(self, desired: DesiredTrack, source: RoomVideo | RoomAudio) -> bool:
        try:
            return await self.monitor.add_track(desired.info, source, muted=desired.muted)
        except Exception as error:
            if self._complaints.due(type(error).__name__, trio.current_time()):
                logger.exception("a track could not be watched; the monitor tries again")
            why = f"failed: {type(error).__name__}"
            self.monitor.report_unwatched(desired.info, monitored=False, why=why, wanted=True)
            return False
