"""Inputs by the thousand: how many each target gets, and valid inputs with damage."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Final, TypeVar

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st

F = TypeVar("F", bound=Callable[..., object])

INPUTS: Final = int(os.environ.get("DS_ACTORS_FUZZ", "2000"))
"""Inputs of all targets together."""

SHARES: Final = {
    "results": 20,
    "requests": 15,
    "frames": 12,
    "heads": 6,
    "service": 3,
    "client": 3,
    "judged pictures": 5,
    "encoded frames": 8,
    "still pictures": 6,
    "toml": 5,
    "scripts": 8,
    "scenarios": 1,
    "webhooks": 5,
    "alerts": 3,
}
"""The share of each target, in percent: small where one input takes long."""


def fuzzed(target: str) -> Callable[[F], F]:
    """Give a test its target's share of the inputs; a failing one is made smaller, and found again by its blob."""
    return settings(
        max_examples=max(1, INPUTS * SHARES[target] // 100),
        deadline=None,
        database=None,
        print_blob=True,
        phases=(Phase.explicit, Phase.generate, Phase.shrink),
        suppress_health_check=(HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much),
    )


_POSITIONS: Final = st.integers(0, 2**32)
_PIECES: Final = st.sampled_from([b"", b"\x00", b"\xff", b"\x7f", b"\x80", b"\xff\xff\xff\xff", b"\x00" * 8, b"\r\n"])
_DAMAGE: Final = st.lists(st.tuples(_POSITIONS, st.integers(0, 6), _PIECES | st.binary(max_size=8)), max_size=4)


@st.composite
def damaged(draw: st.DrawFn, valid: st.SearchStrategy[bytes]) -> bytes:
    """Draw valid bytes, some of them replaced, inserted, removed, repeated, or cut off."""
    data = draw(valid)
    for position, kind, piece in draw(_DAMAGE):
        at = position % (len(data) + 1)
        match kind:
            case 0:
                data = data[:at] + piece + data[at:]
            case 1:
                data = data[:at] + data[at + max(1, len(piece)) :]
            case 2:
                data = data[:at]
            case 3:
                data = data[:at] + data[at : at + 32] + data[at:]
            case _:
                data = data[:at] + piece + data[at + len(piece) :]
    return data
