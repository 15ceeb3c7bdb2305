"""Laws of the mailboxes: what is counted, what survives, and in which order."""

from __future__ import annotations

import random
import tracemalloc
from collections import Counter, deque
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ds_actors._conflate import Conflate
from ds_actors._mailbox import EMPTY, Dropped, Envelope, Mailbox, MailboxStatistics, Notice, Refused, content
from ds_actors._queue_mailboxes import DropOldest, Latest, Reject

capacities = st.integers(2, 6)
redeliveries = st.integers(0, 2)
ACTIONS = ["put", "put", "put", "take", "settle", "interrupt", "release"]
actions = st.lists(st.sampled_from(ACTIONS), max_size=60)

# Latest is a DropOldest.
Own = Reject[int] | DropOldest[int] | Conflate[int]

MAKERS: dict[str, Callable[[int, int], Own]] = {
    "reject": lambda n, again: Reject(n, redeliver=again),
    "drop_oldest": lambda n, again: DropOldest(n, redeliver=again),
    "latest": lambda _n, again: Latest(redeliver=again),
    "conflate": lambda n, again: Conflate(lambda message: message % 3, n, redeliver=again),
}


class Book:
    """Performs a script on a mailbox, and counts the outcome of each message independently."""

    def __init__(self, mailbox: Own, *, at_head: bool = False) -> None:
        self.mailbox = mailbox
        self.at_head = at_head
        """Where a `Reject` allows it, handle as a live actor does what it was told: at the head of the queue."""
        self.queue: deque[int] | None = None
        self.hand: int | None = None
        self.taken: list[int] = []
        self.rest: list[int] = []
        self.waiting: list[int] = []
        self.counts: Counter[str] = Counter()
        self.dropped: Counter[str] = Counter()

    def run(self, script: list[str]) -> Book:
        # An incarnation is over before its mailbox closes.
        for action in [*script, "interrupt", "close"]:
            if action == "put":
                self.put()
            elif action == "take":
                self.take()
            elif action == "close":
                rest = list(self.mailbox.close(0.0))
                assert sorted(rest) == sorted(self.waiting)
                self.counts["dead"] += len(rest)
                self.rest, self.waiting = rest, []
            elif action == "release":
                self.mailbox.release()
            elif self.hand is not None:
                self.settle() if action == "settle" else self.interrupt()
            self.check()
        return self

    def put(self) -> None:
        self.counts["offered"] += 1
        number = self.counts["offered"]
        had_room = self.mailbox.has_room(number)
        cost = self.mailbox.put(number, 0.0)
        assert had_room == (not isinstance(cost, Refused))
        if isinstance(cost, Refused):
            assert cost.what == number
            self.counts["refused"] += 1
            return
        self.waiting.append(number)
        if cost is not None:
            self.dropped[cost.reason] += 1
            self.waiting.remove(cost.what)

    def take(self) -> None:
        if isinstance(self.mailbox, Reject) and self.at_head and self.queue is None:
            self.queue = self.mailbox.only()
            assert (self.queue is None) == (self.hand is not None or len(self.waiting) != 1)
            if self.queue is not None:
                self.mailbox.at_head = True
                self.in_hand(self.queue[0])
                return
        got = self.mailbox.take(0.0)
        assert (got is EMPTY) == (self.hand is not None or not self.waiting)
        if got is not EMPTY:
            self.in_hand(got)

    def in_hand(self, message: int) -> None:
        self.hand = message
        self.taken.append(message)
        self.waiting.remove(message)

    def settle(self) -> None:
        assert self.hand is not None
        self.counts["handled"] += 1
        if self.queue is None or not isinstance(self.mailbox, Reject):
            self.mailbox.settle(self.hand, 0.0)
            self.hand = None
            return
        self.hand = None
        self.queue.popleft()
        self.mailbox.handled += 1
        if self.queue:
            self.in_hand(self.queue[0])
        else:
            self.mailbox.at_head, self.queue = False, None

    def interrupt(self) -> None:
        hand, self.hand, self.queue = self.hand, None, None
        assert hand is not None
        lost = list(self.mailbox.interrupted(0.0))
        assert [loss.what for loss in lost] in ([], [hand])
        if not lost:
            self.waiting.append(hand)
        for loss in lost:
            ending = {"interrupted": "failed", "redelivered": "dead"}.get(loss.reason)
            if ending is None:
                self.dropped[loss.reason] += 1
            else:
                self.counts[ending] += 1

    def check(self) -> None:
        s = check_counts(self.mailbox)
        here = {"queued": len(self.waiting), "in_hand": int(self.hand is not None)}
        assert s == MailboxStatistics(s.capacity, dropped=self.dropped, **here, **self.counts)
        assert self.mailbox.held() == s.queued + s.in_hand


def check_counts(mailbox: Mailbox[int]) -> MailboxStatistics:
    s = mailbox.statistics()
    assert s.offered == s.accepted + s.refused
    assert s.accepted == s.handled + s.failed + sum(s.dropped.values()) + s.dead + s.queued + s.in_hand
    assert s.queued + s.in_hand <= s.capacity
    return s


@pytest.mark.parametrize("name", MAKERS)
@given(capacities, redeliveries, actions, st.booleans())
def test_everything_is_counted_once_and_the_bound_holds(
    name: str, n: int, again: int, script: list[str], at_head: bool
) -> None:
    """The two equations and the bound hold after every action, and each count is what your own books say (M1, M2)."""
    Book(MAKERS[name](n, again), at_head=at_head).run(script)


@pytest.mark.parametrize("name", MAKERS)
@given(capacities, st.lists(st.sampled_from([0, 1, 2, 3, "take"]), max_size=30))
def test_a_put_says_whether_it_accepted_an_object_that_waits_already(
    name: str, n: int, script: list[int | str]
) -> None:
    """It returns `Refused` where the count of refused messages grows, and nowhere else."""
    mailbox = MAKERS[name](n, 0)
    for step in script:
        if isinstance(step, str):
            mailbox.take(0.0)
            continue
        before = mailbox.statistics().refused
        cost = mailbox.put(step, 0.0)
        assert isinstance(cost, Refused) == (mailbox.statistics().refused > before)


@pytest.mark.parametrize("name", MAKERS)
@pytest.mark.parametrize("again", [0, 2])
@pytest.mark.parametrize("at_head", [False, True])
def test_a_long_life_is_counted_as_exactly(name: str, again: int, at_head: bool) -> None:
    """A thousand actions, the same ones each time."""
    Book(MAKERS[name](4, again), at_head=at_head).run(random.Random(1).choices(ACTIONS, k=1_000))


@pytest.mark.parametrize("name", ["reject", "drop_oldest", "latest"])
@given(capacities, actions, st.booleans())
def test_what_survives_keeps_its_order(name: str, n: int, script: list[str], at_head: bool) -> None:
    """Taken and remaining messages keep the order of their arrival (M3)."""
    book = Book(MAKERS[name](n, 0), at_head=at_head).run(script)
    assert book.taken + book.rest == sorted(book.taken + book.rest)


@given(capacities, st.integers(0, 20))
def test_reject_keeps_the_first_and_drop_oldest_the_last(n: int, count: int) -> None:
    """n fit: the first n of a burst, or the last n (M3)."""
    first, last, newest = Reject[int](n), DropOldest[int](n), Latest[int]()
    for message in range(count):
        for mailbox in (first, last, newest):
            mailbox.put(message)
    everything = list(range(count))
    assert list(first.close()) == everything[:n]
    assert list(last.close()) == everything[-n:]
    assert list(newest.close()) == everything[-1:]


@given(st.lists(st.integers(0, 30), max_size=30))
def test_conflate_keeps_the_last_of_each_key_in_the_order_of_the_first(messages: list[int]) -> None:
    """Replacing keeps the place (M3)."""
    mailbox = Conflate[int](lambda message: message % 4, 10)
    expected: dict[int, int] = {}
    for message in messages:
        mailbox.put(message)
        expected[message % 4] = message
    assert list(mailbox.close()) == list(expected.values())


@given(st.integers(0, 4))
def test_a_message_that_always_crashes_is_delivered_once_and_redeliver_times_more(again: int) -> None:
    """Then it is a dead letter, or failed where nothing is delivered again."""
    mailbox = Reject[int](redeliver=again)
    mailbox.put(1)
    deliveries = 0
    while mailbox.take() is not EMPTY:
        deliveries += 1
        lost = tuple(mailbox.interrupted())
        assert bool(lost) == (deliveries == again + 1)
    assert deliveries == again + 1
    s = mailbox.statistics()
    assert (s.dead, s.failed) == ((1, 0) if again else (0, 1))


def test_a_redelivered_message_gives_way_to_a_newer_one_of_its_key() -> None:
    """Conflating goes on across a crash."""
    mailbox = Conflate[int](lambda _: 0, redeliver=3)
    mailbox.put(1)
    mailbox.take()
    mailbox.put(2)
    assert [loss.reason for loss in mailbox.interrupted()] == ["conflated"]
    assert mailbox.take() == 2


@pytest.mark.parametrize(
    "make", [lambda: Reject[int](0), lambda: DropOldest[int](1), lambda: Reject[int](redeliver=-1)]
)
def test_figures_that_make_no_sense_are_refused(make: Callable[[], object]) -> None:
    """A ValueError that says what is needed."""
    with pytest.raises(ValueError, match="or more"):
        make()


@pytest.mark.parametrize("name", MAKERS)
@given(st.integers(2, 5), redeliveries, st.lists(st.integers(0, 3), max_size=12))
def test_no_message_is_delivered_more_often_than_it_may_be(name: str, n: int, again: int, puts: list[int]) -> None:
    """Whatever is put, dropped or replaced meanwhile; and none gives up sooner because of another's attempts."""
    mailbox = MAKERS[name](n, again)
    deliveries: dict[int, int] = {}
    number = 0
    for count in puts:
        got = mailbox.take(0.0)
        if got is not EMPTY:
            deliveries[got] = deliveries.get(got, 0) + 1
            assert deliveries[got] <= again + 1
        for _ in range(count):
            number += 1
            mailbox.put(number, 0.0)
        for loss in mailbox.interrupted(0.0):
            assert loss.reason not in ("redelivered", "interrupted") or deliveries[loss.what] == again + 1
        check_counts(mailbox)
        # Messages also arrive between the incarnations of an actor.
        number += 1
        mailbox.put(number, 0.0)


def test_only_the_newest_waits_across_a_crash() -> None:
    """The one put back gives way to the one behind it."""
    mailbox = Latest[int](redeliver=3)
    mailbox.put(1)
    mailbox.take()
    mailbox.put(2)
    assert [loss.reason for loss in mailbox.interrupted()] == ["oldest"]
    mailbox.put(3)
    assert list(mailbox.close()) == [3]


def test_what_is_dropped_meanwhile_does_not_prolong_a_message_that_crashes() -> None:
    """A full mailbox that makes room while a message is in hand keeps count of that message's deliveries."""
    mailbox = DropOldest[int](2, redeliver=1)
    mailbox.put(0)
    deliveries = 0
    while mailbox.take() == 0:
        deliveries += 1
        mailbox.put(1)
        mailbox.put(2)
        mailbox.interrupted()
    assert deliveries == 2


def test_what_a_put_costs_is_returned() -> None:
    """The message that gave way, or the offered one, with the mailbox's word for why."""
    oldest, newest, first = DropOldest[str](2), Latest[str](), Reject[str](1)
    conflate = Conflate[str](lambda message: message[0], 2)
    for mailbox in (oldest, first, conflate):
        assert mailbox.put("a1") is None
    assert newest.put("a1") is None
    assert oldest.put("b1") is None
    assert oldest.put("c1") == Dropped("a1", "oldest")
    assert newest.put("b1") == Dropped("a1", "oldest")
    assert first.put("b1") == Refused("b1", "full")
    assert conflate.put("b1") is None
    assert conflate.put("a2") == Dropped("a1", "conflated")
    assert conflate.put("c1") == Refused("c1", "full")
    assert conflate.statistics().dropped == {"conflated": 1}


def test_the_newest_alone_is_delivered_again_when_nothing_newer_came() -> None:
    """There is room for one message in hand and one behind it."""
    mailbox = Latest[int](redeliver=1)
    assert mailbox.statistics().capacity == 2
    mailbox.put(1)
    assert mailbox.take() == 1
    assert tuple(mailbox.interrupted()) == ()
    assert mailbox.take() == 1
    assert tuple(mailbox.interrupted()) == (Dropped(1, "redelivered"),)


@pytest.mark.parametrize("item", ["a message", Envelope("a message", None), Notice(None, "a message", 0)])
def test_what_a_receiver_gets_is_the_message_however_it_came(item: object) -> None:
    """Told, asked, or sent by a watch."""
    assert content(item) == "a message"


def test_an_emptied_mailbox_can_be_as_small_as_a_new_one() -> None:
    """A parked actor keeps the mailbox it has worked with, but not the 760 bytes of that one's queue."""
    mailboxes = [Reject[int]() for _ in range(100)]
    tracemalloc.start()
    for mailbox in mailboxes:
        mailbox.put(1)
        mailbox.take()
        mailbox.settle(1)
    used = tracemalloc.get_traced_memory()[0]
    for mailbox in mailboxes:
        mailbox.release()
    saved = used - tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert saved > 700 * len(mailboxes)


def test_an_ask_is_never_delivered_again() -> None:
    """Its caller was told already; it counts as failed, and what comes after it has all its deliveries."""
    mailbox = Reject[object](redeliver=1)
    ask = Envelope("request", "slot")
    assert ask.slot == "slot"
    mailbox.put(ask)
    mailbox.put("told")
    assert mailbox.take() is ask
    assert tuple(mailbox.interrupted()) == (Dropped(ask, "interrupted"),)
    assert mailbox.statistics().failed == 1
    assert mailbox.take() == "told"
    assert tuple(mailbox.interrupted()) == ()
    assert mailbox.take() == "told"


def test_capacities_and_counts_of_an_untouched_mailbox() -> None:
    """A thousand by default; all else is 0."""
    for mailbox in (Reject[int](), DropOldest[int](), Conflate[int](hash)):
        assert mailbox.statistics() == MailboxStatistics(1_000)
    assert Reject[int](1).capacity == 1
    assert DropOldest[int](2).capacity == 2
    assert Reject[int](redeliver=0).redeliver == 0
    with pytest.raises(ValueError, match="DropOldest needs a capacity of 2 or more, not 1"):
        DropOldest[int](1)
    with pytest.raises(ValueError, match="Reject needs a capacity of 1 or more, not 0"):
        Reject[int](0)


def test_room_is_what_a_put_would_find() -> None:
    """Also for a key that waits already, and never the other way for a mailbox that makes room."""
    conflate = Conflate[int](lambda message: message % 2, 2)
    conflate.put(0)
    conflate.take()
    conflate.put(1)
    assert (conflate.has_room(3), conflate.has_room(2)) == (True, False)
    oldest = DropOldest[int](2)
    for number in range(3):
        oldest.put(number)
    assert oldest.has_room(9)


def test_each_message_has_all_its_deliveries_whatever_became_of_the_one_before() -> None:
    """Settled at its second delivery, or given up for a newer one: the next begins anew."""
    mailbox = Reject[str](redeliver=1)
    mailbox.put("first")
    mailbox.put("second")
    mailbox.take()
    mailbox.interrupted()
    assert mailbox.take() == "first"
    mailbox.settle("first")
    assert mailbox.take() == "second"
    assert tuple(mailbox.interrupted()) == ()
    assert mailbox.take() == "second"
    latest = Latest[str](redeliver=1)
    latest.put("first")
    latest.take()
    latest.put("second")
    assert tuple(latest.interrupted()) == (Dropped("first", "oldest"),)
    assert latest.take() == "second"
    assert tuple(latest.interrupted()) == ()
    assert latest.take() == "second"
