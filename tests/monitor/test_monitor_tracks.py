"""The tracks of a live monitor: added, crashed, failing, muted, removed, remembered."""

from __future__ import annotations

import itertools
from functools import partial

import monitor_kit as kit
import pytest
import trio
import trio.testing
from monitor_kit import Service, Slow, Still

from ds_actors import ActorStopped
from ds_actors.detection import (
    AdaptiveSampling,
    CallbackSink,
    Coverage,
    Frame,
    Level,
    Monitor,
    ResultEvent,
    ResultType,
    TrackInfo,
)
from ds_actors.detection.events import WireResult
from ds_actors.detection.tracks.registry import TRACKS, TRACKS_PER_PARTICIPANT
from ds_actors.testing import run_virtual

RARE = partial(AdaptiveSampling, 0.001, 0.001)


def test_a_track_goes_on_with_its_source_after_a_crash() -> None:
    """The source gives frames until it is closed, and it is closed when the track is removed."""
    source = Still()

    async def body(service: Service, monitor: Monitor) -> None:
        await kit.add(monitor, "A", source=source)
        await trio.sleep(2)
        await kit.kill(monitor, "A")
        before = len(service.samples)
        await trio.sleep(60)
        assert len(service.samples) - before >= 55
        assert monitor.coverage("A") is Coverage.CHECKED
        assert source.is_open
        await monitor.remove_track("A")
        assert not source.is_open

    with kit.without_log():
        kit.run(body)


def test_a_crashed_track_goes_on_at_the_rate_of_its_level() -> None:
    """Also without another verdict, which would tell it."""

    async def body(service: Service, monitor: Monitor) -> None:
        await kit.add(monitor, "A")
        await trio.sleep(2)
        service.silent.add("A")
        await kit.kill(monitor, "A")
        before = len(service.sent("A"))
        await trio.sleep(30)
        assert len(service.sent("A")) - before >= 28

    with kit.without_log():
        kit.run(body)


def test_a_failing_track_is_tried_every_minute_until_it_has_sent_a_sample() -> None:
    """Five crashes within 60 s make it failing, for an hour if need be; after its first sample it is ordinary again."""

    class Broken(Still):
        broken = True

        async def capture(self) -> Frame | None:
            frame = await super().capture()
            if self.broken:
                raise OSError("no picture")
            return frame

    async def body(service: Service, monitor: Monitor) -> None:
        source = Broken()
        await kit.add(monitor, "B", source=source)
        await trio.sleep(10)
        assert (len(source.asked), monitor.coverage("B")) == (5, Coverage.FAILING)
        await trio.sleep(3_600)
        gaps = [b - a for a, b in itertools.pairwise(source.asked)]
        assert gaps[4:] == pytest.approx([60.0] * 60)
        assert monitor.coverage("B") is Coverage.FAILING
        source.broken = False
        await trio.sleep(61)
        assert len(service.samples) > 0
        assert monitor.coverage("B") is Coverage.CHECKED
        asked = len(source.asked)
        await kit.kill(monitor, "B")
        await trio.sleep(16)
        assert len(source.asked) > asked

    with kit.without_log():
        kit.run(body)


def test_verdicts_on_earlier_samples_keep_no_track_from_failing() -> None:
    """Only a sample that was sent shows that the actor works."""

    class Broken(Still):
        async def capture(self) -> Frame | None:
            await super().capture()
            raise OSError("no picture")

    async def body(service: Service, monitor: Monitor) -> None:
        source = Broken()
        await kit.add(monitor, "B", source=source)
        for _ in range(40):
            await trio.sleep(0.25)
            await service.say(ResultType.CLEAR, "B")
        assert (len(source.asked), monitor.coverage("B")) == (5, Coverage.FAILING)

    with kit.without_log():
        kit.run(body)


def test_tracks_that_fail_together_again_and_again_take_nothing_else_with_them() -> None:
    """Their supervisor has a backoff of its own: the monitor runs on, with the connection that it has."""

    async def body(service: Service, monitor: Monitor) -> None:
        await kit.add(monitor, "A")
        await trio.sleep(1)
        for until_next in (0.3, 0.6, 1.1, 2.1, 30):
            await kit.kill_supervisor(monitor, "tracks")
            await trio.sleep(until_next)
        assert (monitor.status().state, len(service.attempts)) == ("running", 1)
        assert monitor.coverage("A") is Coverage.CHECKED

    with kit.without_log():
        kit.run(body)


def test_a_level_that_came_while_the_actor_was_down_rules_though_its_mailbox_was_full() -> None:
    """A thousand clears wait, the alert behind them is refused, and the track is sampled at burst rate all the same."""

    async def body(service: Service, monitor: Monitor) -> None:
        service.silent.add("A")
        await kit.add(monitor, "A")
        await trio.sleep(2)
        await kit.kill(monitor, "A")
        for _ in range(1_000):
            monitor._hub.result(WireResult(ResultType.CLEAR, "pA", "A"))
        monitor._hub.result(WireResult(ResultType.ALERT, "pA", "A"))
        before = len(service.samples)
        await trio.sleep(30)
        assert monitor.level("A") is Level.ALERT
        assert len(service.samples) - before >= 25

    with kit.without_log():
        kit.run(body)


def test_a_track_that_cannot_be_added_leaves_nothing() -> None:
    """Before the start, when its policy raises, when the adding is cancelled, and after the close."""
    fails = False

    def policy() -> AdaptiveSampling:
        if fails:
            raise ArithmeticError("no policy today")
        return AdaptiveSampling()

    def nothing_left(monitor: Monitor) -> bool:
        return not (list(monitor._hub.registry) or monitor._hub.assessments.tracks or monitor.status().tracks)

    async def main() -> None:
        nonlocal fails
        async with trio.open_nursery() as nursery:
            monitor = kit.monitor_of(Service(nursery), sampling=policy)
            with pytest.raises(ActorStopped):
                await kit.add(monitor, "A")
            assert nothing_left(monitor)
            async with monitor:
                fails = True
                with pytest.raises(ArithmeticError):
                    await kit.add(monitor, "A")
                assert nothing_left(monitor)
                fails = False
                with trio.CancelScope() as scope:
                    scope.cancel()
                    await kit.add(monitor, "A")
                assert nothing_left(monitor)
                await trio.testing.wait_all_tasks_blocked()
                await kit.add(monitor, "A")
                await trio.sleep(1)
                assert monitor.coverage("A") is Coverage.CHECKED
                await monitor.remove_track("A")
            with pytest.raises(ActorStopped):
                await kit.add(monitor, "A")
            assert nothing_left(monitor)
            nursery.cancel_scope.cancel()

    run_virtual(main)


def test_a_track_is_removed_whatever_became_of_its_actor() -> None:
    """Also while its supervisor is down, and after the monitor is closed; an unknown one is not an error."""

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            service = Service(nursery)
            async with kit.monitor_of(service) as monitor:
                await kit.add(monitor, "A", "B", "C")
                await trio.sleep(1)
                await kit.kill_supervisor(monitor, "tracks")
                await monitor.remove_track("A")
                await monitor.remove_track("nobody")
                assert "A" not in monitor._hub.outbox._history.tracks
                seen = len(service.samples)
                await trio.sleep(20)
                assert {sample.track for _, sample in service.samples[seen:]} == {"B", "C"}
            await monitor.remove_track("B")
            await monitor.remove_track("nobody")
            assert [track.track for track in monitor.status().tracks] == ["C"]
            nursery.cancel_scope.cancel()

    with kit.without_log():
        run_virtual(main)


def test_a_track_is_watched_once() -> None:
    """Adding it again is an error that names it, and the first goes on."""

    async def body(service: Service, monitor: Monitor) -> None:
        await kit.add(monitor, "B")
        with pytest.raises(ValueError, match="'B' is watched already"):
            await kit.add(monitor, "B")
        await trio.sleep(1)
        assert len(service.sent("B")) == 1

    kit.run(body)


@pytest.mark.parametrize(("limit", "everybody"), [(TRACKS_PER_PARTICIPANT, "alice"), (TRACKS, None)])
def test_what_is_over_a_limit_is_listed_and_counted_until_there_is_room(limit: int, everybody: str | None) -> None:
    """64 tracks per participant, 2,000 per monitor; repeated attempts count as one track."""

    async def body(_service: Service, monitor: Monitor) -> None:
        infos = [TrackInfo(everybody or f"p{n}", f"T{n}") for n in range(limit + 1)]
        added = [await monitor.add_track(info, Still()) for info in infos]
        assert added == [True] * limit + [False]
        assert not await monitor.add_track(infos[-1], Still())
        status = monitor.status()
        assert dict(status.not_watched) == {"limit": 1}
        assert monitor.coverage(f"T{limit}") is Coverage.NOT_MONITORED
        assert len(status.tracks) == limit + 1
        assert status.tracks[-1].reason == "over the limit"
        await monitor.remove_track("T0")
        assert await monitor.add_track(infos[-1], Still())
        assert monitor.coverage(f"T{limit}") is not Coverage.NOT_MONITORED
        assert len(monitor.status().tracks) == limit

    with kit.without_log():
        kit.run(body, reachable=False, sampling=RARE)


def test_muting_drops_the_queued_sample() -> None:
    """It is made already, and waits behind another on a slow link."""

    async def body(service: Service, monitor: Monitor) -> None:
        await trio.sleep(0.1)
        service.links[-1].seconds = 1.0
        await kit.add(monitor, "A", source=Slow(seconds=0.1))
        await kit.add(monitor, "B", source=Slow(seconds=0.2))
        await trio.sleep(0.5)
        assert monitor.status().uplink.granted == 2
        monitor.set_muted("B", True)
        await trio.sleep(0.1)
        assert monitor.status().uplink.dropped == {"muted": 1}
        assert monitor.coverage("B") is Coverage.MUTED
        await trio.sleep(10)
        assert service.sent("A")
        assert not service.sent("B")
        assert kit.adds_up(monitor)

    kit.run(body)


async def mute(_service: Service, monitor: Monitor) -> None:
    monitor.set_muted("A", True)
    await trio.sleep(60)
    assert monitor.level("A") is Level.ALERT
    monitor.set_muted("A", False)


async def give_no_answers(service: Service, monitor: Monitor) -> None:
    service.silent.add("A")
    await trio.sleep(50)
    assert monitor.coverage("A") is Coverage.STALE


async def lose_the_room(_service: Service, monitor: Monitor) -> None:
    monitor.set_room("reconnecting")
    await trio.sleep(60)
    assert monitor.level("A") is Level.ALERT
    monitor.set_room("connected")


async def lose_the_service(service: Service, monitor: Monitor) -> None:
    service.reachable = False
    await service.links[-1].aclose()
    await trio.sleep(60)
    assert monitor.level("A") is Level.ALERT
    service.reachable = True


@pytest.mark.parametrize("happens", [mute, give_no_answers, lose_the_room, lose_the_service])
def test_nothing_but_a_verdict_makes_a_track_clear(happens: kit.Body) -> None:
    """Its level is still that of the last verdict afterwards, and no sink hears of a CLEAR, at the close neither."""
    events: list[ResultEvent] = []

    async def body(service: Service, monitor: Monitor) -> None:
        await kit.add(monitor, "A")
        await trio.sleep(2)
        await happens(service, monitor)
        await trio.sleep(5)
        assert monitor.level("A") is Level.ALERT
        assert kit.status_of(monitor, "A").target_fps == 1.0

    kit.run(body, sinks=[CallbackSink(events.append)])
    assert {event.type for event in events} == {ResultType.ALERT}
    assert [event.previous_level for event in events] == [Level.UNKNOWN, *[Level.ALERT] * (len(events) - 1)]


@pytest.mark.parametrize(("muted_for", "then"), [(0.3, 1.0), (30.0, 30.5)])
def test_an_unmuted_track_is_due_at_once(muted_for: float, then: float) -> None:
    """But not sooner than 1/burst after its last sample."""

    async def body(service: Service, monitor: Monitor) -> None:
        began = trio.current_time()
        await kit.add(monitor, "B")
        await trio.sleep(0.5)
        monitor.set_muted("B", True)
        await trio.sleep(muted_for)
        assert monitor.coverage("B") is Coverage.MUTED
        monitor.set_muted("B", False)
        await trio.sleep(1)
        assert service.sent("B") == pytest.approx([began, began + then])

    kit.run(body)


@pytest.mark.parametrize(("away", "level"), [(599.0, Level.ALERT), (601.0, Level.UNKNOWN)])
def test_one_who_left_is_remembered_for_ten_minutes(away: float, level: Level) -> None:
    """The next camera of the same identity starts at the level of the last."""

    async def body(service: Service, monitor: Monitor) -> None:
        service.silent.add("B")
        await kit.add(monitor, "A")
        await trio.sleep(1)
        await monitor.remove_track("A")
        monitor.participant_left("pA")
        await trio.sleep(away)
        await monitor.add_track(TrackInfo("pA", "B"), Still())
        assert monitor.level("B") is level

    kit.run(body, sampling=RARE)


def test_a_closed_monitor_remembers_nothing() -> None:
    """Levels live as long as the room."""
    monitors: list[Monitor] = []

    async def body(_service: Service, monitor: Monitor) -> None:
        monitors.append(monitor)
        await kit.add(monitor, "A", "C")
        await trio.sleep(1)
        await monitor.remove_track("A")
        assert (monitor.level("C"), len(monitor._hub.assessments._memory)) == (Level.SUSPICIOUS, 1)

    kit.run(body)
    (monitor,) = monitors
    assert monitor.level("C") is Level.UNKNOWN
    assert not monitor._hub.assessments._memory


@pytest.mark.parametrize(("back", "level"), [(True, Level.ALERT), (False, Level.UNKNOWN)])
def test_what_is_known_of_who_is_back_is_kept_also_without_a_track(*, back: bool, level: Level) -> None:
    """A level is forgotten ten minutes after its participant left; a reconnect counts as presence."""

    async def body(_service: Service, monitor: Monitor) -> None:
        await kit.add(monitor, "A")
        await trio.sleep(1)
        await monitor.remove_track("A")
        monitor.participant_left("pA")
        if back:
            monitor.participant_joined("pA")
        await trio.sleep(700)
        await monitor.add_track(TrackInfo("pA", "A2"), Still())
        assert monitor.level("A2") is level

    kit.run(body, sampling=RARE)
