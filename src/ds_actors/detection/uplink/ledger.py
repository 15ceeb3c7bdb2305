"""An optional record of the last 1,000 sent samples, in memory and without their pixels. Pure."""

from __future__ import annotations

from collections import deque
from typing import Any, Final, Literal

from attrs import asdict, define, evolve, field, frozen

from ds_actors.detection.events import Sample
from ds_actors.detection.uplink.answers import Outcome, Settled

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

    def dict(self) -> dict[str, Any]:
        """Return plain values, fit for JSON."""
        return asdict(self)


@define(eq=False)
class Ledger:
    """The newest rows, oldest first; `total` also counts the dropped ones."""

    total: int = 0
    _rows: deque[LedgerRow] = field(factory=lambda: deque[LedgerRow](maxlen=ROWS))

    def sent(self, sample: Sample, wall_ms: int, connection: int = 0) -> None:
        """Record a sent sample."""
        self.total += 1
        size = len(sample.data)
        self._rows.append(
            LedgerRow(sample.participant, sample.track, sample.timestamp_ms, wall_ms, sample.format, size, connection)
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
