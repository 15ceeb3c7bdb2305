"""Encodes a frame until it fits the link: the shell around `fitting`, which chooses the attempts."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from typing import Protocol

import trio
from attrs import define

from ds_actors.detection.tracks.encoding import Encode, Frame
from ds_actors.detection.tracks.fitting import EncodingAttempt, Fitting, LinkTooSlowError
from ds_actors.detection.turns import Allowance


class EncodingReport(Protocol):
    """Learns what became of the pictures that did not fit at once; times are trio's."""

    def refused(self, size: int, now: float) -> None:
        """Record that a picture was not sent, because so many bytes would arrive too late."""
        ...

    def shrunk(self, now: float) -> None:
        """Record that a picture was made smaller than planned."""
        ...


@define(eq=False)
class LinkEncoder:
    """Encodes a frame as its policy plans, or as much smaller as the link needs.

    Args:
        encode: makes one JPEG.
        limit: returns the longest side that a picture may have, from the one that its policy plans.
        allowance: returns how large a picture may be that was captured at that time.
        report: learns when that changed or dropped a picture.
        took: called with the seconds that a picture took, all its attempts together.
    """

    encode: Encode
    limit: Callable[[int | None], int | None]
    allowance: Callable[[float], Allowance]
    report: EncodingReport
    took: Callable[[float], object] = lambda _seconds: None

    async def __call__(self, frame: Frame, quality: int, max_side: int | None) -> bytes:
        """Return the JPEG of a frame that was captured now.

        Raises:
            LinkTooSlowError: when even the smallest would arrive too late.
            EncodingError: whatever `encode` raises.
        """
        captured_at = trio.current_time()
        try:
            return await self._encode(frame, quality, max_side, captured_at)
        finally:
            self.took(trio.current_time() - captured_at)

    async def _encode(self, frame: Frame, quality: int, max_side: int | None, captured_at: float) -> bytes:
        max_side, longest = self.limit(max_side), max(frame.width, frame.height)
        attempt = EncodingAttempt(quality, longest if max_side is None else min(longest, max_side))
        allowance = self.allowance(captured_at)
        if not allowance.measured:
            attempt = Fitting(attempt, allowance.wish, allowance.most).guess()
        first, data = attempt, await self.encode(frame, attempt.quality, attempt.side)
        allowance = self.allowance(captured_at)  # it took a while
        fitting = Fitting(first, allowance.wish, allowance.most)
        for number in count(1):
            try:
                smaller = fitting.next(attempt, len(data), number)
            except LinkTooSlowError:
                self.report.refused(len(data), trio.current_time())
                raise
            if smaller is None:
                break
            attempt = smaller
            data = await self.encode(frame, attempt.quality, attempt.side)
        if attempt is not first:
            self.report.shrunk(trio.current_time())
        return data
