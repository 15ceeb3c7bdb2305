"""The uplink's rules: when a connection is dead, what an ending means, how long to wait. Pure.

A `Session` judges one connection by its bytes, not by its messages: a slow link that still moves bytes is alive.

    nothing received for 10 s            -> SendPing
    nothing received in the 10 s after
      the ping's own send returned       -> Close
    a send that moves no byte for 10 s   -> Close
    a hundred malformed messages in a row -> Close
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Final, cast

from attrs import define, field, frozen

from ds_actors._backoff import ExponentialBackoff, Failure

from .errors import Refused, Unreachable, UplinkError
from .events import plain

__all__ = [
    "Close",
    "Refused",
    "SendPing",
    "Session",
    "Unreachable",
    "UplinkBackoff",
    "UplinkError",
    "closed",
    "parse_head",
    "rejected",
]

PING_AFTER: Final = 10.0
"""Seconds without a received byte before a ping is due."""
DEAD_AFTER: Final = 10.0
"""Seconds that a sent ping may stay without any answer, and a send without a byte moved."""
HEALTHY_AFTER: Final = 10.0
"""Seconds of connection after which one that has brought a result or a pong resets the backoff."""
MALFORMED_LIMIT: Final = 100
"""Malformed messages in a row that end the connection."""
RETRY_AFTER_LIMIT: Final = 300.0
"""The longest wait, in seconds, that the service's Retry-After is believed."""
REFUSED_STATUSES: Final = frozenset({401, 403})
REFUSED_CODES: Final = frozenset({1008, 3000, 4001, 4003, 4401, 4403})
_PATIENT_STATUSES: Final = frozenset({429, 503})
_REASON_LIMIT: Final = 200


@frozen
class SendPing:
    """Send one ping now, and call `Session.ping_sent` when its send returned."""


@frozen
class Close:
    """The connection is of no more use: drop it, and say why."""

    reason: str


@define(slots=True)
class Session:
    """The heartbeat of one connection; every time is a number of seconds on one monotonic clock."""

    began: float
    slow_sends: int = field(default=0, init=False)
    """Sends that took longer than 10 s: the next sample should be smaller."""
    malformed_total: int = field(default=0, init=False)
    _opened: float | None = field(default=None, init=False)
    _answered: bool = field(default=False, init=False)
    _heard: float = field(init=False)
    _pinging: bool = field(default=False, init=False)
    _pinged: float | None = field(default=None, init=False)
    _sending: float | None = field(default=None, init=False)
    _moved: float = field(default=0.0, init=False)
    _malformed: int = field(default=0, init=False)

    def __attrs_post_init__(self) -> None:
        self._heard = self.began

    def received(self, now: float) -> None:
        """Note that at least one byte arrived: whatever it says, the other side lives."""
        self._heard = now
        self._pinging = False
        self._pinged = None

    def opened(self, now: float) -> None:
        """Note the accepted upgrade."""
        self._opened = now

    def answered(self) -> None:
        """Note a result or a pong."""
        self._answered = True

    def is_healthy(self, now: float) -> bool:
        """Return whether this connection has proven itself, so that failures before it are forgotten."""
        return self._answered and self._opened is not None and now - self._opened >= HEALTHY_AFTER

    def ping_sent(self, now: float) -> None:
        """Note that the ping's send returned; its answer is due from here on."""
        if self._pinging:
            self._pinged = now

    @property
    def sending(self) -> bool:
        """True while a send is in progress."""
        return self._sending is not None

    def send_started(self, now: float) -> None:
        """Note that bytes are handed to the connection."""
        self._sending = self._moved = now

    def send_progress(self, now: float) -> None:
        """Note that the send in progress moved at least one byte."""
        self._moved = now

    def send_ended(self, now: float) -> None:
        """Note that the send in progress is over, and count it when it was slow."""
        if self._sending is not None and now - self._sending > DEAD_AFTER:
            self.slow_sends += 1
        self._sending = None

    def wellformed(self) -> None:
        """Note a message that could be read: the row of malformed ones ends."""
        self._malformed = 0

    def malformed(self) -> Close | None:
        """Count a message that could not be read; return Close after the hundredth in a row."""
        self._malformed += 1
        self.malformed_total += 1
        if self._malformed < MALFORMED_LIMIT:
            return None
        return Close(f"{MALFORMED_LIMIT} malformed messages in a row")

    def due(self) -> float:
        """Return when `tick` has something to decide, if nothing happens before; infinity when nothing is due."""
        times: list[float] = []
        if not self._pinging:
            times.append(self._heard + PING_AFTER)
        elif self._pinged is not None:
            times.append(self._pinged + DEAD_AFTER)
        if self._sending is not None:
            times.append(self._moved + DEAD_AFTER)
        return min(times, default=float("inf"))

    def tick(self, now: float) -> SendPing | Close | None:
        """Return what has to be done now; a ping is asked for once until a byte arrives."""
        if self._sending is not None and now >= self._moved + DEAD_AFTER:
            return Close(f"a send moved no byte for {DEAD_AFTER:g} s")
        if self._pinged is not None and now >= self._pinged + DEAD_AFTER:
            return Close(f"nothing was received in the {DEAD_AFTER:g} s after a ping")
        if not self._pinging and now >= self._heard + PING_AFTER:
            self._pinging = True
            return SendPing()
        return None


def rejected(status: int, headers: Iterable[tuple[bytes, bytes]], wall: float) -> UplinkError:
    """Return what an HTTP answer other than 101 to the upgrade means.

    Args:
        status: the answer's status code.
        headers: the answer's headers.
        wall: seconds since the epoch, for a Retry-After that is a date.
    """
    if status in REFUSED_STATUSES:
        return Refused(f"the service refused the key (HTTP {status}); check api_key (or DATASPIKE_API_KEY)")
    wait = _retry_after(headers, wall) if status in _PATIENT_STATUSES else None
    return Unreachable(f"the service answered the upgrade with HTTP {status}", wait)


def closed(code: int | None, reason: str | None) -> UplinkError:
    """Return what the end of an open connection means, from its close code and reason (RFC 6455, 7.4)."""
    said = plain(reason or "")[:_REASON_LIMIT]
    text = f"the connection was closed ({'no code' if code is None else code}{f': {said}' if said else ''})"
    if code in REFUSED_CODES:
        return Refused(f"{text}; check api_key (or DATASPIKE_API_KEY)")
    return Unreachable(text)


def parse_head(head: bytes) -> tuple[int, list[tuple[bytes, bytes]]] | None:
    """Return status and headers of an HTTP answer's first bytes, None unless the head is there as a whole.

    An answer whose body never ends is still an answer.
    """
    block, end, _body = head.partition(b"\r\n\r\n")
    if not end:
        return None
    first, *lines = block.split(b"\r\n")
    words = first.split(None, 2)
    if len(words) < 2 or not words[0].startswith(b"HTTP/1.") or len(words[1]) != 3 or not words[1].isdigit():
        return None
    pairs = (line.partition(b":") for line in lines)
    return int(words[1]), [(name.strip().lower(), value.strip()) for name, colon, value in pairs if colon]


def _retry_after(headers: Iterable[tuple[bytes, bytes]], wall: float) -> float | None:
    for name, value in headers:
        if name.lower() != b"retry-after":
            continue
        text = value.decode("latin-1").strip()
        if text.isascii() and text.isdigit():
            # A number of ten digits is far over the limit already; int() refuses very long ones.
            return min(RETRY_AFTER_LIMIT, float(text[:10])) if len(text) <= 10 else RETRY_AFTER_LIMIT
        return _until(text, wall)
    return None


def _until(text: str, wall: float) -> float | None:
    try:
        date = parsedate_to_datetime(text)
        # An HTTP date is always UTC (RFC 9110, 5.6.7), also when it does not say so.
        stamp = (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp()
    except (ValueError, TypeError, OverflowError, IndexError):
        return None
    return min(RETRY_AFTER_LIMIT, max(0.0, stamp - wall))


def leaves(error: BaseException) -> Iterator[BaseException]:
    """Yield the exceptions in a group, at any depth; an exception that is no group is its own only leaf."""
    if not isinstance(error, BaseExceptionGroup):
        yield error
        return
    for inner in cast("BaseExceptionGroup[BaseException]", error).exceptions:
        yield from leaves(inner)


_ORDINARY: Final = ExponentialBackoff(base=0.5, cap=15.0)
_REFUSED: Final = ExponentialBackoff(base=30.0, cap=300.0)


@frozen
class UplinkBackoff:
    """The uplink's delays, each kind of failure counted by itself.

    Unreachable and everything else: full jitter, base 0.5 s, cap 15 s, never sooner than the service asked for.
    Refused: 30 s x (0.8 to 1.2), doubling to 5 min at most.
    """

    def delay(self, failures: Sequence[Failure], u: float) -> float:
        """Return the seconds to wait, given the consecutive failures (oldest first, never empty) and u in [0, 1)."""
        refusals = sum(_refused(failure) for failure in failures)
        if _refused(failures[-1]):
            return min(_REFUSED.cap, _REFUSED.ceiling(refusals) * (0.8 + 0.4 * u))
        jittered = u * _ORDINARY.ceiling(len(failures) - refusals)
        asked = max((_asked(error) for error in _errors(failures[-1])), default=0.0)
        return min(RETRY_AFTER_LIMIT, asked + jittered) if asked else jittered


def _errors(failure: Failure) -> Iterator[BaseException]:
    return iter(()) if failure.error is None else leaves(failure.error)


def _refused(failure: Failure) -> bool:
    return any(isinstance(error, Refused) for error in _errors(failure))


def _asked(error: BaseException) -> float:
    return error.retry_after or 0.0 if isinstance(error, Unreachable) else 0.0
