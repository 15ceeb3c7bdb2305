"""The status of a monitor: frozen, so that any thread can read it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, cast

from attrs import asdict, field, frozen

from ds_actors.detection.coverage import Coverage
from ds_actors.detection.events import Level

UplinkState = Literal["connecting", "up", "down", "refused"]
State = Literal["idle", "waiting_for_room", "running", "refused", "failed", "closed"]
RoomState = Literal["connected", "reconnecting"]


@frozen
class RoomStatus:
    """The connection to the room whose tracks are watched."""

    state: RoomState
    since_ms: int
    """Wall clock when this state began, in milliseconds since the epoch."""


@frozen
class Watching:
    """How many of the tracks that should be checked are checked."""

    checked: int
    wanted: int

    def __str__(self) -> str:
        return f"{self.checked} of {self.wanted}"


@frozen
class TrackStatus:
    """A snapshot of one track."""

    participant: str
    track: str
    kind: str
    source: str
    level: Level
    coverage: Coverage
    target_fps: float
    """The rate that the plan asks for, in samples per second."""
    actual_fps: float
    """Samples sent per second, over the last ten seconds, or since the track began if that is less."""
    reason: str
    """The reason of the policy's plan; for a track without a policy, why it has none."""
    sent: int
    wanted: bool = True
    """False while it is muted, and when the host chose not to have it checked."""
    seconds_since_verdict: float | None = None
    """Seconds since its last verdict; None before the first."""
    frame_requests: int = 0
    """How often its source has asked for frames, because none came."""


@frozen
class UplinkStatus:
    """A snapshot of the uplink."""

    state: UplinkState
    cause: str
    attempts: int
    connections: int
    due: int
    sent: int
    dropped: Mapping[str, int]
    waiting: int
    granted: int
    malformed: int
    round_trip: float | None
    """Seconds; measured only when one sample was outstanding."""
    answered: int = 0
    """Of the sent samples: sent = answered + unanswered + lost + outstanding."""
    unanswered: int = 0
    """Not answered for 30 s."""
    lost: int = 0
    """Sent and not answered when the connection ended."""
    outstanding: int = 0
    """Sent, and neither of these yet."""
    slow: bool = False
    """The link is slow: pictures are sent smaller, and fewer."""
    bytes_per_second: float | None = None
    """What the link carries, estimated; None before the first measurement."""
    bytes_sent: int = 0
    """Bytes of the samples sent, without the wire's own."""


@frozen
class SinkStatus:
    """A snapshot of one sink."""

    name: str
    delivered: int
    failed: int
    timed_out: int
    dropped: int
    waiting: int
    behind: int = 0
    """With `notify="changes"`: tracks whose current level the sink has not accepted; each is tried again."""


@frozen
class PartStatus:
    """A snapshot of one part of the tree of actors: the sinks, the uplink, the tracks or the watch; 5 s old at most."""

    name: str
    actors: int
    """Those that run."""
    restarts: int
    """Of any of its actors and supervisors, so far."""
    queued: int
    """Messages that wait in its mailboxes."""
    error: str
    """The type of its last crash; empty where there was none."""


@frozen
class Status:
    """A snapshot of the monitor."""

    state: State
    reason: str
    uplink: UplinkStatus
    tracks: tuple[TrackStatus, ...]
    sinks: tuple[SinkStatus, ...]
    results: Mapping[str, int]
    """Answers by outcome."""
    not_watched: Mapping[str, int] = field(factory=dict[str, int])
    """Tracks over a limit, by reason."""
    room: RoomStatus | None = None
    """None before the room was joined, and for a monitor without a room."""
    blind: str = ""
    """Why tracks that should be checked have not been for 30 s; empty when none is."""
    parts: tuple[PartStatus, ...] = ()
    """The parts of the tree of actors; none before the monitor runs."""

    @property
    def watching(self) -> Watching:
        """How many of the tracks that should be checked are checked; printed as `2 of 3`."""
        wanted = [track for track in self.tracks if track.wanted]
        return Watching(sum(track.coverage is Coverage.CHECKED for track in wanted), len(wanted))

    def dict(self) -> dict[str, Any]:
        """Return plain values, fit for JSON."""
        return {**asdict(self, value_serializer=_plain_value), "watching": str(self.watching)}


def _plain_value(_instance: object, _attribute: object, value: Any) -> Any:
    return dict(cast("Mapping[str, Any]", value)) if isinstance(value, Mapping) else value
