"""Which layer of a track is asked for: the rule, against the server's own, and the requests to the SDK."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from livekit.plugins import dataspike
from livekit.plugins.dataspike import _forwarding, _layers
from livekit.plugins.dataspike._forwarding import Forwarding, ForwardingControl, TrackForwarding
from livekit.plugins.dataspike._layers import (
    ENOUGH_FOR,
    LayerPatience,
    TrackLayer,
    check_min_side,
    sdk_can_choose,
    size_to_request,
)
from livekit.rtc._ffi_client import FfiClient

LARGEST = (1280, 720)
SMALL = (640, 360)
MIN_SIDE = 324
"""For which the request is 640 x 360: the server takes a layer of 0.9 times that."""


def chosen(layers: list[tuple[int, int]], height: int) -> tuple[int, int]:
    """Return the layer that livekit-server 1.11 sends for a requested height (`GetQualityForDimension`)."""
    layers = sorted(layers, key=lambda layer: layer[1])
    return next((layer for layer in layers if layer[1] >= int(height * 0.9)), layers[-1])


@given(st.integers(100, 4_000), st.integers(100, 4_000), st.sampled_from([(4, 2, 1), (3, 1.5, 1), (2, 1)]), st.data())
def test_the_server_then_sends_the_smallest_layer_that_is_large_enough(
    width: int, height: int, scales: tuple[float, ...], data: st.DataObject
) -> None:
    """In landscape and portrait; a pixel may be lost to rounding."""
    layers = [(round(width / scale), round(height / scale)) for scale in scales]
    assume(len({layer[1] for layer in layers}) == len(layers))
    min_side = data.draw(st.integers(64, 2_000))
    size = size_to_request(width, height, min_side)
    sent = chosen(layers, height if size is None else size[1])
    large_enough = [layer for layer in layers if min(layer) >= min_side]
    if large_enough:
        assert min(sent) >= min_side - 2
        # A whole layer is never wasted: none that is clearly large enough is smaller than what is sent.
        assert not any(min(layer) > min_side / 0.9 + 2 and layer[1] < sent[1] for layer in layers)
    else:
        assert sent == (width, height)


def test_five_samples_take_any_layer_after_the_larger_one_did_not_come() -> None:
    """So that a publisher who sends no larger one costs half a second in five samples."""
    patience = LayerPatience()
    assert patience.waits(180, 324)
    assert not patience.waits(324, 324)
    patience.in_vain()
    for _ in range(ENOUGH_FOR):
        assert not patience.waits(180, 324)
        patience.taken()
    assert patience.waits(180, 324)


def test_a_frame_that_is_large_enough_is_never_waited_past() -> None:
    """Nor any frame of a track without layers, of which none is expected."""
    assert not LayerPatience().waits(1, 0)


@pytest.mark.parametrize(
    ("min_side", "error"),
    [(0, ValueError), (63, ValueError), (8_193, ValueError), (True, TypeError), (540.0, TypeError)],
)
def test_the_parameter_is_checked(min_side: Any, error: type[Exception]) -> None:
    """By the detector too, before it starts."""
    with pytest.raises(error, match="min_side"):
        check_min_side(min_side)
    with pytest.raises(error, match="min_side"):
        dataspike.DataspikeDetector(api_key="k", min_side=min_side)


def test_the_installed_sdk_has_the_request() -> None:
    """Otherwise tracks would be received in the layer that the server chooses."""
    assert sdk_can_choose()


@pytest.mark.parametrize("min_side", [None, 64, 540, 8_192])
def test_a_parameter_that_can_be_used_comes_back(min_side: int | None) -> None:
    """None leaves the choice to the host."""
    assert check_min_side(min_side) == min_side


def test_a_track_that_is_as_small_as_is_wanted_has_no_smaller_layer() -> None:
    """One pixel more, and the server may have one."""
    assert size_to_request(640, 360, MIN_SIDE) is None
    assert size_to_request(641, 361, MIN_SIDE) == (639, 360)


def test_without_its_request_the_sdk_cannot_choose(monkeypatch: pytest.MonkeyPatch) -> None:
    """All of it is private: the module, the method and the message may be missing."""
    with monkeypatch.context() as patch:
        patch.setattr(_layers, "_REQUEST", "set_something_else")
        assert not sdk_can_choose()
    with monkeypatch.context() as patch:
        patch.delattr(FfiClient, "request")
        assert not sdk_can_choose()
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "livekit.rtc._ffi_client", None)
        assert sdk_can_choose() is False
    assert sdk_can_choose()


@pytest.mark.parametrize(
    ("simulcasted", "mime", "least"), [(True, "video/VP8", 648), (False, "video/VP9", 648), (False, "", 0)]
)
def test_frames_are_expected_as_large_as_was_asked_for_where_there_are_layers(
    simulcasted: bool, mime: str, least: int
) -> None:
    """Nine tenths of the largest layer's short side before anything was; 0 where nothing else can come."""
    width, height = LARGEST
    publication: Any = SimpleNamespace(simulcasted=simulcasted, mime_type=mime, width=width, height=height)
    layer = TrackLayer(publication, MIN_SIDE)
    assert layer.least_side == least
    layer.requested = SMALL
    assert layer.least_side == (324 if least else 0)


Requests = list[tuple[int, int] | bool]


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> Requests:
    """The requests to the SDK, in order: sizes, and `enabled`."""
    requests: Requests = []

    def set_enabled(_publication: object, *, enabled: bool) -> None:
        requests.append(enabled)

    def request_size(_publication: object, width: int, height: int) -> None:
        requests.append((width, height))

    monkeypatch.setattr(_forwarding, "set_enabled", set_enabled)
    monkeypatch.setattr(_layers, "request_size", request_size)
    return requests


def with_track(
    use: Callable[[TrackForwarding, ForwardingControl], None],
    *,
    forwarding: Forwarding = "on_demand",
    min_side: int | None = MIN_SIDE,
    simulcasted: bool = True,
    mime_type: str = "video/VP8",
    alone: bool = True,
) -> None:
    async def main() -> None:
        control = ForwardingControl(asyncio.get_running_loop(), forwarding, min_side)
        control.start(None, connected=True)
        width, height = LARGEST
        publication: Any = SimpleNamespace(
            sid="TR", simulcasted=simulcasted, mime_type=mime_type, width=width, height=height
        )
        track = control.track(publication, lambda: alone)
        assert track is not None
        use(track, control)
        control.close()

    asyncio.run(main())


def sample(track: TrackForwarding, due_in: float, *, steady: bool) -> None:
    track.expect(time.monotonic() + due_in, steady)
    track.capture_began()
    track.capture_ended(frame=True)


def test_at_normal_rate_the_small_layer_is_asked_for_and_at_burst_rate_the_largest(sent: Requests) -> None:
    """Once each; a pause does not change it, and each resumption repeats a small one."""

    def use(track: TrackForwarding, control: ForwardingControl) -> None:
        sample(track, 5.0, steady=True)
        assert sent == [SMALL, False]
        assert control.sizes == {"TR": SMALL}
        assert track.least_side == 0
        track.capture_began()
        assert track.least_side == MIN_SIDE
        assert sent == [SMALL, False, SMALL, True]
        track.capture_ended(frame=True)
        sample(track, 1.0, steady=False)
        sample(track, 1.0, steady=False)
        assert sent[5:] == [LARGEST, True]
        track.expect(time.monotonic() + 5.0, True)
        assert sent[7:] == [SMALL, False]

    with_track(use)
    assert sent[9:] == [LARGEST, True]


@pytest.mark.parametrize(
    ("options", "chooses"),
    [
        ({"forwarding": "auto"}, True),
        ({"forwarding": "auto", "alone": False}, False),
        ({"min_side": None}, False),
        ({"min_side": 700}, False),
        ({"simulcasted": False}, False),
        ({"simulcasted": False, "mime_type": "video/VP9"}, True),
        ({"simulcasted": False, "mime_type": "video/AV1"}, True),
    ],
)
def test_what_makes_the_detector_choose(sent: Requests, options: dict[str, Any], chooses: bool) -> None:
    """Where a host may consume the track too, its layer is left alone."""
    with_track(lambda track, _: sample(track, 5.0, steady=True), **options)
    assert (SMALL in sent) == chooses
    assert (LARGEST in sent) == chooses


def test_a_request_that_fails_harms_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """As for a publication that has gone."""

    def fail(*_: object, **__: object) -> None:
        raise AssertionError("a handle is gone")

    monkeypatch.setattr(_layers, "request_size", fail)
    monkeypatch.setattr(_forwarding, "set_enabled", fail)
    with_track(lambda track, _: sample(track, 5.0, steady=True))


def test_what_is_sent_to_the_sdk_is_the_size(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the publication's handle."""
    from livekit.rtc._ffi_client import FfiClient

    requests: list[Any] = []
    monkeypatch.setattr(FfiClient, "instance", SimpleNamespace(request=requests.append))
    publication: Any = SimpleNamespace(_ffi_handle=SimpleNamespace(handle=7))
    _layers.request_size(publication, *SMALL)
    (request,) = requests
    part = request.update_remote_track_publication_dimension
    assert (part.track_publication_handle, part.width, part.height) == (7, *SMALL)


def test_where_a_publisher_names_no_size_the_largest_layer_is_asked_for_once_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """For 0, livekit-server takes the smallest layer (`subscribedtrack.go`)."""
    asked: list[tuple[int, int]] = []

    def request(_publication: object, width: int, height: int) -> None:
        asked.append((width, height))

    monkeypatch.setattr(_layers, "request_size", request)
    publication: Any = SimpleNamespace(simulcasted=True, mime_type="video/vp8", width=0, height=0)
    layer = TrackLayer(publication, MIN_SIDE)
    layer.repeat()
    assert asked == [(8_192, 8_192)]
    assert layer.least_side == 0


def test_the_present_size_is_what_is_asked_for_once_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """The largest, until another one was chosen."""
    asked: list[tuple[int, int]] = []

    def request(_publication: object, width: int, height: int) -> None:
        asked.append((width, height))

    monkeypatch.setattr(_layers, "request_size", request)
    publication: Any = SimpleNamespace(simulcasted=True, mime_type="video/vp8", width=LARGEST[0], height=LARGEST[1])
    layer = TrackLayer(publication, MIN_SIDE)
    layer.repeat()
    layer.choose(small=True, again=False)
    layer.repeat()
    assert asked == [LARGEST, SMALL, SMALL]
