"""The outbox step by step: what is taken, refused and counted; its laws are in tests/laws."""

from __future__ import annotations

from typing import cast

import pytest

from ds_actors._mailbox import EMPTY, Dropped, Refused
from ds_actors.detection.budget import Budget
from ds_actors.detection.events import Level, Sample
from ds_actors.detection.turns import (
    CaptureLate,
    Deliver,
    GiveUp,
    LinkConfirmed,
    OutboxMessage,
    Relevel,
    RequestTurn,
    Withdraw,
)
from ds_actors.detection.uplink.link_pace import LinkPace
from ds_actors.detection.uplink.outbox import Outbox


def request(track: str = "A", level: Level = Level.CLEAR, participant: str = "alice") -> RequestTurn:
    return RequestTurn(track, participant, level, None)


def deliver(track: str = "A", at: float = 0.0, size: int = 10) -> Deliver:
    return Deliver(track, Sample("alice", track, 0, bytes(size), at))


def granted(outbox: Outbox, track: str = "A", now: float = 0.0, participant: str = "alice") -> RequestTurn:
    """Let a track ask, grant it, and hand it the grant."""
    assert outbox.put(request(track, participant=participant), now) is None
    got = outbox.take(now)
    assert isinstance(got, RequestTurn)
    assert got.track == track
    outbox.settle(got, now)
    return got


def counts(outbox: Outbox) -> dict[str, int]:
    """Return the counts of messages that are not 0."""
    statistics = outbox.statistics()
    names = ("offered", "refused", "handled", "dead", "queued", "in_hand")
    found = {name: getattr(statistics, name) for name in names} | dict(statistics.dropped)
    return {name: count for name, count in found.items() if count}


def account(outbox: Outbox) -> dict[str, int]:
    """Return the counts of samples that are not 0."""
    found = outbox.account()
    all_of_them = {"due": found.due, "sent": found.sent, "waiting": found.waiting, "granted": found.granted}
    return {name: count for name, count in (all_of_them | dict(found.dropped)).items() if count}


def test_a_sample_passes_through_and_every_message_is_counted_once() -> None:
    """The request when it is handed to its track, the sample when it was sent."""
    outbox = Outbox()
    assert outbox.has_room(request())
    outbox.put(request(), 0.0)
    assert (counts(outbox), account(outbox)) == ({"offered": 1, "queued": 1}, {"due": 1, "waiting": 1})
    got = outbox.take(0.0)
    assert isinstance(got, RequestTurn)
    assert (counts(outbox), account(outbox)) == ({"offered": 1, "in_hand": 1}, {"due": 1, "granted": 1})
    outbox.settle(got, 0.0)
    outbox.settle(got, 0.0)  # a second time counts nothing
    assert counts(outbox) == {"offered": 1, "handled": 1}
    sample = deliver()
    outbox.put(sample, 0.1)
    assert counts(outbox) == {"offered": 2, "handled": 1, "queued": 1}
    assert outbox.take(0.2) is sample
    assert counts(outbox) == {"offered": 2, "handled": 1, "in_hand": 1}
    assert outbox.take(0.2) is EMPTY
    outbox.settle(sample, 0.3)
    assert (counts(outbox), account(outbox)) == ({"offered": 2, "handled": 2}, {"due": 1, "sent": 1})
    assert outbox.statistics().capacity == 8


@pytest.mark.parametrize(
    "message", [LinkConfirmed(), Relevel("A", Level.ALERT), GiveUp("A", "no_frame"), Withdraw("A"), Withdraw("B")]
)
def test_other_messages_are_handled_at_once(message: OutboxMessage) -> None:
    """Also where they are about nothing."""
    outbox = Outbox()
    assert outbox.put(message, 0.0) is None
    assert counts(outbox) == {"offered": 1, "handled": 1}


@pytest.mark.parametrize("message", [deliver(), CaptureLate("A")])
def test_what_is_about_no_granted_turn_is_refused(message: OutboxMessage) -> None:
    """Whether there is none, or one that waits."""
    outbox = Outbox()
    assert outbox.put(message, 0.0) == Refused(message, "no_turn")
    outbox.put(request(), 0.0)
    assert outbox.put(message, 0.0) == Refused(message, "no_turn")
    assert counts(outbox) == {"offered": 3, "refused": 2, "queued": 1}
    assert account(outbox) == {"due": 1, "waiting": 1}


def test_a_second_request_of_a_track_is_superseded() -> None:
    """Whether the first one waits, is granted, or is being sent."""
    outbox = Outbox()
    outbox.put(request(), 0.0)
    assert outbox.put(request(level=Level.ALERT), 0.0) == Refused(request(level=Level.ALERT), "superseded")
    outbox.take(0.0)
    assert outbox.put(request(), 0.0) is not None
    outbox.put(deliver(), 0.0)
    outbox.take(0.0)
    assert outbox.put(request(), 0.0) is not None
    assert account(outbox) == {"due": 4, "granted": 1, "superseded": 3}


@pytest.mark.parametrize(("age", "fresh"), [(1.9, True), (2.0, False)])
def test_a_sample_is_stale_at_two_seconds(age: float, fresh: bool) -> None:
    """When it is delivered, while it waits behind another, and after a connection died under it."""
    outbox = Outbox()
    granted(outbox)
    refused = outbox.put(deliver(at=10.0), 10.0 + age)
    assert (refused is None) is fresh
    waiting = Outbox()
    granted(waiting)
    waiting.put(deliver(at=10.0), 10.0)
    assert isinstance(waiting.take(10.0 + age), Deliver) is fresh
    died = Outbox()
    granted(died)
    sample = deliver(at=10.0)
    died.put(sample, 10.0)
    died.take(10.0)
    assert list(died.interrupted(10.0 + age)) == ([] if fresh else [Dropped(sample, "stale")])
    if not fresh:
        for outbox_of_it in (outbox, waiting, died):
            assert account(outbox_of_it) == {"due": 1, "stale": 1}
            assert outbox_of_it.put(request(), 20.0) is None


def test_giving_up_frees_the_place_under_its_reason() -> None:
    """Of a capture under way, late or not; a sample that is made is not given up."""
    outbox = Outbox(window=1)
    granted(outbox)
    outbox.put(GiveUp("A", "no_frame"), 0.0)
    granted(outbox, "B")
    outbox.put(CaptureLate("B"), 0.3)
    outbox.put(GiveUp("B", "not_encodable"), 0.4)
    granted(outbox, "C")
    outbox.put(deliver("C"), 0.5)
    outbox.put(GiveUp("C", "no_frame"), 0.5)
    assert account(outbox) == {"due": 3, "no_frame": 1, "not_encodable": 1, "granted": 1}
    assert isinstance(outbox.take(0.5), Deliver)


def test_two_late_captures_of_a_participant_are_outside_and_the_third_ends() -> None:
    """One that has its frame is not late any more, and one that ended is not either."""
    outbox = Outbox()
    for track in "ABCD":
        granted(outbox, track)
    assert [outbox.put(CaptureLate(track), 0.3) for track in "AB"] == [None, None]
    assert outbox.put(CaptureLate("C"), 0.3) == Refused(CaptureLate("C"), "no_frame")
    assert outbox.put(CaptureLate("A"), 0.4) == Refused(CaptureLate("A"), "no_turn")
    outbox.put(GiveUp("A", "no_frame"), 0.5)
    assert outbox.put(CaptureLate("D"), 0.5) is None
    granted(outbox, "E", participant="bob")
    assert outbox.put(CaptureLate("E"), 0.5) is None
    assert account(outbox) == {"due": 5, "granted": 3, "no_frame": 2}


@pytest.mark.parametrize("reach", ["waiting", "granted", "ready", "in hand"])
def test_a_withdrawn_track_leaves_every_state(reach: str) -> None:
    """Under its reason; what is being sent is sent."""
    outbox, sample = Outbox(window=1), deliver()
    outbox.put(request(), 0.0)
    if reach != "waiting":
        outbox.take(0.0)
    if reach in ("ready", "in hand"):
        outbox.put(sample, 0.0)
    if reach == "in hand":
        outbox.take(0.0)
    outbox.put(Withdraw("A", "muted"), 0.0)
    if reach == "in hand":
        outbox.settle(sample, 0.0)
    assert account(outbox) == {"due": 1, "sent" if reach == "in hand" else "muted": 1}
    assert isinstance(granted(outbox, "B"), RequestTurn)


def test_when_to_look_again_is_known_unless_a_message_has_to_come_first() -> None:
    """So it is while something is being sent, nothing waits, or the window is full."""
    outbox = Outbox(window=1, budget=Budget(samples_per_minute=60, burst_seconds=1))
    assert outbox.ready_at(0.0) is None
    granted(outbox)
    outbox.put(request("B"), 0.0)
    assert outbox.ready_at(0.0) is None
    sample = deliver()
    outbox.put(sample, 0.0)
    assert outbox.ready_at(0.0) == 0.0
    outbox.take(0.0)
    assert outbox.ready_at(0.0) is None
    outbox.settle(sample, 0.0)
    assert outbox.take(0.5) is EMPTY
    assert outbox.ready_at(0.5) == 1.0
    assert isinstance(outbox.take(1.0), RequestTurn)
    free = Outbox()
    free.put(request(), 0.0)
    assert free.ready_at(0.0) == 0.0


def test_a_link_that_becomes_free_behind_the_last_look_is_looked_at_again() -> None:
    """The clock of `ready_at` is later than that of the `take` before it: no turn is left waiting between the two."""
    link = LinkPace()
    link.speed.idle_pong(0.0)
    link.send_began(1_000_000, 0.0)
    probe = link.speed.sent(1.0)
    assert probe is not None
    link.speed.confirmed(probe, 1.0)
    link.send_began(1_000_000, 1.0)
    link.speed.sent(1.0)
    outbox = Outbox(link=link)
    outbox.put(request(), 1.0)
    free_at = outbox.ready_at(1.0)
    assert free_at is not None
    assert outbox.take(free_at - 0.01) is EMPTY
    assert outbox.ready_at(free_at) == free_at
    assert isinstance(outbox.take(free_at), RequestTurn)


class Link:
    """A link that answers as it is told to, and keeps what it was asked."""

    def __init__(self, *free: bool) -> None:
        self.free = list(free)
        self.late: set[int] = set()
        self.asked: list[int] = []
        self.refusals: list[tuple[int, float]] = []

    def is_free(self, _now: float, made: int = 0) -> bool:
        self.asked.append(made)
        return self.free.pop(0) if self.free else True

    def free_at(self, now: float, made: int = 0) -> float:
        return now + 10 * (1 + made)

    def arrives_late(self, size: int, _captured_at: float, _now: float) -> bool:
        return size in self.late

    def refused(self, size: int, now: float) -> None:
        self.refusals.append((size, now))


def linked(link: Link, window: int = 8) -> Outbox:
    return Outbox(window=window, link=cast("LinkPace", link))


def test_a_sample_that_would_arrive_late_is_dropped_and_the_next_is_taken() -> None:
    """The link learns of it; when no other is left, there is nothing to take."""
    link = Link()
    outbox = linked(link)
    granted(outbox, "A")
    granted(outbox, "B")
    link.late = {50}
    large, small = deliver("A", size=50), deliver("B", size=10)
    outbox.put(large, 0.5)
    outbox.put(small, 0.5)
    assert outbox.take(0.7) is small
    assert link.refusals == [(50, 0.7)]
    assert account(outbox) == {"due": 2, "granted": 1, "link_too_slow": 1}
    outbox.settle(small, 0.7)
    granted(outbox, "C", 0.8)
    outbox.put(deliver("C", 0.8, size=50), 0.8)
    assert outbox.take(0.9) is EMPTY


def test_a_link_is_asked_whether_it_is_free_behind_what_is_being_made() -> None:
    """For a grant behind the samples of the turns that are granted, for a sample that is ready behind nothing."""
    link = Link()
    outbox = linked(link)
    granted(outbox, "A")
    granted(outbox, "B")
    assert link.asked == [0, 1]
    outbox.put(request("C"), 0.0)
    link.free, link.asked = [False], []
    assert outbox.take(0.0) is EMPTY
    assert link.asked == [2]
    link.free = [False]
    assert outbox.ready_at(0.0) == 30.0
    sample = deliver("A")
    outbox.put(sample, 0.0)
    link.free, link.asked = [False, False], []
    assert outbox.take(0.0) is EMPTY
    assert outbox.ready_at(0.0) == 10.0
    assert outbox.take(0.0) is sample
    assert link.asked == [0, 0, 0]


def test_a_late_frame_that_was_granted_waits_for_the_link_like_any_other() -> None:
    """And it can be withdrawn meanwhile."""
    link = Link()
    outbox = linked(link)
    granted(outbox)
    outbox.put(CaptureLate("A"), 0.3)
    outbox.put(deliver(at=0.4), 0.4)
    link.free = [True, False]
    assert outbox.take(0.4) is EMPTY
    assert counts(outbox)["queued"] == 1
    outbox.put(Withdraw("A", "muted"), 0.5)
    assert outbox.take(0.5) is EMPTY
    assert account(outbox) == {"due": 1, "muted": 1}


@pytest.mark.parametrize("ends", ["late", "with its frame", "granted"])
def test_each_turn_that_ends_is_late_no_more_and_counts_for_no_other(ends: str) -> None:
    """Two of a participant's captures may be late at a time."""
    outbox = Outbox()
    for track in "ABCDE":
        granted(outbox, track)
    for track in "AB":
        assert outbox.put(CaptureLate(track), 0.3) is None
    if ends == "with its frame":
        outbox.put(deliver("A", 0.3), 0.3)
    outbox.put(Withdraw("C" if ends == "granted" else "A", "muted"), 0.4)
    assert (outbox.put(CaptureLate("D"), 0.4) is None) is (ends != "granted")
    assert outbox.put(CaptureLate("E"), 0.4) is not None


def test_a_withdrawn_sample_frees_one_place() -> None:
    """And no more than one."""
    outbox = Outbox(window=2)
    granted(outbox, "A")
    granted(outbox, "B")
    outbox.put(deliver("A"), 0.0)
    outbox.put(Withdraw("A", "muted"), 0.0)
    granted(outbox, "C")
    outbox.put(request("D"), 0.0)
    assert outbox.take(0.0) is EMPTY


def test_a_connection_that_dies_frees_the_place_of_each_grant_that_was_not_handed_over() -> None:
    """The turns wait again, and nothing is in hand."""
    outbox = Outbox(window=2)
    for track in "ABC":
        outbox.put(request(track), 0.0)
    assert [type(outbox.take(0.0)) for _ in range(2)] == [RequestTurn] * 2
    assert list(outbox.interrupted(0.1)) == []
    assert counts(outbox) == {"offered": 3, "queued": 3}
    assert [type(outbox.take(0.2)) for _ in range(2)] == [RequestTurn] * 2
    assert outbox.take(0.2) is EMPTY


def test_a_sample_that_comes_before_its_request_is_settled_settles_it() -> None:
    """A grantee may be quicker than the uplink."""
    outbox = Outbox()
    outbox.put(request(), 0.0)
    got = outbox.take(0.0)
    outbox.put(deliver(), 0.0)
    assert counts(outbox) == {"offered": 2, "handled": 1, "queued": 1}
    assert isinstance(got, RequestTurn)
    outbox.settle(got, 0.0)
    assert counts(outbox) == {"offered": 2, "handled": 1, "queued": 1}


def test_a_capture_that_is_late_before_its_request_is_settled_settles_it() -> None:
    """Likewise."""
    outbox = Outbox()
    outbox.put(request(), 0.0)
    outbox.take(0.0)
    outbox.put(CaptureLate("A"), 0.3)
    assert counts(outbox) == {"offered": 2, "handled": 2}


def test_one_sample_is_sent_at_a_time() -> None:
    """What else is ready or waits is taken after it."""
    outbox = Outbox()
    granted(outbox, "A")
    granted(outbox, "B")
    first, second = deliver("A"), deliver("B")
    outbox.put(first, 0.0)
    outbox.put(second, 0.0)
    outbox.put(request("C"), 0.0)
    assert outbox.take(0.0) is first
    assert outbox.take(0.0) is EMPTY
    outbox.settle(first, 0.0)
    assert outbox.take(0.0) is second


def test_a_waiting_turn_goes_by_its_tracks_new_level() -> None:
    """An alert goes first, even when it asked last."""
    outbox = Outbox()
    outbox.put(request("A"), 0.0)
    outbox.put(request("B", participant="bob"), 0.0)
    outbox.put(Relevel("B", Level.ALERT), 0.0)
    first = outbox.take(0.0)
    assert isinstance(first, RequestTurn)
    assert first.track == "B"


def test_a_budget_is_charged_with_what_was_sent_and_not_with_what_was_dropped() -> None:
    """Once per sample, also when its turn waited twice."""
    budget = Budget(bytes_per_second=1_000, burst_seconds=10, sample_bytes=10_000)
    outbox = Outbox(budget=budget)
    outbox.put(request(), 0.0)
    first = outbox.take(0.0)
    list(outbox.interrupted(0.0))
    assert outbox.take(0.0) is first
    assert isinstance(first, RequestTurn)
    outbox.settle(first, 0.0)
    sample = deliver(size=4_000)
    outbox.put(sample, 0.0)
    outbox.take(0.0)
    outbox.settle(sample, 0.0)
    outbox.put(request(), 0.0)
    assert outbox.ready_at(0.0) == 4.0
    assert isinstance(outbox.take(4.0), RequestTurn)
    outbox.put(GiveUp("A", "no_frame"), 4.0)
    outbox.put(request(), 4.0)
    assert isinstance(outbox.take(4.0), RequestTurn)


def test_a_connection_that_dies_gives_back_grants_and_the_sample_in_hand() -> None:
    """The grant that was not handed over waits again; the sample is the next to be sent."""
    outbox = Outbox(window=2)
    granted(outbox, "A")
    sample, other = deliver("A"), deliver("B")
    outbox.put(sample, 0.0)
    assert outbox.take(0.0) is sample
    assert list(outbox.interrupted(0.1)) == []
    assert outbox.take(0.1) is sample
    assert counts(outbox)["in_hand"] == 1
    outbox.settle(sample, 0.1)
    granted(outbox, "B", 0.1)
    outbox.put(other, 0.1)
    outbox.put(request("C"), 0.1)
    assert outbox.take(0.1) is other
    assert list(outbox.interrupted(0.2)) == []
    assert outbox.take(0.2) is other
    outbox.settle(other, 0.2)
    assert account(outbox) == {"due": 3, "sent": 2, "waiting": 1}


def test_closing_drops_all_but_what_is_being_sent() -> None:
    """And returns the messages that waited, each counted as dead."""
    outbox = Outbox(window=4)
    for track in ("A", "B", "C"):
        granted(outbox, track)
    in_hand, ready = deliver("A"), deliver("B")
    outbox.put(in_hand, 0.0)
    outbox.take(0.0)
    outbox.put(ready, 0.0)
    waiting = request("D")
    outbox.put(waiting, 0.0)
    assert sorted(outbox.close(0.0), key=lambda message: getattr(message, "track", "")) == [ready, waiting]
    assert account(outbox) == {"due": 4, "granted": 1, "closed": 3}
    assert counts(outbox) == {"offered": 6, "handled": 3, "dead": 2, "in_hand": 1}
    outbox.settle(in_hand, 0.0)
    assert account(outbox) == {"due": 4, "sent": 1, "closed": 3}
    assert outbox.take(0.0) is EMPTY
