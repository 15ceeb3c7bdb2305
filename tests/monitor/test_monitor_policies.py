"""Policies and budgets in a live monitor: the events that reach them, and their status."""

from __future__ import annotations

import itertools

import monitor_kit as kit
import trio
from attrs import define, evolve, field
from monitor_kit import Service, Still

from ds_actors.detection import (
    AdaptiveSampling,
    Budget,
    Budgeted,
    Fastest,
    Monitor,
    ResultType,
    SceneSampling,
    SpeakerSampling,
    TrackInfo,
)
from ds_actors.detection.sampling import Plan, SamplingEvent, SamplingPolicy


def test_a_room_with_a_budget_sends_what_it_holds_and_the_alert_first() -> None:
    """Three tracks want 120 samples a minute and get 30; every track gets some, and the rest is counted."""

    async def body(service: Service, monitor: Monitor) -> None:
        await kit.add(monitor, *"ABC")
        await trio.sleep(120)
        account = monitor.status().uplink
        assert 57 <= account.sent <= 61
        assert account.dropped["superseded"] > 100
        per_track = {name: len(service.sent(name)) for name in "ABC"}
        assert per_track["A"] > per_track["B"] > 5
        assert per_track["C"] > 5
        gaps = [b - a for (a, _), (b, _) in itertools.pairwise(service.samples)]
        assert max(gaps) < 2.01  # what waits goes as soon as the budget holds it

    budget = Budget(samples_per_minute=30, burst_seconds=2)
    kit.run(body, sampling=lambda: AdaptiveSampling(1.0, 1.0), budget=budget)


def test_what_is_spoken_and_seen_reaches_the_policy_and_its_reason_the_status() -> None:
    """Speech speeds up all tracks of the participant; a new scene only its own track."""

    async def body(service: Service, monitor: Monitor) -> None:
        service.silent |= {"B", "C"}
        await kit.add(monitor, "B", "C")

        def reason() -> dict[str, tuple[str, float]]:
            return {track.track: (track.reason, track.target_fps) for track in monitor.status().tracks}

        await trio.sleep(0.1)
        assert reason()["B"] == ("silent: 0.2 fps", 0.2)
        monitor.set_speaking("pB", True)
        await trio.sleep(0.1)
        assert reason() == {"B": ("speaking: 0.5 fps", 0.5), "C": ("silent: 0.2 fps", 0.2)}
        monitor.observe_frame("C", bytes([200]) * 64)
        monitor.observe_frame("nobody", b"")
        await trio.sleep(0.1)
        assert reason()["C"] == ("new scene: 1 fps", 1.0)
        monitor.set_speaking("pB", False)
        await trio.sleep(10)
        assert reason()["B"] == ("silent: 0.2 fps", 0.2)

    kit.run(body, sampling=lambda: Fastest(SpeakerSampling(), SceneSampling()))


def test_who_speaks_already_is_known_to_a_new_track_and_after_a_crash() -> None:
    """Until they stop, or leave."""

    async def body(_service: Service, monitor: Monitor) -> None:
        async def is_told(expected: str) -> None:
            await trio.sleep(0.5)
            assert kit.status_of(monitor, "B").reason == expected

        monitor.set_speaking("pB", True)
        await kit.add(monitor, "B")
        await is_told("speaking: 0.5 fps")
        with kit.without_log():
            await kit.kill(monitor, "B")
        await is_told("speaking: 0.5 fps")
        monitor.participant_left("pB")
        await monitor.remove_track("B")
        await kit.add(monitor, "B")
        await is_told("silent: 0.2 fps")

    kit.run(body, sampling=SpeakerSampling)


def test_a_policy_that_is_always_due_takes_what_two_hundred_a_second_take() -> None:
    """It breaks its promise, as its laws would show, but does not block the thread for other tracks."""

    class Greedy(AdaptiveSampling):
        asked = 0

        def on(self, event: SamplingEvent, now: float, /) -> Plan:
            Greedy.asked += 1
            assert Greedy.asked < 10_000
            return evolve(super().on(event, now), due=now)

    async def body(_service: Service, monitor: Monitor) -> None:
        await kit.add(monitor, "B")
        await trio.sleep(5)
        assert 990 <= monitor.status().uplink.due <= 1_002

    kit.run(body, sampling=Greedy)


def test_a_muted_track_gets_back_what_its_budget_set_aside() -> None:
    """Mute and unmute while the service is away spend nothing."""

    async def body(_service: Service, monitor: Monitor) -> None:
        await kit.add(monitor, "B")
        for muted in [True, False] * 5:
            await trio.sleep(2)
            monitor.set_muted("B", muted)
        await trio.sleep(2)
        assert monitor.status().tracks[0].reason == "unknown: 0.2 fps"
        assert monitor.status().uplink.dropped["muted"] == 5

    budget = Budget(samples_per_minute=6, burst_seconds=30)
    kit.run(body, reachable=False, sampling=lambda: Budgeted(AdaptiveSampling(0.2, 1.0), budget))


@define
class Forecast(Still):
    """A source that keeps what it is told of the next sample."""

    expected: list[tuple[float, float | None, bool]] = field(factory=list[tuple[float, float | None, bool]])
    """The time of each plan, the due time, and whether the rate is steady."""

    def expect(self, due: float | None, *, steady: bool) -> None:
        self.expected.append((trio.current_time(), due, steady))

    def last(self) -> tuple[float | None, bool]:
        _, due, steady = self.expected[-1]
        return due, steady


def test_a_source_that_follows_the_plan_learns_of_due_times_bursts_and_mutes() -> None:
    """Before each sample, it was told of it; also after a crash of its actor."""
    source = Forecast()

    async def body(service: Service, monitor: Monitor) -> None:
        begun = trio.current_time()
        await monitor.add_track(TrackInfo("pB", "B", "video"), source)
        await trio.sleep(7)
        assert source.last() == (begun + 10, True)
        monitor.set_muted("B", True)
        await trio.sleep(0.1)
        assert source.last() == (None, True)
        monitor.set_muted("B", False)
        await trio.sleep(0.1)
        due, _ = source.last()
        assert due is not None
        await service.say(ResultType.ALERT, "B")
        burst, steady = source.last()
        assert burst is not None
        assert burst < due
        assert not steady
        told = len(source.expected)
        with kit.without_log():
            await kit.kill(monitor, "B")
        await trio.sleep(3)
        assert len(source.expected) > told
        assert source.asked[1] == begun + 5
        assert any(due == begun + 5 and at < begun + 1 for at, due, _ in source.expected)

    kit.run(body)


def test_a_policy_that_follows_the_scene_is_never_steady() -> None:
    """Alone, in a combination and under a budget: the frames between its samples are needed."""

    def check(policy: SamplingPolicy, *, frames_between: bool) -> None:
        source = Forecast()

        async def body(_: Service, monitor: Monitor) -> None:
            await monitor.add_track(TrackInfo("pB", "B", "video"), source)
            await trio.sleep(1)
            assert {steady for _, _, steady in source.expected} == {not frames_between}

        kit.run(body, sampling=lambda: policy)

    check(AdaptiveSampling(), frames_between=False)
    check(SceneSampling(), frames_between=True)
    check(Fastest(AdaptiveSampling(), SceneSampling()), frames_between=True)
    check(Budgeted(SceneSampling(), Budget(samples_per_minute=60)), frames_between=True)
