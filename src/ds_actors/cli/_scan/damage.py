"""Damage inside a video: data that could not be decoded, with decodable pictures after it. Pure."""

from __future__ import annotations

from typing import Any, Final

from attrs import define, field

from ds_actors._text import counted

MOST_TIMES: Final = 20
"""Number of places whose time is kept; every place is counted."""
_TIMES_SHOWN: Final = 3


@define
class DamageLog:
    """Counts damaged places. Consecutive failures are one place; failures at the end of the video are not damage."""

    failures: int = 0
    """Number of packets that could not be decoded and pictures that could not be sent."""
    places: int = 0
    times: list[float] = field(factory=list[float])
    """Start times of the first places, in seconds."""
    reason: str = ""
    """Reason of the latest failure."""
    _open: int = field(default=0, init=False)
    _since: float = field(default=0.0, init=False)

    def fail(self, seconds: float, reason: str) -> None:
        """Record a failure at a time in seconds."""
        if not self._open:
            self._since = seconds
        self._open += 1
        self.reason = reason

    def succeed(self) -> None:
        """Record that decoding succeeded again, so that the failures before are damage and not the end."""
        if not self._open:
            return
        self.failures += self._open
        self.places += 1
        if len(self.times) < MOST_TIMES:
            self.times.append(max(0.0, self._since))
        self._open = 0

    @property
    def at_end(self) -> bool:
        """Whether nothing has been decoded since the latest failure."""
        return self._open > 0

    def __str__(self) -> str:
        """Return one line such as "damaged at 2.0 s, 7.5 s, 9.0 s and 4 more places"; empty without damage."""
        if not self.places:
            return ""
        shown = ", ".join(f"{seconds:.1f} s" for seconds in self.times[:_TIMES_SHOWN])
        more = self.places - min(len(self.times), _TIMES_SHOWN)
        rest = f" and {counted(more, 'more place')}" if more else ""
        return f"damaged at {shown}{rest}"

    def as_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        times = [round(seconds, 3) for seconds in self.times]
        return {"failures": self.failures, "places": self.places, "at": times}
