"""JPEGs whose decoded pixels are those of the frame, within a stated error."""

from __future__ import annotations

import io
import tracemalloc
from typing import Literal

import numpy as np
import pytest
import trio
from numpy.typing import NDArray
from PIL import Image
from waiting import until_in_trio

from ds_actors.detection import AdaptiveSampling, Dataspike, Monitor, TrackInfo
from ds_actors.detection.tracks import encoding
from ds_actors.detection.tracks.encoding import (
    MAX_SAMPLE_BYTES,
    EncodingError,
    Frame,
    Layout,
    SampleTooLargeError,
    encode_jpeg,
)
from ds_actors.sandbox import open_sandbox

MEAN_ERROR = 3.0
"""Of 255, over all pixels and channels, for a smooth picture at quality 95."""


def picture(width: int, height: int) -> NDArray[np.uint8]:
    y, x = np.mgrid[0:height, 0:width]
    slope = min(3.0, 200 / max(width, height))  # smooth: chroma is halved, and a steep one is lost with it
    parts = [x * slope + 20, y * slope + 20, (x + y) * slope / 2 + 40]
    return np.stack(parts, axis=2).astype(np.uint8)


def packed(rgb: NDArray[np.uint8], layout: Layout) -> bytes:
    if layout == "rgb24":
        return rgb.tobytes()
    if layout == "rgba":
        return np.dstack([rgb, np.full(rgb.shape[:2], 7, np.uint8)]).tobytes()
    height, width = rgb.shape[:2]
    ycc = np.asarray(Image.fromarray(rgb).convert("YCbCr"))
    padded = np.pad(ycc, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge").astype(np.float64)
    small = (padded[::2, ::2] + padded[1::2, ::2] + padded[::2, 1::2] + padded[1::2, 1::2]) / 4
    u, v = small[:, :, 1].astype(np.uint8), small[:, :, 2].astype(np.uint8)
    if layout == "i420":
        return ycc[:, :, 0].tobytes() + u.tobytes() + v.tobytes()
    return ycc[:, :, 0].tobytes() + np.stack([u, v], axis=2).tobytes()


def error(jpeg: bytes, expected: NDArray[np.uint8]) -> float:
    got = np.asarray(Image.open(io.BytesIO(jpeg)).convert("RGB"))
    assert got.shape == expected.shape
    return float(np.abs(got.astype(np.int16) - expected).mean())


@pytest.mark.parametrize("turbo", [True, False])
@pytest.mark.parametrize("rotation", [0, 90, 180, 270])
@pytest.mark.parametrize("size", [(64, 48), (65, 47), (33, 64), (1, 1), (2, 3)])
@pytest.mark.parametrize("layout", ["i420", "nv12", "rgb24", "rgba"])
def test_decoded_pixels_are_the_frames(
    layout: Layout,
    size: tuple[int, int],
    rotation: Literal[0, 90, 180, 270],
    turbo: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Every layout, odd sizes and rotations, with libjpeg-turbo and with Pillow alone: mean error under 3 of 255."""
    if not turbo:
        monkeypatch.setattr(encoding, "simplejpeg", None)
    rgb = picture(*size)
    jpeg = encode_jpeg(Frame(*size, layout, packed(rgb, layout), rotation), quality=95)
    assert error(jpeg, np.rot90(rgb, -rotation // 90)) < MEAN_ERROR


@pytest.mark.parametrize("rotation", [0, 90])
@pytest.mark.parametrize("size", [(64, 48), (65, 48), (64, 47), (65, 47), (1, 1), (2, 3)])
@pytest.mark.parametrize("layout", ["i420", "nv12"])
def test_libjpeg_turbo_reads_nothing_but_the_picture(
    layout: Layout, size: tuple[int, int], rotation: Literal[0, 90], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It reads luma up to even sides; what lies there repeats the edge, and is not other memory of the process."""
    given: list[NDArray[np.uint8]] = []

    def encode(y: NDArray[np.uint8], *_: object, **__: object) -> bytes:
        given.append(y)
        return b"jpeg"

    monkeypatch.setattr("simplejpeg.encode_jpeg_yuv_planes", encode)
    encode_jpeg(Frame(*size, layout, packed(picture(*size), layout), rotation))
    (luma,) = given
    height, width = luma.shape
    assert (height, width) == (size if rotation else size[::-1])
    read = np.lib.stride_tricks.as_strided(luma, (height + height % 2, width + width % 2), luma.strides)
    assert np.array_equal(read, np.pad(luma, ((0, height % 2), (0, width % 2)), mode="edge"))


def test_the_longest_side_is_limited_and_the_shape_kept() -> None:
    """max_side scales down, never up."""
    rgb = picture(200, 100)
    small = Image.open(io.BytesIO(encode_jpeg(Frame(200, 100, "rgb24", rgb.tobytes()), max_side=50)))
    same = Image.open(io.BytesIO(encode_jpeg(Frame(200, 100, "rgb24", rgb.tobytes()), max_side=500)))
    assert (small.size, same.size) == ((50, 25), (200, 100))


@pytest.mark.parametrize("turbo", [True, False])
@pytest.mark.parametrize("rotation", [0, 90, 180, 270])
@pytest.mark.parametrize(("side", "size"), [(101, (101, 67)), (134, (134, 89)), (300, (201, 133))])
@pytest.mark.parametrize("layout", ["i420", "nv12", "rgb24"])
def test_a_smaller_picture_is_the_same_one(
    layout: Layout,
    side: int,
    size: tuple[int, int],
    rotation: Literal[0, 90, 180, 270],
    turbo: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Of any layout, size and turn, whichever encoder makes it."""
    if not turbo:
        monkeypatch.setattr(encoding, "simplejpeg", None)
    rgb = picture(201, 133)
    jpeg = encode_jpeg(Frame(201, 133, layout, packed(rgb, layout), rotation), quality=95, max_side=side)
    expected = np.asarray(Image.fromarray(rgb).resize(size, Image.Resampling.BILINEAR))
    assert error(jpeg, np.rot90(expected, -rotation // 90)) < MEAN_ERROR


def test_a_sample_over_two_mebibytes_is_encoded_again_smaller() -> None:
    """Noise at full quality does not fit; its longest side becomes 1,920."""
    noise = np.random.default_rng(1).integers(0, 255, (1600, 2400, 3), np.uint8)
    jpeg = encode_jpeg(Frame(2400, 1600, "rgb24", noise.tobytes()), quality=90)
    assert max(Image.open(io.BytesIO(jpeg)).size) == 1_920


def test_one_that_is_no_larger_than_that_is_encoded_again_at_lower_quality() -> None:
    """Noise of 1,920 x 1,920 at quality 90 is 3 MiB, at 50 it fits, and keeps its size."""
    noise = np.random.default_rng(1).integers(0, 255, (1920, 1920, 3), np.uint8)
    jpeg = encode_jpeg(Frame(1920, 1920, "rgb24", noise.tobytes()), quality=90)
    assert Image.open(io.BytesIO(jpeg)).size == (1920, 1920)
    assert len(jpeg) <= MAX_SAMPLE_BYTES


def test_what_does_not_fit_then_either_is_no_sample() -> None:
    """A drop of its own reason; its message has sizes only."""
    noise = np.random.default_rng(1).integers(0, 255, (3000, 3000, 3), np.uint8)
    with pytest.raises(SampleTooLargeError, match=r"^its JPEG has [0-9,]+ bytes, over 2,097,152$") as raised:
        encode_jpeg(Frame(3000, 3000, "rgb24", noise.tobytes()), quality=100)
    assert (raised.value.reason, EncodingError.reason) == ("too_large", "not_encodable")


@pytest.mark.parametrize("layout", ["i420", "nv12", "rgb24", "rgba"])
def test_a_very_large_frame_is_made_smaller_before_it_is_encoded(layout: Layout) -> None:
    """It is upright, 1,920 pixels long, and the same picture."""
    rgb = picture(4_104, 2_052)
    jpeg = encode_jpeg(Frame(4_104, 2_052, layout, packed(rgb, layout), 90), quality=95)
    expected = np.rot90(np.asarray(Image.fromarray(rgb).resize((1_920, 960))), -1)
    assert error(jpeg, expected.astype(np.uint8)) < MEAN_ERROR


def test_a_very_large_frame_takes_little_memory() -> None:
    """8,192 x 8,192 pixels, whose three full planes would have 200 MB."""
    frame = Frame(8_192, 8_192, "i420", bytes(8_192 * 8_192 * 3 // 2))
    tracemalloc.start()
    try:
        encode_jpeg(frame)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 120 * 1024 * 1024


def test_a_frame_beyond_the_largest_is_dropped_before_its_data_is_touched() -> None:
    """As `too_large`; its data may be anything."""
    with pytest.raises(SampleTooLargeError, match="8192 x 8193 pixels is too large"):
        encode_jpeg(Frame(8_192, 8_193, "i420", b""))


@pytest.mark.parametrize(
    ("frame", "said"),
    [
        (Frame(0, 5, "rgb24", b""), "0 x 5"),
        (Frame(2, 2, "rgb24", b"123"), "has 12 bytes, not 3"),
        (Frame(2, 2, "rgb24", b""), "has 12 bytes, not 0"),
        (Frame(2, 2, "rgb24", memoryview(bytes(24)).cast("h")), "has 12 bytes, not 24"),
        (Frame(2, 2, "rgb24", memoryview(bytes(24))[::2]), "contiguous"),
        (Frame(2, 2, "yuy2", b""), "layout"),  # type: ignore[arg-type]
        (Frame(2, 2, "rgb24", bytes(12), 45), "rotation"),  # type: ignore[arg-type]
    ],
)
def test_what_is_no_frame_is_refused(frame: Frame, said: str) -> None:
    """The error says what is wrong, and never shows the pixels."""
    with pytest.raises(EncodingError, match=said):
        encode_jpeg(frame)
    assert "data" not in repr(frame)


@pytest.mark.parametrize("data", [bytearray(12), memoryview(bytes(12)), memoryview(bytes(12)).cast("B", (2, 6))])
def test_any_contiguous_bytes_are_a_frame(data: bytearray | memoryview) -> None:
    """Decoders lend buffers of several shapes."""
    assert Image.open(io.BytesIO(encode_jpeg(Frame(2, 2, "rgb24", data)))).size == (2, 2)


@pytest.mark.parametrize("rotation", [0, 90])
@pytest.mark.parametrize(("options", "said"), [({"quality": 101}, "quality"), ({"max_side": 0}, "max_side")])
def test_options_out_of_range_are_refused(rotation: Literal[0, 90], options: dict[str, int], said: str) -> None:
    """Whichever encoder would have got them."""
    with pytest.raises(EncodingError, match=said):
        encode_jpeg(Frame(2, 2, "rgb24", bytes(12), rotation), **options)


def test_what_the_encoder_refuses_is_an_encoding_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """A frame that cannot be encoded is a counted drop of its track, not a crash."""

    def broken(*_args: object, **_options: object) -> bytes:
        raise OSError("encoder error -2")

    monkeypatch.setattr(encoding, "_with_pillow", broken)
    with pytest.raises(EncodingError, match="encoder error"):
        encode_jpeg(Frame(2, 2, "rgb24", bytes(12), 90))


class NoiseCamera:
    """A camera whose pictures no JPEG makes small."""

    frame = Frame(3000, 3000, "rgb24", np.random.default_rng(1).integers(0, 255, 27_000_000, np.uint8).tobytes())

    async def capture(self) -> Frame:
        await trio.lowlevel.checkpoint()
        return self.frame

    async def aclose(self) -> None:
        await trio.lowlevel.checkpoint()


async def test_a_track_drops_what_is_too_large_as_that_and_sends_nothing_over_2_mib() -> None:
    """Counted by its own reason; the service sees its first picture only, which is small, as that of every track."""
    async with open_sandbox() as sandbox:
        service = Dataspike(api_key="k", url=sandbox.url)
        monitor = Monitor(service=service, quality=100, sampling=lambda: AdaptiveSampling(1, 1))
        async with monitor:
            await monitor.add_track(TrackInfo("alice", "TR_1"), NoiseCamera())
            await until_in_trio(lambda: "too_large" in monitor.status().uplink.dropped, 30)
            assert monitor.status().uplink.dropped["too_large"] == 1
        assert all(received.size < 100_000 for received in sandbox.samples)
