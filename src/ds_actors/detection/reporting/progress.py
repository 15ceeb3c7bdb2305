"""The monitor's story in the log: one INFO line for each step that an operator asks about.

Participants and tracks are only in the record's `extra`, marked as LiveKit marks personal data, never in a message.
"""

from __future__ import annotations

import logging

import trio
from attrs import define, field

from ds_actors.detection.events import ResultEvent, TrackInfo, plain
from ds_actors.detection.reporting.progress_text import ended_text
from ds_actors.detection.status import Status

logger: logging.Logger = logging.getLogger("ds_actors.detection.reporting.progress")


@define(eq=False)
class ProgressLog:
    """Logs the steps of one monitor."""

    settings: str
    """What `settings_text` returned."""
    _tracks: int = field(default=0, init=False)
    _began: float | None = field(default=None, init=False)
    _connected: bool = field(default=False, init=False)

    def began(self) -> None:
        """Log what is watched, and with which settings."""
        self._began = trio.current_time()
        logger.info("monitoring begins: %s", self.settings)

    def connected(self) -> None:
        """Log the first connection; later ones are logged with the outage that they end."""
        if not self._connected:
            self._connected = True
            logger.info("connected to the detection service")

    def track_added(self) -> None:
        """Count a track for the summary."""
        self._tracks += 1

    def first_sample(self, info: TrackInfo) -> None:
        """Log that the first sample of a track was sent."""
        logger.info(
            "first sample of a track sent: %s, %s", info.kind, info.source, extra=_who(info.participant, info.track)
        )

    def result(self, event: ResultEvent) -> None:
        """Log a verdict that changes its track's level."""
        if event.level.is_verdict and event.level is not event.previous_level:
            extra = _who(event.participant_id, event.track_id)
            logger.info(
                "the level of a track is %s (was %s)", event.level.value, event.previous_level.value, extra=extra
            )

    def ended(self, status: Status) -> None:
        """Log the summary."""
        if self._began is not None:
            logger.info("%s", ended_text(status, self._tracks, trio.current_time() - self._began))


def _who(participant: str, track: str) -> dict[str, str]:
    return {"lk.pii.participant": plain(participant), "lk.pii.track": plain(track)}
