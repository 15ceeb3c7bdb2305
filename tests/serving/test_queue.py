"""Which samples are judged, and which are dropped."""

from __future__ import annotations

import math
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ds_actors.detection.events import Sample
from ds_actors.detection.tracks.registry import TRACKS
from ds_actors.serving.queue import QueueLimits, SampleQueue, WaitingSample


def sample(track: str = "TR_a", *, data: bytes = b"12345") -> Sample:
    return Sample("alice", track, 0, data)


def queue(*connections: int, **limits: float) -> SampleQueue:
    made = SampleQueue(QueueLimits(**limits))  # type: ignore[arg-type]
    for connection in connections:
        made.join(connection)
    return made


def names(batch: list[WaitingSample]) -> list[str]:
    return [entry.sample.track for entry in batch]


def test_the_newest_sample_of_a_track_takes_the_place_of_its_older_one() -> None:
    """The older one is dropped, and counted."""
    own = queue(1)
    assert own.offer(1, sample(data=b"old"), 0.0) == []
    (dropped,) = own.offer(1, sample(data=b"new"), 1.0)
    assert (dropped.waiting.sample.data, dropped.reason) == (b"old", "superseded")
    batch, _ = own.take(1.0)
    assert [entry.sample.data for entry in batch] == [b"new"]


def test_a_batch_is_due_when_it_is_full_or_its_first_sample_waited_long_enough() -> None:
    """A newer sample of the same track does not start the wait anew."""
    own = queue(1, batch=2, batch_wait=0.5)
    own.offer(1, sample("TR_a"), 0.0)
    own.offer(1, sample("TR_a"), 0.4)
    assert (own.due(), own.take(0.4)) == (0.5, ([], []))
    assert names(own.take(0.5)[0]) == ["TR_a"]
    own.offer(1, sample("TR_b"), 1.0)
    own.offer(1, sample("TR_c"), 1.0)
    assert names(own.take(1.0)[0]) == ["TR_b", "TR_c"]
    assert own.due() == math.inf


def test_a_sample_that_would_be_answered_too_late_is_not_judged() -> None:
    """The time that a batch takes counts."""
    own = queue(1)
    own.offer(1, sample("TR_a"), 0.0)
    own.offer(1, sample("TR_b"), 1.0)
    batch, dropped = own.take(1.5, takes=1.0)
    assert names(batch) == ["TR_b"]
    assert [(entry.waiting.sample.track, entry.reason) for entry in dropped] == [("TR_a", "expired")]


def test_a_track_has_one_sample_in_a_batch_at_a_time() -> None:
    """Two workers could answer in the wrong order."""
    own = queue(1)
    own.offer(1, sample(data=b"1"), 0.0)
    first, _ = own.take(0.0)
    own.offer(1, sample(data=b"2"), 0.1)
    assert own.take(0.1) == ([], [])
    own.done(first)
    assert [entry.sample.data for entry in own.take(0.1)[0]] == [b"2"]


def test_a_connection_with_many_tracks_takes_no_turn_from_one_with_few() -> None:
    """Turns go round the connections first."""
    own = queue(1, 2)
    for track in range(50):
        own.offer(1, sample(f"TR_{track}"), 0.0)
    own.offer(2, sample("TR_other"), 0.0)
    assert "TR_other" in names([*own.take(0.0)[0], *own.take(0.0)[0]])


def test_a_batch_that_no_model_began_waits_again() -> None:
    """First of its connection; unless there is a newer sample of its track, or the connection has ended."""
    own = queue(1, 2)
    first = _taken(own, "TR_a")
    own.offer(1, sample("TR_b"), 1.0)
    assert own.give_back(first) == []
    assert names(own.take(1.0)[0]) == ["TR_a"]
    second = own.take(1.0)[0]
    own.offer(1, sample("TR_b", data=b"newer"), 1.5)
    assert [entry.reason for entry in own.give_back(second)] == ["superseded"]
    third, _ = own.take(1.5)
    assert [entry.sample.data for entry in third] == [b"newer"]
    own.leave(1)
    assert [entry.reason for entry in own.give_back(third)] == ["disconnected"]
    assert own.waiting == 0


def test_a_sample_that_would_wait_too_long_behind_another_batch_is_left_to_another_model() -> None:
    """It is not dropped."""
    own = queue(1)
    own.offer(1, sample(), 0.0)
    assert own.take(1.0, 0.6, behind=0.6) == ([], [])
    assert names(own.take(1.0, 0.6)[0]) == ["TR_a"]


def test_what_is_too_much_is_dropped_where_most_waits() -> None:
    """A flood loses its own samples, the oldest first."""
    own = queue(1, 2, samples=4, size=100)
    own.offer(2, sample("TR_other"), 0.0)
    dropped = [entry for track in range(6) for entry in own.offer(1, sample(f"TR_{track}"), 1.0 + track)]
    assert [(entry.waiting.sample.track, entry.reason) for entry in dropped] == [
        (f"TR_{track}", "overloaded") for track in range(3)
    ]
    assert own.offer(1, sample("TR_huge", data=bytes(101)), 9.0)[-1].waiting.sample.track == "TR_huge"
    assert own.waiting == 1


def test_a_connection_that_invents_tracks_is_bounded() -> None:
    """Those that wait for nothing are forgotten first, without a drop; then the one that waits longest, each time."""
    own = queue(1, tracks=3)
    own.done(_taken(own, "TR_idle"))
    for track in range(3):
        assert own.offer(1, sample(f"TR_{track}"), 1.0) == []
    for track in range(3):
        (dropped,) = own.offer(1, sample(f"TR_{track + 3}"), 1.0)
        assert (dropped.waiting.sample.track, dropped.reason) == (f"TR_{track}", "overloaded")
    assert own.waiting == 3


def test_a_track_in_a_batch_is_not_forgotten() -> None:
    """Its next sample may be dropped for another track's, and it is in no second batch."""
    own = queue(1, tracks=1)
    busy = _taken(own, "TR_a")
    assert own.offer(1, sample("TR_b"), 0.0) == []
    assert names(own.take(0.0)[0]) == ["TR_b"]
    own.offer(1, sample("TR_a"), 0.0)
    assert [entry.waiting.sample.track for entry in own.offer(1, sample("TR_c"), 0.0)] == ["TR_a"]
    own.offer(1, sample("TR_a"), 0.0)
    assert names(own.take(0.0)[0]) == ["TR_c"]
    assert own.take(0.0) == ([], [])
    own.done(busy)
    assert names(own.take(0.0)[0]) == ["TR_a"]


def _taken(own: SampleQueue, track: str) -> list[WaitingSample]:
    own.offer(1, sample(track), 0.0)
    return own.take(0.0)[0]


def test_what_waits_of_a_connection_ends_with_it() -> None:
    """A batch that is under way is not disturbed."""
    own = queue(1)
    busy = _taken(own, "TR_a")
    own.offer(1, sample("TR_b"), 0.0)
    assert [entry.reason for entry in own.leave(1)] == ["disconnected"]
    own.done(busy)
    assert own.take(0.0) == ([], [])


def test_a_connection_that_is_not_known_has_nothing_to_drop() -> None:
    """It may have ended twice."""
    assert queue(1).leave(2) == []


def test_a_connection_that_began_anew_has_nothing_of_a_batch_from_before() -> None:
    """The batch ends without it, or what no model began is dropped."""
    own = queue(1)
    judged, returned = _taken(own, "TR_a"), _taken(own, "TR_b")
    own.leave(1)
    own.join(1)
    own.done(judged)
    assert [entry.reason for entry in own.give_back(returned)] == ["disconnected"]
    assert (own.waiting, own.take(0.0)) == (0, ([], []))


def test_at_the_close_all_that_waits_is_dropped() -> None:
    """Of every connection, with that reason."""
    own = queue(1, 2)
    own.offer(1, sample("TR_a"), 0.0)
    own.offer(2, sample("TR_b"), 0.0)
    assert [(entry.waiting.sample.track, entry.reason) for entry in own.close()] == [
        ("TR_a", "closing"),
        ("TR_b", "closing"),
    ]
    assert (own.waiting, own.due()) == (0, math.inf)


def test_a_sample_expires_after_its_deadline_not_at_it() -> None:
    """The earliest deadline is the next; without a sample there is none."""
    own = queue(1, deadline=2.0)
    assert own.expires() == math.inf
    own.offer(1, sample("TR_b"), 1.0)
    own.offer(1, sample("TR_a"), 0.5)
    assert (own.expires(), own.expire(2.5)) == (2.5, [])
    assert [(entry.waiting.sample.track, entry.reason) for entry in own.expire(2.6)] == [("TR_a", "expired")]
    assert own.expires() == 3.0
    assert names(own.take(2.0, 0.5, behind=0.5)[0]) == ["TR_b"]


def test_as_many_bytes_as_are_allowed_wait() -> None:
    """No byte more; what a model did not begin counts again."""
    own = queue(1, size=10)
    returned = _taken(own, "TR_a")
    assert own.offer(1, sample("TR_b"), 1.0) == own.offer(1, sample("TR_c"), 2.0) == []
    assert [(entry.waiting.sample.track, entry.reason) for entry in own.give_back(returned)] == [("TR_a", "overloaded")]
    assert [entry.waiting.sample.track for entry in own.offer(1, sample("TR_d", data=b"1"), 3.0)] == ["TR_b"]


def test_a_track_whose_returned_sample_expired_is_served_again() -> None:
    """Nothing of it is in a batch."""
    own = queue(1, deadline=2.0)
    own.give_back(_taken(own, "TR_a"))
    assert len(own.expire(3.0)) == 1
    own.offer(1, sample("TR_a"), 3.0)
    assert names(own.take(3.0)[0]) == ["TR_a"]


@pytest.mark.parametrize(
    "limits",
    [
        {"batch": 0},
        *({"deadline": bad} for bad in (0.0, -1.0, math.nan, math.inf)),
        *({"batch_wait": bad} for bad in (2.0, -0.1)),
        {"samples": 0},
        {"tracks": 0},
        {"size": 0},
    ],
)
def test_limits_that_make_no_sense_are_refused(limits: dict[str, float]) -> None:
    """By the name of the figure."""
    with pytest.raises(ValueError, match=f"^{next(iter(limits))} must be "):
        queue(**limits)


def test_the_narrowest_limits_are_limits() -> None:
    """One sample of one byte, for less than a second."""
    own = queue(1, batch=1, deadline=0.5, batch_wait=0.4, samples=1, size=1, tracks=1)
    assert own.offer(1, sample(data=b"1"), 0.0) == []
    assert len(own.take(0.4)[0]) == 1


@pytest.mark.parametrize(("tracks", "period", "batch"), [(200, 5.0, 1), (201, 5.0, 1), (120, 1.0, 4), (7, 0.5, 2)])
def test_under_three_times_the_load_every_track_is_judged_at_an_equal_rate(
    tracks: int, period: float, batch: int
) -> None:
    """Within 20 %, also where the rhythm of arrivals meets the rhythm of batches."""
    own = queue(1, batch=batch)
    takes = 3 * batch * period / tracks
    judged: Counter[str] = Counter()
    free, at = 0.0, 0.0
    for arrival in range(tracks * 90):
        at = arrival * period / tracks
        while free <= at:
            taken, _ = own.take(free, takes)
            judged.update(names(taken))
            own.done(taken)
            free += takes
        own.offer(1, sample(f"TR_{arrival % tracks}"), at)
    rates = [judged[f"TR_{track}"] for track in range(tracks)]
    assert min(rates) >= 0.8 * max(rates)
    assert sum(rates) >= 0.25 * tracks * 90


def test_all_tracks_of_a_monitor_are_known() -> None:
    """A track that was forgotten would come as a new one, before those that were judged longer ago."""
    assert QueueLimits().tracks >= TRACKS


_STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("offer"), st.integers(1, 3), st.integers(0, 4), st.integers(0, 40)),
        st.tuples(st.just("take"), st.floats(0, 3), st.just(0), st.just(0)),
        st.tuples(st.just("done"), st.just(0), st.just(0), st.just(0)),
        st.tuples(st.just("give back"), st.just(0), st.just(0), st.just(0)),
        st.tuples(st.just("rejoin"), st.integers(1, 3), st.just(0), st.just(0)),
        st.tuples(st.just("wait"), st.floats(0, 3), st.just(0), st.just(0)),
    ),
    max_size=60,
)


@given(_STEPS, st.integers(1, 4), st.integers(1, 6), st.integers(1, 100), st.integers(1, 4))
def test_every_sample_is_taken_dropped_or_waiting(
    steps: list[tuple[str, float, int, int]], batch: int, samples: int, size: int, tracks: int
) -> None:
    """Exactly, within all limits; none is taken after its deadline, and no track is in two batches."""
    own = queue(1, 2, 3, batch=batch, samples=samples, size=size, tracks=tracks)
    now, fate, busy = 0.0, Counter[str](), list[WaitingSample]()
    for step, number, track, length in steps:
        if step == "offer":
            fate["received"] += 1
            fate["dropped"] += len(own.offer(int(number), sample(f"TR_{track}", data=bytes(length)), now))
        elif step == "take":
            taken, dropped = own.take(now, number)
            fate["dropped"] += len(dropped)
            fate["taken"] += len(taken)
            assert len(taken) <= batch
            assert all(now + number <= entry.arrived + own.limits.deadline for entry in taken)
            busy += taken
            keys = [(entry.connection, entry.sample.track) for entry in busy]
            assert len(set(keys)) == len(keys)
        elif step == "done":
            own.done(busy)
            busy.clear()
        elif step == "give back":
            fate["taken"] -= len(busy)
            fate["dropped"] += len(own.give_back(busy))
            busy.clear()
        elif step == "rejoin":
            fate["dropped"] += len(own.leave(int(number)))
            busy = [entry for entry in busy if entry.connection != number]
            own.join(int(number))
        else:
            now += number
        assert own.received == fate["received"] == own.taken + sum(own.dropped.values()) + own.waiting
        assert (own.taken, sum(own.dropped.values())) == (fate["taken"], fate["dropped"])
        assert own.waiting <= samples
    while own.waiting:
        own.done(busy)
        busy, dropped = own.take(now)
        assert busy or dropped, "what waits is never stuck"
