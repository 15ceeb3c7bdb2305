"""Pictures that are stored turned, mirrored or squashed, as a viewer shows them."""
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

import io
import itertools
from collections.abc import Sequence
from contextlib import closing
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import av.filter
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image, ImageOps, features
from scan_clips import TICKS, Picture

from ds_actors.cli._demo.player import Player
from ds_actors.cli._orientation import MIRRORED, QUARTER_LEFT, UPRIGHT, Orientation
from ds_actors.cli._pixels import WIDEST, shown_size
from ds_actors.cli._scan.decode import Video
from ds_actors.cli._scan.segments import exact

ONE = 1 << 16
MATRICES = [
    (a, b, c, d)
    for a, b, c, d in itertools.product((-1, 0, 1), repeat=4)
    if abs(a) == abs(d) != abs(b) == abs(c) and abs(a * d - b * c) == 1
]
WIDTH, HEIGHT = 128, 96


def corners() -> Picture:
    """Return a picture whose four quarters differ, so that each of the eight orientations does."""
    picture = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    picture[: HEIGHT // 2, : WIDTH // 2] = 40
    picture[: HEIGHT // 2, WIDTH // 2 :] = 100
    picture[HEIGHT // 2 :, : WIDTH // 2] = 160
    picture[HEIGHT // 2 :, WIDTH // 2 :] = 220
    return picture


def write_video(
    path: Path,
    *,
    matrix: Sequence[int] = (1, 0, 0, 1),
    aspect: Fraction | None = None,
    size: tuple[int, int] = (WIDTH, HEIGHT),
    codec: str = "libx264",
) -> Path:
    """Write a second of video with that display matrix (a, b, c, d) and sample aspect ratio."""
    a, b, c, d = (ONE * value for value in matrix)
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream(codec, rate=25)
        stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
        stream.codec_context.time_base = TICKS
        if aspect is not None:
            stream.codec_context.sample_aspect_ratio = aspect
        if tuple(matrix) != (1, 0, 0, 1):
            stream.set_display_matrix([a, b, 0, c, d, 0, 0, 0, 1 << 30])
        pixels = np.asarray(Image.fromarray(corners()).resize(size, Image.Resampling.NEAREST))
        for time in range(0, 1_000, 100):
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            frame.pts, frame.time_base = time, TICKS
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def sent(path: Path) -> NDArray[np.int64]:
    """Return the pixels of the file's first sample."""
    video = Video(path, exact(1.0))
    try:
        video.open()
        due = None
        while due is None:
            due = video.step()
        return np.asarray(Image.open(io.BytesIO(due.jpeg)).convert("RGB")).astype(np.int64)
    finally:
        video.close()


def autorotated(path: Path) -> NDArray[np.int64]:
    """Return the file's first picture through the filters that the program ffmpeg puts before all others."""
    with av.open(str(path)) as container:
        frame: Any = next(container.decode(video=0))
    matrices = [bytes(entry) for entry in frame.side_data if "DISPLAYMATRIX" in str(entry.type)]
    graph: Any = av.filter.Graph()
    source = last = graph.add_buffer(
        width=frame.width, height=frame.height, format=frame.format, time_base=frame.time_base
    )
    chain = [step for matrix in matrices for step in filters(np.frombuffer(matrix, np.int32).tolist())]
    for name, argument in chain:
        node = graph.add(name, argument)
        last.link_to(node)
        last = node
    sink = graph.add("buffersink")
    last.link_to(sink)
    graph.configure()
    source.push(frame)
    pixels: NDArray[np.uint8] = sink.pull().to_ndarray(format="rgb24")
    return pixels.astype(np.int64)


def filters(matrix: list[int]) -> list[tuple[str, str]]:
    """Return ffmpeg's choice of filters for a display matrix: by its angle, then by the sign of one of its factors."""
    angle = round(np.degrees(np.arctan2(matrix[1], matrix[0]))) % 360
    if angle == 90:
        return [("transpose", "cclock_flip" if matrix[3] > 0 else "clock")]
    if angle == 270:
        return [("transpose", "clock_flip" if matrix[3] < 0 else "cclock")]
    flips = {180: [("hflip", "", matrix[0] < 0), ("vflip", "", matrix[4] < 0)], 0: [("vflip", "", matrix[4] < 0)]}
    return [(name, argument) for name, argument, wanted in flips[angle] if wanted]


@pytest.mark.parametrize("suffix", ["mp4", "mov", "mkv"])
@pytest.mark.parametrize("matrix", MATRICES)
def test_a_video_is_sent_as_ffmpeg_shows_it(tmp_path: Path, suffix: str, matrix: tuple[int, int, int, int]) -> None:
    """All eight orientations of a display matrix, four of them mirrored."""
    path = write_video(tmp_path / f"a.{suffix}", matrix=matrix)
    pixels, expected = sent(path), autorotated(path)
    assert pixels.shape == expected.shape
    assert np.abs(pixels - expected).mean() < 3


@pytest.mark.parametrize("matrix", MATRICES)
def test_the_demo_shows_a_video_as_ffmpeg_does(tmp_path: Path, matrix: tuple[int, int, int, int]) -> None:
    """The same eight, in the middle of the demo's picture."""
    path = write_video(tmp_path / "a.mp4", matrix=matrix)
    expected = autorotated(path)
    with closing(Player(path)) as player:
        picture = player.at(0).astype(np.int64)
    scale = min(360 / expected.shape[0], 640 / expected.shape[1])
    width = round(expected.shape[1] * scale)
    left = (640 - width) // 2
    quarters = [picture[y, left + x].mean() for y in (90, 270) for x in (width // 4, 3 * width // 4)]
    high, wide = expected.shape[:2]
    wanted = [expected[y, x].mean() for y in (high // 4, 3 * high // 4) for x in (wide // 4, 3 * wide // 4)]
    assert quarters == pytest.approx(wanted, abs=4)


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "tiff", "avif"])
@pytest.mark.parametrize("tag", range(1, 9))
def test_a_photo_is_sent_as_its_exif_tag_says(tmp_path: Path, suffix: str, tag: int) -> None:
    """All eight values, as Pillow shows them."""
    if suffix == "avif" and not features.check("avif"):
        pytest.skip("this Pillow writes no AVIF")
    path = tmp_path / f"a.{suffix}"
    exif = Image.Exif()
    exif[0x0112] = tag
    Image.fromarray(corners()).save(path, exif=exif, quality=95)
    with Image.open(path) as opened:
        expected = np.asarray(ImageOps.exif_transpose(opened).convert("RGB")).astype(np.int64)
    pixels = sent(path)
    assert pixels.shape == expected.shape
    assert np.abs(pixels - expected).mean() < 4


@pytest.mark.parametrize(
    ("size", "aspect", "shown"),
    [
        ((160, 360), Fraction(4), (640, 360)),
        ((720, 576), Fraction(64, 45), (1_024, 576)),
        ((64, 32), Fraction(1, 2), (64, 64)),
    ],
)
@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.ts"])
def test_squashed_pictures_are_sent_as_wide_as_they_are_shown(
    tmp_path: Path, name: str, size: tuple[int, int], aspect: Fraction, shown: tuple[int, int]
) -> None:
    """Anamorphic video, PAL at 16:9 among them; the shorter side is stretched."""
    path = write_video(tmp_path / name, aspect=aspect, size=size)
    pixels = sent(path)
    assert pixels.shape == (shown[1], shown[0], 3)
    assert pixels[shown[1] // 4, 3 * shown[0] // 4].mean() == pytest.approx(100, abs=4)


def test_a_squashed_video_is_stretched_before_it_is_turned(tmp_path: Path) -> None:
    """The aspect ratio is that of the stored pixels."""
    path = write_video(tmp_path / "a.mp4", aspect=Fraction(4), size=(160, 360), matrix=(0, 1, -1, 0))
    assert sent(path).shape == (640, 360, 3)


def test_the_demo_shows_squashed_pictures_in_full_width(tmp_path: Path) -> None:
    """160 x 360 at 4:1 fills its 640 x 360."""
    with closing(Player(write_video(tmp_path / "a.mp4", aspect=Fraction(4), size=(160, 360)))) as player:
        assert player.at(0)[180].min() > 30


def test_the_resolution_in_a_photo_stretches_nothing(tmp_path: Path) -> None:
    """Viewers of photos pay no heed to it."""
    path = tmp_path / "a.jpg"
    Image.fromarray(corners()).save(path, dpi=(300, 72))
    assert sent(path).shape == (HEIGHT, WIDTH, 3)


SIDES = st.integers(1, 16_384)


@given(SIDES, SIDES, st.fractions(Fraction(1, 65_535), 65_535, max_denominator=65_535))
def test_stretching_keeps_the_shape_and_is_bounded(width: int, height: int, aspect: Fraction) -> None:
    """Whatever a file states, no side exceeds the limit, or its own length where that is above it."""
    shown = shown_size(width, height, aspect)
    assert min(shown) >= 1
    assert max(shown) <= max(WIDEST, width, height)
    if min(shown) > 50:
        assert shown[0] / shown[1] == pytest.approx(float(width * aspect / height), rel=0.02)


EIGHT = st.sampled_from([Orientation(*matrix) for matrix in MATRICES])


@given(EIGHT, EIGHT)
def test_one_after_the_other_is_their_product(first: Orientation, second: Orientation) -> None:
    """Applied to pixels, `then` does what both do in turn."""
    pixels = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)
    assert np.array_equal(first.then(second).apply(pixels), second.apply(first.apply(pixels)))


def test_turns_go_against_the_clock_and_mirrors_change_sides() -> None:
    """As numpy does."""
    pixels = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)
    assert np.array_equal(QUARTER_LEFT.apply(pixels), np.rot90(pixels))
    assert np.array_equal(MIRRORED.apply(pixels), np.fliplr(pixels))


def test_any_matrix_is_next_to_one_of_the_eight() -> None:
    """Scale and small angles do not matter, and zeros mean upright."""
    assert Orientation.of_matrix(0, 0, 0, 0) == UPRIGHT
    assert Orientation.of_matrix(90, 10, -10, 90) == UPRIGHT
    assert Orientation.of_matrix(5, -70, 70, 5) == QUARTER_LEFT
    assert Orientation.of_matrix(-3, 0, 0, 3) == MIRRORED
