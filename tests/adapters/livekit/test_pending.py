"""Results that wait while LiveKit reconnects: what stays of each track, what is given up, and in which order."""

from __future__ import annotations

from livekit.plugins.dataspike._pending import KEPT_FOR, TRACKS_KEPT, PendingResults

from ds_actors.detection import ResultEvent, ResultType


def event(track: str, kind: ResultType = ResultType.CLEAR) -> ResultEvent:
    return ResultEvent(kind, "alice", track, "", 0)


def test_of_a_track_the_newest_result_and_the_last_alert_before_it_stay() -> None:
    """The others are counted as dropped."""
    held = PendingResults()
    kinds = (ResultType.ALERT, ResultType.CLEAR, ResultType.ALERT, ResultType.SUSPICIOUS, ResultType.CLEAR)
    for at, kind in enumerate(kinds):
        held.hold(event("TR_1", kind), float(at))
    assert (len(held), "TR_1" in held, "TR_2" in held, held.dropped) == (1, True, False, 3)
    assert [at for at, _ in held.take(4.0)] == [2.0, 4.0]
    assert (len(held), held.take(4.0), held.dropped, held.lost) == (0, [], 3, [])


def test_tracks_are_taken_one_at_a_time_those_that_waited_longest_first() -> None:
    """A further result of a track leaves it in its place."""
    held = PendingResults()
    for at, track in enumerate(("TR_1", "TR_2", "TR_1")):
        held.hold(event(track), float(at))
    assert [[(at, one.track_id) for at, one in held.take(3.0)] for _ in range(2)] == [[(2.0, "TR_1")], [(1.0, "TR_2")]]


def test_a_result_waits_for_sixty_seconds() -> None:
    """Of a track all of whose results are older the newest is lost, and the next track's are taken."""
    held = PendingResults()
    old, newest, exact = event("TR_1", ResultType.ALERT), event("TR_1"), event("TR_2")
    held.hold(old, 0.0)
    held.hold(newest, 9.0)
    held.hold(event("TR_2", ResultType.ALERT), 9.0)
    held.hold(exact, 10.0)
    assert held.take(10.0 + KEPT_FOR) == [(10.0, exact)]
    assert held.dropped == 3
    assert [id(one) for one in held.lost] == [id(newest)]


def test_of_too_many_tracks_the_one_that_waited_longest_is_given_up() -> None:
    """Its results are counted, and the newest of them is told of."""
    held = PendingResults()
    newest = event("TR_0")
    held.hold(event("TR_0", ResultType.ALERT), 0.0)
    held.hold(newest, 0.0)
    for number in range(1, TRACKS_KEPT):
        held.hold(event(f"TR_{number}"), 0.0)
    assert (len(held), held.dropped, held.lost) == (TRACKS_KEPT, 0, [])
    held.hold(event("TR_new"), 0.0)
    assert (len(held), "TR_0" in held, "TR_new" in held, held.dropped) == (TRACKS_KEPT, False, True, 2)
    assert [id(one) for one in held.lost] == [id(newest)]


def test_what_is_put_back_comes_before_what_came_meanwhile() -> None:
    """With the times since when it has been kept; of nothing, nothing is put back."""
    held = PendingResults()
    held.hold(event("TR_1", ResultType.ALERT), 1.0)
    held.hold(event("TR_1"), 2.0)
    taken = held.take(3.0)
    held.hold(event("TR_1", ResultType.SUSPICIOUS), 4.0)
    held.put_back(taken)
    assert [(at, one.type) for at, one in held.take(5.0)] == [(1.0, ResultType.ALERT), (4.0, ResultType.SUSPICIOUS)]
    assert held.dropped == 1
    held.hold(event("TR_1"), 6.0)
    held.put_back(held.take(7.0))
    assert [at for at, _ in held.take(8.0)] == [6.0]
    held.put_back([])
    assert len(held) == 0
