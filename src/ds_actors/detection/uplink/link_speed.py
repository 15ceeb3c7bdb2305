"""How fast the link to the service is: an estimate from what was sent and when the service had it. Pure.

The kernel, a proxy and the service's own machine all take bytes long before the service reads them, so the end of a
send says little. A *probe* does: a WebSocket ping right behind a message, whose pong says that the message was read.

    send_began(size) ... sent() -> the number of a probe to send, or None ... confirmed(number) when its pong arrives

The rate of a message is its size over the time from when the link was free for it to the pong, less the time of a ping
that waits for nothing (`delay`). When that was is not known behind messages without a probe: then the rate of all of
them together counts, if it is higher, because no link is slower than what it carried. The estimate is the slower of the
newest rate and the median of the last three: one send shows that a link became slow, two that it became fast, and a
single stall is forgotten after two sends.

It belongs to the monitor, and outlives connections.
"""

from __future__ import annotations

import math
from collections import deque
from statistics import median_low
from typing import Final

from attrs import define, field, frozen

START_BYTES: Final = 8 * 1024
"""The size of the first message of all, whose link is not known: a second on a link of 8 KiB/s."""
SMALLEST_MEASURED: Final = 1024
"""Bytes: the time of a smaller message says nothing about the rate."""
SHORTEST_TIME: Final = 0.001
"""Seconds: no message counts as faster, because clocks and schedulers are not."""
PROBED_FROM: Final = 0.05
"""Seconds: a message that should take this long is always probed; on a faster link one in `PROBE_EVERY` is enough."""
PROBE_EVERY: Final = 1.0
SLACK: Final = 0.3
"""Seconds by which a pong may be later than expected; after that the link stalls, and nothing more is sent."""
WRITE_OFF: Final = 10.0
"""Seconds by which a pong may be late before it is not waited for any longer."""
WRITTEN_OFF: Final = 3
"""Pongs in a row that were not waited for any longer, after which the connection counts as one that has none."""
DOUBLES_EVERY: Final = 5.0
"""Seconds in which the rate doubles, and the delay halves, while nothing can be sent: only a send can correct them.

They are twice as many after each such send that was slow again, up to four times.
"""
LONG_SEND: Final = 2.0
"""Seconds after which a send that has not returned says that the link is slow, also when its connection ends."""
FRESH_FOR: Final = 60.0
"""Seconds for which a measurement counts, when larger messages are refused meanwhile."""
_MOST_DOUBLINGS: Final = 60.0
_MOST_PROBES: Final = 64


@frozen
class _Probe:
    size: int
    began: float
    end: int
    """The bytes sent up to its message's last."""
    expected: float
    """When its pong should arrive."""
    run_began: float
    """When the first message was sent since the link should last have been free."""
    run_start: int
    """The bytes sent before that message."""


@define(eq=False)
class LinkSpeed:
    """Estimates one link; all times are seconds on one monotonic clock."""

    _delay: float = field(default=0.0, init=False)
    _rates: deque[float] = field(factory=lambda: deque[float](maxlen=3), init=False)
    """Bytes per second of the last messages, oldest first."""
    _estimate: float = field(default=float(START_BYTES), init=False)
    """Bytes per second, from those rates."""
    _refused_since: float | None = field(default=None, init=False)
    """When a message was first refused as too slow, since the last measurement."""
    _disappointments: int = field(default=0, init=False)
    """Messages in a row that were sent after others had been refused."""
    _measured_size: int = field(default=0, init=False)
    _measured_at: float = field(default=-math.inf, init=False)
    _probes: dict[int, _Probe] = field(factory=dict[int, _Probe], init=False)
    """The probes without a pong, by number, so oldest first."""
    _number: int = field(default=0, init=False)
    _end: int = field(default=0, init=False)
    """Bytes sent so far."""
    _run: tuple[float, int] = field(default=(0.0, 0), init=False)
    """When the link should last have been free, and the bytes sent by then."""
    _sending: tuple[int, float] | None = field(default=None, init=False)
    """The size of the message that is being sent, and when its send began."""
    _free_at: float = field(default=-math.inf, init=False)
    """When all that was sent should have left."""
    _confirmed_at: float = field(default=-math.inf, init=False)
    _confirmed_end: int = field(default=0, init=False)
    _probed_at: float = field(default=-math.inf, init=False)
    _has_pongs: bool | None = field(default=None, init=False)
    """False on a connection whose other side leaves pings unanswered, against RFC 6455: then sends have to do."""

    @property
    def known(self) -> bool:
        """True once something was measured."""
        return bool(self._rates)

    def rate(self, now: float) -> float:
        """Return the bytes per second; before the first measurement, those of a slow link."""
        estimate = self._estimate
        sending = self._sending  # read once: another thread may ask for the status
        if sending is not None and now - sending[1] >= LONG_SEND:
            return min(estimate, sending[0] / (now - sending[1]))
        return estimate * self._hope(now)

    def delay(self, now: float) -> float:
        """Return the seconds from a ping that waits for nothing to its pong."""
        return self._delay / self._hope(now)

    def send_lasts(self, now: float) -> float:
        """Return for how many seconds a send has not returned; 0 when none is under way."""
        sending = self._sending
        return 0.0 if sending is None else now - sending[1]

    def seconds(self, size: float, now: float) -> float:
        """Return how long so many bytes take on a link that is free."""
        return size / self.rate(now)

    def left(self, now: float) -> float:
        """Return the seconds until what was sent has left; infinity while that is not known.

        That is while the link stalls, and from the first message of all to its pong.
        """
        awaited = self._awaited(now)
        if awaited is not None and (not self.known or now > awaited.expected + SLACK):
            return math.inf
        return max(0.0, self._free_at - now)

    def awaits_until(self, now: float) -> float:
        """Return when the pong that is awaited now is not waited for any longer."""
        awaited = self._awaited(now)
        return now if awaited is None else awaited.expected + WRITE_OFF

    def send_began(self, size: int, now: float) -> None:
        """Record that the send of a message of so many bytes begins."""
        self._sending = (size, now)
        if now >= self._free_at:
            self._run = (now, self._end)
        self._end += size
        self._free_at = max(self._free_at, now) + self.seconds(size, now)

    def sent(self, now: float) -> int | None:
        """Record that the send returned; return the number of a probe to send now, None when none is needed."""
        assert self._sending is not None
        (size, began), self._sending = self._sending, None
        if self._has_pongs is False:
            self._measured(size, _rate(size, now - began), now)
            self._free_at = min(self._free_at, now)
            return None
        takes = self.seconds(size, now)
        if self._rates and takes < PROBED_FROM and now - self._probed_at < PROBE_EVERY:
            return None
        self._number += 1
        self._probed_at = now
        if sum(now >= probe.expected + WRITE_OFF for probe in self._probes.values()) >= WRITTEN_OFF:
            self._has_pongs = False
            return None
        if len(self._probes) >= _MOST_PROBES:
            del self._probes[next(iter(self._probes))]
        expected = max(self._free_at, now) + self._delay
        self._probes[self._number] = _Probe(size, began, self._end, expected, *self._run)
        return self._number

    def confirmed(self, number: int, now: float) -> None:
        """Record the pong of a probe: all that was sent before it has arrived."""
        self._has_pongs = True
        self._confirm(number, now)

    def answered(self, now: float) -> bool:
        """Record a result about the last message: it was read. Return whether that is news.

        It is where pings are left unanswered; elsewhere a pong says so more surely.
        """
        if self._has_pongs is not None or len(self._probes) != 1:
            return False
        self._confirm(next(iter(self._probes)), now)
        return True

    def _confirm(self, number: int, now: float) -> None:
        probe = self._probes.get(number)
        if probe is None:
            return
        self._probes = {later: other for later, other in self._probes.items() if later > number}
        self._delay = min(self._delay, now - probe.began)
        arrived, confirmed = now - self._delay, self._confirmed_at - self._delay
        alone = _rate(probe.size, arrived - max(probe.began, confirmed))
        together = probe.end - max(probe.run_start, self._confirmed_end)
        run = _rate(together, arrived - max(probe.run_began, confirmed))
        self._measured(probe.size, max(alone, run), now)
        self._confirmed_at, self._confirmed_end = now, probe.end
        self._free_at = now + self.seconds(self._end - probe.end, now)

    def idle_pong(self, seconds: float) -> None:
        """Record the time from a ping that waited for nothing to its pong."""
        self._has_pongs = True
        self._delay = seconds

    def refused(self, size: int, now: float) -> None:
        """Record that a message was not sent, because it would have taken too long.

        That says nothing new about a link on which smaller ones arrive.
        """
        if size <= self._measured_size or now - self._measured_at >= FRESH_FOR:
            self._refused_since = now if self._refused_since is None else self._refused_since

    def connection_ended(self, now: float) -> None:
        """Forget what is under way; the estimate stays.

        A send that had not returned for seconds counts as measured: or else a link that is too slow for it would be
        given as much again.
        """
        if self._sending is not None and self.send_lasts(now) >= LONG_SEND:
            size = self._sending[0]
            self._measured(size, _rate(size, self.send_lasts(now)), now)
        self._probes.clear()
        self._sending = None
        self._free_at = self._confirmed_at = self._probed_at = -math.inf
        self._has_pongs = None

    def _hope(self, now: float) -> float:
        since = self._refused_since
        if since is None:
            return 1.0
        every = DOUBLES_EVERY * 2 ** min(self._disappointments, 2)
        return math.exp2(min(max(0.0, now - since) / every, _MOST_DOUBLINGS))

    def _measured(self, size: int, rate: float, now: float) -> None:
        self._disappointments = 0 if self._refused_since is None else self._disappointments + 1
        self._refused_since = None
        self._measured_size, self._measured_at = size, now
        if size >= SMALLEST_MEASURED:
            self._rates.append(rate)
            self._estimate = min(rate, median_low(self._rates))

    def _awaited(self, now: float) -> _Probe | None:
        """Return the oldest probe whose pong is still waited for."""
        for probe in self._probes.values():
            if now < probe.expected + WRITE_OFF:
                return probe
        if self._probes and self._has_pongs is None:
            self._has_pongs = False
        return None


def _rate(size: int, seconds: float) -> float:
    return size / max(seconds, SHORTEST_TIME)
