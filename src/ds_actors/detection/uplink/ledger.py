"""An optional record of the last 1,000 sent samples, in memory and without their pixels. Pure."""

from __future__ import annotations

import json
from collections import deque
from typing import Any, Final, Literal

from attrs import asdict, define, evolve, field, frozen

from ds_actors.detection.events import Sample
from ds_actors.detection.uplink.answers import Outcome, Settled
from ds_actors.detection.uplink.wire_names import WireNames

ROWS: Final = 1_000


@frozen
class LedgerRow:
    """One sent sample. The participant is untrusted text, unchanged."""

    participant: str
    track: str
    captured_ms: int
    """Wall clock at capture, in milliseconds since the epoch, as sent to the service."""
    sent_ms: int
    """Wall clock when the send returned, in milliseconds since the epoch."""
    format: Literal["jpeg", "pcm"]
    size: int
    """Bytes of the JPEG or of the sound."""
    connection: int = 0
    """The number of the connection that it was sent on, counted from 1."""
    outcome: Outcome = "outstanding"
    """`answered`, `unanswered` for 30 s, `lost` with its connection, or none of these yet."""
    answer: str = ""
    """The level of the answer; empty without one. Answers are matched by track, the oldest sample first."""
    latency: float | None = None
    """Seconds from the send's return to the answer; None when it could belong to another sample."""
    participant_sent: str = ""
    """The participant as sent to the service: a pseudonym, or the same."""
    track_sent: str = ""

    def dict(self) -> dict[str, Any]:
        """Return plain values, fit for JSON."""
        return asdict(self)

    def json(self) -> str:
        """Return one line of ASCII JSON with the keys of `dict()`."""
        return json.dumps(self.dict())


@define(eq=False)
class Ledger:
    """The newest rows, oldest first; `total` also counts the dropped ones."""

    names: WireNames | None = None
    """What replaces the names on the wire."""
    total: int = field(default=0, init=False)
    _rows: deque[LedgerRow] = field(factory=lambda: deque[LedgerRow](maxlen=ROWS), init=False)

    def sent(self, sample: Sample, wall_ms: int, connection: int = 0) -> None:
        """Record a sent sample."""
        self.total += 1
        own = (sample.participant, sample.track)
        participant_sent, track_sent = own if self.names is None else self.names.of(*own)
        self._rows.append(
            LedgerRow(
                *own,
                sample.timestamp_ms,
                wall_ms,
                sample.format,
                len(sample.data),
                connection,
                participant_sent=participant_sent,
                track_sent=track_sent,
            )
        )

    def settle(self, settled: Settled) -> None:
        """Record what became of a sample; one that is not kept any more is ignored."""
        index = settled.number - 1 - (self.total - len(self._rows))
        if 0 <= index < len(self._rows):
            self._rows[index] = evolve(
                self._rows[index], outcome=settled.outcome, answer=settled.answer, latency=settled.latency
            )

    def rows(self) -> tuple[LedgerRow, ...]:
        """Return the kept rows, oldest first."""
        return tuple(self._rows)
