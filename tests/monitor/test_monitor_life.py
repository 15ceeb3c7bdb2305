"""A monitor's lifetime: closing with everything stuck, failing, and its status from another thread."""

from __future__ import annotations

import json
import math
import threading
from functools import partial

import monitor_kit as kit
import pytest
import trio
from attrs import define, evolve
from attrs.exceptions import FrozenInstanceError
from monitor_kit import Service, Slow
from waiting import until_in_trio

from ds_actors import ChildEnded, RestartLimitReached, TelemetryEvent
from ds_actors.detection import AdaptiveSampling, CallbackSink, Coverage, Monitor, ResultEvent, Status
from ds_actors.detection.status import TrackStatus
from ds_actors.testing import Crashed, run_virtual


@define
class Clinging(Slow):
    """A source without a frame that does not close."""

    async def aclose(self) -> None:
        await trio.sleep_forever()


def test_a_monitor_closes_in_order_with_everything_stuck() -> None:
    """Tracks 0.5 s, uplink 1.0 s, sinks 1.0 s, sources 0.5 s: well within five."""
    ended: list[tuple[str, float]] = []
    began = 0.0

    async def stuck(_event: ResultEvent) -> None:
        await trio.sleep_forever()

    def listen(event: TelemetryEvent) -> None:
        if isinstance(event, ChildEnded):
            ended.append((event.path, trio.current_time() - began))

    async def main() -> None:
        nonlocal began
        async with trio.open_nursery() as nursery:
            service = Service(nursery)
            monitor = kit.monitor_of(service, sinks=[CallbackSink(stuck)], sampling=partial(AdaptiveSampling, 1, 1))
            async with monitor:
                await kit.add(monitor, "A")
                await trio.sleep(0.5)
                await kit.add(monitor, "B", source=Clinging())
                service.links[-1].seconds = math.inf
                await trio.sleep(1)
                monitor._supervisor.listen(listen)
                began = trio.current_time()
            assert monitor.status().state == "closed"
            assert trio.current_time() - began <= 0.5 + 1.0 + 1.0 + 0.5
            nursery.cancel_scope.cancel()

    with kit.without_log():
        run_virtual(main)
    paths = [path for path, _ in ended]
    assert set(paths[:3]) == {"/monitor/watch", "/monitor/tracks/A", "/monitor/tracks/B"}
    assert paths[3:] == ["/monitor/tracks", "/monitor/uplink", "/monitor/sinks/callback", "/monitor/sinks"]
    at = dict(ended)
    assert at["/monitor/tracks"] <= 0.5
    assert at["/monitor/uplink"] - at["/monitor/tracks"] <= 1.0
    assert at["/monitor/sinks"] - at["/monitor/uplink"] <= 1.0


def test_a_monitor_that_fails_says_so_once() -> None:
    """Its block is cancelled, what broke it comes out, and the state is failed, for good."""
    told: list[str] = []

    def tell(status: Status) -> None:
        told.append(status.state)

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            monitor = kit.monitor_of(Service(nursery), state_cb=tell)
            with pytest.raises(RestartLimitReached):
                async with monitor:
                    await kit.add(monitor, "A")
                    await trio.sleep(1)
                    await kit.kill_supervisor(monitor)
                    await trio.sleep_forever()
            assert monitor.status().state == "failed"
            assert not monitor._hub.assessments.tracks
            nursery.cancel_scope.cancel()

    with kit.without_log():
        run_virtual(main)
    assert told.count("failed") == 1
    assert told[-1] == "failed"


def test_the_error_of_a_block_is_not_the_monitors() -> None:
    """It comes out as it was, and the monitor is closed."""

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            monitor = kit.monitor_of(Service(nursery))
            assert monitor.status().state == "idle"
            with pytest.raises(Crashed):
                async with monitor:
                    assert monitor.status().state == "running"
                    raise Crashed
            assert monitor.status().state == "closed"
            nursery.cancel_scope.cancel()

    run_virtual(main)


def test_another_thread_sees_the_same_status() -> None:
    """A track without a result for 1,000 s is stale there too, and old samples do not count in its rate.

    It is frozen, so that no thread sees it change, and its `dict()` is fit for JSON.
    """

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            service = Service(nursery)
            async with kit.monitor_of(service) as monitor:
                await kit.add(monitor, "B")
                await until_in_trio(lambda: monitor.coverage("B") is Coverage.CHECKED)
                assert seen_elsewhere(monitor).coverage is Coverage.CHECKED
                assert seen_elsewhere(monitor).actual_fps > 0
                assert json.loads(json.dumps(monitor.status().dict()))["watching"] == "1 of 1"
                with pytest.raises(FrozenInstanceError):
                    monitor.status().reason = "another"  # type: ignore[misc]
                wanted = monitor._hub.registry.get("B")
                assert wanted is not None
                wanted.facts.last_result = wanted.facts.due_since = trio.current_time() - 1_000
                wanted._sent_at.clear()
                wanted._sent_at.extend(trio.current_time() - 1_000 - n for n in range(100))
                there, here = seen_elsewhere(monitor), kit.status_of(monitor, "B")
                assert there == evolve(here, seconds_since_verdict=there.seconds_since_verdict)
                assert seen_elsewhere(monitor).coverage is Coverage.STALE
                assert seen_elsewhere(monitor).actual_fps == 0
            nursery.cancel_scope.cancel()

    def seen_elsewhere(monitor: Monitor) -> TrackStatus:
        seen: list[TrackStatus] = []
        thread = threading.Thread(target=lambda: seen.append(kit.status_of(monitor, "B")))
        thread.start()
        thread.join()
        return seen[0]

    trio.run(main)
