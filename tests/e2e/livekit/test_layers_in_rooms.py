"""Layers in real rooms: what arrives of a publisher with simulcast, at normal rate and at burst rate.

On a busy machine the publisher's encoder skips frames of its smaller layers. When their key frame comes late, the
detector takes what it gets for a few samples: hence the long waits, and the picture that does not move.
"""

from __future__ import annotations

import io
import time

import pytest
from livekit_harness.process import until
from livekit_harness.room import AGENT, Room
from PIL import Image

CAMERA = {"width": 1280, "height": 720, "fps": 15, "still": True}
NORMAL = {"normal_fps": 0.4, "burst_fps": 2.0}
MIN_SIDE = 300
"""The SDK publishes such a camera in layers of 180, 360 and 720 rows."""
SMALL, LARGEST = [592, 333], [1280, 720]
"""What the server is asked for: it sends the smallest layer that has nine tenths of the rows."""
WITHIN = 90.0
"""Seconds for a layer to arrive."""
pytestmark = pytest.mark.timeout(450)


def sizes(room: Room, begin: int = 0) -> list[tuple[int, int]]:
    """Return the sizes of the pictures that reached the service."""
    return [Image.open(io.BytesIO(arrived.sample.data)).size for arrived in room.service.samples[begin:]]


def watch(room: Room, *, auto_subscribe: bool = False, codec: str = "VP8", **options: object) -> None:
    room.service.keep_data = True
    room.join("alice")
    room.camera("alice", simulcast=True, codec=codec, **CAMERA)
    token = room.token(AGENT, kind="agent")
    room.agent.call("join", url=room.server.url, token=token, auto_subscribe=auto_subscribe)
    room.agent.call("start", service=room.service.url, video=NORMAL, options=options)


def short_sides(room: Room, begin: int = 0) -> list[int]:
    return [min(size) for size in sizes(room, begin)]


def asked(room: Room) -> list[list[int]]:
    """Return the sizes that the server was asked for last, one for each track with layers."""
    found: list[list[int]] = room.evaluate("result = list(detector._session.forwarding.sizes.values())")
    return found


def test_a_small_layer_arrives_at_normal_rate_and_the_largest_at_burst_rate(room: Room) -> None:
    """A suspicion is looked at with all there is; when it is over, the small layer is back."""
    watch(room, min_side=MIN_SIDE)
    until(lambda: asked(room) == [SMALL], WITHIN)
    until(lambda: short_sides(room)[-2:] == [360, 360], WITHIN)
    room.paint("alice", 0.2)
    until(lambda: asked(room) == [LARGEST], WITHIN)
    until(lambda: short_sides(room)[-2:] == [720, 720], WITHIN)
    room.paint("alice", 0.0)
    until(lambda: asked(room) == [SMALL], WITHIN)
    until(lambda: short_sides(room)[-2:] == [360, 360], WITHIN)
    before = len(room.service.samples)
    # An update of the track makes the SDK forget the size.
    room.people.call("mute", who="alice", muted=True)
    time.sleep(0.5)
    room.people.call("mute", who="alice", muted=False)
    until(lambda: short_sides(room, before + 1)[-1:] == [360], WITHIN)


def test_the_largest_layer_arrives_where_the_host_may_consume_the_track(room: Room) -> None:
    """With "auto" and a host that subscribes to everything, nothing is lowered."""
    watch(room, auto_subscribe=True, min_side=MIN_SIDE)
    until(lambda: short_sides(room)[-4:] == [720] * 4, WITHIN)
    assert asked(room) == []


@pytest.mark.slow
def test_a_small_layer_of_svc_arrives_at_normal_rate(room: Room) -> None:
    """By the same request, though VP9's layers are in one stream."""
    watch(room, codec="VP9", min_side=MIN_SIDE)
    until(lambda: short_sides(room)[-2:] == [360, 360], WITHIN)
