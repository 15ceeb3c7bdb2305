"""The monitor over days, in virtual time: flapping, a week of outage, and clocks that jump."""

from __future__ import annotations

import gc
import itertools
import logging
import sys
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from functools import partial

import monitor_kit as kit
import pytest
import trio
from monitor_kit import Service, Still
from trio.testing import MockClock

from ds_actors.detection import AdaptiveSampling, Coverage, Monitor

DAY = 86_400.0
BLOCKS = 600
"""Objects of Python by which the process may grow, once what it keeps is filled."""


@contextmanager
def counted_lines() -> Generator[list[int]]:
    """Count the lines about trouble, without keeping them; the story of a run has a logger of its own."""
    counts = [0]

    def count(_record: logging.LogRecord) -> bool:
        counts[0] += 1
        return False

    logger = logging.getLogger("ds_actors.detection")
    logger.addFilter(count)
    try:
        yield counts
    finally:
        logger.removeFilter(count)


def blocks() -> int:
    gc.collect()
    return sys.getallocatedblocks()


def forget(service: Service, source: Still) -> None:
    """Keep nothing of what the service and the source saw: only the monitor's memory is judged."""
    source.asked.clear()
    service.samples.clear()
    del service.connections[:-1]
    del service.links[:-1]


@pytest.mark.slow
@pytest.mark.timeout(900)  # a day of virtual time is minutes of a busy processor
@pytest.mark.parametrize(("up", "down"), [(45.0, 15.0), (240.0, 60.0)])
def test_a_day_of_flapping_is_bounded(up: float, down: float) -> None:
    """Fewer than 300 lines of all kinds together, no attempt that the backoff does not allow, and no growing memory."""
    cycles = int(DAY / (up + down))

    async def body(service: Service, monitor: Monitor) -> None:
        source = Still()
        await kit.add(monitor, "B", source=source)
        early = 0
        for cycle in range(cycles):
            service.reachable = True
            await trio.sleep(up)
            service.reachable = False
            await service.links[-1].aclose()
            await trio.sleep(down)
            forget(service, source)
            if cycle == cycles // 2:
                early = blocks()
        assert monitor.status().uplink.connections > cycles * 0.9
        # After a stable connection the waits are 0.25, 0.5, 1, 2, 4, and then 7.5 s.
        waits = itertools.accumulate([0.25, 0.5, 1, 2, 4, *[7.5] * 20])
        most = 1 + sum(at < down for at in waits)
        assert cycles <= len(service.attempts) <= cycles * most + 1
        assert blocks() - early < BLOCKS
        assert kit.adds_up(monitor)

    with counted_lines() as lines:
        kit.run(body, sampling=partial(AdaptiveSampling, 0.05, 0.05))
    assert 0 < lines[0] < 300


@pytest.mark.slow
@pytest.mark.timeout(900)  # a day of virtual time is minutes of a busy processor
def test_a_week_of_outage_is_bounded_and_ends_within_seconds() -> None:
    """An attempt every 14 s, a line every five minutes at most, the memory of the first day; then a fresh sample."""
    week = 7 * DAY

    async def body(service: Service, monitor: Monitor) -> None:
        await kit.add(monitor, "B")
        await trio.sleep(DAY)
        early = blocks()
        await trio.sleep(week - DAY)
        assert blocks() - early < BLOCKS
        assert week / 15 <= len(service.attempts) <= week / (0.95 * 15) + 8
        assert monitor.coverage("B") is Coverage.STALE
        assert monitor.status().blind
        assert kit.adds_up(monitor)
        service.reachable = True
        await trio.sleep(16)
        assert service.samples[0][0] - service.attempts[-1] < 0.5
        assert monitor.coverage("B") is Coverage.CHECKED

    with counted_lines() as lines:
        kit.run(body, reachable=False, random=lambda: 0.95, sampling=partial(AdaptiveSampling, 0.02, 0.02))
    assert week / 330 <= lines[0] <= week / 300 + 6


def jump(seconds: float) -> None:
    """Let all of trio's time pass at once, as after a suspended machine's sleep."""
    clock = trio.lowlevel.current_clock()
    assert isinstance(clock, MockClock)
    clock.jump(seconds)


@pytest.mark.parametrize("seconds", [30.0, 3_600.0, DAY])
def test_a_machine_that_slept_catches_nothing_up(seconds: float) -> None:
    """No burst of samples or attempts, and three lines at most; the track is checked again within the next sample."""

    async def body(service: Service, monitor: Monitor) -> None:
        await kit.add(monitor, "A", "B")
        await trio.sleep(60.5)
        before, attempts = len(service.sent("B")), len(service.attempts)
        assert monitor.coverage("B") is Coverage.CHECKED
        jump(seconds)
        assert monitor.coverage("B") is Coverage.STALE
        await trio.sleep(11)
        assert monitor.coverage("B") is Coverage.CHECKED
        assert len(service.sent("B")) - before <= 4
        assert len(service.attempts) - attempts <= 1
        assert kit.adds_up(monitor)

    with counted_lines() as lines:
        kit.run(body)
    assert lines[0] <= 3


def test_a_machine_that_slept_in_an_outage_tries_once() -> None:
    """Not as often as it would have tried meanwhile."""

    async def body(service: Service, monitor: Monitor) -> None:
        await kit.add(monitor, "B")
        await trio.sleep(120)
        attempts = len(service.attempts)
        jump(DAY)
        await trio.sleep(1)
        assert len(service.attempts) - attempts == 1
        service.reachable = True
        await trio.sleep(16)
        assert monitor.coverage("B") is Coverage.CHECKED
        assert kit.adds_up(monitor)

    kit.run(body, reachable=False)


def to_and_fro(n: int) -> float:
    return n * DAY if n % 2 else -n * DAY


def backwards(n: int) -> float:
    return -n * 3_600.0


def years_ahead(n: int) -> float:
    return n * 400 * DAY


@pytest.mark.parametrize("jumps", [to_and_fro, backwards, years_ahead])
def test_a_wall_clock_that_jumps_changes_nothing_but_timestamps(
    jumps: Callable[[int], float], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Samples, attempts, levels and coverage are the same as with a clock that does not."""
    seen: list[tuple[list[float], list[float], str, str]] = []

    async def body(service: Service, monitor: Monitor) -> None:
        await kit.add(monitor, "A", "B")
        await trio.sleep(60)
        service.reachable = False
        await service.links[-1].aclose()
        await trio.sleep(60)
        service.reachable = True
        await trio.sleep(60)
        await monitor.remove_track("A")
        await service.say(1, "B")
        seen.append(
            (
                service.sent("B"),
                list(service.attempts),
                str(monitor.coverage("B")),
                str(sorted(monitor.status().results.items())),
            )
        )

    kit.run(body)
    calls = itertools.count()
    monkeypatch.setattr(time, "time", lambda: 1.9e9 + jumps(next(calls)))
    monkeypatch.setattr(time, "time_ns", lambda: int(1e9 * (1.9e9 + jumps(next(calls)))))
    kit.run(body)
    assert next(calls) > 50
    assert seen[0] == seen[1]
