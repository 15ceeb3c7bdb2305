"""The grade table: rules kept and broken, from records alone."""

from __future__ import annotations

import itertools
import random
from typing import Any

import pytest

from ds_actors.sandbox import Attempt, ClientRecord, Received, RoundTrip, Row, grade

BACKOFF, REFUSED, RETRY, KEY, QUIET, AGE, RATE, SIZE, SOUND, FORM = range(10)


def client(*attempts: Attempt, samples: tuple[Received, ...] = ()) -> ClientRecord:
    record = ClientRecord("client 1")
    record.attempts.extend(attempts)
    record.samples.extend(samples)
    record.received = len(samples)
    return record


def row(which: int, record: ClientRecord, now: float = 1_000_000.0, **more: Any) -> Row:
    return grade([record], now=now, **more)[which]


def refusals(*waits: float, status: int = 503, retry_after: float | None = None) -> ClientRecord:
    """Attempts that are refused at once, with these waits between them."""
    times = itertools.accumulate(waits, initial=0.0)
    return client(*(Attempt(t, status, retry_after, ended=t, ended_by="service", last_sent=t) for t in times))


def pictures(*times: float, size: int = 1_000, age: float = 0.1) -> tuple[Received, ...]:
    return tuple(Received(at, "alice", "TR_a", size, age) for at in times)


def test_a_client_of_which_nothing_is_known_broke_nothing() -> None:
    """Every rule is listed, kept, and untested."""
    rows = grade([client()], now=0.0)
    assert len(rows) == 10
    assert {(row.kept, row.tested, row.figure, row.client) for row in rows} == {(True, False, "", "client 1")}


def test_full_jitter_is_not_called_hammering() -> None:
    """A thousand clients that wait u times the ceiling, for 5 to 60 failures: none is accused."""
    dice = random.Random(7)
    for _ in range(1_000):
        failures = dice.randint(5, 60)
        waits = [dice.random() * min(15.0, 0.5 * 2**n) for n in range(failures)]
        assert row(BACKOFF, refusals(*waits)).kept, waits


@pytest.mark.parametrize("waits", [[0.1] * 10, [0.01] * 5, [2.5] * 40])
def test_hammering_is_broken(waits: list[float]) -> None:
    """Neither ten attempts per second nor one every 2.5 s forever is a backoff."""
    assert not row(BACKOFF, refusals(*waits)).kept


def test_a_healthy_connection_begins_the_backoff_anew() -> None:
    """Ten seconds with an answer, then short waits again: each is a first one."""
    attempts: list[Attempt] = []
    for n in range(20):
        at = n * 20.3
        attempts.append(Attempt(at, ended=at + 20.0, ended_by="lost", answered=True, last_sent=at + 20.0))
    assert row(BACKOFF, client(*attempts)).kept
    for attempt in attempts:
        attempt.answered = False
    assert not row(BACKOFF, client(*attempts)).kept


def test_a_program_started_again_owes_nothing_to_the_one_before() -> None:
    """Clean closes by the client end the run of failures."""
    attempts = [Attempt(n * 0.2, ended=n * 0.2 + 0.1, ended_by="client", code=1000) for n in range(20)]
    assert not row(BACKOFF, client(*attempts)).tested


def test_attempts_that_were_not_seen_are_not_held_against_a_client() -> None:
    """While the service did not listen there are no records: a wait across it does not count."""
    record = refusals(*[40.0] * 6)
    assert not grade([record], now=300.0, outages=[(0.0, 300.0)])[BACKOFF].tested


@pytest.mark.parametrize(
    ("waits", "kept"),
    [([24.0, 48.0, 96.0, 192.0, 240.0, 240.0], True), ([36.0, 40.0], False), ([2.5], False), ([24.0, 47.0], False)],
)
def test_probes_after_a_refusal_are_far_apart(waits: list[float], kept: bool) -> None:
    """30 s doubling to 5 min, each less a fifth at most."""
    assert row(REFUSED, refusals(*waits, status=401)).kept is kept
    times = itertools.accumulate(waits, initial=0.0)
    closed = client(*(Attempt(t, ended=t, ended_by="service", code=4401, last_sent=t) for t in times))
    assert row(REFUSED, closed).kept is kept
    assert not row(BACKOFF, closed).tested


@pytest.mark.parametrize(("asked", "waited", "kept"), [(7, 7.2, True), (7, 6.0, False), (900, 300.0, True)])
def test_retry_after_is_obeyed(asked: float, waited: float, kept: bool) -> None:
    """Exactly, up to five minutes."""
    assert row(RETRY, refusals(waited, status=429, retry_after=asked)).kept is kept


def test_a_key_in_the_url_is_broken() -> None:
    """Even once."""
    assert row(KEY, client(Attempt(0.0), Attempt(1.0))).kept
    assert not row(KEY, client(Attempt(0.0), Attempt(1.0, key_in_url=True))).kept


def test_a_connection_that_says_nothing_is_left() -> None:
    """An open connection counts too: a heartbeat would have noticed."""
    noticed = Attempt(0.0)
    noticed.note_sent(5.0)
    noticed.over(25.5, "lost")
    assert row(QUIET, client(noticed)).kept
    clinging = Attempt(0.0)
    clinging.note_sent(5.0)
    assert row(QUIET, client(clinging), now=25.5).kept
    assert not row(QUIET, client(clinging), now=40.0).kept
    clinging.note_sent(40.0)
    assert not row(QUIET, client(clinging), now=41.0).kept


def test_stale_samples_are_broken() -> None:
    """Two seconds, and a quarter for the way."""
    assert row(AGE, client(samples=pictures(1, 2, age=2.2))).kept
    broken = row(AGE, client(samples=pictures(1, age=0.1) + pictures(2, age=22.0)))
    assert (broken.kept, broken.figure) == (False, "oldest 22.00 s of 2")


def test_the_networks_delay_is_not_the_clients() -> None:
    """Neither the way of a sample's bytes nor the round trip, as the pings before and after it measured it."""
    slow = client(samples=tuple(Received(at, "alice", "TR_a", 9, 8.9, transfer=7.0) for at in (1.0, 2.0)))
    assert (row(AGE, slow).kept, row(AGE, slow).figure) == (True, "oldest 1.90 s of 2, and 7.00 s in the network")
    distant = client(samples=pictures(5, age=4.0))
    distant.round_trips.append(RoundTrip(0.0, 0.1))
    assert not row(AGE, distant).kept
    distant.round_trips.append(RoundTrip(6.0, 3.0))
    assert row(AGE, distant).kept
    distant.samples.extend(pictures(7, 8, age=5.3))
    assert not row(AGE, distant).kept


def test_silence_while_the_network_carried_nothing_is_not_held_against_a_client() -> None:
    """The service cannot see that the client left; what it stayed before and after that counts."""
    unseen = Attempt(0.0)
    unseen.note_sent(5.0)
    assert row(QUIET, client(unseen), now=60.0, cut_off=[(4.0, 50.0)]).kept
    assert not row(QUIET, client(unseen), now=80.0, cut_off=[(4.0, 50.0)]).kept
    unseen.over(61.0, "lost")
    assert row(QUIET, client(unseen), cut_off=[(20.0, 41.0), (45.0, 60.0)]).kept
    assert not row(QUIET, client(unseen), cut_off=[(20.0, 41.0)]).kept


def test_what_was_under_way_in_a_cut_is_not_the_clients_age() -> None:
    """The part of its age that lies in the cut is the network's; the rest is judged."""
    late = (Received(30.0, "alice", "TR_a", 10, 9.5),)
    assert not row(AGE, client(samples=late)).kept
    assert row(AGE, client(samples=late), cut_off=[(21.0, 29.5)]).kept
    assert not row(AGE, client(samples=late), cut_off=[(25.0, 29.5)]).kept


def test_the_rate_is_judged_by_track() -> None:
    """Two tracks at the burst rate do not exceed it, and a jittered grid is allowed."""
    dice = random.Random(3)
    grid = [n + dice.random() * 0.4 for n in range(60)]
    both = pictures(*grid) + tuple(Received(at, "alice", "TR_b", 10, 0.1) for at in grid)
    assert row(RATE, client(samples=both), burst_fps=1.0).kept
    assert not row(RATE, client(samples=pictures(*(n / 2 for n in range(60)))), burst_fps=1.0).kept
    assert row(RATE, client(samples=pictures(*(n / 30 for n in range(90))))).kept
    assert not row(RATE, client(samples=pictures(*(n / 40 for n in range(90))))).kept


def test_samples_that_the_network_held_back_do_not_exceed_the_rate() -> None:
    """They arrive at once, and were made at their times."""
    held = tuple(Received(10.0, "alice", "TR_a", 9, 10.0 - at) for at in range(10))
    assert row(RATE, client(samples=held), burst_fps=1.0).kept
    made_at_once = tuple(Received(float(at), "alice", "TR_a", 9, float(at)) for at in range(10))
    assert not row(RATE, client(samples=made_at_once), burst_fps=1.0).kept


def test_sizes_and_forms() -> None:
    """2 MiB for a picture, 96,000 bytes of sound, and nothing malformed."""
    limit = 2 * 1024 * 1024
    assert row(SIZE, client(samples=pictures(1, size=limit))).kept
    assert not row(SIZE, client(samples=pictures(1, size=limit + 1))).kept
    sound = [Received(1.0, "alice", "TR_m", size, 0.1, "pcm") for size in (96_000, 95_998)]
    assert row(SOUND, client(samples=(sound[0],))).kept
    assert not row(SOUND, client(samples=tuple(sound))).kept
    record = client(samples=pictures(1))
    assert row(FORM, record).kept
    record.malformed = 1
    assert (row(FORM, record).kept, row(FORM, record).figure) == (False, "1 of 2 were not")
