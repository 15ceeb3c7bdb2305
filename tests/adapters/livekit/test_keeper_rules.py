"""The rules of the keeper: examples, and laws over what may happen to rooms, detectors, workers and keepers."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from keeper_world import EVERY, World, silent
from livekit.plugins.dataspike.keeper.rules import (
    AT_ONCE,
    DEAD_AFTER,
    FIRST_WAIT,
    LONGEST_WAIT,
    REMEMBERED,
    REPORT_AFTER,
    SETTLE,
    SETTLE_DISPATCHED,
    STARTS_WITHIN,
    KeeperRules,
    RoomAction,
    SeenDetector,
    SeenRoom,
)

DETECTOR = SeenDetector("agent-1", "PA_1", 1_000)
YOUNGER = SeenDetector("agent-2", "PA_2", 2_000)
REQUEST = RoomAction("a", "RM_a", request=True)


def room(*detectors: SeenDetector, people: int = 1, dispatched: bool = False, known: bool = True) -> SeenRoom:
    return SeenRoom("a", "RM_a", people, detectors, dispatched, known=known)


def requests(rules: KeeperRules, until: float) -> list[float]:
    """Return when requests are made for a room that stays dark, by looks of every second."""
    return [float(now) for now in range(int(until)) if rules.look([room()], float(now), 0.0)]


def test_a_room_without_a_detector_gets_a_request_when_it_had_time_to_settle() -> None:
    """A detector may only be reconnecting; where another's dispatch is known, it may still be starting."""
    for dispatched, settle in ((False, SETTLE), (True, SETTLE_DISPATCHED)):
        rules = KeeperRules()
        assert rules.look([room(dispatched=dispatched)], 0.0, 0.0) == []
        assert rules.look([room(dispatched=dispatched)], settle - 0.1, 0.0) == []
        assert rules.look([room(dispatched=dispatched)], settle, 0.0) == [REQUEST]


def test_a_room_that_had_a_detector_is_not_taken_for_one_that_waits_for_its_first() -> None:
    """Its dispatch is spent."""
    rules = KeeperRules()
    rules.look([room(DETECTOR)], 0.0, 0.0)
    rules.look([room(dispatched=True)], 1.0, 0.0)
    assert rules.look([room(dispatched=True)], 1.0 + SETTLE, 0.0) == [REQUEST]


def test_nothing_is_requested_while_a_job_starts_but_not_for_ever() -> None:
    """The server counts a job as running even when its worker is dead; one whose agent was there is no start."""
    rules = KeeperRules()
    starts = SeenRoom("a", "RM_a", 1, (), dispatched=True, starting=("agent-1",))
    made = [now for now in range(60) if rules.look([starts], float(now), 0.0)]
    assert made[0] == STARTS_WITHIN
    rules = KeeperRules()
    rules.look([room(DETECTOR)], 0.0, 0.0)
    made = [now for now in range(1, 60) if rules.look([starts], float(now), 0.0)]
    assert made[0] == 1 + SETTLE


def test_requests_without_effect_are_repeated_ever_more_rarely() -> None:
    """The first wait is 10 s, each later one twice as long, up to a minute."""
    made = requests(KeeperRules(), 300)
    waits = [b - a for a, b in pairwise(made)]
    assert waits[:3] == [FIRST_WAIT, 2 * FIRST_WAIT, 4 * FIRST_WAIT]
    assert set(waits[3:]) == {LONGEST_WAIT}


def test_the_waits_begin_anew_after_a_detector_was_there() -> None:
    """A worker that is back may well stay."""
    rules = KeeperRules()
    rules.look([room()], 0.0, 0.0)
    assert rules.look([room()], 3.0, 0.0) == [REQUEST]
    rules.look([room(DETECTOR)], 5.0, 0.0)
    rules.look([room()], 6.0, 0.0)
    assert rules.look([room()], 9.0, 0.0) == [REQUEST]
    assert rules.look([room()], 9.0 + FIRST_WAIT, 0.0) == [REQUEST]


def test_chance_makes_a_wait_longer_by_a_quarter_at_most() -> None:
    """Two keepers that began together drift apart."""
    rules = KeeperRules()
    rules.look([room()], 0.0, 0.5)
    assert rules.look([room()], 3.0, 0.5) == [REQUEST]
    assert rules.look([room()], 3.0 + 1.12 * FIRST_WAIT, 0.5) == []
    assert rules.look([room()], 3.0 + 1.125 * FIRST_WAIT, 0.5) == [REQUEST]


def test_a_start_counts_from_the_look_that_saw_it_first() -> None:
    """Whenever the keeper itself began."""
    rules = KeeperRules()
    starts = SeenRoom("a", "RM_a", 1, (), starting=("agent-1",))
    for now in (100.0, 129.0):
        assert rules.look([starts], now, 0.0) == []
    assert rules.look([starts], 100.0 + STARTS_WITHIN, 0.0) == [REQUEST]


def test_the_last_hundred_detectors_of_a_room_are_remembered() -> None:
    """The job of one that was there is no start; that of one seen long ago may be taken for one."""
    for number, starts in ((0, True), (1, False)):
        rules = KeeperRules()
        for n in range(REMEMBERED + 1):
            rules.look([room(SeenDetector(f"agent-{n}", f"PA_{n}", n))], 0.0, 0.0)
        dark = SeenRoom("a", "RM_a", 1, (), starting=(f"agent-{number}",))
        rules.look([dark], 1.0, 0.0)
        assert rules.look([dark], 1.0 + SETTLE, 0.0) == ([] if starts else [REQUEST])


def test_a_watched_room_and_an_empty_room_are_left_alone() -> None:
    """Nothing is requested for a room without participants to watch."""
    rules = KeeperRules()
    for now in range(100):
        assert rules.look([room(DETECTOR)], now, 0.0) == []
    rules = KeeperRules()
    for now in range(100):
        assert rules.look([room(people=0)], now, 0.0) == []


def test_a_detector_that_does_not_answer_is_removed_before_another_is_requested() -> None:
    """Not at its first silence, and not before 5 s: it may only be reconnecting."""
    rules = KeeperRules()
    rules.look([room(DETECTOR)], 0.0, 0.0)
    assert rules.look([room(silent(DETECTOR))], 2.0, 0.0) == []
    assert rules.look([room(silent(DETECTOR))], 4.0, 0.0) == []
    action = rules.look([room(silent(DETECTOR))], max(DEAD_AFTER, 2.0 + SETTLE), 0.0)
    assert action == [RoomAction("a", "RM_a", ("agent-1",), request=True)]


def test_a_detector_is_dead_at_its_second_silence_five_seconds_after_its_last_answer() -> None:
    """Its last answer, not the keeper's first look, begins the five seconds."""
    rules = KeeperRules()
    rules.look([room(DETECTOR)], 50.0, 0.0)
    rules.look([room(DETECTOR)], 100.0, 0.0)
    assert rules.look([room(silent(DETECTOR))], 104.0, 0.0) == []
    assert rules.look([room(silent(DETECTOR))], 105.0, 0.0) == [RoomAction("a", "RM_a", ("agent-1",))]


def test_a_detector_that_never_answered_has_five_seconds_from_when_it_is_seen() -> None:
    """Also one that was gone for a while: what it did not answer before is forgotten."""
    rules = KeeperRules()
    for begin in (0.0, 20.0):
        assert rules.look([room(silent(DETECTOR))], begin, 0.0) == []
        assert rules.look([room(silent(DETECTOR))], begin + 4.9, 0.0) == []
        (action,) = rules.look([room(silent(DETECTOR))], begin + 5.0, 0.0)
        assert action.remove == ("agent-1",)
        rules.look([room(known=True)], begin + 6.0, 0.0)


def test_a_keeper_that_was_held_up_itself_waits_for_a_second_silence() -> None:
    """After a minute without a look, one unanswered question proves nothing."""
    rules = KeeperRules()
    rules.look([room(DETECTOR)], 0.0, 0.0)
    assert rules.look([room(silent(DETECTOR))], 60.0, 0.0) == []


def test_of_two_detectors_the_younger_is_removed_at_the_second_look() -> None:
    """Each keeper chooses the same one, in whatever order the server lists them."""
    for detectors in ((DETECTOR, YOUNGER), (YOUNGER, DETECTOR)):
        rules = KeeperRules()
        assert rules.look([room(*detectors)], 0.0, 0.0) == []
        assert rules.look([room(*detectors)], 2.0, 0.0) == [RoomAction("a", "RM_a", ("agent-2",))]


def test_two_detectors_in_looks_that_do_not_follow_each_other_are_left_alone() -> None:
    """One of them may just be leaving."""
    for between in (room(DETECTOR), room(silent(DETECTOR)), room()):
        rules = KeeperRules()
        looks = [rules.look([seen], 0.0, 0.0) for seen in (between, room(DETECTOR, YOUNGER), between)]
        assert [*looks, rules.look([room(DETECTOR, YOUNGER)], 0.0, 0.0)] == [[], [], [], []]


def test_a_removal_has_two_looks_of_time_before_it_is_repeated() -> None:
    """The server may list a participant a little longer."""
    rules = KeeperRules()
    made = [bool(rules.look([room(DETECTOR, YOUNGER)], now, 0.0)) for now in (0.0, 2.0, 4.0, 6.0)]
    assert made == [False, True, False, True]


def test_a_dark_room_comes_before_one_that_has_two_detectors() -> None:
    """No participant is unwatched in the second one."""
    rules = KeeperRules()
    seen = [room(DETECTOR, YOUNGER), SeenRoom("b", "RM_b", 1)]
    rules.look(seen, 0.0, 0.0)
    assert [action.room for action in rules.look(seen, SETTLE, 0.0)] == ["b", "a"]


def test_a_room_that_becomes_known_as_dark_still_has_its_time_to_settle() -> None:
    """From the look that could not see into it."""
    rules = KeeperRules()
    rules.look([room(known=False)], 0.0, 0.0)
    assert rules.look([room()], SETTLE - 0.1, 0.0) == []
    assert rules.look([room()], SETTLE, 0.0) == [REQUEST]


def test_a_room_about_which_the_server_says_nothing_is_reported_and_not_acted_on() -> None:
    """Whether it has a detector is not known."""
    rules = KeeperRules()
    for now in range(int(REPORT_AFTER) + 2):
        assert rules.look([room(known=False)], now, 0.0) == []
    assert rules.unwatched(REPORT_AFTER + 1) == ["a"]


def test_a_room_is_reported_when_it_had_no_detector_for_longer_than_15_s() -> None:
    """Requests do not stop the clock; a detector does."""
    rules, begin = KeeperRules(), 100.0
    for now in range(int(REPORT_AFTER) + 1):
        rules.look([room()], begin + now, 0.0)
        assert rules.unwatched(begin + now) == []
    rules.look([room()], begin + REPORT_AFTER + 1, 0.0)
    assert rules.unwatched(begin + REPORT_AFTER + 1) == ["a"]
    assert rules.watched_rooms == 0
    rules.look([room(DETECTOR)], begin + REPORT_AFTER + 2, 0.0)
    assert rules.dark_rooms == 0
    assert rules.watched_rooms == 1


def test_no_look_acts_on_more_rooms_than_allowed_and_the_longest_dark_come_first() -> None:
    """All rooms get their turn."""
    rules = KeeperRules()
    early = [SeenRoom(f"early-{n}", f"RM_e{n}", 1) for n in range(AT_ONCE)]
    late = [SeenRoom(f"late-{n}", f"RM_l{n}", 1) for n in range(AT_ONCE)]
    rules.look(early, 0.0, 0.0)
    rules.look([*late, *early], 1.0, 0.0)
    first = rules.look([*late, *early], 5.0, 0.0)
    assert {action.room for action in first} == {seen.name for seen in early}
    second = rules.look([*late, *early], 7.0, 0.0)
    assert {action.room for action in second} == {seen.name for seen in late}


ROOMS = st.sampled_from(["a", "b", "c"])
EVENTS = st.one_of(
    st.tuples(st.just("open"), ROOMS, st.booleans()),
    st.tuples(st.just("kill"), ROOMS),
    st.tuples(st.just("silence"), ROOMS, st.integers(1, 12)),
    st.tuples(st.just("restart"), st.integers(0, 1)),
    st.tuples(st.just("full"), st.booleans()),
    st.tuples(st.just("wait"), st.integers(1, 15)),
)


def tell(world: World, event: tuple[Any, ...]) -> None:
    match event:
        case ("open", str(name), bool(dispatched)):
            world.open(name, dispatched=dispatched)
        case ("kill", str(name)) if name in world.rooms:
            world.kill(name)
        case ("silence", str(name), int(seconds)) if name in world.rooms:
            world.silence(name, seconds)
        case ("restart", int(number)) if number < len(world.keepers):
            world.restart(number)
        case ("full", bool(full)):
            world.capacity = not full
        case ("wait", int(seconds)):
            world.run(seconds)
        case _:
            pass


@settings(max_examples=3 * settings().max_examples)
@given(st.lists(EVENTS, max_size=25), st.integers(1, 4), st.integers(1, 2))
def test_whatever_happens_every_room_is_watched_once_in_the_end_and_then_nothing_more_is_done(
    events: list[tuple[Any, ...]], joins_after: int, keepers: int
) -> None:
    """Kills, silences, full workers, restarts, a second keeper; the world judges each single action."""
    world = World(joins_after=joins_after, keepers=[KeeperRules() for _ in range(keepers)])
    for event in events:
        tell(world, event)
        world.run(1)
    world.capacity = True
    world.run(120)
    assert {name: len(world.watching(name)) for name in world.rooms} == dict.fromkeys(world.rooms, 1)
    assert world.longest_doubled <= 5
    done = len(world.acted)
    world.run(60)
    assert len(world.acted) == done


@given(st.integers(0, 5), st.integers(1, 4), st.integers(0, 30))
def test_a_killed_detector_is_replaced_within_fifteen_seconds(offset: int, joins_after: int, before: int) -> None:
    """Though the server lists it for 21 s, and however the kill falls between two looks."""
    world = World(joins_after=joins_after)
    world.open("a")
    world.run(5 + before + offset)
    world.kill("a")
    world.run(15)
    assert len(world.watching("a")) == 1


@given(st.lists(st.integers(1, 9), max_size=20), st.integers(1, 25))
def test_restarting_the_keeper_changes_nothing_in_a_watched_room(pauses: list[int], joins_after: int) -> None:
    """However often, and in whatever moment."""
    world = World(joins_after=joins_after)
    world.open("a")
    world.run(joins_after)
    for pause in pauses:
        world.restart(0)
        world.run(pause)
    assert world.acted == []


@given(st.lists(st.integers(1, int(DEAD_AFTER) - EVERY + 1), max_size=10))
def test_a_detector_that_is_silent_for_less_than_five_seconds_stays(silences: list[int]) -> None:
    """A resumed connection is no death."""
    world = World()
    world.open("a")
    world.run(4)
    for seconds in silences:
        world.silence("a", seconds)
        world.run(seconds + EVERY)
    assert world.acted == []


@given(st.integers(1, 400))
def test_a_room_that_no_worker_takes_costs_few_requests(seconds: int) -> None:
    """At most one in 10 s, and not more than 6 + one a minute."""
    world = World(capacity=False)
    world.open("a")
    world.run(seconds)
    times = [at for at, _, action in world.acted if action.request]
    assert all(b - a >= FIRST_WAIT for a, b in pairwise(times))
    assert len(times) <= 4 + seconds / LONGEST_WAIT
