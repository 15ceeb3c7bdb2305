"""The sandbox's faults, and the monitor's reaction to each, over a real socket."""

from __future__ import annotations

import itertools
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager

import numpy as np
import pytest
import trio
from waiting import until_in_trio

from ds_actors.detection import AdaptiveSampling, Dataspike, Frame, Level, Monitor, Sample, TrackInfo, encode_jpeg
from ds_actors.detection.events import ResultType
from ds_actors.sandbox import Sandbox, judge_marker, open_sandbox, paint_marker


class Grey:
    async def capture(self) -> Frame:
        await trio.lowlevel.checkpoint()
        return Frame(16, 16, "rgb24", bytes(768))

    async def aclose(self) -> None:
        await trio.lowlevel.checkpoint()


@asynccontextmanager
async def watched(prepare: Callable[[Sandbox], None]) -> AsyncGenerator[tuple[Sandbox, Monitor]]:
    async with open_sandbox() as sandbox:
        prepare(sandbox)
        service = Dataspike(api_key="k", url=sandbox.url)
        monitor = Monitor(service=service, sampling=lambda: AdaptiveSampling(10, 10), random=lambda: 0.2)
        async with monitor:
            await monitor.add_track(TrackInfo("alice", "A"), Grey())
            yield sandbox, monitor


async def test_garbage_is_counted_and_skipped() -> None:
    """The connection stays, and good answers count again."""

    def prepare(sandbox: Sandbox) -> None:
        sandbox.faults.garbage = True

    async with watched(prepare) as (sandbox, monitor):
        await until_in_trio(lambda: monitor.status().uplink.malformed >= 3)
        sandbox.faults.garbage = False
        await until_in_trio(lambda: monitor.level("A") is Level.CLEAR)
        assert len(sandbox.attempts) == 1


async def test_an_oversized_message_closes_the_connection() -> None:
    """Over 64 KiB; the next connection works."""

    def prepare(sandbox: Sandbox) -> None:
        sandbox.faults.oversized = True

    async with watched(prepare) as (sandbox, monitor):
        await until_in_trio(lambda: len(sandbox.attempts) >= 2)
        sandbox.faults.oversized = False
        await until_in_trio(lambda: monitor.level("A") is Level.CLEAR)


async def test_retry_after_is_obeyed() -> None:
    """429 with Retry-After: 2 means no attempt for two seconds."""

    def prepare(sandbox: Sandbox) -> None:
        sandbox.faults.refuse, sandbox.faults.retry_after = 429, 2

    async with watched(prepare) as (sandbox, monitor):
        await until_in_trio(lambda: sandbox.attempts)
        sandbox.faults.refuse = None
        await until_in_trio(lambda: monitor.status().uplink.state == "up")
        first, second = sandbox.attempts
        assert second - first >= 2


async def test_accept_and_close_is_backed_off_from() -> None:
    """Each early close is a failure: with u = 0.2 the gaps grow 0.1, 0.2, 0.4 s and are not forgotten."""

    def prepare(sandbox: Sandbox) -> None:
        sandbox.faults.close_code = 1011

    async with watched(prepare) as (sandbox, _):
        await until_in_trio(lambda: len(sandbox.attempts) >= 4)
        times = sandbox.attempts
        gaps = [b - a for a, b in itertools.pairwise(times)][:3]
        assert all(gap >= expected for gap, expected in zip(gaps, (0.1, 0.2, 0.4), strict=True))


@pytest.mark.parametrize("code", [1008, 4401])
async def test_a_close_that_means_refused_is_one(code: int) -> None:
    """Status refused, and no second attempt soon."""

    def prepare(sandbox: Sandbox) -> None:
        sandbox.faults.close_code = code

    async with watched(prepare) as (sandbox, monitor):
        await until_in_trio(lambda: monitor.status().state == "refused")
        await trio.sleep(0.5)
        assert len(sandbox.attempts) == 1


@pytest.mark.parametrize(
    ("share", "expected"), [(0.0, ResultType.CLEAR), (0.025, ResultType.SUSPICIOUS), (0.2, ResultType.ALERT)]
)
def test_the_marker_rule_looks_at_the_pixels(share: float, expected: ResultType) -> None:
    """None, little or much of the patch; through a real JPEG of noise."""
    picture = np.random.default_rng(1).integers(60, 190, (360, 640, 3)).astype(np.uint8)
    if share:
        picture = paint_marker(picture, share)
    jpeg = encode_jpeg(Frame(640, 360, "rgb24", picture.tobytes()))
    assert judge_marker(Sample("p", "t", 0, jpeg), 0.0) is expected
    assert judge_marker(Sample("p", "t", 0, b"no picture"), 0.0) is ResultType.ERROR
