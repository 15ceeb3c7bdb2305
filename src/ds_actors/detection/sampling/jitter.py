"""Jitter that a key decides: unpredictable to a participant, the same in every replay.

A draw is a keyed hash of a sample's number, so that a policy with jitter stays a pure function of events and key.
"""

from __future__ import annotations

import os
from hashlib import blake2b
from typing import Final

from attrs import define, field

MOST_JITTER: Final = 0.9
_PROCESS_KEY: Final = os.urandom(32)
_WHOLE: Final = 2.0**64


@define
class Jitter:
    """Draws how long each interval is, as a share of its mean: evenly from 1 - share to 1 + share.

    Args:
        share: 0 for exact intervals, 0.9 at most.
        key: decides all draws, 64 bytes at most; without one, a secret of this process.

    Raises:
        ValueError: for a share outside these bounds, or a key that is empty or too long.
    """

    share: float = 0.0
    key: bytes = field(default=_PROCESS_KEY, repr=False)
    _count: int = field(default=0, init=False)

    def __attrs_post_init__(self) -> None:
        if isinstance(self.share, bool) or not 0 <= self.share <= MOST_JITTER:
            raise ValueError(f"jitter must be a number from 0 to {MOST_JITTER:g}, not {self.share!r}")
        if not 1 <= len(self.key) <= 64:
            raise ValueError(f"the key of a jitter must have 1 to 64 bytes, not {len(self.key)}")

    def draw(self) -> float:
        """Return the next interval as a share of its mean; the mean of all draws is 1."""
        self._count += 1
        digest = blake2b(self._count.to_bytes(8, "big"), digest_size=8, key=self.key).digest()
        return 1.0 + self.share * (2 * int.from_bytes(digest, "big") / _WHOLE - 1)


def make_jitter(jitter: float | Jitter) -> Jitter:
    """Return a jitter of its own for one policy: a share, or the share and key of another one.

    Raises:
        ValueError: when the share is outside its bounds.
    """
    return Jitter(jitter.share, jitter.key) if isinstance(jitter, Jitter) else Jitter(jitter)
