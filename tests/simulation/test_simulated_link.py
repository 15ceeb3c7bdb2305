"""The simulated uplink by itself: connections, sends, answers, faults."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator
from heapq import heappop, heappush
from typing import Any

import pytest
from attrs import define, field

from ds_actors._backoff import MAX_FAILURES_KEPT
from ds_actors.detection.events import Level, Sample, TrackInfo
from ds_actors.detection.sampling import AdaptiveSampling
from ds_actors.detection.turns import Deliver, RequestTurn
from ds_actors.detection.uplink.link_pace import LinkPace
from ds_actors.detection.uplink.link_speed import START_BYTES
from ds_actors.detection.uplink.outbox import Outbox
from ds_actors.sandbox.erring import ErringJudge, ErringJudges
from ds_actors.sandbox.faults import (
    CloseOnAccept,
    Drop,
    Fault,
    Garbage,
    Oversized,
    Refuse,
    RefuseConnections,
    Silence,
    Slow,
)
from ds_actors.sandbox.room import Room
from ds_actors.sandbox.script import Script, TimedVerdict
from ds_actors.simulation._link import SimulatedLink
from ds_actors.simulation._track import SimulatedTrack
from ds_actors.simulation.service import Manipulation, PaperService, Rule

CLEAR, ALERT = Level.CLEAR, Level.ALERT
TRACK = SimulatedTrack(TrackInfo("p1", "TR_p1_1"), AdaptiveSampling(), [])


@define(eq=False)
class Host:
    """A simulation that has a clock and a link, and notes what the link tells it."""

    script: Script = field(factory=Script)
    now: float = 0.0
    random: Callable[[], float] = lambda: 0.5
    room: Room = field(init=False)
    outbox: Outbox = field(init=False)
    pace: LinkPace = field(factory=LinkPace)
    service: PaperService = field(init=False)
    judges: ErringJudges = field(init=False)
    link: SimulatedLink = field(init=False)
    pumped: list[float] = field(factory=list[float])
    """When the outbox was to be looked at."""
    sent_at: list[float] = field(factory=list[float])
    answers: list[tuple[float, Level, Manipulation | None]] = field(factory=list[Any])
    _heap: list[tuple[float, int, Callable[..., None], tuple[Any, ...]]] = field(factory=list[Any])
    _numbers: Iterator[int] = field(factory=itertools.count)

    def __attrs_post_init__(self) -> None:
        self.room = self.script.room
        self.outbox = Outbox(link=self.pace)
        self.service = PaperService(self.script)
        self.judges = ErringJudges(self.script.judges, self.random)
        self.link = SimulatedLink(self)

    def at(self, when: float, function: Callable[..., None], *arguments: Any) -> None:
        heappush(self._heap, (when, next(self._numbers), function, arguments))

    def pump(self) -> None:
        self.pumped.append(self.now)

    def sent(self, message: Deliver) -> None:
        self.sent_at.append(self.now)
        self.outbox.settle(message, self.now)

    def answer(self, track: SimulatedTrack, level: Level, manipulation: Manipulation | None) -> None:
        assert track is TRACK
        self.answers.append((self.now, level, manipulation))

    def run(self, until: float) -> None:
        """Run what was scheduled before that time."""
        while self._heap and self._heap[0][0] < until:
            self.now, _, function, arguments = heappop(self._heap)
            function(*arguments)
        self.now = until

    def is_up(self) -> bool:
        return self.link.up

    def is_sending(self) -> bool:
        return self.link.sending

    def scheduled(self, name: str) -> list[float]:
        """Return the times of the calls of that name that are to come."""
        return sorted(when for when, _, function, _ in self._heap if getattr(function, "__name__", "") == name)

    def begin(self, *faults: Fault) -> None:
        for fault in faults:
            self.link.fault(fault, begins=True)

    def end(self, *faults: Fault) -> None:
        for fault in faults:
            self.link.fault(fault, begins=False)

    def arrive(self, level: Level | None = CLEAR, answers: int = 1, manipulation: Manipulation | None = None) -> None:
        """Have a sample arrive now."""
        self.link.arrive(TRACK, Rule(TimedVerdict(level, answers=answers), manipulation))


def connected(*, latency: float = 0.0, link: float = math.inf, judges: tuple[ErringJudge, ...] = ()) -> Host:
    """Return a host whose link is up since 0."""
    host = Host(Script(latency=latency, room=Room(link=link), judges=judges))
    host.link.connect()
    assert host.is_up()
    return host


def deliver(size: int = 1_000) -> Deliver:
    return Deliver("TR_p1_1", Sample("p1", "TR_p1_1", 0, bytes(size), 0.0))


def in_hand(host: Host, size: int = 1_000) -> Deliver:
    """Return a sample that the outbox has handed to the link."""
    host.outbox.put(RequestTurn("TR_p1_1", "p1", CLEAR, None), host.now)
    request = host.outbox.take(host.now)
    assert isinstance(request, RequestTurn)
    host.outbox.settle(request, host.now)
    message = Deliver("TR_p1_1", Sample("p1", "TR_p1_1", 0, bytes(size), host.now))
    host.outbox.put(message, host.now)
    assert host.outbox.take(host.now) is message
    return message


# ---- connecting


def test_an_open_connection_is_served_at_once() -> None:
    """The outbox is looked at, nothing is being sent, and a first ping is due after ten seconds."""
    host = connected()
    assert host.pumped == [0.0]
    assert not host.is_sending()
    assert host.scheduled("_tick") == [10.0]


def test_a_service_that_is_away_is_tried_again_with_the_uplinks_backoff() -> None:
    """Half of 0.5 s, 1 s, 2 s, ... with draws of a half; connected once it is back."""
    host, away = Host(), RefuseConnections()
    host.begin(away)
    host.link.connect()
    times: list[float] = []
    for _ in range(4):
        (at,) = host.scheduled("connect")
        times.append(at)
        host.run(at + 0.001)
    assert times == pytest.approx([0.25, 0.75, 1.75, 3.75])
    assert not host.is_up()
    host.end(away)
    host.run(10.0)
    assert host.is_up()


def test_a_silent_service_fails_the_upgrade_after_ten_seconds() -> None:
    """The delay comes after them."""
    host = Host()
    host.begin(Silence())
    host.link.connect()
    assert (host.scheduled("_failed"), host.scheduled("connect")) == ([10.0], [])
    host.run(10.001)
    assert host.scheduled("connect") == [10.25]


@pytest.mark.parametrize(
    ("refusal", "delay"), [(Refuse(401), 30.0), (Refuse(429, 20), 20.25), (Refuse(429), 0.25), (Refuse(500, 20), 0.25)]
)
def test_a_refused_upgrade_is_tried_again_as_its_status_asks(refusal: Refuse, delay: float) -> None:
    """A refused key waits long; Retry-After is obeyed where it counts."""
    host = Host()
    host.begin(refusal)
    host.link.connect()
    assert host.scheduled("connect") == [delay]


def test_only_the_newest_failures_are_kept() -> None:
    """An outage of any length takes no memory."""
    host = Host()
    host.begin(RefuseConnections())
    for _ in range(MAX_FAILURES_KEPT + 5):
        host.link.connect()
    assert len(host.link._failures) == MAX_FAILURES_KEPT


@pytest.mark.parametrize("code", [1011, 4401])
def test_a_service_may_accept_and_close(code: int) -> None:
    """After its time; the code decides whether that refuses the key."""
    host = Host()
    host.begin(CloseOnAccept(code, 5.0))
    host.link.connect()
    host.run(4.999)
    assert host.is_up()
    host.run(5.001)
    assert not host.is_up()
    assert host.scheduled("connect") == [5.25 if code == 1011 else 35.0]


def test_the_close_of_an_earlier_connection_is_none_of_the_next() -> None:
    """The earlier one was cut before its close was due."""
    host = Host()
    closing = CloseOnAccept(1011, 5.0)
    host.begin(closing)
    host.link.connect()
    host.end(closing)
    host.run(1.0)
    host.begin(Drop())
    host.run(5.001)
    assert host.is_up()
    assert host.scheduled("connect") == []


# ---- sending


def test_without_a_bound_a_sample_is_there_at_once_and_its_link_is_measured() -> None:
    """Nothing is left to wait for."""
    host = connected()
    host.link.send(in_hand(host, 2_000))
    assert host.sent_at == [0.0]
    assert not host.is_sending()
    assert host.scheduled("_sent") == []
    assert host.pace.speed.known


@pytest.mark.parametrize(
    ("size", "header"), [(1, 22), ((1 << 14) - 1, 22), (1 << 14, 23), (64_999, 23), (65_000, 29), (100_000, 29)]
)
def test_a_sample_takes_the_time_of_its_bytes_on_the_wire(size: int, header: int) -> None:
    """Its frame's head, names and picture."""
    host = connected(link=1.0)
    host.link.send(deliver(size))
    assert host.is_sending()
    assert host.sent_at == []
    assert host.scheduled("_sent") == [header + 2 + 7 + size]
    assert host.pace.speed.left(0.0) == (header + 2 + 7 + size) / START_BYTES  # as assumed before anything is known


def test_what_was_sent_is_measured_and_the_next_may_come() -> None:
    """A second for 10,000 bytes."""
    host = connected(link=10_000.0)
    host.link.send(in_hand(host, 10_000 - 22 - 9))
    host.run(1.001)
    assert (host.sent_at, host.pumped) == ([1.0], [0.0, 1.0])
    assert not host.is_sending()
    assert host.pace.speed.rate(host.now) == pytest.approx(10_000)


def test_a_silent_service_answers_no_probe() -> None:
    """The link is then not known."""
    host = connected(link=10_000.0)
    host.begin(Silence())
    host.link.send(in_hand(host, 9_000))
    host.run(1.0)
    assert len(host.sent_at) == 1
    assert not host.pace.speed.known


def test_on_a_fast_link_not_every_sample_is_probed() -> None:
    """One in a second is enough."""
    host = connected()
    for _ in range(3):
        host.link.send(in_hand(host, 2_000))
    assert host.pace.speed._number == 1
    assert len(host.sent_at) == 3


def test_a_sample_whose_send_is_cut_waits_for_the_next_connection() -> None:
    """It has not arrived, it is not sent, and what the link took of it is no longer awaited."""
    host = connected(link=500.0)
    message = in_hand(host)
    host.link.send(message)
    host.run(1.0)
    host.begin(Drop())
    assert not host.is_sending()
    assert host.pace.speed.send_lasts(host.now) == 0.0
    host.run(1.3)
    assert host.is_up()
    assert host.outbox.take(host.now) is message
    host.link.send(message)
    host.run(2.1)  # the end of the first send
    assert host.sent_at == []
    assert host.is_sending()
    host.run(1.3 + 1_031 / 500 + 0.001)
    assert len(host.sent_at) == 1


def test_a_send_that_would_end_while_the_link_is_down_has_not_arrived() -> None:
    """The outbox is not looked at either."""
    host = connected(link=10_000.0)
    host.link.send(in_hand(host))
    host.begin(RefuseConnections(), Drop())
    host.run(5.0)
    assert (host.sent_at, host.pumped) == ([], [0.0])


# ---- answers


def test_a_sample_is_answered_after_the_latency() -> None:
    """It is answered as often as the script says; a rule without a level gives no answer."""
    host = connected(latency=0.5)
    manipulation = Manipulation("t", 0.0, 1.0)
    host.arrive(ALERT, 2, manipulation)
    host.arrive(None)
    host.arrive(CLEAR, 0)
    host.run(1.0)
    assert host.answers == [(0.5, ALERT, manipulation)] * 2


def test_a_slow_service_answers_later() -> None:
    """Another fault does not make it slower."""
    host = connected(latency=0.5)
    host.begin(CloseOnAccept(1011, 100.0))
    host.arrive()
    host.begin(Slow(2.0))
    host.arrive()
    host.run(5.0)
    assert [at for at, _, _ in host.answers] == [0.5, 2.5]


def test_a_judge_of_the_script_errs() -> None:
    """Each answer is drawn by itself; one may be lost."""
    draws = iter([0.1, 0.9, 0.3])
    host = connected(judges=(ErringJudge(lost=0.2, misses=0.5),))
    host.judges.random = lambda: next(draws)
    host.arrive(ALERT, 3)
    host.run(1.0)
    assert [level for _, level, _ in host.answers] == [ALERT, CLEAR]


def test_a_judge_knows_the_track() -> None:
    """One that errs on another track alone leaves this one's answers."""
    host = connected(judges=(ErringJudge(misses=1.0, track="TR_p1_2"), ErringJudge(misses=1.0, participant="p2")))
    host.arrive(ALERT)
    host.run(1.0)
    assert [level for _, level, _ in host.answers] == [ALERT]


@pytest.mark.parametrize("again", [0.6, 2.0])
def test_an_answer_on_a_connection_that_was_cut_is_lost(again: float) -> None:
    """The link may be down then, or up again."""
    host = connected(latency=1.0)
    host.arrive()
    host.random = lambda: again  # 0.3 or 1 s until it is up again
    host.begin(Drop())
    host.run(5.0)
    assert host.is_up()
    assert host.answers == []


def test_a_silent_service_gives_no_answer() -> None:
    """Not even to what arrived before."""
    host = connected(latency=1.0)
    host.arrive()
    host.begin(Silence())
    host.run(2.0)
    assert host.answers == []
    assert host.is_up()


def test_an_oversized_answer_cuts_the_connection() -> None:
    """The connection is cut once, and the policy hears no answer."""
    host = connected()
    host.begin(Oversized())
    host.arrive()
    host.arrive()
    host.run(0.1)
    assert host.answers == []
    assert host.scheduled("connect") == [0.25]


def test_a_hundred_malformed_answers_in_a_row_cut_the_connection() -> None:
    """A good one between them starts the count again."""
    host = connected()
    garbage = Garbage()
    for malformed, good in ((99, 1), (99, 1), (100, 0)):
        assert host.is_up()
        host.begin(garbage)
        host.arrive(answers=malformed)
        host.run(host.now + 0.001)
        host.end(garbage)
        host.arrive(answers=good)
        host.run(host.now + 0.001)
    assert len(host.answers) == 2
    assert not host.is_up()


def test_no_answer_of_the_faults_leaves_an_answer_alone() -> None:
    """A slow or closing service answers all the same."""
    host = connected()
    host.begin(CloseOnAccept(1011, 100.0))
    host.arrive()
    host.run(0.1)
    assert len(host.answers) == 1


# ---- signs of life


@pytest.mark.parametrize("malformed", [False, True])
def test_a_service_that_falls_silent_is_noticed_twenty_seconds_after_its_last_answer(
    malformed: bool,
) -> None:
    """A ping after ten, and ten more for its answer; a malformed one is a sign of life, too."""
    host = connected(latency=4.0)
    garbage = Garbage()
    if malformed:
        host.begin(garbage)
    host.arrive()
    host.run(5.0)
    host.end(garbage)
    host.begin(Silence())
    host.run(23.999)
    assert host.is_up()
    host.run(24.001)
    assert not host.is_up()
    assert host.scheduled("connect") == [24.25]


def test_a_quiet_connection_lives_on_its_pings() -> None:
    """One each ten seconds."""
    host = connected()
    for at in (10.0, 20.0, 30.0):
        assert host.scheduled("_tick") == [at]
        host.run(at + 0.001)
        assert host.is_up()


@pytest.mark.parametrize(
    ("answered", "cut_at", "delay"), [(True, 12.0, 0.25), (True, 9.9, 4.0), (False, 12.0, 0.25), (False, 9.9, 4.0)]
)
def test_a_connection_that_was_healthy_resets_the_backoff(answered: bool, cut_at: float, delay: float) -> None:
    """Ten seconds with an answer or a pong; a shorter one is one more failure."""
    host = Host()
    away = RefuseConnections()
    host.begin(away)
    for _ in range(4):
        host.link.connect()
    host._heap.clear()
    host.end(away)
    host.link.connect()
    if answered:
        host.arrive()
    host.run(cut_at)
    host.begin(Drop())
    assert host.scheduled("connect") == [pytest.approx(cut_at + delay)]


def test_an_answer_alone_makes_a_connection_healthy() -> None:
    """Without a ping: answers come more often than pings would be due."""
    host = Host()
    away = RefuseConnections()
    host.begin(away)
    for _ in range(4):
        host.link.connect()
    host._heap.clear()
    host.end(away)
    host.link.connect()
    for _ in range(4):
        host.arrive()
        host.run(host.now + 4.0)
    host.begin(Drop())
    assert host.scheduled("connect") == [16.25]


def test_each_connection_has_pings_of_its_own() -> None:
    """Those of an earlier one end with it."""
    host = connected()
    host.run(5.0)
    host.begin(Drop())
    host.run(6.0)
    assert host.is_up()
    host.run(12.0)
    assert host.scheduled("_tick") == [15.25]


# ---- faults


def test_a_fault_is_in_force_until_it_ends() -> None:
    """It cuts nothing; a drop cuts once."""
    host = connected()
    slow = Slow(1.0)
    host.begin(slow)
    assert host.service.active(Slow) is slow
    host.end(slow)
    assert host.service.faultless
    assert host.is_up()
    host.begin(Drop(), Drop())
    assert not host.is_up()
    assert host.scheduled("connect") == [0.25]


def test_the_end_of_a_drop_is_nothing() -> None:
    """A drop does not last."""
    host = connected()
    host.end(Drop())
    assert host.is_up()
