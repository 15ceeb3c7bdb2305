"""Which publications of a room are watched, and why the others are not.

Participants choose their own source, attributes, name and identity, so these do not decide who is watched; the
exception is `sources`, which the host narrows. The kind of a participant comes from its token.
"""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable, Collection
from typing import Any, Final, Literal, cast

from attrs import define, field
from livekit import rtc
from livekit.plugins.dataspike.log import logger

from ds_actors.detection import TrackInfo
from ds_actors.detection.reporting.log_throttle import LogThrottle

TrackFilter = Callable[[rtc.RemoteTrackPublication, rtc.RemoteParticipant], bool]
Consent = Callable[[rtc.RemoteParticipant], bool]

SOURCES: Final = ("unknown", "camera", "microphone", "screen_share", "screen_share_audio")
VIDEO_SOURCES: Final = ("unknown", "camera", "screen_share")
_NOT_PEOPLE: Final = frozenset(
    {rtc.ParticipantKind.PARTICIPANT_KIND_AGENT, rtc.ParticipantKind.PARTICIPANT_KIND_EGRESS}
)


def track_info(publication: rtc.RemoteTrackPublication, participant: rtc.RemoteParticipant) -> TrackInfo:
    """Return what the monitor needs to know about a publication."""
    kind: Literal["video", "audio"] = "audio" if publication.kind == rtc.TrackKind.KIND_AUDIO else "video"
    number = int(publication.source)
    source = SOURCES[number] if number < len(SOURCES) else "unknown"
    end_to_end = publication.encryption_type != rtc.EncryptionType.NONE
    return TrackInfo(participant.identity, publication.sid, kind, source, participant.sid, end_to_end)


@define(eq=False)
class TrackRules:
    """The host's choices. A function that raises means no; the exception is logged at most once per minute.

    Raises:
        TypeError: when one of the functions is a coroutine function.
        ValueError: when a source does not exist.
    """

    sources: Collection[str] | None = None
    track_filter: TrackFilter | None = None
    consent: Consent | None = None
    audio: bool = False
    _complaints: LogThrottle = field(factory=LogThrottle)

    def __attrs_post_init__(self) -> None:
        if isinstance(self.sources, str):
            raise TypeError(f"sources must be a collection, as in sources=({self.sources!r},)")
        for source in self.sources or ():
            if source not in VIDEO_SOURCES:
                raise ValueError(f"sources may hold {', '.join(VIDEO_SOURCES)}, not {source!r}")
        for name in ("track_filter", "consent"):
            function = getattr(self, name)
            if function is not None and (not callable(function) or inspect.iscoroutinefunction(function)):
                raise TypeError(f"{name} must be a plain function: the loop calls it and cannot wait for it")

    def describe(self) -> str:
        """Return what is watched, in words for the log."""
        video = (
            "video of every source"
            if self.sources is None
            else f"video of {', '.join(sorted(self.sources)) or 'no source'}"
        )
        conditions = [name for name in ("track_filter", "consent") if getattr(self, name) is not None]
        limits = f", subject to {' and '.join(conditions)}" if conditions else ""
        return f"{video}{' and microphones' if self.audio else ''}{limits}"

    def consents(self, participant: rtc.RemoteParticipant) -> bool:
        """Ask whether a participant may be watched."""
        return self.consent is None or self._ask("consent", self.consent, participant)

    def refusal(self, publication: rtc.RemoteTrackPublication, participant: rtc.RemoteParticipant) -> str:
        """Return why a publication is not watched, apart from consent; empty when it is."""
        if participant.kind in _NOT_PEOPLE:
            return "an agent or egress"
        info = track_info(publication, participant)
        if info.kind == "audio":
            if not self.audio:
                return "no audio_params"
            if info.source == "screen_share_audio":
                return "no microphone"
        elif self.sources is not None and info.source not in self.sources:
            return "not in sources"
        if self.track_filter is None or self._ask("track_filter", self.track_filter, publication, participant):
            return ""
        return "track_filter said no"

    def _ask(self, name: str, function: Callable[..., object], *args: object) -> bool:
        try:
            answer = function(*args)
            if inspect.isawaitable(answer):
                cast("Any", answer).close()
                raise TypeError(f"{name} must return True or False, not an awaitable")
            return bool(answer)
        except Exception:
            if self._complaints.due(name, time.monotonic()):
                logger.exception("%s failed, which counts as no", name)
            return False
