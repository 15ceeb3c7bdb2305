"""What is kept from the service: the settings."""

from __future__ import annotations

import traceback
from typing import Any

import pytest

from ds_actors.detection import Privacy

KEY = "sixteen-secret-bytes"


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"pseudonyms": True, "key": "short-secret"}, "key must have at least 16 bytes"),
        ({"key": KEY}, "key is for pseudonyms: pass pseudonyms=True as well"),
        ({"pseudonyms": True, "key": KEY, "max_side": 63}, "max_side must be at least 64 pixels, not 63"),
        ({"max_side": True}, "max_side must be at least 64 pixels, not True"),
    ],
)
def test_a_value_that_cannot_be_used_is_named_and_the_key_is_not_shown(options: dict[str, Any], why: str) -> None:
    """Not in the message, and not in a traceback's locals."""
    with pytest.raises(ValueError, match=f"^{why}$") as raised:
        Privacy(**options)
    frames = traceback.TracebackException.from_exception(raised.value, capture_locals=True)
    frames.stack = traceback.StackSummary.from_list(list(frames.stack)[1:])  # this test's own frame knows it
    assert len(frames.stack) == 1
    assert "secret" not in "".join(frames.format())


def test_by_default_nothing_is_kept_from_the_service() -> None:
    """Names as they are, the policy's picture size; and the key is in no repr."""
    privacy = Privacy()
    assert privacy.wire_names() is None
    assert [privacy.limit(side) for side in (None, 100)] == [None, 100]
    hidden = Privacy(pseudonyms=True, key=KEY)
    assert KEY not in repr(hidden) + repr(hidden.wire_names())


def test_a_picture_is_never_larger_than_policy_and_limit_say() -> None:
    """The smaller one of the two."""
    privacy = Privacy(max_side=640)
    assert [privacy.limit(side) for side in (None, 1_920, 640, 320)] == [640, 640, 640, 320]


def test_the_shortest_key_and_the_smallest_side_may_be_used() -> None:
    """The bounds belong to what is allowed, in bytes."""
    assert Privacy(pseudonyms=True, key="\N{EURO SIGN}" * 5 + "x", max_side=64).limit(None) == 64
    assert Privacy(pseudonyms=True, key=b"x" * 16).wire_names() is not None


def test_two_monitors_share_their_names_with_a_key_alone() -> None:
    """The key may be text or bytes; without one, each monitor draws its own."""

    def seen(privacy: Privacy) -> tuple[str, str]:
        names = privacy.wire_names()
        assert names is not None
        return names.of("alice", "TR_1")

    assert seen(Privacy(pseudonyms=True, key=KEY)) == seen(Privacy(pseudonyms=True, key=KEY.encode()))
    assert seen(Privacy(pseudonyms=True)) != seen(Privacy(pseudonyms=True))
    assert "alice" not in seen(Privacy(pseudonyms=True))
