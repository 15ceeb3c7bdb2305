"""A picture is encoded again until the link carries it."""

from __future__ import annotations

import math

import pytest
import trio
from trio.testing import MockClock

from ds_actors.detection.tracks.encoding import EncodingError, Frame
from ds_actors.detection.tracks.fitting import FLOOR_QUALITY, FLOOR_SIDE, LinkTooSlowError
from ds_actors.detection.tracks.link_encoder import LinkEncoder
from ds_actors.detection.turns import Allowance

FRAME = Frame(1280, 720, "i420", b"")
ENCODING = 0.25
"""Seconds that one encoding takes."""


class Encoder:
    """Makes 100 bytes per unit of quality at 1280 pixels, and keeps what it was asked for."""

    def __init__(self) -> None:
        self.asked: list[tuple[int, int | None]] = []

    async def __call__(self, frame: Frame, quality: int, max_side: int | None) -> bytes:
        assert frame is FRAME
        self.asked.append((quality, max_side))
        await trio.sleep(ENCODING)
        return bytes(round(100 * quality * ((max_side or 1280) / 1280) ** 2))


class Link:
    """Allows every picture the same, and keeps what it is told."""

    def __init__(self, wish: float, most: float, *, measured: bool = True) -> None:
        self.allowed = Allowance(wish, most, measured)
        self.asked_for: list[float] = []
        self.too_large: list[tuple[int, float]] = []
        self.smaller: list[float] = []

    def allowance(self, captured_at: float) -> Allowance:
        self.asked_for.append(captured_at)
        return self.allowed

    def refused(self, size: int, now: float) -> None:
        self.too_large.append((size, now))

    def shrunk(self, now: float) -> None:
        self.smaller.append(now)


def link_encoder(encoder: Encoder, link: Link, most_pixels: int | None = None) -> LinkEncoder:
    def limit(planned: int | None) -> int | None:
        return planned if most_pixels is None else min(planned or most_pixels, most_pixels)

    return LinkEncoder(encoder, limit, link.allowance, link)


async def test_a_picture_that_fits_is_encoded_once_as_planned(autojump_clock: MockClock) -> None:
    """The allowance is that of the moment of its capture, and there is nothing to report."""
    encoder, link = Encoder(), Link(math.inf, math.inf)
    await trio.sleep(5)
    captured_at = trio.current_time()
    assert len(await link_encoder(encoder, link)(FRAME, 75, None)) == 7_500
    assert encoder.asked == [(75, 1280)]
    assert set(link.asked_for) == {captured_at}
    assert (link.too_large, link.smaller) == ([], [])


async def test_a_picture_over_its_share_is_encoded_again_smaller(autojump_clock: MockClock) -> None:
    """That is reported once, when the last attempt is made."""
    encoder, link = Encoder(), Link(5_000, 6_000)
    began = trio.current_time()
    data = await link_encoder(encoder, link)(FRAME, 75, None)
    assert len(data) == 4_500
    assert encoder.asked == [(75, 1280), (45, 1280)]
    assert link.smaller == [began + 2 * ENCODING]
    assert link.too_large == []


async def test_a_picture_that_cannot_be_small_enough_is_refused(autojump_clock: MockClock) -> None:
    """With the size of the smallest, which would arrive too late."""
    encoder, link = Encoder(), Link(10, 10)
    began = trio.current_time()
    with pytest.raises(LinkTooSlowError):
        await link_encoder(encoder, link)(FRAME, 75, None)
    tries = len(encoder.asked)
    assert encoder.asked[-1] == (FLOOR_QUALITY, FLOOR_SIDE)
    smallest = round(100 * FLOOR_QUALITY * (FLOOR_SIDE / 1280) ** 2)
    assert link.too_large == [(smallest, began + tries * ENCODING)]
    assert link.smaller == []


@pytest.mark.parametrize(("planned", "most_pixels", "first"), [(None, 640, 640), (320, 640, 320), (960, None, 960)])
async def test_attempts_start_from_the_side_that_plan_and_privacy_allow(
    autojump_clock: MockClock, planned: int | None, most_pixels: int | None, first: int
) -> None:
    """The limit holds for each attempt."""
    encoder, link = Encoder(), Link(1, math.inf)
    await link_encoder(encoder, link, most_pixels)(FRAME, 75, planned)
    assert encoder.asked[0] == (75, first)
    assert all(side is not None and side <= first for _, side in encoder.asked)


@pytest.mark.parametrize(
    ("quality", "side", "sent"),
    [(75, None, (30, 335)), (75, 100, (75, 100)), (75, 250, (60, 250)), (20, 300, (20, 300))],
)
async def test_before_anything_is_measured_a_picture_is_encoded_once_and_small(
    autojump_clock: MockClock, quality: int, side: int | None, sent: tuple[int, int]
) -> None:
    """As small as a picture with much detail must be; that says nothing about the link."""
    encoder, link = Encoder(), Link(8_192, math.inf, measured=False)
    await link_encoder(encoder, link)(FRAME, quality, side)
    assert encoder.asked == [sent]
    assert (link.too_large, link.smaller) == ([], [])


async def test_a_picture_that_turns_out_too_slow_while_it_is_encoded_is_refused(autojump_clock: MockClock) -> None:
    """The first measurement may come meanwhile."""
    encoder, link = Encoder(), Link(8_192, math.inf, measured=False)

    async def measure(frame: Frame, quality: int, max_side: int | None) -> bytes:
        link.allowed = Allowance(10, 10)
        return await encoder(frame, quality, max_side)

    with pytest.raises(LinkTooSlowError):
        await LinkEncoder(measure, lambda planned: planned, link.allowance, link)(FRAME, 75, None)
    assert encoder.asked == [(30, 335), (FLOOR_QUALITY, FLOOR_SIDE)]


async def test_a_frame_smaller_than_its_limit_is_never_made_larger(autojump_clock: MockClock) -> None:
    """An attempt's side is at most the frame's own."""
    encoder, link = Encoder(), Link(1, math.inf)
    await link_encoder(encoder, link)(FRAME, 75, 4_000)
    assert max(side or 0 for _, side in encoder.asked[1:]) <= 1280


async def test_an_error_of_the_encoder_is_passed_on() -> None:
    """The link is not to blame."""

    async def broken(_frame: Frame, _quality: int, _max_side: int | None) -> bytes:
        raise EncodingError("no such layout")

    link = Link(1, 1)
    with pytest.raises(EncodingError, match="no such layout"):
        await LinkEncoder(broken, lambda planned: planned, link.allowance, link)(FRAME, 75, None)
    assert (link.too_large, link.smaller) == ([], [])
