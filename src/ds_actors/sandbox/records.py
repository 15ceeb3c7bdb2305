"""Records of each client: its attempts, connections and samples; no pixels and no keys."""

from __future__ import annotations

import hashlib
from collections import Counter, deque
from typing import Final, Literal

from attrs import define, field, frozen

ATTEMPTS_KEPT: Final = 10_000
SAMPLES_KEPT: Final = 100_000
ROUND_TRIPS_KEPT: Final = 10_000
CLIENTS_KEPT: Final = 1_000

EndedBy = Literal["client", "service", "lost"]


@frozen
class Received:
    """One received sample, without its pixels."""

    at: float
    """Seconds since the service began."""
    participant: str
    track: str
    size: int
    """Bytes of the picture or sound, without the enclosing message."""
    age: float
    """Seconds from its own timestamp to its arrival, by the wall clock."""
    format: Literal["jpeg", "pcm"] = "jpeg"
    transfer: float = 0.0
    """Seconds from its first byte to its last: the network's part of the age, beside its latency."""


@frozen
class RoundTrip:
    """One ping of the service that was answered."""

    at: float
    """When it was sent, in seconds since the service began."""
    seconds: float


@define(eq=False)
class Attempt:
    """One requested upgrade and its outcome; times are seconds since the service began."""

    at: float
    status: int | None = None
    """The HTTP status that refused it; None when it was accepted."""
    retry_after: float | None = None
    """The refusal's Retry-After, in seconds."""
    key_in_url: bool = False
    """True when the path or query contained the key."""
    ended: float | None = None
    """When it ended; None while the connection is open."""
    ended_by: EndedBy | None = None
    """Who ended it: the client by closing, the service (refusals, faults), or "lost" without a stated cause."""
    code: int | None = None
    """The close code, where there was one."""
    answered: bool = False
    """True once a result or a pong was sent."""
    quiet: float = 0.0
    """The longest time, in seconds, that the client kept the connection while nothing was sent to it."""
    last_sent: float = 0.0
    """When something was last sent to the client."""
    quiet_from: float = 0.0
    """When `quiet` began."""

    def note_sent(self, now: float) -> None:
        """Record that something is sent to the client."""
        self._note_quiet(now)
        self.last_sent = now

    def _note_quiet(self, now: float) -> None:
        if now - self.last_sent > self.quiet:
            self.quiet, self.quiet_from = now - self.last_sent, self.last_sent

    def over(self, now: float, ended_by: EndedBy, code: int | None = None) -> None:
        """Record the end; only the first call counts."""
        if self.ended is None:
            self._note_quiet(now)
            self.ended, self.ended_by, self.code = now, ended_by, code


@define(eq=False)
class ClientRecord:
    """One client: every connection from one address with one key. The lists keep the latest entries."""

    name: str
    attempts: deque[Attempt] = field(factory=lambda: deque[Attempt](maxlen=ATTEMPTS_KEPT), repr=False)
    samples: deque[Received] = field(factory=lambda: deque[Received](maxlen=SAMPLES_KEPT), repr=False)
    round_trips: deque[RoundTrip] = field(factory=lambda: deque[RoundTrip](maxlen=ROUND_TRIPS_KEPT), repr=False)
    received: int = 0
    """The number of samples, including those no longer in the list."""
    malformed: int = 0
    """Messages that were not a FrameRequest."""
    answers: Counter[str] = field(factory=Counter[str])
    """Results sent, by level."""

    @property
    def connections(self) -> list[Attempt]:
        """The attempts that were accepted."""
        return [attempt for attempt in self.attempts if attempt.status is None]

    def rates(self) -> dict[tuple[str, str], float]:
        """Return samples per second by (participant, track), between first and last; 0.0 for one sample."""
        times: dict[tuple[str, str], list[float]] = {}
        for sample in self.samples:
            times.setdefault((sample.participant, sample.track), []).append(sample.at)
        return {key: (len(at) - 1) / (at[-1] - at[0]) if at[-1] > at[0] else 0.0 for key, at in times.items()}


@define(eq=False)
class Records:
    """The clients by address and key; the key itself is not kept."""

    _clients: dict[bytes, ClientRecord] = field(factory=dict[bytes, ClientRecord], repr=False)
    _count: int = 0

    def client(self, address: str, key: str) -> ClientRecord:
        """Return the client's record, a new one at its first attempt; the oldest record is dropped over the limit."""
        digest = hashlib.sha256(f"{address}\0{key}".encode("utf-8", "surrogatepass")).digest()
        if digest not in self._clients:
            if len(self._clients) >= CLIENTS_KEPT:
                del self._clients[next(iter(self._clients))]
            self._count += 1
            self._clients[digest] = ClientRecord(f"client {self._count}")
        return self._clients[digest]

    @property
    def clients(self) -> list[ClientRecord]:
        """The clients, in order of their first attempt."""
        return list(self._clients.values())
