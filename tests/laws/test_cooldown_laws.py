"""The laws of the cooldown per participant and level, and of a monitor's sink that has one."""

from __future__ import annotations

from functools import partial

import monitor_kit as kit
import trio
from attrs import define, field
from hypothesis import given, settings
from hypothesis import strategies as st

from ds_actors.detection import AdaptiveSampling, Monitor, ResultEvent, ResultType, Throttled, TrackInfo
from ds_actors.detection.events import Level, WireResult
from ds_actors.detection.sinks._cooldown import PARTICIPANTS_LIMIT, LevelCooldown
from ds_actors.detection.sinks._reports import LOOK_EVERY

SECONDS = 60.0
MOST_PER_COOLDOWN = 5 + 6 * 3
"""Each of five levels once, and from each of the six moments around these up to three escalations."""
EVENTS = st.lists(
    st.tuples(st.floats(0, 50), st.sampled_from("ab"), st.sampled_from("12"), st.sampled_from(ResultType)),
    max_size=80,
)


def result(kind: ResultType, participant: str = "a", track: str = "1") -> ResultEvent:
    return ResultEvent(kind, participant, track, "", 0)


@given(EVENTS)
def test_an_escalation_always_passes_and_nothing_else_passes_twice_within_the_cooldown(
    script: list[tuple[float, str, str, ResultType]],
) -> None:
    """Whatever came before, of whichever track; and however many events there are, a bounded number passes."""
    cooldown, now = LevelCooldown(SECONDS), 0.0
    told: dict[str, list[tuple[float, Level]]] = {"a": [], "b": []}
    for wait, participant, track, kind in script:
        now += wait
        event, before = result(kind, participant, track), told[participant]
        escalates = not before or event.level.severity > before[-1][1].severity
        recent = any(level is event.level and now - at < SECONDS for at, level in before)
        assert cooldown.passes(event, now) is (escalates or not recent)
        if cooldown.passes(event, now):
            cooldown.delivered(event, now)
            before.append((now, event.level))
    for told_ones in told.values():
        for begin, _ in told_ones:
            assert sum(begin <= at < begin + SECONDS for at, _ in told_ones) <= MOST_PER_COOLDOWN


@given(st.sampled_from(ResultType), st.sampled_from(ResultType), st.booleans())
def test_while_an_event_is_on_its_way_no_other_of_its_participant_and_level_passes(
    first: ResultType, second: ResultType, delivered: bool
) -> None:
    """Several tracks of one person change at once, and a post may take long; what failed holds nothing back."""
    cooldown = LevelCooldown(SECONDS)
    event, other = result(first, track="1"), result(second, track="2")
    cooldown.begins(event)
    assert cooldown.passes(other, 0.0) is (event.level is not other.level)
    assert cooldown.passes(result(second, "b"), 0.0)
    cooldown.ends(event)
    if delivered:
        cooldown.delivered(event, 1.0)
    assert cooldown.passes(result(first, track="2"), 2.0) is not delivered
    cooldown.begins(event)
    cooldown.nothing_is_on_its_way()
    assert cooldown.passes(result(first, track="2"), 2.0 + SECONDS)


@given(EVENTS)
def test_without_a_cooldown_everything_passes_and_nothing_is_kept(
    script: list[tuple[float, str, str, ResultType]],
) -> None:
    """As in a monitor without one."""
    cooldown = LevelCooldown()
    for wait, participant, track, kind in script:
        assert cooldown.passes(result(kind, participant, track), wait)
        cooldown.delivered(result(kind, participant, track), wait)
    assert len(cooldown) == 0


def test_the_memory_is_bounded_and_ends_with_the_cooldown() -> None:
    """However many participants there are."""
    cooldown = LevelCooldown(SECONDS)
    for number in range(PARTICIPANTS_LIMIT + 100):
        cooldown.delivered(result(ResultType.ALERT, f"p{number}"), 0.0)
    assert len(cooldown) == PARTICIPANTS_LIMIT
    cooldown.delivered(result(ResultType.ALERT, "last"), SECONDS)
    assert len(cooldown) == 1


@define(eq=False)
class Phone:
    """A sink that keeps when it received which event."""

    received: list[tuple[float, ResultEvent]] = field(factory=list[tuple[float, ResultEvent]])
    name: str = "phone"

    async def deliver(self, event: ResultEvent, /) -> None:
        self.received.append((trio.current_time(), event))


TRACKS = "ABC"


@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("result"), st.sampled_from(TRACKS), st.sampled_from(ResultType)),
            st.tuples(st.just("sleep"), st.integers(0, 90)),
            st.tuples(st.sampled_from(["kill the actor"])),
        ),
        max_size=30,
    ),
    st.sampled_from(["all", "changes"]),
)
@settings(max_examples=40)
def test_a_throttled_sink_of_a_live_monitor_ends_with_every_level(
    script: list[tuple[object, ...]], notify: str
) -> None:
    """A change is delayed, never lost; an alert of a participant without a recent one comes at once."""
    phone = Phone()

    async def body(service: kit.Service, monitor: Monitor) -> None:
        service.silent |= set(TRACKS)
        await kit.add(monitor, *TRACKS)
        await trio.sleep(1)
        for step in script:
            match step:
                case ("result", str(track), ResultType() as kind):
                    before = monitor.level(track)
                    last = [event.level for _, event in phone.received if event.track_id == track]
                    monitor._hub.result(WireResult(kind, f"p{track}", track))
                    await trio.sleep(0.01)
                    if kind is ResultType.ALERT and before is not Level.ALERT and last[-1:] != [Level.ALERT]:
                        assert phone.received[-1][1].level is Level.ALERT
                case ("sleep", int(seconds)):
                    await trio.sleep(seconds)
                case _ if "sinks/phone" in kit.living(monitor):
                    await kit.kill(monitor, "phone")
                    while "sinks/phone" not in kit.living(monitor):
                        await trio.sleep(1)
                case _:
                    pass
        await trio.sleep(SECONDS + 2 * LOOK_EVERY)
        for track in TRACKS:
            heard = [event.level for _, event in phone.received if event.track_id == track and event.level.is_verdict]
            assert said(heard[-1] if heard else Level.UNKNOWN) is said(monitor.level(track))
        assert monitor.status().sinks[0].behind == 0

    with kit.without_log():
        kit.run(
            body,
            sampling=partial(AdaptiveSampling, 0.001, 0.001),
            notify=notify,
            sinks=[Throttled(phone, cooldown=SECONDS)],
        )


def said(level: Level) -> Level:
    """A first clear is not told: who hears nothing of a track takes it for clear."""
    return Level.CLEAR if level is Level.UNKNOWN else level


@define
class SlowPhone(Phone):
    """A receiver that takes three seconds for each event."""

    async def deliver(self, event: ResultEvent) -> None:
        await trio.sleep(3)
        await super().deliver(event)


def test_of_several_tracks_of_a_person_one_is_told_while_the_post_is_slow() -> None:
    """The others are told when the cooldown is over, if they are still so."""
    phone = SlowPhone()

    async def body(service: kit.Service, monitor: Monitor) -> None:
        service.silent |= {"1", "2", "3"}
        for track in ("1", "2", "3"):
            await monitor.add_track(TrackInfo("alice", track), kit.Still())
        await trio.sleep(1)
        for track in ("1", "2", "3"):
            monitor._hub.result(WireResult(ResultType.ALERT, "alice", track))
        await trio.sleep(10)
        assert len(phone.received) == 1
        await trio.sleep(SECONDS)
        assert len(phone.received) == 2

    kit.run(
        body,
        sampling=partial(AdaptiveSampling, 0.001, 0.001),
        notify="changes",
        sinks=[Throttled(phone, cooldown=SECONDS)],
    )
