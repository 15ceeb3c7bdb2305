"""Laws of slow links: the estimate follows the link, and what is allowed arrives in time."""

from __future__ import annotations

import math

import pytest
from attrs import define, field
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ds_actors.detection.events import Level, Sample
from ds_actors.detection.turns import Deliver, RequestTurn
from ds_actors.detection.uplink.link_pace import ARRIVES_WITHIN, LEAD, LONGEST_SEND, LinkPace
from ds_actors.detection.uplink.link_speed import LinkSpeed
from ds_actors.detection.uplink.outbox import Outbox

rates = st.floats(4_000, 1_000_000)
sizes = st.integers(1_024, 200_000)
delays = st.floats(0, 0.5)


@define
class Link:
    """A link that passes bytes at its rate, and pongs after its round trip."""

    rate: float
    delay: float
    speed: LinkSpeed = field(factory=LinkSpeed)
    now: float = 0.0

    def __attrs_post_init__(self) -> None:
        self.speed.idle_pong(self.delay)

    def send(self, size: int, stall: float = 0.0) -> None:
        """Send a message, wait for its pong, and for a second more."""
        self.speed.send_began(size, self.now)
        number = self.speed.sent(self.now)
        self.now += size / self.rate + self.delay + stall
        if number is not None:
            self.speed.confirmed(number, self.now)
        self.now += 1.0

    def estimate(self) -> float:
        return self.speed.rate(self.now)


@given(rates, rates, delays, st.lists(sizes, min_size=3, max_size=5), st.lists(sizes, min_size=2, max_size=2))
def test_one_send_shows_that_a_link_became_slower_and_two_that_it_became_faster(
    before: float, after: float, delay: float, first: list[int], then: list[int]
) -> None:
    """Whatever was measured before; from there on the estimate is the rate."""
    link = Link(before, delay)
    for size in first:
        link.send(size)
    assert link.estimate() == pytest.approx(before, rel=0.01)
    link.rate = after
    for size in then[: 1 if after < before else 2]:
        link.send(size)
    assert link.estimate() == pytest.approx(after, rel=0.01)


@given(rates, delays, st.lists(sizes, min_size=3, max_size=5), sizes, st.floats(0, 60))
def test_a_single_stall_is_forgotten_after_one_send(
    rate: float, delay: float, before: list[int], size: int, stall: float
) -> None:
    """However long it was."""
    link = Link(rate, delay)
    for each in before:
        link.send(each)
    link.send(size, stall)
    link.send(size)
    assert link.estimate() == pytest.approx(rate, rel=0.01)


@given(rates, sizes, st.floats(0, 60), st.integers(1_024, 8_000))
def test_a_single_stall_stops_the_samples_for_less_than_a_minute(
    rate: float, size: int, stall: float, floor: int
) -> None:
    """A picture at the floor is refused again and again, until the estimate allows it."""
    link = Link(rate, 0.0)
    pace = LinkPace(link.speed)
    for _ in range(3):
        link.send(size)
    link.send(size, stall)
    began = link.now
    while pace.allowance(link.now, 0, link.now).most < floor:
        pace.refused(floor, link.now)
        link.now += 0.5
    # When the floor is larger than what was sent before, it is only hoped for after a minute without a measurement.
    assert link.now - began < (60 if floor <= size else 120)


@settings(max_examples=2 * settings().max_examples)
@given(
    st.lists(st.tuples(sizes, st.floats(0, 5), st.booleans()), max_size=20),
    rates,
    delays,
    st.integers(0, 50),
    st.floats(0, 3),
)
def test_what_is_allowed_never_makes_the_expected_age_exceed_two_seconds(
    history: list[tuple[int, float, bool]], rate: float, delay: float, waiting: int, age: float
) -> None:
    """After any sends, confirmed or not; a wish is at most what is allowed, and one second of the link."""
    link = Link(rate, delay)
    pace = LinkPace(link.speed)
    for size, wait, confirmed in history:
        if confirmed:
            link.send(size)
        else:
            link.speed.send_began(size, link.now)
            link.speed.sent(link.now)
        link.now += wait
    now, speed = link.now, link.speed
    allowance = pace.allowance(now - age, waiting, now)
    assert allowance.wish <= allowance.most
    if not speed.known or not allowance.most or speed.left(now) == math.inf:
        return
    assert allowance.wish <= LONGEST_SEND * speed.rate(now) * 1.001
    expected = age + speed.left(now) + allowance.most / speed.rate(now) + speed.delay(now)
    assert expected <= ARRIVES_WITHIN
    assert not pace.arrives_late(int(allowance.most), now - age, now)


@define
class Room:
    """Tracks that want a turn all the time, on one link whose buffers take everything; captures take no time."""

    link: Link
    size: int
    pace: LinkPace = field(init=False)
    outbox: Outbox = field(init=False)
    arrived: dict[str, float] = field(factory=dict[str, float])
    """When each track's newest sample arrived."""
    _free_at: float = 0.0
    _pongs: list[tuple[float, int]] = field(factory=list[tuple[float, int]])

    def __attrs_post_init__(self) -> None:
        self.pace = LinkPace(self.link.speed)
        self.outbox = Outbox(link=self.pace)

    def ask(self, name: str, level: Level) -> None:
        self.outbox.put(RequestTurn(name, name, level, None), self.link.now)

    def step(self) -> None:
        """Do the next thing."""
        outbox, link = self.outbox, self.link
        got = outbox.take(link.now)
        if isinstance(got, RequestTurn):
            outbox.settle(got, link.now)
            outbox.put(Deliver(got.track, Sample("p", got.track, 0, bytes(self.size), link.now)), link.now)
        elif isinstance(got, Deliver):
            self._send(got)
        else:
            at = outbox.ready_at(link.now)
            pong = self._pongs[0][0] if self._pongs else math.inf
            link.now = min(pong, math.inf if at is None else at)
            if link.now == pong:
                link.speed.confirmed(self._pongs.pop(0)[1], link.now)

    def _send(self, got: Deliver) -> None:
        link = self.link
        self.pace.send_began(self.size, link.now)
        number = link.speed.sent(link.now)
        self.outbox.settle(got, link.now)
        self._free_at = self.arrived[got.track] = max(self._free_at, link.now) + self.size / link.rate
        if number is not None:
            self._pongs.append((self._free_at + link.delay, number))
        self.ask(got.track, Level.CLEAR)


@example(others=2, rate=96_375.0, delay=0.125, size=4_497, steps=95)
@given(st.integers(2, 20), st.floats(8_000, 200_000), st.floats(0, 0.2), st.integers(4_000, 8_000), st.integers(0, 100))
def test_an_alert_waits_for_two_sends_of_other_tracks_at_most(
    others: int, rate: float, delay: float, size: int, steps: int
) -> None:
    """What is under way, and the fair turn that each fourth one is; then its own sample arrives."""
    room = Room(Link(rate, delay), size)
    for _ in range(3):
        room.link.send(size)
    for number in range(others):
        room.ask(f"T{number}", Level.CLEAR)
    for _ in range(steps):
        room.step()
    room.ask("alert", Level.ALERT)
    began = room.link.now
    while "alert" not in room.arrived:
        room.step()
    assert room.arrived["alert"] - began <= 3 * size / rate + 2 * (LEAD + delay)
