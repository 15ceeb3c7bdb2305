"""How far the time of a container passed without a jump, by the packets of all its streams. Pure."""

from __future__ import annotations

from collections import deque
from fractions import Fraction
from typing import Final

from attrs import define, field

LONGEST_STEP: Final = Fraction(60)
"""Seconds between two packets above which the container's time has jumped, unless something accounts for them."""
LONGEST_STATED: Final = Fraction(3_600)
"""Seconds above which the duration that a packet states is not believed."""
OUT_OF_ORDER: Final = Fraction(1, 2)
"""Seconds that a picture may be behind another one before it: some files mix up decoding and presentation time."""
_MOST_SPANS: Final = 32
"""Number of finished spans that are kept."""


@define
class TimeSpan:
    """A stretch of a container's time in which a stream has packets less than `LONGEST_STEP` apart."""

    start: Fraction
    end: Fraction


@define
class PassedTime:
    """Notes which stretches of a container's time its streams fill."""

    _open: dict[int, TimeSpan] = field(factory=dict[int, TimeSpan], init=False)
    """The latest span of each stream, by the stream's index."""
    _finished: deque[TimeSpan] = field(factory=lambda: deque[TimeSpan](maxlen=_MOST_SPANS), init=False)

    def note(self, stream: int, start: Fraction, duration: Fraction = Fraction(0)) -> None:
        """Note a packet of a stream.

        Args:
            stream: the stream's index.
            start: the packet's time in the container, in seconds.
            duration: what the container states about the packet's duration, in seconds; 0 where it states nothing.
        """
        end = start + duration if 0 < duration <= LONGEST_STATED else start
        span = self._open.get(stream)
        if span is not None and span.end - OUT_OF_ORDER <= start <= span.end + LONGEST_STEP:
            span.end = max(span.end, end)
            return
        if span is not None:
            self._finished.append(span)
        self._open[stream] = TimeSpan(start, end)

    def reach(self, time: Fraction) -> Fraction:
        """Return the latest time of the container that passed without a jump after this one, in seconds."""
        for span in sorted([*self._finished, *self._open.values()], key=lambda span: span.start):
            if span.start > time + LONGEST_STEP:
                break
            time = max(time, span.end)
        return time

    def forget(self) -> None:
        """Forget the finished spans, because the container's time has jumped."""
        self._finished.clear()
