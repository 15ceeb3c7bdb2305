"""What the room wants watched, and the task that brings the monitor there: in trio.

Level-triggered: the room's side says what it wants of a track now, as often as it likes; the changes of one track
follow each other, those of different tracks go side by side, and only the newest wish counts.
"""

from __future__ import annotations

from typing import Final

import trio
from attrs import define, field, frozen
from livekit.plugins.dataspike._audio import RoomAudio
from livekit.plugins.dataspike._video import RoomVideo
from livekit.plugins.dataspike.log import logger

from ds_actors.detection import Monitor, TrackInfo
from ds_actors.detection.log_throttle import LogThrottle

RETRY_EVERY: Final = 10.0


@frozen
class Wish:
    """What is wanted of one live track."""

    info: TrackInfo
    source: RoomVideo | RoomAudio | None = None
    """The track's frames or sound; None when it is only to be listed."""
    monitored: bool = True
    why: str = ""
    """Why it is not monitored."""
    subscribed: bool = True
    muted: bool = False
    encrypted: bool = False
    shut: bool = False
    """A microphone on which, as a voice activity detector says, nobody speaks."""


@define(eq=False)
class Roster:
    """Brings a monitor's tracks to what is wanted."""

    monitor: Monitor
    nursery: trio.Nursery
    _wishes: dict[str, Wish] = field(factory=dict[str, Wish])
    _done: dict[str, Wish] = field(factory=dict[str, Wish])
    _refused: set[str] = field(factory=set[str])
    _busy: set[str] = field(factory=set[str])
    _complaints: LogThrottle = field(factory=LogThrottle)

    def want(self, track: str, wish: Wish | None) -> None:
        """Take the newest wish for a track; None: it is gone."""
        if wish is None:
            self._wishes.pop(track, None)
        else:
            self._wishes[track] = wish
        if track not in self._busy:
            self._busy.add(track)
            self.nursery.start_soon(self._bring, track)

    async def keep_trying(self) -> None:
        """Try again from time to time what was refused: a limit, or a policy that raised."""
        while True:
            await trio.sleep(RETRY_EVERY)
            for track in self._refused - self._busy:
                self._busy.add(track)
                self.nursery.start_soon(self._bring, track)

    async def _bring(self, track: str) -> None:
        tried: Wish | None = None
        try:
            while True:
                wish, done = self._wishes.get(track), self._done.get(track)
                # What was refused is tried once now, and again when `keep_trying` does.
                if wish == done and (track not in self._refused or wish is tried):
                    return
                tried = wish
                await self._change(track, done, wish)
        finally:
            self._busy.discard(track)

    async def _change(self, track: str, done: Wish | None, wish: Wish | None) -> None:
        source = None if wish is None else wish.source
        watched = None if done is None or track in self._refused else done.source
        self._refused.discard(track)
        if wish is None or (watched is not None and watched is not source):
            await self.monitor.remove_track(track)
            self._done.pop(track, None)
            watched = None
        if wish is None:
            return
        self._done[track] = wish
        if source is None:
            self.monitor.report_unwatched(
                wish.info,
                monitored=wish.monitored,
                why=wish.why,
                subscribed=wish.subscribed,
                muted=wish.muted,
                encrypted=wish.encrypted,
            )
            return
        if watched is None and not await self._add(wish, source):
            self._refused.add(track)
            return
        self.monitor.set_muted(track, wish.muted)
        self.monitor.set_encrypted(track, wish.encrypted)
        self.monitor.set_gate(track, not wish.shut)

    async def _add(self, wish: Wish, source: RoomVideo | RoomAudio) -> bool:
        try:
            return await self.monitor.add_track(wish.info, source, muted=wish.muted)
        except Exception as error:
            if self._complaints.due(type(error).__name__, trio.current_time()):
                logger.exception("a track could not be watched; it is tried again")
            self.monitor.report_unwatched(wish.info, monitored=False, why=f"failed: {type(error).__name__}")
            return False
