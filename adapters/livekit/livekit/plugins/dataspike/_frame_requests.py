"""Asks the server for the frames of tracks that give none; `_stall_rules` decides when."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from typing import Any, Final

from livekit import rtc
from livekit.plugins.dataspike._forwarding import set_enabled
from livekit.plugins.dataspike._stall_rules import StallRules
from livekit.plugins.dataspike.log import logger

from ds_actors.detection.reporting.log_throttle import LogThrottle

GAP: Final = 0.3
"""Seconds between the two halves of a request: a server may ignore a pause that ends at once."""
STATS_WITHIN: Final = 2.0
"""Seconds for the SDK's figures of a track."""
SILENT_AFTER: Final = 2.0
"""Seconds since a track's last packet after which none arrive; a track that is forwarded has several per second."""
_LINE: Final = "a track gives no frames%s: the server is asked to forward it anew"


def what_arrives(stats: Iterable[Any], now: float) -> str:
    """Return what the SDK's figures of a track that gives no frames say of its packets, to follow a comma.

    Args:
        stats: of the track.
        now: the time of day, seconds.
    """
    at = [stat.inbound_rtp.inbound.last_packet_received_timestamp for stat in stats if stat.HasField("inbound_rtp")]
    if not at:
        return ""
    if now - max(at) / 1_000 > SILENT_AFTER:
        return ", and no packet of it arrives: its publisher or the server sends none"
    return ", although packets of it arrive: too few for a frame, or none that can be decoded"


class FrameRequests:
    """The requests of one room, which share its log lines. All methods run on the loop.

    Args:
        loop: the agent's.
        possible: whether the SDK has the request.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, *, possible: bool) -> None:
        self.loop = loop
        self.possible = possible
        self._lines = LogThrottle()

    def track(self, publication: rtc.RemoteTrackPublication) -> TrackFrames:
        """Return what watches the frames of one track."""
        return TrackFrames(self, publication)

    def say(self, line: str, *details: object) -> None:
        """Log a kind of line, at most once a minute whatever the participants do."""
        if self._lines.due(line, self.loop.time()):
            logger.info(line, *details)

    def say_stalled(self, track: rtc.RemoteTrack | None) -> asyncio.Task[str] | None:
        """Log that a track gives no frames, with what arrives of it, as often; return the task that finds that out."""
        if not self._lines.due(_LINE, self.loop.time()):
            return None
        task = self.loop.create_task(_arriving(track))
        task.add_done_callback(lambda done: logger.info(_LINE, "" if done.cancelled() else done.result()))
        return task


class TrackFrames:
    """Watches whether one track gives frames, and asks for them. All methods run on the loop."""

    def __init__(self, room: FrameRequests, publication: rtc.RemoteTrackPublication) -> None:
        self._room = room
        self._publication = publication
        self._rules = StallRules()
        self._resume: asyncio.TimerHandle | None = None
        self._explaining: asyncio.Task[str] | None = None
        self.asked: int = 0
        """How often, in all."""

    def capture_began(self) -> None:
        """Record that a capture begins."""
        self._rules.capture_began(self._room.loop.time())

    def capture_ended(self, *, frame: bool) -> None:
        """Record its end, and ask for frames if it is time to."""
        if frame:
            requests = self._rules.frame()
            if requests:
                self._room.say("a track gives frames again, after %d request(s)", requests)
        elif self._room.possible and self._rules.no_frame(self._room.loop.time()):
            self._explaining = self._room.say_stalled(self._publication.track)
            self._ask()

    def release(self) -> None:
        """Stop; a request that is half done is completed at once."""
        if self._explaining is not None:
            self._explaining.cancel()
            self._explaining = None
        if self._resume is not None:
            self._resume.cancel()
            self._end()

    def _ask(self) -> None:
        self.asked += 1
        self._send(enabled=False)
        if self._resume is None:
            self._resume = self._room.loop.call_later(GAP, self._end)

    def _end(self) -> None:
        self._resume = None
        self._send(enabled=True)

    def _send(self, *, enabled: bool) -> None:
        try:
            set_enabled(self._publication, enabled=enabled)
        except Exception:
            logger.debug("the frames of a track could not be asked for", exc_info=True)


async def _arriving(track: rtc.RemoteTrack | None) -> str:
    if track is None:
        return ""
    try:
        async with asyncio.timeout(STATS_WITHIN):
            return what_arrives(await track.get_stats(), time.time())
    except Exception:
        logger.debug("the figures of a track could not be read", exc_info=True)
        return ""
