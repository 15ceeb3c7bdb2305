"""Laws of the outbox: conservation, the window, age, urgency, and no starvation."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from ds_actors._mailbox import EMPTY
from ds_actors.detection.budget import Budget
from ds_actors.detection.events import Level, Sample
from ds_actors.detection.turns import CaptureLate, Deliver, GiveUp, LinkConfirmed, Relevel, RequestTurn, Withdraw
from ds_actors.detection.uplink.link_pace import LinkPace
from ds_actors.detection.uplink.outbox import AGE_LIMIT, LATE_CAPTURES, WINDOW, Outbox

levels = st.sampled_from([Level.UNKNOWN, Level.CLEAR, Level.SUSPICIOUS, Level.ALERT])
tracks = st.integers(0, 11)


def request(track: int, level: Level = Level.CLEAR, participants: int = 4) -> RequestTurn:
    return RequestTurn(f"TR_{track}", f"p{track % participants}", level, None)


def sample(track: str, at: float) -> Sample:
    return Sample("p", track, 0, b"", at)


steps = st.one_of(
    st.tuples(st.just("request"), tracks, levels),
    st.tuples(st.just("relevel"), tracks, levels),
    st.tuples(st.sampled_from(["take", "settle", "interrupt", "late", "give_up", "withdraw", "restart"]), tracks),
    st.tuples(st.just("deliver"), tracks, st.floats(0, 3)),
    st.tuples(st.just("wait"), st.floats(0, 3)),
)


class Model:
    """Performs steps and checks what must hold after each."""

    def __init__(self, link: LinkPace | None = None) -> None:
        self.link = link
        self.outbox = Outbox(link=link)
        self.probe: int | None = None
        self.now = 100.0
        self.hand: Any = EMPTY
        self.granted: set[str] = set()
        self.late: set[str] = set()
        self.dues = 0

    def do(self, step: tuple[Any, ...]) -> None:
        outbox, now = self.outbox, self.now
        name = f"TR_{step[1]}" if step[0] != "wait" else ""
        match step[0]:
            case "request":
                self.dues += 1
                outbox.put(request(step[1], step[2]), now)
            case "relevel":
                outbox.put(Relevel(name, step[2]), now)
            case "take":
                got = outbox.take(now)
                if isinstance(got, RequestTurn):
                    self.granted.add(got.track)
                    outbox.settle(got, now)
                elif got is not EMPTY:
                    assert self.hand is EMPTY
                    assert now - got.sample.captured_at < AGE_LIMIT
                    self.hand = got
                    self.began()
            case "settle" if self.hand is not EMPTY:
                outbox.settle(self.hand, now)
                self.hand = EMPTY
                self.sent()
            case "interrupt" if self.hand is not EMPTY:
                list(outbox.interrupted(now))
                self.hand = EMPTY
                if self.link is not None:
                    self.link.speed.connection_ended(now)
            case "deliver":
                data = b"" if self.link is None else bytes(4_000)
                outbox.put(Deliver(name, Sample("p", name, 0, data, now - step[2])), now)
            case "confirm" if self.link is not None and self.probe is not None:
                self.link.speed.confirmed(self.probe, now)
                outbox.put(LinkConfirmed(), now)
            case "late":
                outbox.put(CaptureLate(name), now)
            case "give_up":
                outbox.put(GiveUp(name, "no_frame"), now)
            case "withdraw":
                outbox.put(Withdraw(name, for_good=True), now)
            case "restart":
                outbox.put(Withdraw(name, "restarted"), now)
            case "wait":
                self.now += step[1]
            case _:
                pass
        self.check()

    def began(self) -> None:
        if self.link is not None:
            assert self.link.is_free(self.now)
            assert not self.link.arrives_late(4_000, self.hand.sample.captured_at, self.now)
            self.link.send_began(4_000, self.now)

    def sent(self) -> None:
        if self.link is not None:
            self.probe = self.link.speed.sent(self.now)

    def check(self) -> None:
        account = self.outbox.account()
        assert account.due == self.dues
        assert account.due == account.sent + sum(account.dropped.values()) + account.waiting + account.granted
        assert account.granted <= WINDOW + 4 * LATE_CAPTURES
        statistics = self.outbox.statistics()
        gone = statistics.handled + statistics.dead + sum(statistics.dropped.values())
        assert statistics.accepted == gone + statistics.queued + statistics.in_hand


@settings(max_examples=3 * settings().max_examples)
@given(st.lists(steps, max_size=80))
def test_every_due_sample_is_accounted_for_at_every_moment(script: list[tuple[Any, ...]]) -> None:
    """due = sent + dropped + waiting + granted, the window holds, and nothing old is handed out."""
    model = Model()
    for step in script:
        model.do(step)
    list(model.outbox.close(model.now))
    model.check()
    account = model.outbox.account()
    assert account.waiting == 0
    assert account.granted == (model.hand is not EMPTY)


@settings(max_examples=3 * settings().max_examples)
@given(st.lists(st.one_of(steps, st.tuples(st.just("confirm"), tracks)), max_size=80), st.floats(0, 2))
def test_a_slow_link_loses_no_sample_from_the_account(script: list[tuple[Any, ...]], delay: float) -> None:
    """And nothing is sent that would arrive late, or behind more than 0.3 s of what was sent before."""
    link = LinkPace()
    link.speed.idle_pong(delay)
    model = Model(link)
    for step in script:
        model.do(step)
    list(model.outbox.close(model.now))
    model.check()
    assert model.outbox.account().waiting == 0


@given(st.integers(1, 12), st.integers(1, 3), st.booleans(), st.data())
def test_with_n_participants_each_is_granted_within_4n_grants(
    n: int, each: int, alerts_first: bool, data: st.DataObject
) -> None:
    """For any levels and any repeated requests, a participant waits at most 4n grants."""
    outbox = Outbox(alerts_first=alerts_first)
    waited = dict.fromkeys((f"p{p}" for p in range(n)), 0)
    for track in range(n * each):
        outbox.put(request(track, data.draw(levels), n), 0.0)
    for _ in range(8 * n):
        got = outbox.take(0.0)
        assert isinstance(got, RequestTurn)
        for participant in waited:
            waited[participant] = 0 if participant == got.participant else waited[participant] + 1
        assert max(waited.values()) <= 4 * n
        outbox.put(GiveUp(got.track, "no_frame"), 0.0)
        outbox.put(RequestTurn(got.track, got.participant, data.draw(levels), None), 0.0)


@given(st.lists(levels, min_size=1, max_size=3))
def test_the_most_urgent_goes_first(three: list[Level]) -> None:
    """ALERT before SUSPICIOUS before the rest, for the first three grants."""
    outbox = Outbox()
    for track, level in enumerate(three):
        outbox.put(request(track, level), 0.0)
    first = outbox.take(0.0)
    assert isinstance(first, RequestTurn)
    severities = [level.severity if level.elevated else 0 for level in three]
    assert severities[int(first.track[3:])] == max(severities)


def test_never_granted_goes_before_granted_long_ago() -> None:
    """A new track does not wait for a whole round."""
    outbox = Outbox()
    outbox.put(request(0), 0.0)
    outbox.take(0.0)
    outbox.put(GiveUp("TR_0", "no_frame"), 0.0)
    outbox.put(request(0), 0.0)
    outbox.put(request(1), 0.0)
    got = outbox.take(0.0)
    assert isinstance(got, RequestTurn)
    assert got.track == "TR_1"


def test_eight_turns_are_granted_and_a_late_capture_frees_one() -> None:
    """The ninth waits until one is given back; a participant may have two captures outside."""
    outbox = Outbox()
    for track in range(12):
        outbox.put(request(track, participants=1), 0.0)
    granted = [outbox.take(0.0) for _ in range(9)]
    assert granted[8] is EMPTY
    got = [effect.track for effect in granted if isinstance(effect, RequestTurn)]
    assert len(got) == WINDOW
    assert outbox.put(CaptureLate(got[0]), 0.0) is None
    assert outbox.put(CaptureLate(got[1]), 0.0) is None
    refused = outbox.put(CaptureLate(got[2]), 0.0)
    assert refused is not None
    assert refused.reason == "no_frame"
    assert sum(isinstance(outbox.take(0.0), RequestTurn) for _ in range(5)) == 3


def test_a_late_frame_takes_the_next_free_turn_of_its_class() -> None:
    """It is handed out before requests of its class that wait for a grant."""
    outbox = Outbox(window=1)
    outbox.put(request(0), 0.0)
    outbox.take(0.0)
    outbox.put(CaptureLate("TR_0"), 0.4)
    outbox.put(request(0 + 4), 0.4)
    second = outbox.take(0.4)
    assert isinstance(second, RequestTurn)
    outbox.put(Deliver("TR_0", sample("TR_0", 0.5)), 0.5)
    outbox.put(GiveUp(second.track, "no_frame"), 0.5)
    late = outbox.take(0.6)
    assert isinstance(late, Deliver)
    outbox.settle(late, 0.6)
    assert outbox.account().sent == 1


def test_a_sample_cut_off_in_its_send_is_sent_again_while_it_is_fresh() -> None:
    """Then it is dropped as stale."""
    outbox = Outbox()
    outbox.put(request(0), 0.0)
    outbox.take(0.0)
    outbox.put(Deliver("TR_0", sample("TR_0", 0.0)), 0.0)
    first = outbox.take(0.1)
    assert list(outbox.interrupted(0.2)) == []
    assert outbox.take(0.3) is first
    assert [loss.reason for loss in outbox.interrupted(2.0)] == ["stale"]
    assert outbox.account().dropped == {"stale": 1}


@given(st.lists(st.tuples(tracks, levels), min_size=1, max_size=60), st.integers(1, 4), st.booleans())
def test_the_order_is_that_of_the_contract(asks: list[tuple[int, Level]], n: int, alerts_first: bool) -> None:
    """Against a reference: class, participant, track, the one whose last grant is oldest first; each fourth is fair.

    Where evidence decides what an alert is, an alert waits with the tracks that were granted before.
    """
    outbox, clock, grants = Outbox(window=1, alerts_first=alerts_first), 0, 0
    last: dict[str, int] = {}
    waiting: dict[str, tuple[str, int]] = {}
    asked: dict[str, int] = {}
    for number, (index, level) in enumerate(asks):
        turn = request(index, level, n)
        if turn.participant not in last:
            clock += 1
            last[turn.participant] = clock
        outbox.put(turn, 0.0)
        if turn.track not in waiting:
            special = {Level.ALERT: 0 if alerts_first else 3, Level.SUSPICIOUS: 1}
            rank = special.get(level, 2 + (turn.track in last))
            waiting[turn.track], asked[turn.track] = (turn.participant, rank), number
        if number % 2:
            continue
        grants += 1
        who = min((p for p, _ in waiting.values()), key=last.__getitem__) if grants % 4 == 0 else None
        expected = min(
            (track for track, (p, _) in waiting.items() if who in (None, p)),
            key=lambda track: (waiting[track][1], last[waiting[track][0]], last.get(track, 0), asked[track]),
        )
        got = outbox.take(0.0)
        assert isinstance(got, RequestTurn)
        assert got.track == expected
        clock += 1
        last[got.participant] = last[got.track] = clock
        del waiting[got.track]
        outbox.put(GiveUp(got.track, "no_frame"), 0.0)


@given(st.integers(1, 6))
def test_publishing_anew_does_not_jump_the_queue(decoys: int) -> None:
    """Participants who end each track and begin another at ALERT cannot keep one who stays from its 4n grants."""
    outbox = Outbox()
    outbox.put(RequestTurn("honest", "honest", Level.CLEAR, None), 0.0)
    outbox.take(0.0)
    outbox.put(GiveUp("honest", "no_frame"), 0.0)
    outbox.put(RequestTurn("honest", "honest", Level.CLEAR, None), 0.0)
    held: dict[str, str] = {}
    for grant in range(4 * (decoys + 1)):
        for decoy in range(decoys):
            if f"d{decoy}" not in held:
                held[f"d{decoy}"] = f"d{decoy}_{grant}"
                outbox.put(RequestTurn(f"d{decoy}_{grant}", f"d{decoy}", Level.ALERT, None), 0.0)
        got = outbox.take(0.0)
        assert isinstance(got, RequestTurn)
        if got.participant == "honest":
            return
        outbox.put(Withdraw(held.pop(got.participant), for_good=True), 0.0)
    raise AssertionError("starved")


def test_a_withdrawn_sample_is_not_sent_again() -> None:
    """Consent or the track went while it was in hand: a dead connection does not requeue it."""
    outbox = Outbox()
    outbox.put(request(0), 0.0)
    outbox.take(0.0)
    outbox.put(Deliver("TR_0", sample("TR_0", 0.0)), 0.0)
    outbox.take(0.0)
    outbox.put(Withdraw("TR_0"), 0.0)
    assert [loss.reason for loss in outbox.interrupted(0.1)] == ["ended"]
    assert outbox.take(0.1) is EMPTY


def test_a_late_frame_grows_old_like_any_other() -> None:
    """It is dropped at the age limit while it waits for a free turn, and no longer counts as a late capture."""
    outbox = Outbox(window=1)
    outbox.put(request(0), 0.0)
    outbox.take(0.0)
    outbox.put(CaptureLate("TR_0"), 0.3)
    outbox.put(request(1), 0.3)
    outbox.take(0.3)
    outbox.put(Deliver("TR_0", sample("TR_0", 0.5)), 0.5)
    assert outbox.put(request(0), 2.4) is not None
    assert outbox.put(request(0), 2.5) is None
    assert outbox.account().dropped == {"superseded": 1, "stale": 1}


def test_a_grant_that_its_track_never_heard_of_waits_again() -> None:
    """The uplink died between take and settle: the place in the window is not lost."""
    outbox = Outbox(window=1)
    outbox.put(request(0), 0.0)
    first = outbox.take(0.0)
    assert list(outbox.interrupted(0.0)) == []
    assert outbox.take(0.0) is first


def test_nothing_is_remembered_of_tracks_that_ended() -> None:
    """Memory grows with the live tracks only, whatever strangers publish."""
    outbox = Outbox()
    for track in range(100):
        outbox.put(RequestTurn(f"TR_{track}", f"p{track}", Level.ALERT, None), 0.0)
        outbox.take(0.0)
        outbox.put(Withdraw(f"TR_{track}", for_good=True), 0.0)
    history, queue = outbox._history, outbox._queue
    assert not any((history.tracks, history.participants, outbox._turns, outbox._unsettled, *queue._classes))


budgets = st.builds(
    Budget,
    samples_per_minute=st.sampled_from([None, 6.0, 60.0, 300.0]),
    bytes_per_second=st.sampled_from([1_000.0, 20_000.0]),
    burst_seconds=st.just(20.0),
    sample_bytes=st.just(10_000),
)
sizes = st.sampled_from([100, 10_000, 25_000])


@given(budgets, st.integers(1, 6), st.lists(st.tuples(st.floats(0, 5), levels, sizes), min_size=5, max_size=80))
def test_a_room_never_spends_more_than_its_budget(budget: Budget, n: int, script: list[tuple[Any, ...]]) -> None:
    """Every window has at most (W + burst_seconds) x rate, and no turn waits while the budget allows it."""
    outbox = Outbox(budget=budget)
    now, spent, largest = 0.0, [(0.0, 0)], 0
    for number, (seconds, level, size) in enumerate(script):
        now += seconds
        outbox.put(request(number % (2 * n), level, n), now)
        while True:
            got = outbox.take(now)
            if got is EMPTY:
                break
            outbox.settle(got, now)
            outbox.put(Deliver(got.track, Sample("p", got.track, 0, bytes(size), now)), now)
            taken = outbox.take(now)
            assert isinstance(taken, Deliver)
            outbox.settle(taken, now)
            spent.append((now, size))
            largest = max(largest, size)
        waiting, ready = outbox.account().waiting, outbox.ready_at(now)
        assert (ready is not None and ready > now) if waiting else ready is None
    for first in range(len(spent)):
        for last in range(first, len(spent)):
            window = spent[last][0] - spent[first][0] + budget.burst_seconds
            inside = spent[first : last + 1]
            assert sum(size for _, size in inside) <= window * (budget.bytes_per_second or 0) + largest
            if budget.samples_per_minute is not None:
                assert sum(size > 0 for _, size in inside) <= window * budget.samples_per_minute / 60 + 1e-6


@given(st.integers(2, 8), st.data())
def test_under_a_budget_the_urgent_go_first_and_everybody_goes(n: int, data: st.DataObject) -> None:
    """The order is the one without a budget: three turns by urgency, the fourth to the one that waits longest."""
    budget = Budget(samples_per_minute=60, burst_seconds=1)
    free, bound = Outbox(), Outbox(budget=budget)
    wanted = [(track, data.draw(levels)) for track in range(n)]
    orders: list[list[str]] = []
    for outbox in (free, bound):
        order: list[str] = []
        for track, level in wanted:
            outbox.put(request(track, level, n), 0.0)
        for step in range(8 * n):
            got = outbox.take(float(step))
            assert isinstance(got, RequestTurn)
            assert outbox is free or outbox.take(step + 0.5) is EMPTY
            order.append(got.track)
            outbox.put(Deliver(got.track, sample(got.track, float(step))), float(step))
            sent = outbox.take(float(step))
            assert isinstance(sent, Deliver)
            outbox.settle(sent, float(step))
            outbox.put(request(int(got.track[3:]), got.level, n), float(step))
        orders.append(order)
    assert orders[0] == orders[1]


def test_what_was_set_aside_for_a_sample_that_is_not_sent_is_given_back() -> None:
    """A camera without frames costs the room nothing."""
    outbox = Outbox(budget=Budget(samples_per_minute=60, burst_seconds=1))
    for reason in ("no_frame", "not_encodable"):
        outbox.put(request(1), 0.0)
        assert isinstance(outbox.take(0.0), RequestTurn)
        outbox.put(GiveUp("TR_1", reason), 0.0)
    outbox.put(request(1), 0.0)
    assert isinstance(outbox.take(0.0), RequestTurn)
    outbox.put(Withdraw("TR_1", "muted"), 0.0)
    outbox.put(request(1), 0.0)
    assert isinstance(outbox.take(0.0), RequestTurn)
    outbox.put(Deliver("TR_1", sample("TR_1", 0.0)), 0.0)
    done = outbox.take(0.0)
    assert isinstance(done, Deliver)
    outbox.settle(done, 0.0)
    outbox.put(request(2), 0.0)
    assert outbox.take(0.0) is EMPTY
    assert outbox.ready_at(0.0) == 1.0
