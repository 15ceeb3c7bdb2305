"""Pictures: frames of strangers on their way to the service, and files that call themselves pictures."""

from __future__ import annotations

import io
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import heif_files as heif
import numpy as np
from fuzzing import damaged, fuzzed
from hypothesis import example, given
from hypothesis import strategies as st
from PIL import Image

from ds_actors.cli._heif import still_pictures
from ds_actors.cli._heif_boxes import HeifError
from ds_actors.detection import EncodingError, Frame, ResultType, Sample, encode_jpeg
from ds_actors.detection.tracks.encoding import MAX_SAMPLE_BYTES
from ds_actors.sandbox.marker import judge_marker, paint_marker


def jpeg(width: int, height: int, share: float, **options: Any) -> bytes:
    """Return a JPEG with some of the patch, encoded as Pillow's options say."""
    picture = paint_marker(np.full((height, width, 3), 128, np.uint8), share)
    out = io.BytesIO()
    Image.fromarray(picture).save(out, "JPEG", **options)
    return out.getvalue()


EXIF = Image.Exif()
EXIF[0x0112] = 6
JPEGS = [
    jpeg(64, 48, 0.1),
    jpeg(33, 17, 0.0, quality=20, progressive=True),
    jpeg(40, 40, 0.3, quality=90, exif=EXIF, dpi=(72, 72)),
    jpeg(16, 200, 0.02, quality=50, subsampling=0, comment=b"x"),
]
CORRUPT_EXIF = jpeg(8, 8, 0.0, exif=b"Exif\0\0MM\0*\0\0\0\x08\0\x09")


@fuzzed("judged pictures")
@given(damaged(st.sampled_from(JPEGS)) | st.binary(max_size=60))
@example(CORRUPT_EXIF)  # Pillow warns, and a warning may be an error
def test_what_calls_itself_a_picture_is_judged_or_an_error(data: bytes) -> None:
    """A verdict comes for any bytes."""
    verdict = judge_marker(Sample("alice", "TR_1", 0, data), 0.0)
    assert verdict in {ResultType.CLEAR, ResultType.SUSPICIOUS, ResultType.ALERT, ResultType.ERROR}


@st.composite
def frames(draw: st.DrawFn) -> Frame:
    """Draw a frame whose size, layout, rotation and amount of data may or may not belong together."""
    width, height = (draw(st.integers(1, 70) | st.sampled_from([0, -1, 4_097, 16_385, 2**31])) for _ in range(2))
    layout: Any = draw(st.sampled_from(["i420", "nv12", "rgb24", "rgba", "yuy2"]))
    chroma = ((width + 1) // 2) * ((height + 1) // 2)
    size = {"rgb24": 3 * width * height, "rgba": 4 * width * height}.get(layout, width * height + 2 * chroma)
    size = min(max(0, size + draw(st.sampled_from([0, 0, 0, 0, 1, -1]))), 100_000)
    seed = draw(st.binary(min_size=1, max_size=16))
    data = (seed * (size // len(seed) + 1))[:size]
    rotation: Any = draw(st.sampled_from([0, 0, 90, 180, 270, 45]))
    return Frame(width, height, layout, data, rotation)


@fuzzed("encoded frames")
@given(frames(), st.integers(0, 100) | st.sampled_from([-1, 101]), st.none() | st.integers(-1, 200))
def test_a_frame_is_a_jpeg_or_an_encoding_error(frame: Frame, quality: int, max_side: int | None) -> None:
    """Whole, not over 2 MiB, and no larger than asked for."""
    with suppress(EncodingError):
        data = encode_jpeg(frame, quality=quality, max_side=max_side)
        assert len(data) <= MAX_SAMPLE_BYTES
        with Image.open(io.BytesIO(data), formats=["JPEG"]) as picture:
            picture.load()
            longest = max(frame.width, frame.height)
            assert max(picture.size) <= (longest if max_side is None else min(longest, max_side))


def photo(suffix: str) -> bytes:
    """Return a picture in four tiles with a thumbnail, whose coded data is none."""
    config = heif.box(b"hvcC" if suffix == "heic" else b"av1C", bytes(24))
    kind = b"hvc1" if suffix == "heic" else b"av01"
    tiles = [heif.Item(n, kind, b"tile", (config, *heif.description(64, 64))) for n in range(1, 6)]
    items = [*tiles, heif.grid(6, 2, 2, (128, 128), heif.box(b"irot", b"\1"))]
    references = [(b"dimg", 6, [1, 2, 3, 4]), (b"thmb", 5, [6])]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"a.{suffix}"
        return heif.write_heif(path, items, primary=6, references=references).read_bytes()


def container(kind: bytes, parts: list[bytes]) -> bytes:
    """Return a box with a version that has other boxes inside."""
    return heif.full(kind, *parts)


PHOTOS = [photo("heic"), photo("avif")]
BOXES = st.recursive(
    st.builds(
        heif.box, st.sampled_from([b"infe", b"iloc", b"ispe", b"ipma", b"dimg", b"pitm"]), st.binary(max_size=24)
    ),
    lambda inner: st.builds(
        container,
        st.sampled_from([b"meta", b"iinf", b"iprp", b"ipco", b"iref", b"moov"]),
        st.lists(inner, max_size=4),
    ),
    max_leaves=8,
)
OTHER_FILES = st.lists(BOXES, max_size=4).map(
    lambda boxes: heif.box(b"ftyp", b"heic", bytes(4), b"mif1") + b"".join(boxes)
)


def test_an_undamaged_photo_has_one_picture() -> None:
    """What the next test damages is a file that is read."""
    assert [len(still_pictures(io.BytesIO(data))) for data in PHOTOS] == [1, 1]


@fuzzed("still pictures")
@given(damaged(st.sampled_from(PHOTOS)) | damaged(OTHER_FILES))
def test_a_file_of_boxes_has_pictures_or_is_refused(data: bytes) -> None:
    """The description of pictures may say anything: a tuple, or an error in words."""
    with suppress(HeifError):
        assert isinstance(still_pictures(io.BytesIO(data)), tuple)
