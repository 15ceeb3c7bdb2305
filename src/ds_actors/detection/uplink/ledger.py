"""An optional record of the last 1,000 sent samples, in memory and without their pixels. Pure."""

from __future__ import annotations

from collections import deque
from typing import Any, Final, Literal

from attrs import asdict, define, field, frozen

from ds_actors.detection.events import Sample

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

    def dict(self) -> dict[str, Any]:
        """Return plain values, fit for JSON."""
        return asdict(self)


@define(eq=False)
class Ledger:
    """The newest rows, oldest first; `total` also counts the dropped ones."""

    total: int = 0
    _rows: deque[LedgerRow] = field(factory=lambda: deque[LedgerRow](maxlen=ROWS))

    def sent(self, sample: Sample, wall_ms: int) -> None:
        """Record a sent sample."""
        self.total += 1
        row = LedgerRow(sample.participant, sample.track, sample.timestamp_ms, wall_ms, sample.format, len(sample.data))
        self._rows.append(row)

    def rows(self) -> tuple[LedgerRow, ...]:
        """Return the kept rows, oldest first."""
        return tuple(self._rows)
